import avro from 'avsc'
import * as fc from 'fast-check'
import { isUtf8 } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { type MessageBatch, sliceBatch } from '../../src/batch/batch.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { parseContainerHeader, parseStoredBlock } from '../../src/encode/avro-container.ts'
import { decompress } from '../../src/encode/codec.ts'
import type { Codec } from '../../src/encode/block.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import { messagesArbitrary } from '../batch/message-arbitrary.ts'
import { blocksOf } from './line-blocks.ts'

const rules = segmentFormat('persistorrecord')
const origin = { topic: 'orders', lane: '3' }
const codecs = ['null', 'deflate', 'snappy', 'zstandard'] as const satisfies readonly Codec[]

/** A whole blob of these batches. */
async function blobOf(batches: readonly MessageBatch[], codec: Codec = 'null', blockBytes = 500): Promise<Buffer> {
  const blocks = await blocksOf('persistorrecord', batches, { codec, blockBytes, origin, lookups: ['key', 'id'] })
  const builder = createSegmentBuilder({ format: 'persistorrecord', codec, sync: new Uint8Array(16).fill(3) })
  return Buffer.concat([builder.header, ...blocks.flatMap((block) => builder.append(block).map(({ bytes }) => bytes))])
}

/** What the reader of Dataphos' blobs makes of one. */
async function readBlob(blob: Uint8Array) {
  const reader = segmentFormat('dataphos')
  const header = reader.readHeader(blob)!
  const found = await reader.split!(blob)
  const place = { crc32c: 0, firstPosition: 0, lastPosition: 0, minTimestamp: 7, maxTimestamp: 7 }
  const batches = await Promise.all(
    found.map((block) =>
      reader.readBlock(blob.subarray(block.offset, block.offset + block.bytes), header.codec!, header, { ...place, ...block }),
    ),
  )
  return batches.flatMap((batch) => [...messagesOf(batch)])
}

const textOf = (content: Uint8Array | null): string => {
  const bytes = Buffer.from(content ?? [])
  return isUtf8(bytes) ? bytes.toString() : bytes.toString('base64')
}
/** What a record says of a message. */
const recordOf = (batch: MessageBatch) =>
  Array.from(messagesOf(batch), ({ position, id, value, headers }) => ({
    ID: id ?? `3_${position}`,
    Data: Buffer.from(value ?? []),
    // The last of a name counts.
    Metadata: Object.fromEntries(headers.map(({ name, value: content }) => [name, textOf(content)])),
  }))

/** What another implementation of Avro reads. */
async function avroRecords(blob: Buffer) {
  const { schema } = parseContainerHeader(blob)!
  const type = avro.Type.forSchema(JSON.parse(schema) as avro.Schema)
  expect(type.name).toBe('com.syntio.dataphos.persistorrecord')
  const records = []
  for (const { offset, bytes } of await rules.split!(blob)) {
    const { payload, count } = parseStoredBlock(blob.subarray(offset, offset + bytes))
    const raw = Buffer.from(await decompress(parseContainerHeader(blob)!.codec, payload))
    let at = 0
    for (let row = 0; row < count; row++) {
      const { value, offset: end } = type.decode(raw, at)
      const { ID, Data, Metadata } = value as { ID: string; Data: Buffer; Metadata: Record<string, string> }
      records.push({ ID, Data: Buffer.from(Data), Metadata: { ...Metadata } })
      at = end
    }
    expect(at).toBe(raw.byteLength)
  }
  return records
}

describe('the format persistorrecord', () => {
  it.each(codecs)('is what avsc, and our reader of blobs of Dataphos, reads id, value and headers from, in %s', async (codec) => {
    await fc.assert(
      fc.asyncProperty(messagesArbitrary({ minLength: 1 }), async (any) => {
        // An object of JavaScript has no such name of its own.
        const messages = any.map(({ headers = [], ...message }) => ({
          ...message,
          headers: headers.filter(({ name }) => name !== '__proto__'),
        }))
        const batch = batchOf(messages)
        expect(rules.findUnencodable(batch).filter(({ reason }) => !reason.includes('timestamp'))).toEqual([])
        const blob = await blobOf([batch], codec)
        const expected = recordOf(batch)
        expect(await avroRecords(blob)).toEqual(expected)
        const read = await readBlob(blob)
        expect(
          read.map(({ id, value, headers }) => ({
            ID: id,
            Data: Buffer.from(value!),
            Metadata: Object.fromEntries(headers.map(({ name, value: content }) => [name, textOf(content)])),
          })),
        ).toEqual(expected)
        expect(read.map(({ headers }) => headers.length)).toEqual(expected.map(({ Metadata }) => Object.keys(Metadata).length))
      }),
      { numRuns: 40 },
    )
  })

  it('holds the same of slices of a large batch, however they were cut', async () => {
    const messages = Array.from({ length: 3000 }, (_, position): MessageInput => ({
      position,
      timestamp: 0,
      key: 'k',
      value: `${position}`.padEnd(position % 200, 'x'),
      headers: [{ name: 'n', value: `${position}` }],
    }))
    const batch = batchOf(messages)
    const slices = [sliceBatch(batch, 0, 3), sliceBatch(batch, 3, 900), sliceBatch(batch, 900, 901), sliceBatch(batch, 901, 3000)]
    const ofSlices = await avroRecords(await blobOf(slices, 'null', 4096))
    expect(ofSlices).toEqual(await avroRecords(await blobOf([batch], 'null', 1 << 20)))
    expect(ofSlices).toEqual(recordOf(batch))
  })

  it('names ids that no text can hold', () => {
    const plain = batchOf([
      { position: 0, timestamp: 0, value: Uint8Array.of(0xff), id: 'a' },
      { position: 1, timestamp: 0, value: Uint8Array.of(0xff) },
    ])
    const batch = { ...plain, idStart: Int32Array.of(plain.valueStart[0]!, -1), idEnd: Int32Array.of(plain.valueEnd[0]!, -1) }
    expect(rules.findUnencodable(batch)).toEqual([{ row: 0, reason: 'the id is not UTF-8' }])
  })

  it('tells how many messages a block holds', async () => {
    const blob = await blobOf([batchOf(Array.from({ length: 200 }, (_, position) => ({ position, timestamp: 0, value: 'x' })))])
    const blocks = await rules.split!(blob)
    expect(blocks.length).toBeGreaterThan(1)
    for (const { offset, bytes, count } of blocks)
      expect(await rules.countBlock!(blob.subarray(offset, offset + bytes), 'null')).toBe(count)
    await expect(rules.readBlock(blob, 'null')).rejects.toMatchObject({ code: 'FORMAT_NOT_READABLE' })
  })
})
