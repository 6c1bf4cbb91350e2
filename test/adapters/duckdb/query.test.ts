import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openQuery, type QueryOptions } from '../../../src/adapters/duckdb/query.ts'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../../src/adapters/sqlite/index.ts'
import type { MessageInput } from '../../../src/batch/builder.ts'
import { followChains } from '../../../src/index/follow.ts'
import { readTopic } from '../../../src/query/read.ts'
import { queryTopics } from '../../../src/query/topics.ts'
import { type Archive, createReadStats, type ReadStats } from '../../../src/search/read.ts'
import type { Store } from '../../../src/store/store.ts'
import { cut, writeLane } from '../../search/archives.ts'

const HOUR_MS = 3_600_000
const START_MS = Date.UTC(2026, 0, 1)
const odd = Uint8Array.of(0xff, 0x61, 0x5c, 0x00)

/** Message `n` of a lane; every seventh is odd in some way. */
const message = (lane: number, n: number): MessageInput => ({
  position: 2 * n,
  timestamp: START_MS + n * HOUR_MS,
  key: n % 7 === 3 ? null : n % 7 === 5 ? odd : `k${n % 10}`,
  value: n % 7 === 4 ? null : n % 7 === 5 ? odd : `{"n":${n},"text":"ünï ${'x'.repeat(n % 40)}"}`,
  id: n % 2 === 0 ? `id-${lane}-${n}` : null,
  headers: Array.from({ length: n % 4 }, (_, h) => ({ name: h === 2 ? 'ünï' : 'trace', value: h === 1 ? null : `${n}.${h}` })),
})
const LANES = ['0', '1', 'w']
const PER_LANE = 400
/** Topics that hold the same: one query can ask each of them something else. */
const COPIES = Array.from({ length: 8 }, (_, at) => `copy${at}`)
const all = LANES.flatMap((lane, at) => Array.from({ length: PER_LANE }, (_, n) => ({ lane, ...message(at, n) })))

let archive: Archive & { readonly store: Store }
let tempFolder: string
beforeAll(async () => {
  tempFolder = await mkdtemp(join(tmpdir(), 'millpond-query-test-'))
  const store = createMemoryStore()
  for (const [at, lane] of LANES.entries()) {
    const messages = Array.from({ length: PER_LANE }, (_, n) => message(at, n))
    const commits = cut(messages, 10, 4, 2).map((segments) => ({ segments, lookups: ['key', 'id'] as const }))
    for (const topic of ['my.orders', ...COPIES]) await writeLane(store, { topic, topicId: 't', lane }, 0, commits)
  }
  await writeLane(store, { topic: 'Other', topicId: 'o', lane: '0' }, 0, [{ segments: cut([message(0, 1)], 1, 1, 1)[0]! }])
  const index = await openSqliteIndex({ path: ':memory:' })
  await followChains(store, index)
  archive = { store, index }
})
afterAll(() => rm(tempFolder, { recursive: true }))

async function ask(sql: string, options: Partial<QueryOptions> = {}, source: Archive = archive) {
  const stats: ReadStats = createReadStats()
  const rows: (string | null)[][] = []
  await using query = await openQuery({
    sql,
    answer: { form: 'text' },
    memoryBytes: 500_000_000,
    tempFolder,
    allowFiles: false,
    signal: new AbortController().signal,
    ...options,
  })
  const { topics } = await queryTopics(source.index, query.tables)
  const count = await query.run(
    {
      topics,
      read: (topic, conditions, columns, signal) => readTopic(source, topic.name, { conditions, columns }, { stats, signal }),
    },
    { columns: async () => undefined, rows: async (some) => void rows.push(...some.map((row) => [...row])) },
  )
  return { rows, count, stats }
}

const explained = async (sql: string) => {
  const options = { sql, answer: { form: 'text' } as const, memoryBytes: 500_000_000, tempFolder, allowFiles: false }
  await using query = await openQuery({ ...options, signal: new AbortController().signal })
  const { topics } = await queryTopics(archive.index, query.tables)
  return (await query.explain(topics)).scans
}

