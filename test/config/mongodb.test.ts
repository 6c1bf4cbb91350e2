import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/load.ts'

const place = { file: '/etc/pond/millpond.yaml', folder: '/etc/pond' }
const read = { env: { M: 'mongodb://pond:hunter2@db:1/' }, readFile: () => Promise.reject(new Error('no files here')) }
const check = async (mongodb: string, rest = '') => (await checkConfig(`mongodb: ${mongodb}\n${rest}`, place, read)).config

describe('the mongodb section', () => {
  it('is no database unless one is named', async () => {
    const { mongodb, index, jobs } = await check('{}')
    expect([mongodb.url, mongodb.database, mongodb.collectionPrefix]).toEqual([undefined, 'millpond', 'millpond_'])
    expect([index.type, jobs.type]).toEqual(['sqlite', 'sqlite'])
  })

  it('shows no part of its address', async () => {
    const written = "{ url: '${M}', collectionPrefix: '', readPreference: nearest, ca: ca.pem, requestTimeout: 5s }"
    const { mongodb, index, jobs } = await check(written, 'index: { type: mongodb }\njobs: { type: mongodb }')
    expect(mongodb).toMatchObject({ collectionPrefix: '', readPreference: 'nearest', caFile: '/etc/pond/ca.pem' })
    expect([mongodb.connectTimeoutMs, mongodb.requestTimeoutMs, index.type, jobs.type]).toEqual([
      10_000,
      5000,
      'mongodb',
      'mongodb',
    ])
    expect(mongodb.url?.reveal()).toBe('mongodb://pond:hunter2@db:1/')
    expect(JSON.stringify(mongodb) + inspect(mongodb, { depth: 9 })).not.toContain('hunter')
  })

  it.each([
    'mongodb://localhost',
    'mongodb://a:1,b:2,c:3/?replicaSet=r',
    'mongodb+srv://u:p@cluster.example.com/?w=1',
    'mongodb://%2Ftmp%2Fmongodb.sock/d',
  ])('takes %s', async (url) => {
    expect((await check(`{ url: '${url}' }`)).mongodb.url?.reveal()).toBe(url)
  })

  it.each([
    ['{ url: hunter2 }', 'mongodb.url: must be a connection string like'],
    ['{ url: "postgres://hunter2@h/d" }', 'must be a connection string like'],
    ['{ url: "mongodb:///d" }', 'must be a connection string like'],
    ['{ database: "a.b" }', 'must be a name of 63 characters'],
    ['{ collectionPrefix: "a$b" }', 'must be letters, digits'],
    ['{ collectionPrefix: "system.x" }', 'must be letters, digits'],
    ['{ readPreference: fastest }', 'must be one of primary'],
  ])('is refused as %s, without a word of what is secret', async (mongodb, reason) => {
    const told = await check(mongodb).catch((error: unknown) => inspect(error, { depth: 9 }))
    expect(told).toContain(reason)
    expect(told).not.toContain('hunter2')
  })

  it.each(['index: { type: mongodb }', 'jobs: { type: mongodb }'])('names the database for %s', async (rest) => {
    await expect(check('{}', rest)).rejects.toThrow('is mongodb: name the database')
  })
})
