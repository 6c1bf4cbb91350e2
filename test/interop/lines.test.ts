import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { Codec, Format } from '../../src/encode/block.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import { siblingOf } from '../../src/encode/siblings.ts'
import { blocksOf, lineCodecs } from '../encode/line-blocks.ts'
import { openLineReaders } from './other-tools.ts'

const run = promisify(execFile)
const origin = { topic: 'orders "é"', lane: '0' }
const sync = new Uint8Array(16).fill(3)

/** Values that readers of JSON stumble over, if any. */
const values = [
  '{"a": 1.0, "b": [true, null, "x\\u00e9\\n"], "c": {"d": "😀"}}',
  '{"a": 1e400, "long": 123456789012345678901234567890}',
  '{\n  "a": "over\\tlines",\r\n  "list": [ 1, 2 ]\n}',
  '"text with \u2028 and \u007f"',
  `${'['.repeat(100)}${']'.repeat(100)}`,
  '{"dup": 1, "dup": 2, "": 0}',
  'null',
  '-0',
]
const messages: MessageInput[] = Array.from({ length: 400 }, (_, n) => ({
  position: 10 + 3 * n,
  timestamp: 1_700_000_000_000 + n * 7,
  key: n % 5 === 0 ? null : n % 7 === 0 ? '' : `k,"${n}"\n é`,
  value: n % 9 === 0 ? null : values[n % values.length]!,
  headers: n % 3 === 0 ? [] : [{ name: 'h', value: n % 2 === 0 ? null : `v"${n};` }],
}))
const odd: MessageInput[] = [
  ...messages,
  {
    position: 5000,
    timestamp: -5,
    key: Uint8Array.of(0xff, 0),
    value: Uint8Array.of(0xc3, 0x28),
    id: 'é',
    headers: [{ name: 'n', value: Uint8Array.of(0xfe) }],
  },
  { position: 5001, timestamp: 0, value: 'no JSON' },
  { position: 5002, timestamp: 0, value: '{"half":"\\ud800"}' },
]

let folder = ''
const rowsOf = async (name: string): Promise<unknown[]> =>
  (await readFile(join(folder, `${name}.rows`), 'utf8'))
    .split('\n')
    .slice(0, -1)
    .map((row) => JSON.parse(row) as unknown)

async function writeSegment(name: string, format: Format, codec: Codec, some: readonly MessageInput[]): Promise<string> {
  const blocks = await blocksOf(format, [batchOf(some)], { codec, origin, blockBytes: 4000 })
  expect(blocks.length).toBeGreaterThan(3)
  const builder = createSegmentBuilder({ format, codec, sync })
  const behind = () => builder.end().map(({ bytes }) => bytes)
  const chunks = [builder.header, ...blocks.flatMap((block) => builder.append(block).map(({ bytes }) => bytes)), ...behind()]
  const file = `${name}.${segmentFormat(format).extension(codec)}`
  await writeFile(join(folder, file), Buffer.concat(chunks))
  return file
}

const python = await openLineReaders()
const note = python.missing === undefined ? '' : `, skipped: ${python.missing.split('\n')[0]}`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-lines-'))
  for (const codec of lineCodecs) {
    await writeSegment('all', 'json', codec, odd)
    await writeSegment('values', 'value-json', codec, messages)
    await writeSegment('array', 'value-json-array', codec, messages)
    await writeSegment('table', 'csv', codec, messages)
  }
  for (const role of ['keys', 'headers'] as const) {
    const sibling = siblingOf(role, 'avro')
    const encoder = sibling.createEncoder({ codec: 'zstandard', lookups: [], blockBytes: 2000 })
    const blocks = await Promise.all([...encoder.add(batchOf(messages)), encoder.flush()!])
    const framing = sibling.openFraming('zstandard', sync)
    await writeFile(
      join(folder, `${role}.avro`),
      Buffer.concat([framing.header, ...blocks.flatMap((block) => framing.frame(block))]),
    )
  }
  if (python.missing === undefined) await python.exchange([folder])
}, 120_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

const names = { null: '', gzip: '.gz', zstandard: '.zst', snappy: '.snappy' } as const
/** What JSON.parse makes of a value: numbers beyond its range are what Python makes of them too. */
const parsed = (text: string) => JSON.parse(text) as unknown
const sameNumbers = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown

it('Python is there wherever the project is checked', () => {
  expect(process.env['CI'] === 'true' ? python.missing : undefined).toBeUndefined()
})

