import * as avro from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { onlyHolding } from '../../src/query/only-holding.ts'
import { archiveOf, ask, avroKind, type ObjectPlan } from './value-archives.ts'

const START_MS = Date.UTC(2026, 0, 1)
const HOUR_MS = 3_600_000

/** Messages of these values, an hour apart. */
const messagesOf = (values: readonly (string | Uint8Array | null)[], first = 0) =>
  values.map((value, n) => ({ position: first + n, timestamp: START_MS + (first + n) * HOUR_MS, key: `k${n}`, value }))
const lines = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value))
const jsonObject = (values: readonly unknown[], more: Partial<ObjectPlan> = {}, first = 0): ObjectPlan => ({
  format: 'value-json',
  messages: messagesOf(lines(values), first),
  ...more,
})
const avroObject = (schema: unknown, values: readonly unknown[], more: Partial<ObjectPlan> = {}, first = 0): ObjectPlan => {
  const type = avro.Type.forSchema(structuredClone(schema) as avro.Schema, { wrapUnions: true })
  return {
    format: 'value-avro',
    kind: avroKind(schema),
    messages: messagesOf(
      values.map((value) => type.toBuffer(value)),
      first,
    ),
    ...more,
  }
}
const record = (fields: readonly object[], name = 'R') => ({ type: 'record', name, fields })
const commitColumns = [
  '_topic VARCHAR',
  '_lane VARCHAR',
  '_position BIGINT',
  '_object VARCHAR',
  '_min_timestamp TIMESTAMP',
  '_max_timestamp TIMESTAMP',
]