describe('a topic in SQL', () => {
  it('has every part of every message', async () => {
    const { rows } = await ask(
      `SELECT lane, position, epoch_ms(timestamp), hex(key), hex(value), id, array_to_string(list_transform(headers, lambda h: h.name || '=' || coalesce(hex(h.value), '-')), ' ')
       FROM bytes."my.orders" ORDER BY lane, position`,
    )
    const hex = (part: unknown) =>
      part === null || part === undefined
        ? null
        : Buffer.from(part as string)
            .toString('hex')
            .toUpperCase()
    expect(rows).toEqual(
      all.map(({ lane, position, timestamp, key, value, id, headers }) => [
        lane,
        String(position),
        String(timestamp),
        hex(key),
        hex(value),
        id,
        headers!.map((header) => `${header.name}=${hex(header.value) ?? '-'}`).join(' '),
      ]),
    )
  })

  it('has text, and bytes that are none as SQL writes them', async () => {
    const { rows } = await ask(
      `SELECT DISTINCT key, key::BLOB = '\\xFFa\\x5C\\x00'::BLOB FROM "my.orders" WHERE key LIKE '%xFF%' OR key = 'k1' ORDER BY ALL`,
    )
    expect(rows).toEqual([
      [String.raw`\xFFa\x5C\x00`, 'true'],
      ['k1', 'false'],
    ])
  })

  it('gives fields of JSON values, and headers by name', async () => {
    const { rows } = await ask(
      `SELECT sum((try_cast(value AS JSON)->>'$.n')::INT), count(header(headers, 'trace')), max(header(headers, 'ünï')) FROM "my.orders"`,
    )
    const json = all.filter(({ value }) => typeof value === 'string')
    expect(rows[0]![0]).toBe(String(json.reduce((sum, { value }) => sum + (JSON.parse(value as string) as { n: number }).n, 0)))
    expect(rows[0]![1]).toBe(String(all.filter(({ headers }) => headers!.length > 0).length))
  })

  it('keeps headers of a message that has thousands, nulls among them', async () => {
    const store = createMemoryStore()
    const headers = Array.from({ length: 5000 }, (_, h) => ({ name: `h${h}`, value: h % 3 === 0 ? null : `v${h}` }))
    const messages = Array.from({ length: 5 }, (_, n) => ({ position: n, timestamp: n, headers }))
    await writeLane(store, { topic: 'many', topicId: 'm', lane: '0' }, 0, [{ segments: cut(messages, 5, 1, 1)[0]! }])
    await using index = await openSqliteIndex({ path: ':memory:' })
    await followChains(store, index)
    const { rows } = await ask(
      `SELECT count(*), count(h.value), max(h.value), count(DISTINCT h.name) FROM (SELECT unnest(headers) AS h FROM many)`,
      {},
      { store, index },
    )
    expect(rows).toEqual([['25000', String(5 * headers.filter(({ value }) => value !== null).length), 'v998', '5000']])
  })

  it('is named as SQL names things, whatever its letters', async () => {
    expect((await ask('SELECT count(*) FROM other')).rows).toEqual([['1']])
    expect((await ask('WITH other AS (SELECT 1 AS a) SELECT * FROM other')).rows).toEqual([['1']])
    expect((await ask('SHOW TABLES')).rows.flat()).toEqual(['Other', ...COPIES, 'my.orders'])
  })

  it('can be asked twice in one query', async () => {
    const { rows } = await ask(
      `SELECT count(*) FROM "my.orders" a JOIN "my.orders" b ON a.id = b.id WHERE a.lane = '0' AND b.position < 100`,
    )
    expect(rows).toEqual([['25']])
  })
})

