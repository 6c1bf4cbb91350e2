import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import * as avro from 'avsc'
import * as fc from 'fast-check'
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { Codec } from '../../src/encode/block.ts'
import { siblingOf } from '../../src/encode/siblings.ts'
import { messagesArbitrary, plainMessage, type PlainMessage } from '../batch/message-arbitrary.ts'
import { parquetSegment } from '../encode/parquet-segments.ts'
import { filterTwin, xxhash64Twin } from '../kernel/twins.ts'
import { openPyarrow } from './other-tools.ts'

const codecs: readonly Codec[] = ['zstandard', 'deflate', 'snappy', 'null']
const codecNames: Readonly<Partial<Record<Codec, string>>> = {
  zstandard: 'ZSTD',
  deflate: 'GZIP',
  snappy: 'SNAPPY',
  null: 'UNCOMPRESSED',
}

/** Messages of every kind that must come through, and many that are alike, so that there are dictionaries, pages and row groups. */
const messages: readonly MessageInput[] = [
  { timestamp: 0, key: null, value: null, id: null, headers: [] },
  { timestamp: -1, key: '', value: '', id: '', headers: [{ name: '', value: '' }] },
  { timestamp: -(2 ** 42), key: Uint8Array.of(0, 255, 128), value: 'žabica 🐸', id: 'žabica 🐸' },
  { timestamp: 2 ** 42, headers: ['a', 'b', 'a'].map((name, i) => ({ name, value: i === 1 ? null : `v${i}` })) },
  {
    timestamp: 1,
    value: 'x'.repeat(100_000),
    headers: Array.from({ length: 500 }, (_, i) => ({ name: `h${i}`, value: `${i}` })),
  },
  ...fc.sample(messagesArbitrary({ minLength: 40 }), { seed: 3, numRuns: 5 }).flat(),
  ...Array.from({ length: 3000 }, (_, i) => ({
    timestamp: 1_767_225_600_000 + i * 3,
    key: `key-${i % 100}`,
    value: `{"number":${i}}`,
    id: `id-${i}`,
    headers: [{ name: 'type', value: 'order' }],
  })),
].map((message, i) => ({ ...message, position: 2 ** 31 - 50 + 2 * i }))

const hex = (bytes: readonly number[] | null) => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const inHex = ({ key, value, headers, ...rest }: PlainMessage) => ({
  ...rest,
  key: hex(key),
  value: hex(value),
  headers: headers.map((header) => ({ name: header.name, value: hex(header.value) })),
})
const expected = messages.map((message) => inHex(plainMessage(message)))

const schema = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'exact', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'local', type: { type: 'long', logicalType: 'local-timestamp-millis' } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'hour', type: { type: 'int', logicalType: 'time-millis' } },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 10, scale: 2 } },
    { name: 'weight', type: { type: 'fixed', name: 'W', size: 5, logicalType: 'decimal', precision: 9, scale: 3 } },
    { name: 'uuid', type: { type: 'string', logicalType: 'uuid' } },
    { name: 'status', type: { type: 'enum', name: 'Status', symbols: ['NEW', 'PAID'] } },
    { name: 'city', type: ['null', 'string'] },
    { name: 'tags', type: { type: 'array', items: ['null', 'string'] } },
    { name: 'counts', type: { type: 'map', values: 'int' } },
    { name: 'line', type: ['null', { type: 'record', name: 'Line', fields: [{ name: 'sku', type: 'string' }] }] },
    { name: 'lines', type: { type: 'array', items: { type: 'array', items: 'Line' } } },
    { name: 'any', type: ['null', 'boolean', 'float', 'double', 'Line'] },
    { name: 'raw', type: 'bytes' },
  ],
}
const order = avro.Type.forSchema(schema as unknown as avro.Schema, { wrapUnions: true })
const orders = Array.from({ length: 2000 }, (_, i) => ({
  id: i * 1_000_003,
  at: 1_767_225_600_000 + i * 1000,
  exact: 1_767_225_600_000_000 + i,
  local: 1_767_225_600_000,
  day: 20_454,
  hour: 3_600_000 + i,
  price: i % 2 === 0 ? Buffer.of(0xff, 0x38) : Buffer.of(1, 0),
  weight: Buffer.of(0, 0, 0, 4, i & 255),
  uuid: `123e4567-e89b-12d3-a456-4266141${String(i).padStart(5, '0')}`,
  status: i % 3 === 0 ? 'PAID' : 'NEW',
  city: i % 5 === 0 ? null : { string: ['Berlin', 'Oslo', 'Źdźbło'][i % 3]! },
  tags: Array.from({ length: i % 3 }, (_item, at) => (at === 1 ? null : { string: `t${i % 7}` })),
  counts: Object.fromEntries(Array.from({ length: i % 3 }, (_item, at) => [`c${at}`, i])),
  line: i % 4 === 0 ? null : { Line: { sku: `s${i}` } },
  lines: Array.from({ length: i % 3 }, (_item, at) => Array.from({ length: at }, () => ({ sku: 'x' }))),
  any: [null, { boolean: true }, { float: 0.5 }, { double: i }, { Line: { sku: '' } }][i % 5]!,
  raw: Buffer.of(i & 255),
}))