describe('a topic of Avro values', () => {
  const schema = record([
    { name: 'id', type: 'long' },
    { name: 'small', type: 'int' },
    { name: 'share', type: 'float' },
    { name: 'amount', type: 'double' },
    { name: 'paid', type: 'boolean' },
    { name: 'text', type: 'string' },
    { name: 'note', type: ['string', 'null'] },
    { name: 'raw', type: 'bytes' },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
    { name: 'three', type: { type: 'fixed', name: 'Three', size: 3 } },
    { name: 'tags', type: { type: 'array', items: ['null', 'string'] } },
    { name: 'scores', type: { type: 'map', values: { type: 'array', items: 'long' } } },
    {
      name: 'place',
      type: [
        'null',
        record(
          [
            { name: 'city', type: 'string' },
            { name: 'bits', type: 'bytes' },
          ],
          'Place',
        ),
      ],
    },
    { name: 'any', type: ['null', 'long', 'string', 'Place'] },
  ])
  const bytes = fc.uint8Array({ maxLength: 6 }).map((some) => Buffer.from(some))
  const text = fc.string({ unit: 'binary', maxLength: 8 }).filter((some) => some.isWellFormed() && !some.includes('\0'))
  const place = fc.record({ city: text, bits: bytes })
  const long = fc.maxSafeInteger().map((number) => Math.floor(number / 4))
  const value = fc.record({
    id: long,
    small: fc.integer(),
    share: fc.float({ noNaN: true, noDefaultInfinity: true }),
    amount: fc.double({ noNaN: true, noDefaultInfinity: true }),
    paid: fc.boolean(),
    text,
    note: fc.option(text.map((string) => ({ string }))),
    raw: bytes,
    kind: fc.constantFrom('A', 'B'),
    three: fc.uint8Array({ minLength: 3, maxLength: 3 }).map((some) => Buffer.from(some)),
    tags: fc.array(fc.option(text.map((string) => ({ string }))), { maxLength: 3 }),
    scores: fc.dictionary(fc.string({ maxLength: 4 }), fc.array(long, { maxLength: 2 }), { maxKeys: 3, noNullPrototype: true }),
    place: fc.option(place.map((Place) => ({ Place }))),
    any: fc.oneof(
      fc.constant(null),
      fc.record({ long }),
      fc.record({ string: text }),
      place.map((Place) => ({ Place })),
    ),
  })
  type Value = typeof value extends fc.Arbitrary<infer V> ? V : never

  /** As `to_json` of DuckDB gives it, bytes in hexadecimal. */
  const hex = (some: Uint8Array) => Buffer.from(some).toString('hex').toUpperCase()
  const plainPlace = ({ city, bits }: { city: string; bits: Uint8Array }) => ({ city, bits: hex(bits) })
  const anyOf = (any: Value['any']) =>
    any && { long: null, string: null, ...any, Place: 'Place' in any ? plainPlace(any.Place) : null }
  const plain = (row: Value) => ({
    ...row,
    note: row.note?.string ?? null,
    raw: hex(row.raw),
    three: hex(row.three),
    tags: row.tags.map((tag) => tag?.string ?? null),
    place: row.place && plainPlace(row.place.Place),
    any: anyOf(row.any),
  })
  const placeSql = (name: string) =>
    `CASE WHEN ${name} IS NULL THEN NULL ELSE {'city': ${name}.city, 'bits': hex(${name}.bits)} END`
  const anySql = `CASE WHEN "any" IS NULL THEN NULL ELSE {'long': "any".long, 'string': "any".string, 'Place': ${placeSql('"any".Place')}} END`
  const select = `SELECT * EXCLUDE (_topic, _lane, _position, _object, _min_timestamp, _max_timestamp)
    REPLACE (hex(raw) AS raw, hex(three) AS three, ${placeSql('place')} AS place, ${anySql} AS "any")`

  it.each(['value-avro', 'value-parquet'] as const)('has every field of whatever records in %s', async (format) => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 100, maxLength: 200 }), async (values) => {
        const archive = await archiveOf({ all: [avroObject(schema, values, { format, blockBytes: 300 })] })
        const { rows } = await ask(archive, `SELECT to_json(r)::VARCHAR FROM (${select} FROM "all") r`)
        const parsed = rows.map(([json]) => JSON.parse(json!) as Record<string, unknown>)
        // JSON of JavaScript has no negative zero.
        expect(JSON.parse(JSON.stringify(parsed))).toEqual(JSON.parse(JSON.stringify(values.map(plain))))
      }),
      { numRuns: 2, endOnFailure: true },
    )
  })

  it('has the types of the schema, and what commits and paths know', async () => {
    const all = avroObject(schema, [], {})
    const [one] = fc.sample(value, { numRuns: 1, seed: 1 })
    const archive = await archiveOf({
      all: [avroObject(schema, [one], { layout: { year: '2026', kind: 'x' } })],
      none: [all].slice(1),
    })
    const { columns, rows } = await ask(archive, 'FROM "all"')
    expect(columns).toEqual([
      'id BIGINT',
      'small INTEGER',
      'share FLOAT',
      'amount DOUBLE',
      'paid BOOLEAN',
      'text VARCHAR',
      'note VARCHAR',
      'raw BLOB',
      'kind VARCHAR',
      'three BLOB',
      'tags VARCHAR[]',
      'scores MAP(VARCHAR, BIGINT[])',
      'place STRUCT("city" VARCHAR, "bits" BLOB)',
      'any STRUCT("long" BIGINT, "string" VARCHAR, "Place" STRUCT("city" VARCHAR, "bits" BLOB))',
      // `kind` is a field already.
      'year VARCHAR',
      '_kind VARCHAR',
      ...commitColumns,
    ])
    expect(rows[0]!.slice(-8)).toEqual([
      '2026',
      'x',
      'all',
      '0',
      '0',
      'all/0/0.avro',
      '2026-01-01 00:00:00',
      '2026-01-01 00:00:00',
    ])
  })

  const logical = record([
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'clock', type: { type: 'int', logicalType: 'time-millis' } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'micros', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'here', type: { type: 'long', logicalType: 'local-timestamp-micros' } },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    { name: 'cents', type: { type: 'fixed', name: 'Cents', size: 5, logicalType: 'decimal', precision: 10, scale: 3 } },
    { name: 'uuid', type: { type: 'string', logicalType: 'uuid' } },
    { name: 'days', type: { type: 'array', items: { type: 'int', logicalType: 'date' } } },
    { name: 'ats', type: { type: 'map', values: { type: 'long', logicalType: 'timestamp-millis' } } },
    { name: 'prices', type: { type: 'array', items: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } } },
    {
      name: 'tree',
      type: record(
        [
          { name: 'n', type: 'int' },
          { name: 'kids', type: { type: 'array', items: 'Tree' } },
        ],
        'Tree',
      ),
    },
  ])
  it.each(['value-avro', 'value-parquet'] as const)('knows logical types, within lists too, in %s', async (format) => {
    const values = [
      {
        day: -1,
        clock: 3_723_004,
        at: START_MS + 5,
        micros: -1,
        here: -1_000_000_000_000_001,
        price: Buffer.from([0xff, 0x01]),
        cents: Buffer.from([0, 0, 1, 0, 0]),
        uuid: '6f1e7f66-3f2a-4c12-9c1f-0123456789ab',
        days: [-719_529, 20_000],
        ats: { a: START_MS, b: -1 },
        prices: [Buffer.from([5]), Buffer.from([0xff])],
        tree: { n: 1, kids: [{ n: 2, kids: [] }] },
      },
    ]
    const archive = await archiveOf({ all: [avroObject(logical, values, { format })] })
    const { rows } = await ask(archive, "SELECT COLUMNS(c -> c NOT LIKE '\\_%' ESCAPE '\\')::VARCHAR FROM \"all\"")
    expect(rows).toEqual([
      [
        '1969-12-31',
        '01:02:03.004',
        '2026-01-01 00:00:00.005+00',
        '1969-12-31 23:59:59.999999+00',
        '1938-04-24 22:13:19.999999',
        '-2.55',
        '65.536',
        '6f1e7f66-3f2a-4c12-9c1f-0123456789ab',
        "['0002-12-31 (BC)', 2024-10-04]",
        "{a='2026-01-01 00:00:00+00', b='1969-12-31 23:59:59.999+00'}",
        '[0.05, -0.01]',
        expect.stringMatching(/^\{("n":1,"kids":\[\{"n":2,"kids":\[\]\}\]|'n': 1, 'kids': .*)\}$/u),
      ],
    ])
  })

  it('has the columns of all its schemas by name, as wide as they need to be', async () => {
    const place = (fields: readonly object[]) => record(fields, 'Place')
    const first = record([
      { name: 'id', type: 'int' },
      { name: 'share', type: 'float' },
      { name: 'code', type: 'int' },
      { name: 'gone', type: 'string' },
      { name: 'place', type: place([{ name: 'city', type: 'string' }]) },
    ])
    const second = record([
      {
        name: 'place',
        type: [
          'null',
          place([
            { name: 'zip', type: 'int' },
            { name: 'city', type: 'string' },
          ]),
        ],
      },
      { name: 'code', type: 'string' },
      { name: 'id', type: 'long' },
      { name: 'share', type: 'double' },
      { name: 'new', type: 'boolean' },
    ])
    const archive = await archiveOf({
      all: [
        avroObject(first, [{ id: 1, share: 0.5, code: 7, gone: 'x', place: { city: 'Ulm' } }]),
        avroObject(
          second,
          [{ id: 2 ** 40, share: 0.1, code: 'a"b', new: true, place: { Place: { zip: 5, city: 'Bonn' } } }],
          {},
          1,
        ),
        avroObject(second, [{ id: 3, share: 0.25, code: 'c', new: false, place: null }], { format: 'value-parquet' }, 2),
      ],
    })
    const { columns, rows } = await ask(archive, 'SELECT id, share, code, gone, place, new FROM "all" ORDER BY _position')
    expect(columns).toEqual([
      'id BIGINT',
      'share DOUBLE',
      'code VARCHAR',
      'gone VARCHAR',
      'place STRUCT("city" VARCHAR, "zip" INTEGER)',
      'new BOOLEAN',
    ])
    expect(rows).toEqual([
      ['1', '0.5', '7', 'x', "{'city': Ulm, 'zip': NULL}", null],
      [String(2 ** 40), '0.1', String.raw`"a\"b"`, null, "{'city': Bonn, 'zip': 5}", 'true'],
      ['3', '0.25', '"c"', null, null, 'false'],
    ])
  })

  it('is refused where an object has columns that nobody had looked for, and says what helps', async () => {
    const schemaOf = (name: string) => record([{ name, type: 'int' }])
    const plans = Array.from({ length: 5 }, (_, at) =>
      avroObject(schemaOf(at === 1 ? 'odd' : 'id'), [{ id: at, odd: at }], {}, at),
    )
    const archive = await archiveOf({ all: plans })
    await expect(ask(archive, 'SELECT id FROM "all"', { sample: 2 })).rejects.toMatchObject({
      code: 'QUERY_FAILED',
      message: expect.stringMatching(/all\/0\/1\.avro.* odd; a larger --sample/u) as string,
    })
    expect((await ask(archive, 'SELECT count(id), count(odd) FROM "all"', { sample: 5 })).rows).toEqual([['4', '1']])
  })

  it('says which object cannot be read', async () => {
    const archive = await archiveOf({ all: [avroObject(record([{ name: 'id', type: 'int' }]), [{ id: 1 }])] })
    const { store } = archive
    const broken = {
      ...store,
      read: async (...words: Parameters<typeof store.read>) => (await store.read(...words)).map((byte) => byte ^ 1),
    }
    await expect(ask({ ...archive, store: broken }, 'FROM "all"')).rejects.toMatchObject({ code: 'SEGMENT_CORRUPT' })
    const corrupt = {
      ...store,
      read: async (...words: Parameters<typeof store.read>) => {
        const bytes = await store.read(...words)
        return words[1] !== undefined && words[1].start > 0 ? bytes.map((byte) => byte ^ 1) : bytes
      },
    }
    await expect(ask({ ...archive, store: corrupt }, 'FROM "all"')).rejects.toMatchObject({
      code: 'BLOCK_CORRUPT',
      message: expect.stringContaining('all/0/0.avro') as string,
    })
  })
})

