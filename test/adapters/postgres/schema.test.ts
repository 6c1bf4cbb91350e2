import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { inspect } from 'node:util'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dropDamagedIndex, openPostgresIndex } from '../../../src/adapters/postgres/index.ts'
import type { PostgresOptions } from '../../../src/adapters/postgres/options.ts'
import type { MillpondError } from '../../../src/errors.ts'
import { createSecret } from '../../../src/secret.ts'
import { addAll, chainOf, dumpOf, rewriteOf, segmentsOf } from '../../index/chains.ts'
import { freePorts } from '../../servers/process.ts'
import { serverMissing } from '../../servers/missing.ts'
import { type Postgres, startPostgres } from '../../servers/postgres.ts'
import { ownSchema } from './server.ts'

const lane = { topic: 'orders', topicId: 'id-1', lane: '0' }
const plans = (commits: number) =>
  Array.from({ length: commits }, (_, i) => ({
    segments: [{ count: 80_000, minTimestamp: i * 1000, maxTimestamp: i * 1000 + 999, blocks: 20 }],
  }))

describe.skipIf(serverMissing('postgres') !== undefined)('the schema of an index in PostgreSQL', () => {
  let server: Postgres
  let client: Client
  let options: PostgresOptions
  beforeAll(async () => {
    server = await startPostgres()
    await connect()
  }, 300_000)
  afterAll(async () => {
    await client?.end()
    await server?.stop()
  })
  beforeEach(() => {
    options = ownSchema(server)
  })
  const connect = async () => {
    client = new Client({ connectionString: server.url('postgres') })
    // The server is killed below.
    client.on('error', () => undefined)
    await client.connect()
  }
  const rowsOf = async (sql: string) => (await client.query<Record<string, unknown>>(sql)).rows
  const fill = async (commits: number) => {
    await using index = await openPostgresIndex(options)
    await addAll(index, chainOf(lane, 0, plans(commits)))
  }

  it('is made once by all who open it at the same moment', { timeout: 120_000 }, async () => {
    for (let round = 0; round < 5; round++) {
      options = ownSchema(server)
      const indexes = await Promise.all(Array.from({ length: 8 }, () => openPostgresIndex(options)))
      const [genesis] = chainOf(lane, 0, [])
      const outcomes = await Promise.all(indexes.map((index) => index.add(genesis!)))
      expect(outcomes.filter((outcome) => outcome === 'added')).toHaveLength(1)
      for (const index of indexes) await index[Symbol.asyncDispose]()
    }
  })

  it('is left alone where a newer program made it', async () => {
    await fill(1)
    await client.query(`UPDATE ${options.schema}.parts SET version = 99`)
    const refused = { code: 'INDEX_UNAVAILABLE', message: expect.stringContaining('a newer Millpond (form 99') as string }
    await expect(openPostgresIndex(options)).rejects.toMatchObject(refused)
    await expect(dropDamagedIndex(options)).rejects.toMatchObject(refused)
  })

  it('is refused where it is of something else, and stays as it was', async () => {
    await client.query(`CREATE SCHEMA ${options.schema}; CREATE TABLE ${options.schema}.lanes (theirs text)`)
    const refused = { code: 'INDEX_CORRUPT', message: expect.stringContaining('of something else') as string }
    await expect(openPostgresIndex(options)).rejects.toMatchObject(refused)
    await expect(dropDamagedIndex(options)).rejects.toMatchObject(refused)
    expect(await rowsOf(`SELECT tablename FROM pg_tables WHERE schemaname = '${options.schema}'`)).toEqual([
      { tablename: 'lanes' },
    ])
  })

  it('is dropped where a table is not what it was, and made anew; a sound one stays', async () => {
    await fill(2)
    expect(await dropDamagedIndex(options)).toBe(false)
    await client.query(`ALTER TABLE ${options.schema}.lanes DROP COLUMN head_key`)
    await expect(openPostgresIndex(options)).rejects.toMatchObject({
      code: 'INDEX_CORRUPT',
      message: expect.stringContaining('millpond index rebuild') as string,
    })
    expect(await dropDamagedIndex(options)).toBe(true)
    await using index = await openPostgresIndex(options)
    expect(await dumpOf(index)).toEqual({ lanes: [], segments: [] })
    await addAll(index, chainOf(lane, 0, plans(2)))
    expect((await index.lane(lane))?.commits).toBe(3)
  })

  it('holds fewer than 50 rows for a million messages, over all tables', async () => {
    await fill(300)
    const tables = ['lanes', 'commits', 'segments', 'directory', 'followers', 'parts']
    const counts = await rowsOf(tables.map((table) => `SELECT count(*) FROM ${options.schema}.${table}`).join(' UNION ALL '))
    const rows = counts.reduce((sum, { count }) => sum + Number(count), 0)
    expect(rows / (300 * 0.08)).toBeLessThan(50)
  })

  it('keeps a lane in one partition, so that the rows of many lie in all of them', async () => {
    await using index = await openPostgresIndex(options)
    for (let i = 0; i < 40; i++) await addAll(index, chainOf({ ...lane, lane: String(i) }, 0, plans(2)))
    const found = await rowsOf(`SELECT tableoid::regclass::text AS part, lane_ref FROM ${options.schema}.segments`)
    const partOf = new Map(found.map((row) => [row['lane_ref'], row['part']]))
    expect(new Set(partOf.values()).size).toBe(8)
    expect(found.every((row) => partOf.get(row['lane_ref']) === row['part'])).toBe(true)
  })

  it('gives no row that was changed beside it', { timeout: 60_000 }, async () => {
    const commits = chainOf(lane, 0, plans(3))
    const changes = [
      "lanes SET topic_id = topic_id || '!'",
      'lanes SET segments = segments - 1',
      "commits SET key = key || 'x' WHERE next_position > 80000",
      'segments SET count = count + 1',
      'segments SET layout = \'{"a":"b"}\'',
      'segments SET tables = set_byte(tables, 7, 255 - get_byte(tables, 7))',
      'directory SET ranges = set_byte(ranges, 2, 255 - get_byte(ranges, 2))',
    ]
    for (const change of changes) {
      options = ownSchema(server)
      await using index = await openPostgresIndex(options)
      await addAll(index, [...commits, rewriteOf(lane, commits.slice(3), { sequence: 0, previousSha256: '' })].slice(0, 4))
      await client.query(`UPDATE ${options.schema}.${change}`)
      const told = { code: 'INDEX_CORRUPT', message: expect.stringContaining('millpond index rebuild') as string }
      await expect(segmentsOf(index, {})).rejects.toMatchObject(told)
    }
    await using index = await openPostgresIndex(options)
    await client.query(`DELETE FROM ${options.schema}.segments WHERE first_position = 80000`)
    await expect(segmentsOf(index, {})).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
  })

  it('opens while nobody answers, and is made when somebody does', async () => {
    const [port] = await freePorts(1)
    await using away = await openPostgresIndex({ ...options, primary: { ...options.primary, port: port! } })
    await expect(away.lanes()).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE', retryable: true })
    await server.kill()
    await client.end().catch(() => undefined)
    await using index = await openPostgresIndex(options)
    await expect(index.lanes()).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE', retryable: true })
    await server.start()
    await connect()
    expect(await index.lanes()).toEqual([])
  })

  it.each([
    { what: 'a wrong password', change: { password: createSecret('hunter2') }, says: /password authentication failed/u },
    { what: 'a database that is not there', change: { database: 'nowhere' }, says: /"nowhere" does not exist/u },
    { what: 'TLS where the server has none', change: { tls: 'require' as const }, says: /does not support SSL/u },
  ])('says at once what is wrong with $what, without a word of the login', async ({ change, says }) => {
    const primary = { ...options.primary, ...change }
    const error = await openPostgresIndex({ ...options, primary }).catch((thrown: unknown) => thrown as MillpondError)
    expect(error).toMatchObject({ code: 'INDEX_UNAVAILABLE', message: expect.stringMatching(says) as string })
    expect(inspect(error, { depth: 12 })).not.toMatch(/hunter2|millpond\/secret%/u)
  })

  it('gives up a statement that takes too long, and goes on after', { timeout: 120_000 }, async () => {
    await fill(3)
    await using index = await openPostgresIndex({ ...options, statementTimeoutMs: 300 })
    await client.query(`BEGIN; LOCK TABLE ${options.schema}.lanes`)
    await expect(index.lanes()).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE', retryable: true })
    await client.query('ROLLBACK')
    expect(await index.lanes()).toHaveLength(1)
  })

  it('gives up a server that says nothing', { timeout: 120_000 }, async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    await using index = await openPostgresIndex({
      ...options,
      primary: { ...options.primary, port },
      connectTimeoutMs: 200,
    })
    await expect(index.lanes()).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE', retryable: true })
    silent.close()
  })
})
