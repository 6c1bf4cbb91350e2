import avro from 'avsc'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type MessageBatch, sliceBatch } from '../../src/batch/batch.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { parseStoredBlock } from '../../src/encode/avro-container.ts'
import type { Codec } from '../../src/encode/block.ts'
import { decompress } from '../../src/encode/codec.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { lookupHash } from '../../src/encode/lookup.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import type { ValueKind } from '../../src/values/values.ts'
import { messagesArbitrary, plainMessage } from '../batch/message-arbitrary.ts'
import { filterHolds } from './filter-holds.ts'

const format = segmentFormat('value-avro')
const sync = Uint8Array.from({ length: 16 }, (_, i) => i + 100)
const kindOf = (schema: unknown): ValueKind => ({
  id: 'kind',
  type: 'avro',
  name: undefined,
  text: JSON.stringify(schema),
  references: [],
})

async function encode(batches: readonly MessageBatch[], codec: Codec, kind: ValueKind, blockBytes = 500) {
  const encoder = format.createEncoder({ codec, lookups: ['key', 'id'], blockBytes, kind })
  const builder = createSegmentBuilder({ format: 'value-avro', codec, sync, kind })
  const full = batches.flatMap((batch) => encoder.add(batch))
  const last = encoder.flush()
  const blocks = await Promise.all(last === undefined ? full : [...full, last])
  const chunks = blocks.flatMap((block) => builder.append(block).map(({ bytes }) => bytes))
  return { blocks, file: Buffer.concat([builder.header, ...chunks]), finished: builder.finish('key', {}) }
}

/** All data of a file, one behind the other, by the blocks that its commit would tell. */
async function dataOf(file: Buffer, { entry }: Awaited<ReturnType<typeof encode>>['finished'], codec: Codec) {
  const pieces = entry.blocks.map(({ offset, bytes }) => parseStoredBlock(file.subarray(offset, offset + bytes), sync))
  return Buffer.concat(await Promise.all(pieces.map(({ payload }) => decompress(codec, payload))))
}

describe('value-avro', () => {
  it('holds the bytes of the values as they are, however they come in batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        messagesArbitrary({ minLength: 1 }),
        fc.constantFrom<Codec>('null', 'deflate', 'snappy', 'zstandard'),
        fc.nat(),
        fc.integer({ min: 1, max: 400 }),
        async (any, codec, cut, blockBytes) => {
          const messages = any.map((message) => ({ ...message, value: message.value ?? 'null' }))
          const batch = batchOf(messages)
          const at = cut % (batch.count + 1)
          const cutInTwo = [sliceBatch(batch, 0, at), sliceBatch(batch, at, batch.count)]
          const { blocks, file, finished } = await encode(cutInTwo, codec, kindOf('bytes'), blockBytes)
          const values = messages.flatMap((message) => plainMessage(message).value ?? [])
          expect([...(await dataOf(file, finished, codec))]).toEqual(values)
          expect(blocks.reduce((sum, { count }) => sum + count, 0)).toBe(messages.length)
          // Data without bytes do not make a block fuller.
          const isOneOf = messages.every(({ value }) => value.length > 0) ? (count: number) => count === 1 : () => true
          for (const { rawBytes, count } of blocks) expect(rawBytes <= blockBytes || isOneOf(count)).toBe(true)
          expect([finished.entry.firstPosition, finished.entry.lastPosition]).toEqual([
            messages[0]!.position,
            messages.at(-1)!.position,
          ])
        },
      ),
      { numRuns: 50 },
    )
  })

  it('is a file that another implementation reads under the schema of the values', async () => {
    const schema = {
      type: 'record' as const,
      name: 'com.acme.Order',
      fields: [
        { name: 'id', type: 'long' },
        { name: 'text', type: 'string' },
      ],
    }
    const type = avro.Type.forSchema(schema)
    const orders = Array.from({ length: 300 }, (_, id) => ({ id, text: `order ${id}` }))
    const messages = orders.map((order, position): MessageInput => ({
      position,
      timestamp: position,
      key: `k${position}`,
      value: type.toBuffer(order),
    }))
    const { file, blocks } = await encode([batchOf(messages)], 'deflate', kindOf(schema))
    expect(blocks.length).toBeGreaterThan(5)
    const decoder = new avro.streams.BlockDecoder()
    const read: unknown[] = []
    let readSchema: unknown
    decoder.on('metadata', (type: avro.Type) => (readSchema = type.schema({ exportAttrs: true })))
    decoder.on('data', (order: unknown) => read.push(order))
    decoder.end(file)
    await new Promise((resolve) => decoder.on('end', resolve))
    expect(read.map((order) => ({ ...(order as object) }))).toEqual(orders)
    expect(readSchema).toMatchObject({ name: 'com.acme.Order' })
    const [key] = [lookupHash(new TextEncoder().encode('k0'))]
    expect(filterHolds(blocks[0]!.filters[0]!, key)).toBe(true)
    expect(filterHolds(blocks.at(-1)!.filters[0]!, key)).toBe(false)
  })

  it('names messages without a value, which are no data', () => {
    const batch = batchOf([
      { position: 0, timestamp: 0, value: 'a' },
      { position: 1, timestamp: 0, value: null },
      { position: 2, timestamp: Number.MAX_SAFE_INTEGER, value: 'a' },
    ])
    expect(format.findUnencodable(batch)).toEqual([
      { row: 1, reason: 'it has no value' },
      { row: 2, reason: 'the timestamp is beyond 2^53 ms' },
    ])
    const encoder = format.createEncoder({ codec: 'null', lookups: [], blockBytes: 100, kind: kindOf('bytes') })
    expect(() => encoder.add(batch)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  })

  it('holds values alone, and is never begun without their schema', async () => {
    const code = (name: string) => expect.objectContaining({ code: name }) as unknown
    await expect(format.readBlock(new Uint8Array(0), 'null')).rejects.toEqual(code('FORMAT_NOT_READABLE'))
    expect(format.keepsAll).toBe(false)
    expect(() => format.openFraming('null', sync)).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    expect(() => format.openFraming('null', sync, { ...kindOf('bytes'), type: 'none' })).toThrow('not of none')
    expect(() => format.openFraming('gzip', sync, kindOf('bytes'))).toThrow(
      expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }),
    )
  })

  it('has a header that says where blocks begin, with any schema', () => {
    const { header } = format.openFraming('snappy', sync, kindOf({ type: 'enum', name: 'E', symbols: ['A'] }))
    expect(format.readHeader(header)).toMatchObject({ bytes: header.byteLength, codec: 'snappy', sync })
    expect(format.readHeader(header.subarray(0, 40))).toBeUndefined()
  })
})