describe('what a query reads', () => {
  it.each([
    { where: `lane = '1'`, conditions: { lanes: ['1'] } },
    { where: `lane = 1`, conditions: { lanes: ['1', 'w'] } },
    { where: `lane IN ('0', 'w')`, conditions: { lanes: ['0', 'w'] } },
    { where: `position BETWEEN 10 AND 20 AND position < 15`, conditions: { positions: { from: 10, to: 16 } } },
    { where: `5 > position`, conditions: { positions: { to: 5 } } },
    { where: `position = 6 OR position = 90`, conditions: { positions: { from: 6, to: 91 } } },
    {
      where: `timestamp >= '2026-01-02' AND timestamp < DATE '2026-01-02' + INTERVAL 1 HOUR`,
      conditions: { timestamps: { from: START_MS + 24 * HOUR_MS, to: START_MS + 25 * HOUR_MS + 1 } },
    },
    {
      where: `timestamp >= '2026-01-02 01:00:00+01'::TIMESTAMPTZ`,
      conditions: { timestamps: { from: START_MS + 24 * HOUR_MS } },
    },
    { where: `key = 'k1'`, conditions: { key: new TextEncoder().encode('k1') } },
    { where: `id = 'id-0-''4'`, conditions: { id: `id-0-'4` } },
    { where: `key = 'a\nposition = 5\nb'`, conditions: {} },
    { where: String.raw`key = '\xFFa\x5C\x00'`, conditions: {} },
    { where: `key = 'k1' OR value = 'a'`, conditions: {} },
    { where: `NOT (position < 5)`, conditions: { positions: { from: 5 } } },
    { where: `upper(key) = 'K1'`, conditions: {} },
    { where: `position > 9007199254740993`, conditions: {} },
    { where: `lane = 1 AND EXISTS (SELECT key AS lane)`, conditions: {} },
  ])('is chosen by $where', async ({ where, conditions }) => {
    const [scan] = await explained(`SELECT * FROM "my.orders" WHERE ${where}`)
    expect(scan).toEqual({ topic: 'my.orders', conditions })
  })

  it('is not chosen by a name that another column got', async () => {
    const [numbered] = await explained(`SELECT * FROM (SELECT position AS p, value AS lane FROM "my.orders") WHERE lane = 1`)
    expect(numbered!.conditions).toEqual({})
    const [timed] = await explained(
      `SELECT * FROM (SELECT timestamp + INTERVAL 1 DAY AS timestamp FROM "my.orders") WHERE timestamp = now()`,
    )
    expect(timed!.conditions).toEqual({})
  })

  it('is chosen through joins, subqueries and names of their own', async () => {
    const sql = `WITH x AS (SELECT value AS key, key AS value, position AS p FROM "my.orders")
      SELECT * FROM x JOIN Other o ON o.key = x.value WHERE x.value = 'k1' AND p < 8 AND x.key = 'z'`
    expect(await explained(sql)).toEqual([
      { topic: 'Other', conditions: { key: new TextEncoder().encode('k1') } },
      { topic: 'my.orders', conditions: { key: new TextEncoder().encode('k1'), positions: { to: 8 } } },
    ])
  })

  it('is as little as its conditions allow', async () => {
    expect((await ask(`SELECT * FROM "my.orders" WHERE id = 'id-1-200'`)).stats).toMatchObject({
      blocksRead: 1,
      blocksTotal: 120,
    })
    expect((await ask(`SELECT * FROM "my.orders" WHERE lane = 'w' AND position < 40`)).stats.blocksRead).toBe(2)
    expect((await ask(`SELECT lane, count(*) FROM "my.orders" GROUP BY lane`)).stats).toMatchObject({
      blocksRead: 0,
      blocksTotal: 120,
    })
    expect((await ask(`SELECT * FROM "my.orders" LIMIT 1`)).stats.blocksRead).toBeLessThan(60)
  })

  const text = fc.oneof(
    fc.constantFrom('k1', 'k7', "k'1", 'id-1-8', String.raw`\xFFa\x5C\x00`, 'a\n  b', ')', ' OR 1=1 --'),
    fc.string({ unit: 'binary' }).filter((some) => some.isWellFormed() && !some.includes('\0')),
  )
  const sqlText = (value: string) => `'${value.replaceAll("'", "''")}'`
  type Row = (typeof all)[number]
  interface Test {
    readonly sql: string
    readonly holds: (row: Row) => boolean | null
  }
  const shown = (part: MessageInput['key']) =>
    part === null ? null : part === odd ? String.raw`\xFFa\x5C\x00` : (part as string)
  const against = (name: string, value: (row: Row) => string | null | undefined) =>
    text.map((wanted): Test => {
      const holds = (row: Row) => (value(row) === null ? null : value(row) === wanted)
      return { sql: `${name} = ${sqlText(wanted)}`, holds }
    })
  const numbers = fc.record({ operator: fc.constantFrom('<', '<=', '>', '>=', '='), number: fc.integer({ min: -3, max: 810 }) })
  const compare = (operator: string, a: number, b: number) =>
    operator === '<' ? a < b : operator === '<=' ? a <= b : operator === '>' ? a > b : operator === '>=' ? a >= b : a === b
  const atom: fc.Arbitrary<Test> = fc.oneof(
    numbers.map(({ operator, number }) => ({
      sql: `position ${operator} ${number}`,
      holds: ({ position }: Row) => compare(operator, position, number),
    })),
    numbers.map(({ operator, number }) => ({
      sql: `timestamp ${operator} make_timestamp(${START_MS + (number * HOUR_MS) / 2} * 1000)`,
      holds: ({ timestamp }: Row) => compare(operator, timestamp, START_MS + (number * HOUR_MS) / 2),
    })),
    fc
      .subarray(LANES)
      .filter((some) => some.length > 0)
      .map((some) => ({
        sql: `lane IN (${some.map(sqlText).join(', ')})`,
        holds: ({ lane }: Row) => some.includes(lane),
      })),
    against('key', ({ key }) => shown(key)),
    against('id', ({ id }) => id),
  )
  const test: fc.Arbitrary<Test> = fc.letrec<{ test: Test }>((tie) => ({
    test: fc.oneof(
      { maxDepth: 3 },
      atom,
      fc.tuple(fc.constantFrom('AND', 'OR'), tie('test'), tie('test')).map(([word, a, b]) => ({
        sql: `(${a.sql} ${word} ${b.sql})`,
        holds: (row: Row) => {
          const [left, right] = [a.holds(row), b.holds(row)]
          const decides = word === 'OR'
          if (left === decides || right === decides) return decides
          return left === null || right === null ? null : !decides
        },
      })),
      tie('test').map((a) => ({
        sql: `(NOT ${a.sql})`,
        holds: (row: Row) => {
          const held = a.holds(row)
          return held === null ? null : !held
        },
      })),
    ),
  })).test

  it('is never less than the answer needs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(test, { minLength: COPIES.length, maxLength: COPIES.length }), async (tests) => {
        const parts = tests.map(({ sql }, at) => `SELECT '${COPIES[at]}' AS t, lane, position FROM ${COPIES[at]} WHERE ${sql}`)
        const { rows } = await ask(`${parts.join(' UNION ALL ')} ORDER BY ALL`)
        const expected = tests.flatMap(({ holds }, at) =>
          all.filter((row) => holds(row) === true).map(({ lane, position }) => [COPIES[at], lane, String(position)]),
        )
        expect(rows).toEqual(expected)
      }),
      { numRuns: 8 },
    )
  }, 120_000)
})

