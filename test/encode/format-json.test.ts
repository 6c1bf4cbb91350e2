import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sliceBatch } from '../../src/batch/batch.ts'
import { batchOf } from '../../src/batch/builder.ts'
import type { Codec } from '../../src/encode/block.ts'
import { createBlockEncoder } from '../../src/encode/block-encoder.ts'
import { jsonFormat } from '../../src/encode/format-json.ts'
import { writeJsonLines } from '../../src/encode/json-lines.ts'
import { unpackRecordBatches } from '../../src/encode/record-set.ts'
import type { MillpondError } from '../../src/errors.ts'
import { messagesArbitrary, plainMessage, plainMessages } from '../batch/message-arbitrary.ts'
import { blocksOf, fileOf, lineCodecs, linesOf } from './line-blocks.ts'
import { recordSetOf, withoutId } from './record-sets.ts'

const origin = { topic: 'orders "é"', lane: '0' }

describe('the format json', () => {
  it.each(lineCodecs)(
    'gives back every message from blocks in %s, and one behind the other they are a file of lines',
    async (codec) => {
      await fc.assert(
        fc.asyncProperty(messagesArbitrary({ minLength: 1 }), fc.integer({ min: 1, max: 3000 }), async (messages, blockBytes) => {
          const batch = batchOf(messages)
          const cut = batch.count >> 1
          const blocks = await blocksOf('json', [sliceBatch(batch, 0, cut), sliceBatch(batch, cut, batch.count)], {
            codec,
            blockBytes,
            origin,
          })
          const read = await Promise.all(blocks.map(({ bytes }) => jsonFormat.readBlock(bytes, codec)))
          expect(read.flatMap(plainMessages)).toEqual(messages.map(plainMessage))
          expect((await fileOf(blocks)).equals(writeJsonLines(batch, origin))).toBe(true)
          for (const { rawBytes, count } of blocks) expect(rawBytes <= blockBytes || count === 1).toBe(true)
          expect(blocks.map(({ count }) => count)).toEqual(read.map(({ count }) => count))
        }),
        { numRuns: 60 },
      )
    },
  )

  it('knows of its blocks what those in avro know, filters included', async () => {
    await fc.assert(
      fc.asyncProperty(messagesArbitrary({ minLength: 1 }), async (messages) => {
        const lookups = ['key', 'id', 'header:type'] as const
        const batch = batchOf(messages)
        const [json] = await blocksOf('json', [batch], { lookups })
        const avro = createBlockEncoder({ codec: 'null', lookups })
        expect(avro.add(batch)).toEqual([])
        const { format: _, bytes: _bytes, rawBytes: _raw, ...known } = (await avro.flush())!
        expect(json).toMatchObject(known)
      }),
      { numRuns: 30 },
    )
  })

  it('leaves out topic and lane where nobody says them', async () => {
    const [block] = await blocksOf('json', [batchOf([{ position: 7, timestamp: 5, value: '{"a": 1}' }])])
    expect(await linesOf([block!])).toEqual(['{"position":7,"timestamp":5,"key":null,"value":{"a": 1}}'])
    expect(plainMessages(await jsonFormat.readBlock(block!.bytes, 'null'))).toMatchObject([{ position: 7, timestamp: 5 }])
  })

  it('makes the same blocks of records as of columns', async () => {
    await fc.assert(
      fc.asyncProperty(messagesArbitrary({ minLength: 1 }), fc.integer({ min: 1, max: 3000 }), async (all, blockBytes) => {
        const messages = all.map(withoutId)
        const options = { codec: 'null' as const, lookups: ['key' as const], blockBytes, origin }
        const set = await recordSetOf([{ batch: batchOf(messages), codec: 'lz4' }])
        const encoder = jsonFormat.createEncoder(options)
        const { blocks, isWhole } = encoder.addRecords!(await unpackRecordBatches(set.bytes, set.batches, 0))
        expect(isWhole).toBe(true)
        const last = encoder.flush()
        const made = await Promise.all(last === undefined ? blocks : [...blocks, last])
        expect(made).toEqual(await blocksOf('json', [batchOf(messages)], options))
      }),
      { numRuns: 40 },
    )
  })

  it('holds a message of megabytes that nothing fits, and one whose line is six times as long', async () => {
    const value = Buffer.alloc(5_000_000, 1)
    const other = Buffer.alloc(3_000_000, 0xff)
    const messages = [value, other].map((content, position) => ({ position, timestamp: 0, value: content }))
    const blocks = await blocksOf('json', [batchOf(messages)], { codec: 'zstandard' })
    expect(blocks.map(({ rawBytes }) => rawBytes > 4_000_000)).toEqual([true, true])
    for (const [at, block] of blocks.entries()) {
      const read = await jsonFormat.readBlock(block.bytes, 'zstandard')
      expect(Buffer.from(read.bytes.subarray(read.valueStart[0], read.valueEnd[0])).equals(messages[at]!.value)).toBe(true)
    }
  })

  it.each([
    { lines: '{"timestamp":1,"key":null,"value":1}\n', because: 'it has no position' },
    { lines: '{"position":1.5,"value":1}\n', because: 'its position is no whole number' },
    { lines: '{"position":"1","value":1}\n', because: 'its position is text' },
    { lines: '{"position":9007199254740993,"value":1}\n', because: 'its position is beyond 2^53' },
    { lines: '{"position":2}\n{"position":2}\n', because: 'positions do not rise' },
    { lines: '{"position":2', because: 'it is cut' },
    { lines: '[]\n', because: 'it is no object' },
  ])('refuses a block of which $because', async ({ lines }) => {
    await expect(jsonFormat.readBlock(Buffer.from(lines), 'null')).rejects.toMatchObject({ code: 'BLOCK_CORRUPT' })
  })

  it.each(lineCodecs)('reads no block in %s with a byte that was changed, cut off or added without a word', async (codec) => {
    const messages = Array.from({ length: 20 }, (_, i) => ({ position: i, timestamp: i, key: `k${i}`, value: `{"n":${i}}` }))
    const [block] = await blocksOf('json', [batchOf(messages)], { codec })
    const { bytes } = block!
    const read = (changed: Uint8Array): Promise<unknown> =>
      jsonFormat.readBlock(changed, codec).then(plainMessages, (error: unknown) => (error as MillpondError).code)
    expect(await read(Buffer.concat([bytes, Uint8Array.of(1)]))).toBe('BLOCK_CORRUPT')
    expect(await read(bytes.subarray(0, -2))).toBe('BLOCK_CORRUPT')
    const written = messages.map(plainMessage)
    // Some bits of headers say nothing; what is read then is what was written. Without a codec there is no checksum.
    for (let at = 12; at < bytes.byteLength && codec !== 'null'; at++) {
      const changed = Uint8Array.from(bytes)
      changed[at]! ^= 1 << (at % 8)
      expect(['BLOCK_CORRUPT', written]).toContainEqual(await read(changed))
    }
  })

  it('has no other codec', () => {
    const other: Codec = 'deflate'
    expect(() => jsonFormat.extension(other)).toThrow(expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }))
    expect(lineCodecs.map((codec) => jsonFormat.extension(codec))).toEqual(['json', 'json.gz', 'json.zst', 'json.snappy'])
  })
})
