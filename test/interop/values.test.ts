import avro from 'avsc'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { Codec } from '../../src/encode/block.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import { createValues } from '../../src/values/create-values.ts'
import type { ValueKind } from '../../src/values/values.ts'
import { openTestRegistry } from '../adapters/registry/client.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { startSchemaRegistry } from '../servers/schema-registry.ts'
import { openFastavro, openJavaAvro, openSerializers } from './other-tools.ts'

const codecs: readonly Codec[] = ['zstandard', 'deflate', 'snappy', 'null']

/** Types of every kind; what a logical type is stands for is left to who reads. */
const schema = {
  type: 'record',
  name: 'com.acme.Everything',
  doc: 'With all there is',
  fields: [
    { name: 'id', type: 'long', default: 0 },
    { name: 'text', type: ['null', 'string'], default: null },
    // Not doubles: Avro for Java 1.12.0 reads those of an array as floats.
    { name: 'numbers', type: { type: 'array', items: 'long' } },
    { name: 'share', type: 'double' },
    { name: 'one', type: { type: 'map', values: 'int' } },
    { name: 'color', type: { type: 'enum', name: 'Color', symbols: ['RED', 'GREEN'] } },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 4 } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'next', type: ['null', 'com.acme.Everything'] },
  ],
}
const type = avro.Type.forSchema(structuredClone(schema) as avro.Schema, { wrapUnions: false })
const datum = (id: number, depth: number): object => ({
  id,
  text: id % 3 === 0 ? null : `text ž ${id}`,
  numbers: Array.from({ length: id % 4 }, (_, i) => i * 1_000_000_007),
  share: id / 3,
  one: id % 2 === 0 ? {} : { key: id },
  color: id % 2 === 0 ? 'RED' : 'GREEN',
  hash: Buffer.from([id & 255, 1, 2, 255]),
  at: 1_515_024_000_000 + id,
  next: depth === 0 ? null : datum(id + 1, depth - 1),
})
const data = Array.from({ length: 500 }, (_, id) => type.toBuffer(datum(id, id % 3)))

async function writeSegment(codec: Codec, file: string): Promise<void> {
  const kind: ValueKind = { id: 'k', type: 'avro', name: 'com.acme.Everything', text: JSON.stringify(schema), references: [] }
  const encoder = segmentFormat('value-avro').createEncoder({ codec, lookups: ['key'], blockBytes: 5000, kind })
  const builder = createSegmentBuilder({ format: 'value-avro', codec, sync: Uint8Array.from({ length: 16 }, (_, i) => i), kind })
  const full = encoder.add(batchOf(data.map((value, position) => ({ position, timestamp: 0, key: `${position}`, value }))))
  const blocks = await Promise.all([...full, encoder.flush()!])
  expect(blocks.length).toBeGreaterThan(3)
  writeFileSync(
    file,
    Buffer.concat([builder.header, ...blocks.flatMap((block) => builder.append(block).map(({ bytes }) => bytes))]),
  )
}

/** Messages with and without ids, with headers of several kinds. */
const messages: readonly MessageInput[] = Array.from({ length: 300 }, (_, position) => ({
  position,
  timestamp: 0,
  value: Uint8Array.of(255, position & 255),
  id: position % 3 === 0 ? `id ž ${position}` : null,
  headers: Array.from({ length: position % 4 }, (__, at) => ({ name: `h${at}`, value: at === 2 ? null : `${position}` })),
}))