describe('a topic of JSON values', () => {
  it('is the same where each object is an array', async () => {
    const given = Array.from({ length: 60 }, (_, n) => JSON.stringify({ n, text: `a,b ${n} \\n`, list: [1, 2] }))
    const rowsOf = async (format: 'value-json' | 'value-json-array', codec: 'null' | 'gzip') => {
      const archive = await archiveOf({ all: [{ format, codec, messages: messagesOf(given), blockBytes: 500 }] })
      return (await ask(archive, 'SELECT n, text, list, _value, _position FROM "all" ORDER BY n')).rows
    }
    const rows = await rowsOf('value-json', 'null')
    expect(rows).toHaveLength(60)
    expect(rows.map((row) => row[3])).toEqual(given)
    expect(await rowsOf('value-json-array', 'null')).toEqual(rows)
    expect(await rowsOf('value-json-array', 'gzip')).toEqual(rows)
  })

  it('has the fields of its values as columns, and each value whole', async () => {
    const values = [
      { id: 1, price: 1, name: 'a "b"\u2028', ok: true, place: { city: 'Ulm' }, 'odd "name"': [1, { a: null }], nothing: null },
      { id: 2 ** 53, price: -0.25, name: 7, ok: null, place: [], _value: 'own' },
      null,
      { price: 1e300 },
    ]
    const given = lines(values)
    given[1] = given[1]!.replace(String(2 ** 53), '9007199254740993').replace('{', ' {\t')
    const archive = await archiveOf({ all: [{ format: 'value-json', messages: messagesOf(given) }] })
    const { columns, rows } = await ask(
      archive,
      'SELECT * EXCLUDE (_topic, _lane, _object, _min_timestamp, _max_timestamp) FROM "all"',
    )
    expect(columns).toEqual([
      'id BIGINT',
      'price DOUBLE',
      'name VARCHAR',
      'ok BOOLEAN',
      'place VARCHAR',
      'odd "name" VARCHAR',
      '_value VARCHAR',
      '_position BIGINT',
      '__value VARCHAR',
    ])
    expect(rows).toEqual([
      ['1', '1.0', 'a "b"\u2028', 'true', '{"city":"Ulm"}', '[1,{"a":null}]', null, '0', given[0]],
      ['9007199254740993', '-0.25', '7', null, '[]', null, 'own', '1', given[1]],
      [null, null, null, null, null, null, null, '2', 'null'],
      [null, '1e+300', null, null, null, null, null, '3', given[3]],
    ])
  })

  it('reads numbers as they are written, exactly', async () => {
    const text = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }).map(String),
      fc.tuple(fc.integer(), fc.nat()).map(([whole, part]) => `${whole}.${part}`),
      fc.constantFrom('0', '0.1', '1E5', '123456789.125', '-0.000001', '0.30000000000000004'),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 500, maxLength: 800 }), async (numbers) => {
        const values = ['{"n":0.5}', ...numbers.map((number) => `{"n":${number}}`)]
        const archive = await archiveOf({ all: [{ format: 'value-json', messages: messagesOf(values), blockBytes: 500 }] })
        const { rows } = await ask(archive, `SELECT n FROM "all" ORDER BY _value, n`)
        const found = rows.map(([number]) => Number(number) + 0)
        expect(found.toSorted((a, b) => a - b)).toEqual(
          [0.5, ...numbers.map((number) => Number(number) + 0)].toSorted((a, b) => a - b),
        )
      }),
      { numRuns: 1, endOnFailure: true },
    )
  })

  it('is one column where values are no objects', async () => {
    const archive = await archiveOf({ all: [jsonObject([[1, 2], { a: 1 }, 'text', 5])], numbers: [jsonObject([1, 2.5])] })
    expect((await ask(archive, 'SELECT value FROM "all"')).rows.flat()).toEqual(['[1,2]', '{"a":1}', '"text"', '5'])
    expect((await ask(archive, 'SELECT sum(value) FROM numbers')).rows).toEqual([['3.5']])
  })

  it('tells of values that are not as their columns were learnt, and has them whole all the same', async () => {
    const many = Array.from({ length: 300 }, (_, n) => jsonObject([n === 155 ? { n: 'text' } : { n }], {}, n))
    const archive = await archiveOf({ all: many })
    await expect(ask(archive, 'SELECT sum(n) FROM "all"', { sample: 10 })).rejects.toMatchObject({
      code: 'QUERY_FAILED',
      message: expect.stringMatching(/all\/0\/155\.json\.zst: the field n .*--sample.*_value/u) as string,
    })
    expect((await ask(archive, `SELECT count(_value->>'$.n') FROM "all"`, { sample: 10 })).rows).toEqual([['300']])
  })
})

