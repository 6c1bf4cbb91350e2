import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sliceBatch } from '../../src/batch/batch.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { decodeBlock, type EncodeOptions } from '../../src/encode/avro-block.ts'
import type { AvroBlock, RecordSet } from '../../src/encode/block.ts'
import {
  type BlockEncoder,
  type BufferPool,
  createBlockEncoder,
  createBufferPool,
  DEFAULT_BLOCK_BYTES,
} from '../../src/encode/block-encoder.ts'
import { lookupHash } from '../../src/encode/lookup.ts'
import type { RecordCodec } from '../../src/encode/record-header.ts'
import { unpackRecordBatches } from '../../src/encode/record-set.ts'
import { messagesArbitrary, plainMessage, plainMessages } from '../batch/message-arbitrary.ts'
import { filterHolds } from './filter-holds.ts'
import { recordSetOf, withoutId } from './record-sets.ts'

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
  it('holds pieces alone where lanes are many, and a few whole buffers at once when all of them close', async () => {
    const made = createBufferPool(64 * 1024, 2)
    let pieces = 0
    let buffers = 0
    let mostBuffers = 0
    const pool: BufferPool = {
      ...made,
      takePiece() {
        pieces++
        return made.takePiece()
      },
      take() {
        mostBuffers = Math.max(mostBuffers, ++buffers)
        return made.take()
      },
      giveBack(buffer) {
        buffers--
        made.giveBack(buffer)
      },
    }
    const encoders = Array.from({ length: 100 }, () =>
      createBlockEncoder({ codec: 'zstandard', lookups: ['key'], blockBytes: 64 * 1024, pool }),
    )
    for (const encoder of encoders) expect(encoder.add(batchOf([order(0, 'x'.repeat(20_000))]))).toHaveLength(0)
    expect({ pieces, buffers }).toEqual({ pieces: 200, buffers: 0 })
    const blocks = await Promise.all(encoders.map((encoder) => encoder.flush()!))
    expect(blocks.map(({ count }) => count)).toEqual(encoders.map(() => 1))
    // Eight compress at once; turns go on some moments before their buffers come back.
    expect(mostBuffers).toBeLessThanOrEqual(24)
    expect(buffers).toBe(0)
  })
  it('begins in a whole buffer where the lane filled its last block, as long as there are some', async () => {
    const blockBytes = 16 * 1024
    const pool = createBufferPool(blockBytes, 1)
    const fill = (encoder: BlockEncoder<AvroBlock>) =>
      Promise.all(encoder.add(batchOf([order(0, 'a'.repeat(blockBytes)), order(1, 'b')])))
    const encoders = Array.from({ length: 3 }, () => createBlockEncoder({ ...options, blockBytes, pool }))
    for (const encoder of encoders) expect(await fill(encoder)).toHaveLength(1)
    expect(pool.isPlenty).toBe(false)
    const last = await Promise.all(encoders.map((encoder) => encoder.flush()!))
    expect(last.map(({ firstPosition }) => firstPosition)).toEqual([1, 1, 1])
    expect(pool.isPlenty).toBe(true)
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

describe('createBlockEncoder, given record batches as they are unpacked', () => {
  const codecs = fc.constantFrom('none' as const, 'gzip' as const, 'snappy' as const, 'lz4' as const, 'zstd' as const)
  /** The messages in record batches of three, each in a codec of its own. */
  const setOf = (messages: readonly MessageInput[], kinds: readonly RecordCodec[] = ['lz4'], isDamaged = false) =>
    recordSetOf(
      Array.from({ length: Math.ceil(messages.length / 3) }, (_, i) => ({
        batch: batchOf(messages.slice(i * 3, i * 3 + 3)),
        codec: kinds[i % kinds.length]!,
        isDamaged: isDamaged && i === 1,
      })),
    )
  const add = async (encoder: BlockEncoder<AvroBlock>, { bytes, batches }: RecordSet, fromPosition = 0) =>
    encoder.addRecords!(await unpackRecordBatches(bytes, batches, fromPosition))

  it('makes the blocks that it makes of the same messages as columns, from any position on', async () => {
    await fc.assert(
      fc.asyncProperty(
        messagesArbitrary({ minLength: 1 }),
        fc.array(codecs, { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.integer({ min: 1, max: 900 }),
        async (made, kinds, skip, blockBytes) => {
          const messages = made.map(withoutId)
          const from = skip % messages.length
          const lookups = ['key', 'header:type'] as const
          const [encoder, other] = [0, 1].map(() => createBlockEncoder({ codec: 'null', lookups, blockBytes }))
          const added = await add(encoder!, await setOf(messages, kinds), messages[from]!.position)
          expect(added).toMatchObject({ isWhole: true, failure: undefined, lastPosition: messages.at(-1)!.position })
          const blocksOf = async (blocks: readonly Promise<AvroBlock>[], last: Promise<AvroBlock> | undefined) =>
            Promise.all(last === undefined ? blocks : [...blocks, last])
          const expected = await blocksOf(other!.add(batchOf(messages.slice(from))), other!.flush())
          expect(await blocksOf(added.blocks, encoder!.flush())).toEqual(expected)
        },
      ),
      { numRuns: 100 },
    )
  })
  it('takes nothing of what is read with a message that no block can hold', async () => {
    const encoder = createBlockEncoder(options)
    const batch = batchOf([order(0, 'a'), order(1, 'b'), { ...order(2, 'c'), headers: [{ name: 'x', value: null }] }])
    batch.bytes[batch.headerNameStart[0]!] = 0xff
    const first = await add(encoder, await setOf([order(0, 'a')]))
    expect(first).toMatchObject({ isWhole: true, lastPosition: 0 })
    const second = await add(encoder, await recordSetOf([{ batch }]), 1)
    expect(second).toMatchObject({ isWhole: false, failure: undefined, lastPosition: 0, blocks: [] })
    expect(encoder.pendingCount).toBe(1)
  })
  it('tells what ended it, and keeps what came before', async () => {
    const encoder = createBlockEncoder({ ...options, blockBytes: 1 })
    await add(encoder, await setOf([order(0, 'a')]))
    const damaged = await add(
      encoder,
      await setOf(
        [1, 2, 3, 4, 5, 6].map((position) => order(position, 'b'.repeat(50))),
        ['lz4'],
        true,
      ),
    )
    expect(damaged.failure?.error).toMatchObject({ code: 'RECORD_SET_CORRUPT' })
    const back = await add(encoder, await setOf([order(0, 'again')]))
    expect(back.failure?.error).toMatchObject({ code: 'POSITION_INVALID' })
  })
})
