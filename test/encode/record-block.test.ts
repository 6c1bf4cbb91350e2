import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type MessageBatch, sliceBatch } from '../../src/batch/batch.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { encodeBlock } from '../../src/encode/avro-block.ts'
import type { LookupField, RecordBlock } from '../../src/encode/block.ts'
import { encodeRecordBlock, findNotRecords, readRecordBlock } from '../../src/encode/record-block.ts'
import { crc32c } from '../../src/kernel/checksum.ts'
import { createRecordBlockEncoder, createRecordSetGatherer } from '../../src/encode/record-block-encoder.ts'
import { scanRecordSet } from '../../src/encode/record-set.ts'
import { messagesArbitrary, plainMessage, plainMessages } from '../batch/message-arbitrary.ts'
import { recordSetOf, withoutId } from './record-sets.ts'

const lookups: readonly LookupField[] = ['key', 'header:type']
const codecs = fc.constantFrom('none' as const, 'gzip' as const, 'snappy' as const, 'lz4' as const, 'zstd' as const)
const MiB = 1024 * 1024

const order = (position: number, value = 'some value'): MessageInput => ({
  position,
  timestamp: 1_700_000_000_000 - position,
  key: `key-${position}`,
  value,
  headers: [{ name: 'type', value: `type-${position % 3}` }],
})
const orders = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => order(from + i))

const messagesIn = async (blocks: readonly RecordBlock[]) =>
  (await Promise.all(blocks.map(({ bytes, codec }) => readRecordBlock(bytes, codec)))).flatMap((batch) => plainMessages(batch))

/** Messages of a key each, and nothing else. */
function tinyBatch(from: number, count: number): MessageBatch {
  const bytes = Buffer.from(Array.from({ length: count }, (_, i) => String((from + i) % 100_000).padStart(5, '0')).join(''))
  const column = (value: (row: number) => number) => Int32Array.from({ length: count }, (_, row) => value(row))
  const none = column(() => -1)
  const noHeaders = new Int32Array(0)
  return {
    count,
    bytes,
    positions: Float64Array.from({ length: count }, (_, row) => from + row),
    timestamps: new Float64Array(count),
    keyStart: column((row) => row * 5),
    keyEnd: column((row) => row * 5 + 5),
    valueStart: none,
    valueEnd: none,
    idStart: none,
    idEnd: none,
    headerFrom: new Int32Array(count + 1),
    headerNameStart: noHeaders,
    headerNameEnd: noHeaders,
    headerValueStart: noHeaders,
    headerValueEnd: noHeaders,
  }
}

/** What a block says of its messages must be what they are; its filters those of any other block of them. */
async function expectTrue(block: RecordBlock, fields: readonly LookupField[] = lookups): Promise<void> {
  const batch = await readRecordBlock(block.bytes, block.codec)
  const { filters } = await encodeBlock(batch, { codec: 'null', lookups: fields })
  expect(block).toMatchObject({
    format: 'kafka',
    count: batch.count,
    firstPosition: batch.positions[0],
    lastPosition: batch.positions.at(-1),
    minTimestamp: batch.timestamps.reduce((a, b) => Math.min(a, b)),
    maxTimestamp: batch.timestamps.reduce((a, b) => Math.max(a, b)),
  })
  expect(block.filters).toEqual(filters)
  expect(block.crc32c ?? crc32c(block.bytes)).toBe(crc32c(block.bytes))
}