describe('a topic of tables', () => {
  const values = ['{"city":"Ulm","n":1}', '{"city":"","n":2}', '{"n":3}', String.raw`{"city":"a \"b\", c\nd","n":4}`]

  it('has the columns of its first lines', async () => {
    const messages = messagesOf(values)
    const archive = await archiveOf({
      all: [{ format: 'csv', messages, formatOptions: { fields: ['offset', 'timestamp', 'value.city', 'value.n'] } }],
    })
    const { columns, rows } = await ask(
      archive,
      'SELECT * EXCLUDE (_topic, _lane, _object, _min_timestamp, _max_timestamp) FROM "all"',
    )
    expect(columns).toEqual([
      'offset BIGINT',
      'timestamp TIMESTAMP WITH TIME ZONE',
      'city VARCHAR',
      'n VARCHAR',
      '_position BIGINT',
    ])
    expect(rows).toEqual([
      ['0', '2026-01-01 00:00:00+00', 'Ulm', '1', '0'],
      ['1', '2026-01-01 01:00:00+00', '', '2', '1'],
      ['2', '2026-01-01 02:00:00+00', null, '3', '2'],
      ['3', '2026-01-01 03:00:00+00', 'a "b", c\nd', '4', '3'],
    ])
  })

  it('without first lines has those that are set, and numbers where none are', async () => {
    const formatOptions = { fields: ['value.city', 'position'], headerLine: false, delimiter: ';' } as const
    const archive = await archiveOf({ all: [{ format: 'csv', messages: messagesOf(values), formatOptions }] })
    expect((await ask(archive, 'SELECT city, position FROM "all" LIMIT 1', { formatOptions })).rows).toEqual([['Ulm', '0']])
    const { rows } = await ask(archive, 'SELECT column0, column1 FROM "all" LIMIT 1', { formatOptions: { delimiter: ';' } })
    expect(rows).toEqual([['Ulm', '0']])
    await expect(ask(archive, 'SELECT city FROM "all"')).rejects.toThrow(
      /all\/0\/0\.csv\.zst: a table cannot be read.*delimiter/u,
    )
  })
})

