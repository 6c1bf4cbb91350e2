import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/load.ts'

const place = { file: '/etc/pond/millpond.yaml', folder: '/etc/pond' }
const read = { env: { PG: 'postgres://pond:hunter2@db:1/p' }, readFile: () => Promise.reject(new Error('no files here')) }
const check = async (postgres: string, rest = '') => (await checkConfig(`postgres: ${postgres}\n${rest}`, place, read)).config

describe('the postgres section', () => {
  it('is no database unless one is named', async () => {
    const { postgres, index, jobs } = await check('{}')
    expect([postgres.primary, postgres.replicas, index.type, jobs.type]).toEqual([undefined, [], 'sqlite', 'sqlite'])
  })

  it('takes addresses apart, and shows no part of a login', async () => {
    const url = 'postgresql://p%40nd:hunter%2F2@db.example.com/arch%20ive'
    const { postgres, index, jobs } = await check(
      `{ url: '${url}', readUrls: ['\${PG}'], schema: mine, ca: ca.pem, statementTimeout: 5s }`,
      'index: { type: postgres }',
    )
    expect(postgres).toMatchObject({
      primary: { host: 'db.example.com', port: 5432, database: 'arch ive', user: 'p@nd', tls: 'verify-full' },
      replicas: [{ host: 'db', port: 1 }],
      schema: 'mine',
      caFile: '/etc/pond/ca.pem',
      statementTimeoutMs: 5000,
    })
    expect([index.type, jobs.type]).toEqual(['postgres', 'postgres'])
    expect(postgres.primary?.password?.reveal()).toBe('hunter/2')
    expect(JSON.stringify(postgres) + inspect(postgres, { depth: 9 })).not.toContain('hunter')
  })

  it.each([
    { url: 'postgres://h/d', tls: 'verify-full' },
    { url: 'postgres://127.0.0.1/d', tls: 'disable' },
    { url: 'postgres://[::1]:1/d', tls: 'disable' },
    { url: 'postgres://me@localhost/d?host=/var/run/postgresql', tls: 'disable' },
    { url: 'postgres://localhost/d?sslmode=verify-full', tls: 'verify-full' },
    { url: 'postgres://h/d?sslmode=require', tls: 'require' },
    { url: 'postgres://h/d?sslmode=verify-ca', tls: 'verify-ca' },
    { url: 'postgres://h/d?sslmode=disable', tls: 'disable' },
  ])('asks for $tls of TLS with $url', async ({ url, tls }) => {
    expect((await check(`{ url: '${url}' }`)).postgres.primary?.tls).toBe(tls)
  })

  it.each([
    ['{ url: hunter2 }', 'postgres.url: must be an address like'],
    ['{ url: "http://hunter2@h/d" }', 'must begin with postgres:'],
    ['{ url: "postgres://u:hunter2@h" }', 'must name the database'],
    ['{ url: "postgres:///d" }', 'must name the host'],
    ['{ url: "postgres://u:hunter2%@h/d" }', 'a % that escapes nothing'],
    ['{ url: "postgres://u:hunter2@h/d?sslmode=prefer" }', 'may be open without a word'],
    ['{ url: "postgres://u:hunter2@h/d?sslmode=hunter2" }', 'an sslmode that is not known'],
    ['{ url: "postgres://h/d?options=x" }', 'has the parameter options'],
    ['{ url: "postgres://h/d", readUrls: ["postgres://u:hunter2@h"] }', 'postgres.readUrls[0]: must name the database'],
    ['{ schema: "Bad Name" }', 'must be lower-case letters'],
  ])('is refused as %s, without a word of what is secret', async (postgres, reason) => {
    const told = await check(postgres).catch((error: unknown) => inspect(error, { depth: 9 }))
    expect(told).toContain(reason)
    expect(told).not.toContain('hunter2')
  })

  it.each(['index: { type: postgres }', 'jobs: { type: postgres }'])('names the database for %s', async (rest) => {
    await expect(check('{}', rest)).rejects.toThrow('is postgres: name the database')
  })
})