const fastavro = await openFastavro('reencode.py')
const without = fastavro.missing === undefined ? '' : `, skipped: ${fastavro.missing.split('\n')[0]}`
describe.skipIf(fastavro.missing !== undefined && process.env['CI'] !== 'true')(`records of Dataphos${without}`, () => {
  it.each(codecs)('are what fastavro reads, and writes the very same, under %s', async (codec) => {
    const folder = mkdtempSync(join(tmpdir(), 'millpond-records-'))
    const origin = { topic: 'orders', lane: '3' }
    const encoder = segmentFormat('persistorrecord').createEncoder({ codec, lookups: [], blockBytes: 2000, origin })
    const full = encoder.add(batchOf(messages))
    const blocks = await Promise.all([...full, encoder.flush()!])
    const builder = createSegmentBuilder({ format: 'persistorrecord', codec, sync: new Uint8Array(16) })
    const chunks = blocks.flatMap((block) => builder.append(block).map(({ bytes }) => bytes))
    const file = join(folder, 'blob.avro')
    writeFileSync(file, Buffer.concat([builder.header, ...chunks]))
    await fastavro.exchange([file])
    const record = avro.Type.forSchema({
      type: 'record',
      name: 'persistorrecord',
      fields: [
        { name: 'ID', type: 'string' },
        { name: 'Data', type: 'bytes' },
        { name: 'Metadata', type: { type: 'map', values: 'string' } },
      ],
    })
    expect(readFileSync(`${file}.hex`, 'utf8').trim().split('\n')).toEqual(
      messages.map(({ position, id, value, headers = [] }) =>
        record
          .toBuffer({
            ID: id ?? `3_${position}`,
            Data: Buffer.from(value as Uint8Array),
            Metadata: Object.fromEntries(headers.map((header) => [header.name, (header.value ?? '') as string])),
          })
          .toString('hex'),
      ),
    )
    rmSync(folder, { recursive: true })
  })
})

for (const tool of [await openFastavro('reencode.py'), await openJavaAvro('Reencode.java')]) {
  const { name, missing } = tool
  const note = missing === undefined ? '' : `, skipped: ${missing.split('\n')[0]}`
  describe.skipIf(missing !== undefined && process.env['CI'] !== 'true')(`${name}${note}`, () => {
    let folder: string
    const file = (codec: string) => join(folder, `${codec}.avro`)
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'millpond-values-'))
      for (const codec of codecs) await writeSegment(codec, file(codec))
      await tool.exchange(codecs.map(file))
    })
    afterAll(() => rmSync(folder, { recursive: true }))
    it.each(codecs)('reads every datum of value-avro under %s, and writes the very same bytes', (codec) => {
      expect(
        readFileSync(`${file(codec)}.hex`, 'utf8')
          .trim()
          .split('\n'),
      ).toEqual(data.map((bytes) => bytes.toString('hex')))
    })
  })
}

interface Serialized {
  readonly what: string
  readonly value: string
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly fields: Readonly<Record<string, unknown>>
}

const serializers = await openSerializers()
const missing = serializers.missing ?? serverMissing('schema-registry')
const note = missing === undefined ? '' : `, skipped: ${missing.split('\n')[0]}`
describe.skipIf(missing !== undefined && process.env['CI'] !== 'true')(`${serializers.name}${note}`, () => {
  it('make values whose schema and fields we know', { timeout: GET_LIMIT_MS }, async () => {
    await using server = await startSchemaRegistry()
    const file = join(server.folder, 'values.jsonl')
    await serializers.exchange([server.url, file])
    const written = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Serialized)
    expect(written).toHaveLength(9)
    const bytes = (hex: string) => Buffer.from(hex, 'hex')
    const batch = batchOf(
      written.map(({ value, headers }, position) => ({
        position,
        timestamp: 0,
        value: bytes(value),
        headers: headers.map(({ name, value }) => ({ name, value: bytes(value) })),
      })),
    )
    await using values = createValues({
      type: 'registry',
      registry: openTestRegistry([server.url]),
      check: true,
      nowMs: Date.now,
    })
    const prepared = await values.prepare(batch, new AbortController().signal)
    expect(prepared.unreadable).toEqual([])
    for (const [row, { what, fields }] of written.entries()) {
      const found = Object.keys(fields).map((name) => [name, prepared.field(name)(row)])
      expect([what, Object.fromEntries(found)]).toEqual([what, fields])
    }
    expect(prepared.field('id')(0)).toBe(2n ** 60n + 1n)
    expect(prepared.kinds.map(({ type, name }) => `${type} ${name}`)).toEqual([
      'avro com.acme.Order',
      'avro Pair',
      'json-schema Thing',
      'protobuf acme.First',
      'protobuf acme.Order',
      'protobuf acme.Order.Line',
    ])
  })
})