describe('a topic of raw values', () => {
  it('has them between delimiters, as text and as bytes', async () => {
    const formatOptions = { delimiter: 'hex:0000' }
    const messages = messagesOf(['a', Uint8Array.of(0xff, 0x61), 'ünï', ''])
    const archive = await archiveOf({ all: [{ format: 'raw', messages, formatOptions }] })
    expect((await ask(archive, 'SELECT value, _position FROM "all"', { formatOptions })).rows).toEqual([
      ['a', '0'],
      [String.raw`\xFFa`, '1'],
      ['ünï', '2'],
      ['', '3'],
    ])
    expect((await ask(archive, 'SELECT sum(octet_length(value)) FROM bytes."all"', { formatOptions })).rows).toEqual([['8']])
  })

  it('claims no positions where values hold the delimiter', async () => {
    const archive = await archiveOf({ all: [{ format: 'raw', messages: messagesOf(['a\nb', 'c']) }] })
    expect((await ask(archive, 'SELECT value, _position FROM "all"')).rows).toEqual([
      ['a', null],
      ['b', null],
      ['c', null],
    ])
    expect((await ask(archive, 'SELECT count(*) FROM "all"')).rows).toEqual([['3']])
  })
})

describe('what commits know of values', () => {
  const plans = Array.from({ length: 24 }, (_, at) =>
    jsonObject(
      Array.from({ length: 10 }, (_n, n) => ({ n: at * 10 + n, year: 'own' })),
      { layout: { year: at < 12 ? '2025' : '2026', month: String((at % 12) + 1).padStart(2, '0') } },
      at * 10,
    ),
  )
  const archive = archiveOf({ all: plans })

  const cases = [
    { where: `_year = '2025' AND month = '03'`, blocks: 1 },
    { where: `_year = 2026 AND month::INT BETWEEN 2 AND 4`, blocks: 3 },
    { where: `month IN ('01', '12')`, blocks: 4 },
    { where: `_year > '2025' OR (_year = '2025' AND month < '03')`, blocks: 24 },
    { where: `_year = '1999'`, blocks: 0 },
    { where: `_position >= 55 AND _position < 61`, blocks: 2 },
    { where: `_max_timestamp >= '2026-01-10' AND _min_timestamp < '2026-01-10 01:00'`, blocks: 1 },
    { where: `_lane = '1'`, blocks: 0 },
    { where: `n = 5`, blocks: 24 },
  ]
  /** Which rows fulfil each of them, where all are read. */
  const held = archive.then(async (wanted) => {
    const tests = cases.map(({ where }) => `(${where})`).join(', ')
    return (await ask(wanted, `SELECT n, ${tests} FROM (SELECT * FROM "all" OFFSET 0) ORDER BY n`)).rows
  })

  it.each(cases)('chooses what is read: $where', async ({ where, blocks }) => {
    const wanted = await archive
    const { rows, stats } = await ask(wanted, `SELECT n FROM "all" WHERE ${where} ORDER BY n`, { sample: 1 })
    expect(stats.blocksRead).toBe(blocks)
    const at = 1 + cases.findIndex((each) => each.where === where)
    expect(rows.flat()).toEqual((await held).filter((row) => row[at] === 'true').map(([n]) => n))
  })

  it('is told without reading values', async () => {
    const { rows, stats } = await ask(
      await archive,
      `SELECT _year, count(*), max(_max_timestamp), min(_position) FROM "all" GROUP BY ALL ORDER BY ALL`,
    )
    expect(rows).toEqual([
      ['2025', '120', '2026-01-05 23:00:00', '0'],
      ['2026', '120', '2026-01-10 23:00:00', '120'],
    ])
    expect(stats.blocksRead).toBe(0)
  })

  it('is no position where some are missing', async () => {
    const gapped = messagesOf(lines(Array.from({ length: 100 }, (_, n) => ({ n })))).map((message, n) => ({
      ...message,
      position: n < 50 ? n : n + 7,
    }))
    const some = await archiveOf({ all: [{ format: 'value-json', messages: gapped, blockBytes: 100 }] })
    const { rows } = await ask(some, 'SELECT n, _position FROM "all"')
    const known = rows.filter(([, position]) => position !== null)
    expect(known.length).toBeGreaterThan(80)
    expect(known.length).toBeLessThan(100)
    for (const [n, position] of known) expect(Number(position)).toBe(Number(n) < 50 ? Number(n) : Number(n) + 7)
  })

  it('stops reading at a limit', async () => {
    const values = Array.from({ length: 20_000 }, (_, n) => ({ n, text: 'x'.repeat(50) }))
    const long = await archiveOf({ all: [jsonObject(values, { blockBytes: 10_000 })] })
    const { stats } = await ask(long, 'FROM "all" LIMIT 10')
    expect(stats.blocksTotal).toBeGreaterThan(100)
    expect(stats.blocksRead).toBeLessThan(stats.blocksTotal / 2)
  })
})

describe('a topic of messages and of values', () => {
  const messages = messagesOf(['1', '2'])

  it('is refused, and can be asked for either', async () => {
    const mixed = await archiveOf({
      all: [
        jsonObject([{ n: 1 }]),
        { format: 'avro', messages: messages.map((each) => ({ ...each, position: each.position + 1 })) },
      ],
    })
    await expect(ask(mixed, 'FROM "all"')).rejects.toMatchObject({
      code: 'QUERY_FAILED',
      message: expect.stringMatching(/avro.*value-json.*--only/u) as string,
    })
    expect((await ask(onlyHolding(mixed, 'values'), 'SELECT n FROM "all"')).rows).toEqual([['1']])
    expect((await ask(onlyHolding(mixed, 'messages'), 'SELECT value FROM "all" ORDER BY position')).rows).toEqual([['1'], ['2']])
    expect((await ask(onlyHolding(mixed, 'messages'), 'SELECT count(*) FROM "all"')).rows).toEqual([['2']])
  })
})