const time = (ms: number) => new Date(ms).toISOString()
/** The orders as pyarrow shows them. */
const pythonOrders = orders.map((each, i) => ({
  ...each,
  at: time(each.at).replace(/\.000Z$/u, '+00:00'),
  exact: `${time(each.exact / 1000).slice(0, 20)}${String(each.exact % 1_000_000).padStart(6, '0')}+00:00`.replace('.000000', ''),
  local: '2026-01-01T00:00:00',
  day: '2026-01-01',
  hour: time(each.hour).slice(11, 19) + (each.hour % 1000 === 0 ? '' : `.${String(each.hour % 1000).padStart(3, '0')}000`),
  price: i % 2 === 0 ? '-2.00' : '2.56',
  weight: ((4 * 256 + (i & 255)) / 1000).toFixed(3),
  city: each.city?.string ?? null,
  tags: each.tags.map((tag) => tag?.string ?? null),
  counts: Object.entries(each.counts),
  line: each.line?.Line ?? null,
  any: each.any && { boolean: null, float: null, double: null, Line: null, ...each.any },
  raw: each.raw.toString('hex'),
}))

let folder: string
const fileOf = (name: string) => join(folder, `${name}.parquet`)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millpond-parquet-'))
  for (const codec of codecs) {
    const { file, blocks } = await parquetSegment([batchOf(messages)], { codec, lookups: ['key', 'id'], blockBytes: 8192 })
    expect(blocks.length).toBeGreaterThan(2)
    writeFileSync(fileOf(codec), file)
  }
  const text = JSON.stringify(schema)
  const values = batchOf(orders.map((each, position) => ({ position, timestamp: 0, value: order.toBuffer(each) })))
  const options = {
    codec: 'zstandard',
    lookups: [],
    blockBytes: 8192,
    tellsContent: true,
    kind: { id: '1', type: 'avro', name: 'Order', references: [], text },
  } as const
  writeFileSync(fileOf('orders'), (await parquetSegment([values], options, 'value-parquet')).file)
  const beside = {
    ...options,
    origin: { topic: 'orders', lane: '3' },
    formatOptions: { extraColumns: ['topic', 'lane', 'position', 'timestamp', 'key', 'headers', 'id'] },
  } as const
  const kind = { ...options.kind, text: '"string"' }
  const known = batchOf(messages.map((message) => ({ ...message, value: Uint8Array.of(2, 118) })))
  writeFileSync(fileOf('beside'), (await parquetSegment([known], { ...beside, kind }, 'value-parquet')).file)
  for (const role of ['keys', 'headers'] as const) writeFileSync(fileOf(role), await siblingFile(role))
})

/** The keys, as bytes, or the headers of all messages. */
async function siblingFile(role: 'keys' | 'headers'): Promise<Uint8Array> {
  const sibling = siblingOf(role, 'parquet', { keyEncoding: 'base64' })
  const encoder = sibling.createEncoder({ codec: 'snappy', lookups: [], blockBytes: 4096 })
  const full = encoder.add(batchOf(messages))
  const framing = sibling.openFraming('snappy', new Uint8Array(16))
  const blocks = await Promise.all([...full, encoder.flush()!])
  return Buffer.concat([framing.header, ...blocks.flatMap((block) => framing.frame(block)), framing.trailer!()])
}
/** A header's value as text, or base64 where it is none. */
const textOf = (value: string | null) => {
  if (value === null) return null
  const bytes = Buffer.from(value, 'hex')
  return isUtf8(bytes) ? bytes.toString() : bytes.toString('base64')
}
afterAll(() => rmSync(folder, { recursive: true }))

interface About {
  readonly rows: number
  readonly content: string
  readonly types: Readonly<Record<string, string>>
  readonly groups: readonly {
    readonly rows: number
    readonly columns: readonly { path: string; codec: string; nulls: number; min: unknown; max: unknown }[]
  }[]
}

const pyarrow = await openPyarrow()
it('pyarrow is there, wherever nothing may be skipped', () => {
  expect(process.env['CI'] === 'true' ? pyarrow.missing : undefined).toBeUndefined()
})
const note = pyarrow.missing === undefined ? '' : `, skipped: ${pyarrow.missing.split('\n')[0]}`