describe('a query', () => {
  it.each([
    { sql: 'SELEC 1', says: /Parser Error/u },
    { sql: 'SELECT 1; SELECT 2', says: /one statement/u },
    { sql: 'SELECT nothing FROM Other', says: /Binder Error/u },
    { sql: `SELECT * FROM read_csv('/etc/hostname')`, says: /Permission Error/u },
    { sql: `SELECT * FROM '/etc/hostname'`, says: /disabled|does not exist/u },
    { sql: `COPY Other TO '/tmp/millpond-never.csv'`, says: /Permission Error/u },
    { sql: `ATTACH '/tmp/millpond-never.db'`, says: /Permission Error/u },
    { sql: `INSTALL httpfs`, says: /Permission Error/u },
    { sql: `SET enable_external_access = true`, says: /locked|Cannot/u },
    { sql: `SELECT value::INTEGER FROM Other`, says: /Conversion Error/u },
    { sql: `SELECT * FROM "my.orders" WHERE lane = 1`, says: /Conversion Error.*'w'/u },
    { sql: `SELECT ?`, says: /./u },
  ])('fails with the words of DuckDB: $sql', async ({ sql, says }) => {
    await expect(ask(sql)).rejects.toMatchObject({ code: 'QUERY_FAILED', message: expect.stringMatching(says) as string })
  })

  it('fails with what is wrong with the archive', async () => {
    const broken = { ...archive, store: { ...archive.store, read: () => Promise.reject(new Error('no such disk')) } }
    await expect(ask('SELECT value FROM Other', {}, broken)).rejects.toThrow(/no such disk/u)
  })

  it('goes on in temporary files where memory is short', async () => {
    const sql = `SELECT count(*), max(v) FROM (SELECT repeat(value, 20) AS v FROM "my.orders", range(40) ORDER BY v DESC)`
    expect((await ask(sql, { memoryBytes: 40_000_000 })).rows[0]![0]).toBe(String(40 * all.length))
  })

  it('stops when it is told to, in DuckDB and while it waits for messages', { timeout: 30_000 }, async () => {
    const stopping = new AbortController()
    const running = ask('SELECT count(*) FROM range(1000000) a, range(1000000) b', { signal: stopping.signal })
    setTimeout(() => stopping.abort(), 300)
    await expect(running).rejects.toThrow(/abort/u)
    const waiting = new AbortController()
    const never = new Promise<never>(() => undefined)
    const store = { ...archive.store, read: () => (setTimeout(() => waiting.abort(), 50), never) }
    await expect(ask('SELECT value FROM Other', { signal: waiting.signal }, { ...archive, store })).rejects.toThrow(/abort/u)
  })
})
