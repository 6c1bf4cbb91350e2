import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sliceBatch } from '../../src/batch/batch.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { Codec, LookupField } from '../../src/encode/block.ts'
import { lookupHash } from '../../src/encode/lookup.ts'
import type { MillpondError } from '../../src/errors.ts'
import { messagesArbitrary, plainMessage, plainMessages } from '../batch/message-arbitrary.ts'
import { filterHolds } from './filter-holds.ts'
import { parquetSegment, rowsOf } from './parquet-segments.ts'

const codecs: readonly Codec[] = ['zstandard', 'deflate', 'snappy', 'null']
const lookups: readonly LookupField[] = ['key', 'id', 'header:type']

describe('the format parquet', () => {
  it.each(codecs)('gives back whatever messages went in, however they came in batches, in %s', async (codec) => {
    await fc.assert(
      fc.asyncProperty(
        messagesArbitrary({ minLength: 1 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.integer({ min: 1, max: 600 }),
        async (messages, cuts, blockBytes) => {
          const batch = batchOf(messages)
          const rows = [0, ...cuts.map((cut) => cut % (batch.count + 1))].sort((a, b) => a - b)
          const batches = rows.map((from, i) => sliceBatch(batch, from, rows[i + 1] ?? batch.count))
          const segment = await parquetSegment(batches, { codec, lookups, blockBytes })
          const read = await segment.readBlocks()
          expect(read.flatMap(plainMessages)).toEqual(messages.map(plainMessage))
          for (const { count, rawBytes } of segment.blocks) expect(count === 1 || rawBytes < 20 * blockBytes + 2000).toBe(true)
          expect(segment.entry).toMatchObject({ count: messages.length, codec: codec === 'deflate' ? 'gzip' : codec })
        },
      ),
      { numRuns: 60 },
    )
  })

  it('is read alike by another reader, by its footer', async () => {
    await fc.assert(
      fc.asyncProperty(messagesArbitrary({ minLength: 1 }), fc.constantFrom(...codecs), async (messages, codec) => {
        const { file } = await parquetSegment([batchOf(messages)], { codec, lookups, blockBytes: 200 })
        expect(await rowsOf(file)).toEqual(messages.map(plainMessage))
      }),
      { numRuns: 60 },
    )
  })

  it('holds many pages, row groups, and messages larger than both', async () => {
    const messages: MessageInput[] = Array.from({ length: 5000 }, (_, i) => ({
      position: 2 ** 31 - 100 + 3 * i,
      timestamp: -1_000_000 + i * 7,
      key: i % 7 === 0 ? null : `key-${i % 50}`,
      value: i % 1000 === 500 ? 'x'.repeat(30_000) : i % 11 === 0 ? null : `${i}`.repeat(i % 40),
      id: i % 3 === 0 ? `id-${i}` : null,
      headers:
        i % 5 === 0 ? [] : Array.from({ length: i % 4 }, (__, h) => ({ name: `n${h % 2}`, value: h % 3 === 2 ? null : `${h}` })),
    }))
    const { file, blocks, readBlocks } = await parquetSegment([batchOf(messages)], {
      codec: 'zstandard',
      lookups,
      blockBytes: 8192,
    })
    expect(blocks.length).toBeGreaterThan(5)
    expect((await readBlocks()).flatMap(plainMessages)).toEqual(messages.map(plainMessage))
    expect(await rowsOf(file)).toEqual(messages.map(plainMessage))
    const encoder = new TextEncoder()
    for (const { filters } of blocks) expect(filters.map(({ field }) => field)).toEqual(lookups)
    expect(filterHolds(blocks[0]!.filters[0]!, lookupHash(encoder.encode('key-1')))).toBe(true)
    expect(filterHolds(blocks[0]!.filters[0]!, lookupHash(encoder.encode('no such key')))).toBe(false)
  })

  it('makes row groups of sixteen blocks, so that engines find few and large ones', async () => {
    const messages = Array.from({ length: 20_000 }, (_, i) => ({ position: i, timestamp: i, value: 'v'.repeat(72) }))
    const { blocks } = await parquetSegment([batchOf(messages)], { codec: 'null', lookups: [], blockBytes: 20_000 })
    expect(blocks.map(({ count }) => count)).toEqual([3200, 3200, 3200, 3200, 3200, 3200, 800])
  })

  it('finds every damaged byte of a row group, or reads what was written', async () => {
    const messages = Array.from({ length: 20 }, (_, i) => ({
      position: i,
      timestamp: i,
      key: `k${i % 3}`,
      value: `value ${i}`,
      headers: [{ name: 'n', value: i % 2 ? null : 'h' }],
    }))
    const { blocks, read } = await parquetSegment([batchOf(messages)], { codec: 'zstandard', lookups: [], blockBytes: 8192 })
    const whole = plainMessages(await read(blocks[0]!.bytes))
    const outcome = (bytes: Uint8Array) => read(bytes).then(plainMessages, (error: MillpondError) => error.code)
    let found = 0
    for (let at = 0; at < blocks[0]!.bytes.byteLength; at++) {
      for (const bit of [1, 0x80]) {
        const damaged = Uint8Array.from(blocks[0]!.bytes)
        damaged[at]! ^= bit
        const given = await outcome(damaged)
        if (typeof given === 'string') found++
        expect(given).toEqual(typeof given === 'string' ? 'BLOCK_CORRUPT' : whole)
      }
    }
    expect(found).toBeGreaterThan(1.7 * blocks[0]!.bytes.byteLength)
    for (let end = 0; end < blocks[0]!.bytes.byteLength; end++)
      await expect(read(blocks[0]!.bytes.subarray(0, end))).rejects.toMatchObject({ code: 'BLOCK_CORRUPT' })
  })

  it('refuses positions that do not rise, across batches too', async () => {
    const one = (position: number) => batchOf([{ position, timestamp: 0 }])
    await expect(parquetSegment([one(5), one(5)], { codec: 'null', lookups: [], blockBytes: 1000 })).rejects.toMatchObject({
      code: 'POSITION_INVALID',
    })
  })
})