describe('a block of record batches', () => {
  it.each(['zstandard', 'deflate', 'snappy', 'null'] as const)('gives back what was written in %s', async (codec) => {
    await fc.assert(
      fc.asyncProperty(messagesArbitrary({ minLength: 1 }), fc.nat(), async (made, cut) => {
        const messages = made.map(withoutId)
        const batch = batchOf(messages)
        const at = cut % (batch.count + 1)
        const parts = [sliceBatch(batch, 0, at), sliceBatch(batch, at, batch.count)].filter(({ count }) => count > 0)
        const block = await encodeRecordBlock(parts, { codec, lookups })
        expect(await messagesIn([block])).toEqual(messages.map(plainMessage))
        await expectTrue(block)
      }),
      { numRuns: 60 },
    )
  })

  it('has batches of a size that brokers take, and a batch of its own for a message that is larger', async () => {
    const values = [...Array.from({ length: 3000 }, () => 'x'.repeat(1000)), 'y'.repeat(3 * MiB), 'z']
    const batch = batchOf(values.map((value, position) => order(position, value)))
    const { bytes } = await encodeRecordBlock([batch], { codec: 'null', lookups: [] })
    const { batches } = scanRecordSet(bytes)
    const large = batches.filter((info) => info.bytes > MiB)
    expect(large.map(({ baseOffset, count }) => [baseOffset, count])).toEqual([[3000, 1]])
    expect(batches.length).toBeGreaterThan(5)
  })

  it('keeps positions that lie further apart than one batch can say', async () => {
    const positions = [0, 5, 2 ** 31 + 4, 2 ** 31 + 5, 2 ** 40, Number.MAX_SAFE_INTEGER - 1]
    const block = await encodeRecordBlock([batchOf(positions.map((position) => order(position)))], {
      codec: 'zstandard',
      lookups,
    })
    expect((await messagesIn([block])).map(({ position }) => position)).toEqual(positions)
    await expectTrue(block)
  })

  it('is refused with any byte changed that its batches vouch for, cut anywhere, or with bytes behind it', async () => {
    const { bytes, codec } = await encodeRecordBlock([batchOf(orders(0, 3))], { codec: 'null', lookups: [] })
    const refused = expect.objectContaining({ code: 'BLOCK_CORRUPT' })
    // Before the CRC lie base offset, length, leader's epoch and the CRC itself; the block's own CRC-32C vouches for those.
    for (let at = 17; at < bytes.byteLength; at++) {
      const damaged = Uint8Array.from(bytes)
      damaged[at]! ^= 1 << (at % 8)
      await expect(readRecordBlock(damaged, codec), `byte ${at}`).rejects.toEqual(refused)
    }
    for (let length = 0; length < bytes.byteLength; length++) {
      await expect(readRecordBlock(bytes.subarray(0, length), codec), `${length} bytes`).rejects.toEqual(refused)
    }
    await expect(readRecordBlock(Buffer.concat([bytes, Buffer.of(0)]), codec)).rejects.toEqual(refused)
    await expect(readRecordBlock(bytes, 'lz4')).rejects.toEqual(refused)
    await expect(readRecordBlock(Buffer.concat([bytes, bytes]), codec)).rejects.toEqual(refused)
  })

  it('is read as what it is or refused, whatever bytes there are', async () => {
    const whole = await encodeRecordBlock([batchOf(orders(0, 40))], { codec: 'zstandard', lookups: [] })
    const change = fc.record({ at: fc.nat(whole.bytes.byteLength - 1), byte: fc.nat(255) })
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) => {
        const bytes = Uint8Array.from(whole.bytes)
        for (const { at, byte } of changes) bytes[at] = byte
        return bytes
      }),
    )
    await fc.assert(
      fc.asyncProperty(anything, async (bytes) => {
        const outcome = await readRecordBlock(bytes, 'mixed').then(
          ({ count }) => count,
          (error: { code: string }) => error.code,
        )
        expect([40, 'BLOCK_CORRUPT', 'FORMAT_UNSUPPORTED']).toContain(outcome)
      }),
      { numRuns: 500 },
    )
  })
})

describe('findNotRecords', () => {
  it('names messages with an id, which records do not have', () => {
    const batch = batchOf([order(0), { ...order(1), id: 'a' }, order(2), { ...order(3), id: '' }])
    expect(findNotRecords(batch).map(({ row }) => row)).toEqual([1, 3])
  })
})