describe.skipIf(python.missing !== undefined)(`Python${note}`, () => {
  it.each(lineCodecs)('reads every message of JSON lines in %s', async (codec) => {
    const text = (await readFile(join(folder, `all.json${names[codec]}.rows`), 'utf8')).replaceAll('Infinity', 'null')
    const rows = text
      .split('\n')
      .slice(0, -1)
      .map((row) => JSON.parse(row) as Record<string, unknown>)
    expect(rows.map(({ position }) => position)).toEqual(odd.map(({ position }) => position))
    expect(rows[1]).toMatchObject({ ...origin, timestamp: odd[1]!.timestamp, key: odd[1]!.key })
    expect(rows.at(-3)).toMatchObject({
      keyBase64: '/wA=',
      valueBase64: 'wyg=',
      id: 'é',
      headers: [{ name: 'n', valueBase64: '/g==' }],
    })
    expect(rows.at(-2)).toMatchObject({ key: null, valueText: 'no JSON' })
    expect(rows.at(-1)).toMatchObject({ valueText: '{"half":"\\ud800"}' })
  })

  it.each(
    lineCodecs.flatMap((codec) => [
      { codec, name: 'values' },
      { codec, name: 'array' },
    ]),
  )('reads every value of $name in $codec', async ({ codec, name }) => {
    const text = (await readFile(join(folder, `${name}.json${names[codec]}.rows`), 'utf8')).replaceAll('Infinity', 'null')
    const rows = text.split('\n').slice(0, -1).map(parsed)
    expect(rows).toEqual(messages.map(({ value }) => sameNumbers(parsed((value as string | null) ?? 'null'))))
  })

  it.each(lineCodecs)('reads every row of a table in %s', async (codec) => {
    const [names_, ...rows] = (await rowsOf(`table.csv${names[codec]}`)) as string[][]
    expect(names_).toEqual(['position', 'timestamp', 'key', 'value', 'headers'])
    expect(rows).toEqual(
      messages.map(({ position, timestamp, key, value, headers = [] }) => [
        String(position),
        new Date(timestamp).toISOString().replace('.000Z', 'Z'),
        key ?? '',
        value ?? '',
        JSON.stringify(headers.map(({ name, value: content }) => ({ key: name, value: content }))),
      ]),
    )
  })

  it('reads keys and headers beside them as fastavro does', async () => {
    expect(await rowsOf('keys.avro')).toEqual(messages.map(({ key }) => key))
    expect(await rowsOf('headers.avro')).toEqual(
      messages.map(({ headers = [] }) => headers.map(({ name, value }) => ({ key: name, value }))),
    )
  })
})

describe('programs of the shell', () => {
  it.each([
    { program: 'zcat', words: [], ending: '.gz' },
    { program: 'zstd', words: ['-dc'], ending: '.zst' },
  ])('$program gives the very lines', async ({ program, words, ending }) => {
    const file = join(folder, `all.json${ending}`)
    const { stdout } = await run(program, [...words, file], { maxBuffer: 1 << 26 })
    expect(stdout).toBe(await readFile(join(folder, 'all.json'), 'utf8'))
  })
})

describe('DuckDB', () => {
  const query = async (sql: string) => {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson()
    connection.closeSync()
    instance.closeSync()
    return rows
  }

  it.each(['null', 'gzip', 'zstandard'] as const)('reads JSON lines in %s', async (codec) => {
    const [found] = await query(
      `select count(*) as messages, sum(position) as positions, count("key") as keys, count(valueText) as texts, any_value(topic) as topic
       from read_json('${folder}/all.json${names[codec]}', format = 'newline_delimited', columns = {topic: 'VARCHAR', position: 'BIGINT', key: 'VARCHAR', valueText: 'VARCHAR', value: 'JSON'})`,
    )
    expect(found).toMatchObject({
      messages: String(odd.length),
      positions: String(odd.reduce((sum, { position }) => sum + position, 0)),
      keys: String(odd.filter(({ key }) => typeof key === 'string').length),
      topic: origin.topic,
    })
  })

  it.each(['null', 'gzip', 'zstandard'] as const)('reads values and tables in %s', async (codec) => {
    const [json] = await query(
      `select count(*) as n from read_json_objects('${folder}/values.json${names[codec]}', format = 'newline_delimited')`,
    )
    expect(json).toEqual({ n: String(messages.length) })
    const [array] = await query(
      `select count(*) as n from read_json_objects('${folder}/array.json${names[codec]}', format = 'array')`,
    )
    expect(array).toEqual(json)
    const rows = await query(
      `select position, key, value, timestamp from read_csv('${folder}/table.csv${names[codec]}', header = true, delim = ',', quote = '"', escape = '"', allow_quoted_nulls = false,
       columns = {position: 'BIGINT', timestamp: 'TIMESTAMPTZ', key: 'VARCHAR', value: 'VARCHAR', headers: 'JSON'})`,
    )
    expect(rows.map(({ key, value }) => [key, value])).toEqual(messages.map(({ key, value }) => [key, value]))
    expect(rows.map(({ position }) => Number(position))).toEqual(messages.map(({ position }) => position))
  })
})
