import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sliceBatch } from '../../src/batch/batch.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { decodeBlock, type EncodeOptions } from '../../src/encode/avro-block.ts'
import type { AvroBlock } from '../../src/encode/block.ts'
import { createBlockEncoder, DEFAULT_BLOCK_BYTES } from '../../src/encode/block-encoder.ts'
import { lookupHash } from '../../src/encode/lookup.ts'
import { messagesArbitrary, plainMessage, plainMessages } from '../batch/message-arbitrary.ts'
import { filterHolds } from './filter-holds.ts'

const options: EncodeOptions = { codec: 'null', lookups: ['key'] }
const order = (position: number, value: string) => ({ position, timestamp: position, key: `key-${position}`, value })

async function messagesOfBlocks(blocks: readonly AvroBlock[]) {
  const batches = await Promise.all(blocks.map((block) => decodeBlock(block)))
  return batches.flatMap((batch) => plainMessages(batch))
}

describe('createBlockEncoder', () => {
  it('makes the same blocks however the messages come in batches, none longer than asked but for single messages', async () => {
    await fc.assert(
      fc.asyncProperty(
        messagesArbitrary({ minLength: 1 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.integer({ min: 1, max: 600 }),
        async (messages, cuts, blockBytes) => {
          const batch = batchOf(messages)
          const encodeIn = async (rows: readonly number[]) => {
            const encoder = createBlockEncoder({ ...options, blockBytes })
            const blocks = rows.flatMap((from, i) => encoder.add(sliceBatch(batch, from, rows[i + 1] ?? batch.count)))
            const last = encoder.flush()
            return Promise.all(last === undefined ? blocks : [...blocks, last])
          }
          const rows = [0, ...cuts.map((cut) => cut % (batch.count + 1))].sort((a, b) => a - b)
          const blocks = await encodeIn(rows)
          expect(blocks).toEqual(await encodeIn([0]))
          expect(await messagesOfBlocks(blocks)).toEqual(messages.map(plainMessage))
          for (const { rawBytes, count } of blocks) expect(rawBytes <= blockBytes || count === 1).toBe(true)
        },
      ),
    )
  })
  it('gathers small batches until a block is full, and says what waits', async () => {
    const encoder = createBlockEncoder(options)
    expect(encoder).toMatchObject({ pendingCount: 0, pendingBytes: 0 })
    expect(encoder.flush()).toBeUndefined()
    const value = 'x'.repeat(10_000)
    const blocks: Promise<AvroBlock>[] = []
    for (let position = 0; position < 300; position++) blocks.push(...encoder.add(batchOf([order(position, value)])))
    expect(blocks).toHaveLength(2)
    expect(encoder.pendingCount).toBe(300 - (await Promise.all(blocks)).reduce((sum, { count }) => sum + count, 0))
    expect(encoder.pendingBytes).toBeGreaterThan(encoder.pendingCount * value.length)
    const all = await Promise.all([...blocks, encoder.flush()!])
    expect(encoder).toMatchObject({ pendingCount: 0, pendingBytes: 0 })
    for (const { rawBytes } of all.slice(0, 2)) expect(rawBytes).toBeGreaterThan(DEFAULT_BLOCK_BYTES - 10_100)
    expect((await messagesOfBlocks(all)).map(({ position }) => position)).toEqual(Array.from({ length: 300 }, (_, i) => i))
  })
  it('gives a message larger than a block one of its own, with its neighbours in order around it', async () => {
    const encoder = createBlockEncoder({ ...options, blockBytes: 1000 })
    const large = 'y'.repeat(100_000)
    const blocks = encoder.add(batchOf([order(0, 'a'), order(1, 'b'), order(2, large), order(3, 'c')]))
    const counts = (await Promise.all([...blocks, encoder.flush()!])).map(({ count, firstPosition }) => [firstPosition, count])
    expect(counts).toEqual([
      [0, 2],
      [2, 1],
      [3, 1],
    ])
  })
  it('keeps nothing of the caller: its bytes may change as soon as add returns', async () => {
    for (const codec of ['zstandard', 'null'] as const) {
      const encoder = createBlockEncoder({ codec, lookups: [], blockBytes: 2000 })
      const batch = batchOf(Array.from({ length: 100 }, (_, i) => order(i, `value ${i} `.repeat(10))))
      const expected = plainMessages(batch)
      const blocks = encoder.add(batch)
      batch.bytes.fill(0)
      batch.positions.fill(0)
      expect(await messagesOfBlocks(await Promise.all([...blocks, encoder.flush()!]))).toEqual(expected)
    }
  })
  it('reuses its buffers without touching blocks that were given out', async () => {
    const encoder = createBlockEncoder({ ...options, blockBytes: 2000 })
    const kept: AvroBlock[] = []
    for (let i = 0; i < 200; i++) {
      for (const block of encoder.add(batchOf([order(i, `value ${i} `.repeat(20))]))) kept.push(await block)
    }
    kept.push((await encoder.flush())!)
    const values = (await messagesOfBlocks(kept)).map(({ value }) => Buffer.from(value!).toString())
    expect(values).toEqual(Array.from({ length: 200 }, (_, i) => `value ${i} `.repeat(20)))
  })
  it('puts into each block the filters of its own messages', async () => {
    const encoder = createBlockEncoder({ ...options, blockBytes: 2000 })
    const batch = batchOf(Array.from({ length: 200 }, (_, i) => order(i, 'some value')))
    const blocks = await Promise.all([...encoder.add(batch), encoder.flush()!])
    expect(blocks.length).toBeGreaterThan(2)
    for (const block of blocks) {
      for (let position = block.firstPosition; position <= block.lastPosition; position++) {
        expect(filterHolds(block.filters[0]!, lookupHash(Buffer.from(`key-${position}`)))).toBe(true)
      }
    }
    const others = Array.from({ length: 150 }, (_, i) => lookupHash(Buffer.from(`key-${blocks[0].lastPosition + 1 + i}`)))
    expect(others.filter((hash) => filterHolds(blocks[0].filters[0]!, hash)).length).toBeLessThan(15)
  })
  it('refuses positions that do not rise from one batch to the next, also across a block', () => {
    for (const flush of [true, false]) {
      const encoder = createBlockEncoder(options)
      void encoder.add(batchOf([order(5, 'a')]))
      if (flush) void encoder.flush()
      expect(() => encoder.add(batchOf([order(5, 'b')]))).toThrow(expect.objectContaining({ code: 'POSITION_INVALID' }))
    }
  })
  it('takes an empty batch for nothing', () => {
    const encoder = createBlockEncoder(options)
    expect(encoder.add(batchOf([]))).toEqual([])
    expect(encoder.pendingCount).toBe(0)
  })
})