describe.skipIf(pyarrow.missing !== undefined)(`pyarrow${note}`, () => {
  beforeAll(() => pyarrow.exchange([...codecs, 'orders', 'beside', 'keys', 'headers'].map(fileOf)))

  const read = (name: string) => {
    const [about, ...rows] = readFileSync(`${fileOf(name)}.jsonl`, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
    return { about: about as About, rows }
  }

  it.each(codecs)('reads every message of a parquet file under %s, and its page checksums', (codec) => {
    const { about, rows } = read(codec)
    // A file has microseconds.
    expect(rows).toEqual(expected.map((row) => ({ ...row, timestamp: row.timestamp * 1000 })))
    expect(about.rows).toBe(messages.length)
    expect(new Set(about.groups.flatMap(({ columns }) => columns.map((column) => column.codec)))).toEqual(
      new Set([codecNames[codec]]),
    )
  })

  it('finds counts of nulls, smallest and largest values of each row group', () => {
    const { about } = read('zstandard')
    let first = 0
    for (const { rows, columns } of about.groups) {
      const part = expected.slice(first, first + rows)
      first += rows
      const column = (path: string) => columns.find((each) => each.path === path)
      expect(column('position')).toMatchObject({ nulls: 0, min: part[0]!.position, max: part.at(-1)!.position })
      const keys = part.flatMap(({ key }) => key ?? []).sort()
      const shown = keys.length === 0 ? { min: null, max: null } : { min: keys[0], max: keys.at(-1) }
      expect(column('key')).toMatchObject({ nulls: part.length - keys.length, ...shown })
      expect(column('value')).toMatchObject({ nulls: part.filter(({ value }) => value === null).length, min: null, max: null })
      const ids = part.flatMap(({ id }) => id ?? [])
      expect(column('id')).toMatchObject({ nulls: part.length - ids.length })
      const headers = part.flatMap((message) => message.headers)
      const empty = part.filter((message) => message.headers.length === 0).length
      expect(column('headers.list.element.name')).toMatchObject({ nulls: empty })
      const values = headers.filter(({ value }) => value !== null)
      expect(column('headers.list.element.value')).toMatchObject({ nulls: empty + headers.length - values.length })
    }
    expect(first).toBe(messages.length)
  })

  it('reads what stands beside values, and keys and headers in files of their own', () => {
    const { about, rows } = read('beside')
    expect(about.types).toMatchObject({
      __topic: 'string',
      __timestamp: 'timestamp[us, tz=UTC]',
      __key: 'binary',
      __id: 'string',
    })
    expect(rows).toEqual(
      expected.map(({ position, timestamp, key, headers, id }) => ({
        __topic: 'orders',
        __lane: '3',
        __position: position,
        __timestamp: timestamp * 1000,
        __key: key,
        __headers: headers,
        __id: id,
        value: 'v',
      })),
    )
    expect(read('keys').rows).toEqual(expected.map(({ key }) => ({ key })))
    expect(read('headers').rows).toEqual(
      expected.map(({ headers }) => ({ headers: headers.map(({ name, value }) => ({ key: name, value: textOf(value) })) })),
    )
  })

  it('reads what the file holds, as its footer tells it by the rule that is written down', () => {
    const hash = createHash('sha256').update(`${JSON.stringify(['avro', 'Order', JSON.stringify(schema), []])}\n`)
    for (const [position, each] of orders.entries()) {
      const numbers = Buffer.alloc(24)
      numbers.writeDoubleLE(position, 0)
      numbers.writeUInt32LE(1, 16)
      const value = order.toBuffer(each)
      numbers.writeUInt32LE(value.byteLength, 20)
      hash.update(numbers).update(value)
    }
    expect(read('orders').about.content).toBe(hash.digest('hex'))
    expect(read('beside').about.content).toMatch(/^[0-9a-f]{64}$/u)
    expect(read('zstandard').about.content).toBe('')
  })

  it('reads values by their schema, logical types included', () => {
    const { about, rows } = read('orders')
    expect(rows).toEqual(pythonOrders)
    expect(about.types).toMatchObject({
      at: 'timestamp[us, tz=UTC]',
      exact: 'timestamp[us, tz=UTC]',
      local: 'timestamp[us]',
      day: 'date32[day]',
      hour: 'time64[us]',
      price: 'decimal128(10, 2)',
      weight: 'decimal128(9, 3)',
    })
  })
})

describe('DuckDB', () => {
  let connection: DuckDBConnection
  const ask = async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJson()
  beforeAll(async () => {
    connection = await (await DuckDBInstance.create(':memory:')).connect()
  })
  afterAll(() => connection.closeSync())

  it.each(codecs)('reads every message of a parquet file under %s', async (codec) => {
    const rows = await ask(`
      select position, epoch_ms(timestamp) as timestamp, hex(key) as key, hex(value) as value, hex(id) as id,
        [{ name: hex(h.name), value: hex(h.value) } for h in headers] as headers from '${fileOf(codec)}'
      where abs(epoch_ms(timestamp)) < 9e12`)
    const lower = (text: unknown) => (typeof text === 'string' ? text.toLowerCase() : null)
    // DuckDB's own client drops a byte order mark from text.
    const plain = (text: unknown) => (typeof text === 'string' ? Buffer.from(text, 'hex').toString() : null)
    const found = rows.map(({ position, timestamp, key, value, headers, id }) => ({
      position: Number(position),
      timestamp: Number(timestamp),
      key: lower(key),
      value: lower(value),
      id: plain(id),
      headers: (headers as { name: unknown; value: unknown }[]).map((header) => ({
        name: plain(header.name),
        value: lower(header.value),
      })),
    }))
    expect(found).toEqual(expected.filter(({ timestamp }) => Math.abs(timestamp) < 9e12))
  })

  it('leaves out row groups by Bloom filters of keys and ids, and by bounds', async () => {
    const excluded = async (column: string, value: string) => {
      const rows = await ask(`select * from parquet_bloom_probe('${fileOf('zstandard')}', '${column}', ${value})`)
      return rows.map((row) => row['bloom_filter_excludes'])
    }
    const groups = await ask(
      `select count(*) as n from (select distinct row_group_id from parquet_metadata('${fileOf('zstandard')}'))`,
    )
    const count = Number(groups[0]!['n'])
    const none = Array.from({ length: count }, () => true)
    expect(await excluded('key', "'no such key'::BLOB")).toEqual(none)
    expect(await excluded('key', "'key-7'::BLOB")).toContain(false)
    // The probe counts columns as if none had columns below it: behind the headers it looks at another one.
    const places = await ask(`
      select bloom_filter_offset as at, bloom_filter_length as bytes from parquet_metadata('${fileOf('zstandard')}')
      where path_in_schema = 'id'`)
    const file = readFileSync(fileOf('zstandard'))
    const filters = places.map(({ at, bytes }) => {
      const bits = file.subarray(Number(at), Number(at) + Number(bytes))
      // What lies in front of a power of two is the header.
      return bits.subarray(bits.byteLength - 2 ** Math.floor(Math.log2(bits.byteLength)))
    })
    const holds = (id: string) =>
      filters.map((bits) =>
        filterTwin([xxhash64Twin(Buffer.from(id))], bits.byteLength / 32).every((wanted, i) => (bits[i]! & wanted) === wanted),
      )
    expect(holds('id-2999')).toEqual(filters.map((_, i) => i === filters.length - 1))
    expect(holds('no such id')).toEqual(filters.map(() => false))
    expect(await ask(`select count(*) as n from '${fileOf('zstandard')}' where key = 'key-7'::BLOB`)).toEqual([{ n: '30' }])
    expect(await ask(`select id from '${fileOf('zstandard')}' where id = 'id-2999'`)).toEqual([{ id: 'id-2999' }])
  })

  it('reads values by their schema, nested ones too', async () => {
    expect(
      await ask(`select count(*) as rows, sum(id) as ids, sum(len(tags)) as tags, count(city) as cities, sum(price) as prices,
        sum(len(lines)) as lines, count("any".double) as doubles, max(exact)::text as latest, min(counts['c1']) as counted
        from '${fileOf('orders')}'`),
    ).toEqual([
      {
        rows: '2000',
        ids: String(orders.reduce((sum, { id }) => sum + id, 0)),
        tags: String(orders.reduce((sum, { tags }) => sum + tags.length, 0)),
        cities: String(orders.filter(({ city }) => city !== null).length),
        prices: '560.00',
        lines: String(orders.reduce((sum, { lines }) => sum + lines.length, 0)),
        doubles: '400',
        latest: expect.stringContaining('.001999'),
        counted: 2,
      },
    ])
    const types = await ask(`describe select * from '${fileOf('orders')}'`)
    expect(Object.fromEntries(types.map((row) => [row['column_name'], row['column_type']]))).toMatchObject({
      uuid: 'UUID',
      day: 'DATE',
      hour: 'TIME',
      at: 'TIMESTAMP WITH TIME ZONE',
      local: 'TIMESTAMP',
      weight: 'DECIMAL(9,3)',
      counts: 'MAP(VARCHAR, INTEGER)',
      lines: 'STRUCT(sku VARCHAR)[][]',
    })
  })
})