describe('createRecordBlockEncoder', () => {
  it('makes blocks of the size asked for, however the messages come', async () => {
    await fc.assert(
      fc.asyncProperty(
        messagesArbitrary({ minLength: 1 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.integer({ min: 1, max: 600 }),
        async (made, cuts, blockBytes) => {
          const messages = made.map(withoutId)
          const batch = batchOf(messages)
          const encoder = createRecordBlockEncoder({ codec: 'null', lookups, blockBytes })
          const rows = [0, ...cuts.map((cut) => cut % (batch.count + 1))].sort((a, b) => a - b)
          const coming = rows.flatMap((from, i) => encoder.add(sliceBatch(batch, from, rows[i + 1] ?? batch.count)))
          const last = encoder.flush()
          const blocks = await Promise.all(last === undefined ? coming : [...coming, last])
          expect(await messagesIn(blocks)).toEqual(messages.map(plainMessage))
          for (const block of blocks) {
            await expectTrue(block)
            expect(block.count === 1 || block.bytes.byteLength <= blockBytes + 61 + 21 * block.count).toBe(true)
          }
          expect(encoder).toMatchObject({ pendingCount: 0, pendingBytes: 0 })
          expect(encoder.flush()).toBeUndefined()
        },
      ),
      { numRuns: 60 },
    )
  })

  it('gathers small batches, and says what waits', async () => {
    const encoder = createRecordBlockEncoder({ codec: 'zstandard', lookups, blockBytes: 100_000 })
    for (let position = 0; position < 50; position++) expect(encoder.add(batchOf([order(position)]))).toEqual([])
    expect(encoder.pendingCount).toBe(50)
    const block = (await encoder.flush()) as RecordBlock
    expect(scanRecordSet(block.bytes).batches.map(({ count, codec }) => [count, codec])).toEqual([[50, 'zstd']])
  })

  it('refuses positions that do not rise, also across a block', () => {
    const encoder = createRecordBlockEncoder({ codec: 'null', lookups, blockBytes: MiB })
    void encoder.add(batchOf([order(5)]))
    void encoder.flush()
    expect(() => encoder.add(batchOf([order(5)]))).toThrow(expect.objectContaining({ code: 'POSITION_INVALID' }))
  })
})

describe('createRecordSetGatherer', () => {
  const contents = fc.tuple(
    messagesArbitrary({ minLength: 1, maxLength: 60 }),
    fc.array(fc.nat(9)),
    fc.array(codecs, { minLength: 9, maxLength: 9 }),
  )

  it('keeps every batch byte for byte, but for one that begins before the position, whatever the sets and blocks', async () => {
    await fc.assert(
      fc.asyncProperty(
        contents,
        fc.array(fc.nat(9)),
        fc.nat(9),
        fc.integer({ min: 1, max: 3000 }),
        async ([made, cuts, kinds], setCuts, skip, blockBytes) => {
          const messages = made.map(withoutId)
          // Cut into batches, those into sets; some messages of the first batch are not asked for.
          const batches = cut(messages, cuts).map((part, i) => ({ batch: batchOf(part), codec: kinds[i % 9]! }))
          const sets = await Promise.all(cut(batches, setCuts).map((part) => recordSetOf(part)))
          const first = cut(messages, cuts)[0]!
          const position = first[skip % first.length]!.position
          const gatherer = createRecordSetGatherer({ lookups, blockBytes }, position)
          const blocks: RecordBlock[] = []
          for (const set of sets) {
            for await (const block of gatherer.add(set)) blocks.push(block)
          }
          const last = gatherer.flush()
          if (last !== undefined) blocks.push(last)
          const wanted = messages.filter((message) => message.position >= position)
          expect(await messagesIn(blocks)).toEqual(wanted.map(plainMessage))
          expect(gatherer.nextPosition).toBe(messages.at(-1)!.position + 1)
          for (const block of blocks) await expectTrue(block)
          expect(blocks.map((block) => block.crc32c)).not.toContain(undefined)
          const stored = Buffer.concat(blocks.map(({ bytes }) => bytes))
          const given = await recordSetOf(skip % first.length === 0 ? batches : batches.slice(1))
          expect(stored.subarray(stored.byteLength - given.bytes.byteLength).equals(given.bytes)).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('leaves out batches that are not to be seen', async () => {
    const set = await recordSetOf([
      { batch: batchOf(orders(0, 3)) },
      { batch: batchOf(orders(3, 5)), isHidden: true },
      { batch: batchOf(orders(5, 9)), codec: 'lz4' },
    ])
    const gatherer = createRecordSetGatherer({ lookups, blockBytes: MiB }, 0)
    expect(await Array.fromAsync(gatherer.add(set))).toEqual([])
    const block = gatherer.flush()!
    expect(block.codec).toBe('mixed')
    expect((await messagesIn([block])).map(({ position }) => position)).toEqual([0, 1, 2, 5, 6, 7, 8])
  })

  it('rewrites the batch that begins before the position with its codec and the sequence numbers it had', async () => {
    const set = await recordSetOf([
      { batch: batchOf(orders(0, 10)), codec: 'lz4' },
      { batch: batchOf(orders(10, 12)), codec: 'lz4' },
    ])
    const gatherer = createRecordSetGatherer({ lookups, blockBytes: MiB }, 4)
    await Array.fromAsync(gatherer.add(set))
    const { batches } = scanRecordSet(gatherer.flush()!.bytes)
    expect(batches.map(({ baseOffset, lastOffset, count, codec }) => [baseOffset, lastOffset, count, codec])).toEqual([
      [4, 9, 6, 'lz4'],
      [10, 11, 2, 'lz4'],
    ])
    expect(batches[0]).toMatchObject({ producerId: 7n, producerEpoch: 1, baseSequence: 14 })
  })

  it('holds nothing of the memory of a set, whose next use does no harm', async () => {
    const set = await recordSetOf([{ batch: batchOf(orders(0, 10)) }, { batch: batchOf(orders(10, 20)) }])
    const gatherer = createRecordSetGatherer({ lookups, blockBytes: 1024 }, 0)
    const before = Buffer.from(set.bytes)
    const blocks = await Array.fromAsync(gatherer.add(set))
    set.bytes.fill(0)
    const last = gatherer.flush()
    const all = last === undefined ? blocks : [...blocks, last]
    expect(Buffer.concat(all.map(({ bytes }) => bytes)).equals(before)).toBe(true)
  })

  it('keeps a batch whose records before the position are gone already', async () => {
    const set = await recordSetOf([{ batch: batchOf(orders(6, 8)), baseOffset: 0 }])
    const gatherer = createRecordSetGatherer({ lookups, blockBytes: MiB }, 4)
    await Array.fromAsync(gatherer.add(set))
    expect(Buffer.from(gatherer.flush()!.bytes).equals(set.bytes)).toBe(true)
  })

  it('gives no block where no message is wanted', async () => {
    const gatherer = createRecordSetGatherer({ lookups, blockBytes: 1 }, 10)
    expect(await Array.fromAsync(gatherer.add(await recordSetOf([{ batch: batchOf(orders(0, 10)) }])))).toEqual([])
    expect(gatherer.flush()).toBeUndefined()
    expect(gatherer).toMatchObject({ pendingCount: 0, nextPosition: 10 })
  })

  it('holds nothing of a set that it waits with', async () => {
    const set = await recordSetOf([{ batch: batchOf(orders(0, 10)) }])
    const expected = Uint8Array.from(set.bytes)
    const gatherer = createRecordSetGatherer({ lookups, blockBytes: MiB }, 0)
    await Array.fromAsync(gatherer.add(set))
    set.bytes.fill(0)
    expect(Buffer.from(gatherer.flush()!.bytes).equals(expected)).toBe(true)
  })

  it('makes blocks of about the size asked for, before compression', async () => {
    const batches = Array.from({ length: 200 }, (_, i) => ({
      batch: batchOf(orders(i * 100, i * 100 + 100)),
      codec: 'zstd' as const,
    }))
    const gatherer = createRecordSetGatherer({ lookups, blockBytes: 64 * 1024 }, 0)
    const blocks = await Array.fromAsync(gatherer.add(await recordSetOf(batches)))
    expect(blocks.length).toBeGreaterThan(8)
    for (const { rawBytes } of blocks.slice(1)) {
      expect(rawBytes).toBeGreaterThan(48 * 1024)
      expect(rawBytes).toBeLessThan(96 * 1024)
    }
  })

  it('takes more messages than the kernel reads at once', async () => {
    const contents = Array.from({ length: 5 }, (_, i) => ({ batch: tinyBatch(i * 50_000, 50_000), codec: 'lz4' as const }))
    const gatherer = createRecordSetGatherer({ lookups: ['key', 'header:none'], blockBytes: 1024 * MiB }, 0)
    await Array.fromAsync(gatherer.add(await recordSetOf(contents)))
    const block = gatherer.flush()!
    expect(block).toMatchObject({ count: 250_000, firstPosition: 0, lastPosition: 249_999 })
    await expectTrue(block, ['key', 'header:none'])
  })

  it.each(['none', 'lz4', 'zstd'] as const)('gives nothing that a damaged batch was to be part of (%s)', async (codec) => {
    const set = await recordSetOf([
      { batch: batchOf(orders(0, 10)), codec },
      { batch: batchOf(orders(10, 20)), codec, isDamaged: true },
    ])
    const gatherer = createRecordSetGatherer({ lookups, blockBytes: MiB }, 0)
    await expect(Array.fromAsync(gatherer.add(set))).rejects.toMatchObject({ code: 'RECORD_SET_CORRUPT' })
    const block = gatherer.flush()
    if (block !== undefined) await expectTrue(block)
  })

  it('refuses batches that go back', async () => {
    const set = await recordSetOf([{ batch: batchOf(orders(0, 10)) }])
    const gatherer = createRecordSetGatherer({ lookups, blockBytes: MiB }, 0)
    await Array.fromAsync(gatherer.add(set))
    await expect(Array.fromAsync(gatherer.add(set))).rejects.toMatchObject({ code: 'POSITION_INVALID' })
  })
})

/** The items in parts that end before these, counted round. */
function cut<T>(items: readonly T[], cuts: readonly number[]): T[][] {
  const at = [0, ...cuts.map((one) => one % items.length), items.length].sort((a, b) => a - b)
  return at.slice(1).flatMap((to, i) => (to > at[i]! ? [items.slice(at[i], to)] : []))
}
