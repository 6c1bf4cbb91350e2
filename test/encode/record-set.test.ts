import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sliceBatch } from '../../src/batch/batch.ts'
import { encodeBlock } from '../../src/encode/avro-block.ts'
import type { AvroRecords } from '../../src/encode/block.ts'
import { markMessages } from '../../src/batch/mark.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import {
  isProducible,
  markRecordBatch,
  rebaseRecordBatch,
  rowsThatFit,
  transcodeRecordBatch,
  writeRecordBatch,
} from '../../src/encode/record-batch.ts'
import type { RecordCodec } from '../../src/encode/record-header.ts'
import { controlType, readRecordBatches, type RecordBatchInfo, scanRecordSet } from '../../src/encode/record-set.ts'
import { messagesArbitrary, plainMessage, plainMessages } from '../batch/message-arbitrary.ts'
import { readRecordsTwin, writeRecordsTwin } from '../kernel/record-twin.ts'
import { crc32cTwin } from '../kernel/twins.ts'
import { javaLogs } from './record-golden.ts'

const codecs: readonly RecordCodec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const HEADER_BYTES = 61
const nonEmpty = messagesArbitrary({ minLength: 1 })
const corrupt = expect.objectContaining({ code: 'RECORD_SET_CORRUPT' })
/** Kafka's messages have no id. */
const withoutId = (messages: readonly MessageInput[]) => messages.map((message) => plainMessage({ ...message, id: null }))

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ minLength: 60, maxLength: 300 }))
const marksArbitrary = fc.record({
  headers: fc.array(fc.record({ name: text, value: text }), { maxLength: 4 }),
  positionName: text,
})

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Changes a batch in place and makes its CRC right again. */
function changed(batch: Uint8Array, change: (view: DataView) => void): Uint8Array {
  change(viewOf(batch))
  viewOf(batch).setUint32(17, crc32cTwin(batch.subarray(21)))
  return batch
}

const write = (messages: readonly MessageInput[], codec: RecordCodec = 'none') =>
  writeRecordBatch(batchOf(messages), 0, messages.length, { codec, keepOffsets: true })

const readAll = async (set: Uint8Array, fromPosition = 0) =>
  plainMessages(await readRecordBatches(set, scanRecordSet(set).batches, fromPosition))

/** Records of any bytes with what a header could say of them, as a set that was scanned. */
function asScanned(records: Uint8Array, info: Partial<RecordBatchInfo>) {
  const set = Buffer.concat([Buffer.alloc(HEADER_BYTES), records])
  const batch: RecordBatchInfo = {
    start: 0,
    bytes: set.byteLength,
    baseOffset: 0,
    lastOffset: 1_000_000,
    crc: 0,
    count: 1,
    codec: 'none',
    isControl: false,
    isTransactional: false,
    timestampType: 'create',
    firstTimestamp: 0,
    maxTimestamp: 0,
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    leaderEpoch: 0,
    ...info,
  }
  return { set, batches: [batch] }
}

const orders = (count: number, first = 0): MessageInput[] =>
  Array.from({ length: count }, (_, i) => first + i).map((position) => ({
    position,
    timestamp: 1_700_000_000_000 + position,
    key: `customer-${position % 100}`,
    value: `{"order":${position},"text":"${'x'.repeat(position % 50)}"}`,
    headers: [{ name: 'type', value: 'order' }],
  }))

describe('writeRecordBatch', () => {
  it('writes the very records that its twin writes', async () => {
    await fc.assert(
      fc.asyncProperty(nonEmpty, async (messages) => {
        const baseOffset = messages[0]!.position
        const bytes = await write(messages)
        const twin = writeRecordsTwin(messages, { baseOffset, baseTimestamp: messages[0]!.timestamp })
        expect(Buffer.compare(bytes.subarray(HEADER_BYTES), twin)).toBe(0)
      }),
    )
  })
  it.each(codecs)('loses nothing under %s, and its header says what is inside', async (codec) => {
    await fc.assert(
      fc.asyncProperty(nonEmpty, async (messages) => {
        const bytes = await write(messages, codec)
        const { batches, restBytes } = scanRecordSet(bytes)
        expect(restBytes).toBe(0)
        expect(batches).toEqual([
          {
            start: 0,
            bytes: bytes.byteLength,
            baseOffset: messages[0]!.position,
            lastOffset: messages.at(-1)!.position,
            crc: viewOf(bytes).getUint32(17),
            count: messages.length,
            codec,
            isControl: false,
            isTransactional: false,
            timestampType: 'create',
            firstTimestamp: messages[0]!.timestamp,
            maxTimestamp: Math.max(...messages.map(({ timestamp }) => timestamp)),
            producerId: -1n,
            producerEpoch: -1,
            baseSequence: -1,
            leaderEpoch: -1,
          },
        ])
        expect(await readAll(bytes)).toEqual(withoutId(messages))
      }),
      { numRuns: 50 },
    )
  })
  it('counts offsets up from 0 or what is given, whatever the positions are, unless they are to be kept', async () => {
    const batch = batchOf([5, 7, 1_000_000].map((position) => ({ position, timestamp: 1, value: 'v' })))
    const offsets = async (options: object) => {
      const bytes = await writeRecordBatch(batch, 0, 3, { codec: 'none', ...options })
      return (await readAll(bytes)).map(({ position }) => position)
    }
    expect(await offsets({})).toEqual([0, 1, 2])
    expect(await offsets({ baseOffset: 2 ** 40 })).toEqual([2 ** 40, 2 ** 40 + 1, 2 ** 40 + 2])
    expect(await offsets({ keepOffsets: true })).toEqual([5, 7, 1_000_000])
    expect(await offsets({ keepOffsets: true, baseOffset: 3 })).toEqual([5, 7, 1_000_000])
  })
  it('refuses offsets that are too far apart to be kept, and those before the base', async () => {
    const apart = (positions: readonly number[]) =>
      writeRecordBatch(batchOf(positions.map((position) => ({ position, timestamp: 0 }))), 0, 2, {
        codec: 'none',
        keepOffsets: true,
        ...(positions[0] === 9 ? { baseOffset: 10 } : {}),
      })
    await expect(apart([1, 2 ** 31])).resolves.toBeInstanceOf(Uint8Array)
    for (const positions of [
      [1, 2 ** 31 + 1],
      [9, 11],
    ]) {
      await expect(apart(positions)).rejects.toMatchObject({ code: 'POSITION_INVALID' })
    }
  })
  it('writes the rows it is asked for, of slices too, and refuses none', async () => {
    const messages = orders(50)
    const batch = sliceBatch(batchOf(messages), 10, 40)
    const bytes = await writeRecordBatch(batch, 5, 20, { codec: 'lz4', keepOffsets: true })
    expect(await readAll(bytes)).toEqual(withoutId(messages.slice(15, 30)))
    await expect(writeRecordBatch(batch, 3, 3, { codec: 'none' })).rejects.toMatchObject({ code: 'INTERNAL' })
  })
  it('names the producer and the transaction', async () => {
    const batch = batchOf(orders(3))
    const producer = { id: 2n ** 40n, epoch: 7, baseSequence: 0x7fff_ffff }
    const bytes = await writeRecordBatch(batch, 0, 3, { codec: 'zstd', producer, isTransactional: true })
    expect(scanRecordSet(bytes).batches[0]).toMatchObject({
      producerId: 2n ** 40n,
      producerEpoch: 7,
      baseSequence: 0x7fff_ffff,
      isTransactional: true,
    })
  })
  it.each(codecs)('takes batches of every size under %s, also past the usual arena', async (codec) => {
    for (const messages of [
      orders(5000),
      [{ position: 1, timestamp: 2, value: Buffer.alloc(40_000_000, 'a message that is far larger than others ') }],
    ]) {
      const bytes = await write(messages, codec)
      const back = await readRecordBatches(bytes, scanRecordSet(bytes).batches, 0)
      expect(back.count).toBe(messages.length)
      const last = messages.at(-1)!
      const value = back.bytes.subarray(back.valueStart[back.count - 1], back.valueEnd[back.count - 1])
      expect(Buffer.compare(value, Buffer.from(last.value as Buffer))).toBe(0)
    }
  })
  it('compresses: repeated text becomes small under each codec', async () => {
    const plain = (await write(orders(5000))).byteLength
    for (const codec of codecs.slice(1)) expect((await write(orders(5000), codec)).byteLength).toBeLessThan(plain / 3)
  })
  it('takes more effort where a level is given', async () => {
    const batch = batchOf(orders(5000))
    for (const [codec, level] of [
      ['gzip', 9],
      ['zstd', 19],
    ] as const) {
      const bytes = await writeRecordBatch(batch, 0, batch.count, { codec, level })
      expect(bytes.byteLength).toBeLessThan((await write(orders(5000), codec)).byteLength)
    }
  })
})

describe('readRecordBatches', () => {
  it('reads batches of any codecs one behind the other, from the position that is asked for', async () => {
    const cuts = fc.array(fc.tuple(fc.nat(10), fc.constantFrom(...codecs)), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(nonEmpty, cuts, fc.nat(), async (messages, pieces, start) => {
        const parts: Uint8Array[] = []
        let from = 0
        for (const [size, codec] of [...pieces, [messages.length, 'lz4'] as const]) {
          const part = messages.slice(from, from + size)
          if (part.length > 0) parts.push(await write(part, codec))
          from += size
        }
        const fromPosition = messages[start % messages.length]!.position + (start % 2)
        const expected = messages.filter(({ position }) => position >= fromPosition)
        expect(await readAll(Buffer.concat(parts), fromPosition)).toEqual(withoutId(expected))
      }),
      { numRuns: 200 },
    )
  })
  it('shares the bytes of a set that is not compressed', async () => {
    const set = Buffer.concat([await write(orders(3)), await write(orders(3, 3))])
    const batch = await readRecordBatches(set, scanRecordSet(set).batches, 0)
    expect([batch.bytes.buffer, batch.bytes.byteOffset, batch.bytes.byteLength]).toEqual([
      set.buffer,
      set.byteOffset,
      set.byteLength,
    ])
    expect(plainMessages(batch)).toEqual(withoutId(orders(6)))
  })
  it.each(codecs)('reads 200,000 messages of a set at once under %s', async (codec) => {
    const parts: Uint8Array[] = []
    for (let first = 0; first < 200_000; first += 10_000) parts.push(await write(orders(10_000, first), codec))
    const set = Buffer.concat(parts)
    const batch = await readRecordBatches(set, scanRecordSet(set).batches, 150)
    expect(batch.count).toBe(199_850)
    expect(batch.headerFrom[batch.count]).toBe(199_850)
    for (const row of [0, 9849, 9850, 100_000, 199_849]) {
      expect(plainMessages(sliceBatch(batch, row, row + 1))).toEqual(withoutId(orders(1, row + 150)))
    }
  })
  it('reads messages with any number of headers', async () => {
    for (const count of [0, 1, 100, 100_000]) {
      const headers = Array.from({ length: count }, (_, i) => ({ name: i % 2 ? '' : 'h', value: i % 3 ? null : 'v' }))
      const messages = [
        { position: 0, timestamp: 0, headers },
        { position: 1, timestamp: 0, headers },
      ]
      expect(await readAll(await write(messages, 'snappy'))).toEqual(withoutId(messages))
    }
  })
  it('takes the time of the broker where it gave one', async () => {
    const set = changed(await write(orders(3), 'lz4'), (view) => {
      view.setInt16(21, view.getInt16(21) | 8)
      view.setBigInt64(35, 1_800_000_000_123n)
    })
    const [info] = scanRecordSet(set).batches
    expect(info).toMatchObject({ timestampType: 'append', maxTimestamp: 1_800_000_000_123 })
    expect((await readAll(set)).map(({ timestamp }) => timestamp)).toEqual(Array(3).fill(1_800_000_000_123))
  })
  it('passes over batches that hold no message: control records, and headers that compaction left', async () => {
    const control = changed(await write(orders(1, 1)), (view) => view.setInt16(21, 0x30))
    const empty = changed((await write(orders(1, 2))).slice(0, HEADER_BYTES), (view) => {
      view.setInt32(8, HEADER_BYTES - 12)
      view.setInt32(57, 0)
    })
    const set = Buffer.concat([await write(orders(1)), control, empty, await write(orders(1, 3))])
    expect(scanRecordSet(set).batches.map(({ count, isControl }) => [count, isControl])).toEqual([
      [1, false],
      [1, true],
      [0, false],
      [1, false],
    ])
    expect((await readAll(set)).map(({ position }) => position)).toEqual([0, 3])
    expect(await readAll(control)).toEqual([])
    expect(await readAll(new Uint8Array(0))).toEqual([])
  })
  it('reads numbers that are longer than they need be', async () => {
    await fc.assert(
      fc.asyncProperty(nonEmpty, fc.infiniteStream(fc.nat(8)), async (messages, numbers) => {
        const baseOffset = messages[0]!.position
        const records = writeRecordsTwin(messages, { baseOffset, baseTimestamp: 0 }, () => Math.max(0, numbers.next().value! - 4))
        const { set, batches } = asScanned(records, { count: messages.length, baseOffset, lastOffset: messages.at(-1)!.position })
        expect(plainMessages(await readRecordBatches(set, batches, 0))).toEqual(withoutId(messages))
      }),
    )
  })
  it('agrees with its twin on damaged records: the same messages or an error, never anything else', async () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff)))
    await fc.assert(
      fc.asyncProperty(
        nonEmpty,
        fc.array(change, { maxLength: 3 }),
        fc.nat(3),
        fc.integer({ min: -1, max: 1 }),
        fc.boolean(),
        async (messages, changes, cut, more, isAppendTime) => {
          const baseOffset = messages[0]!.position
          const whole = writeRecordsTwin(messages, { baseOffset, baseTimestamp: 0 })
          const records = whole.slice(0, whole.length - cut)
          for (const [at, value] of changes) records[at % records.length] = value
          const count = Math.max(1, messages.length + more)
          const lastOffset = messages.at(-1)!.position
          const fromPosition = Math.min(baseOffset + 1, lastOffset)
          const scanned = asScanned(records, {
            count,
            baseOffset,
            lastOffset,
            maxTimestamp: 17,
            timestampType: isAppendTime ? 'append' : 'create',
          })
          const of = { count, baseOffset, lastOffset, timestamp: isAppendTime ? 17 : 0, isAppendTime }
          let twin: unknown
          try {
            twin = readRecordsTwin(records, of, fromPosition)
          } catch {
            twin = corrupt
          }
          const read = await readRecordBatches(scanned.set, scanned.batches, fromPosition).then(
            plainMessages,
            (error: unknown) => error,
          )
          expect(read).toEqual(twin)
        },
      ),
      { numRuns: 3000 },
    )
  })
  it.each([
    { name: 'fewer records than counted', bytes: [12, 0, 0, 0, 1, 1, 0], count: 2 },
    { name: 'more records than counted', bytes: [12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0], count: 1 },
    { name: 'a count past all bytes', bytes: [12, 0, 0, 0, 1, 1, 0], count: 0x7fff_ffff },
    { name: 'a record past the end', bytes: [14, 0, 0, 0, 1, 1, 0], count: 1 },
    { name: 'a record of a negative length', bytes: [1, 0, 0, 0, 1, 1, 0], count: 1 },
    { name: 'a record longer than what is in it', bytes: [14, 0, 0, 0, 1, 1, 0, 0], count: 1 },
    { name: 'a record shorter than what is in it', bytes: [12, 0, 0, 0, 1, 2, 0, 0], count: 1 },
    { name: 'an offset of the one before', bytes: [12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0], count: 2 },
    { name: 'an offset past the last', bytes: [12, 0, 0, 8, 1, 1, 0], count: 1 },
    { name: 'an offset before the first', bytes: [12, 0, 0, 1, 1, 1, 0], count: 1 },
    { name: 'a number of six bytes', bytes: [22, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0], count: 1 },
    { name: 'a number past 32 bits', bytes: [20, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 1, 0], count: 1 },
    { name: 'a key past the record', bytes: [12, 0, 0, 0, 6, 1, 0], count: 1 },
    { name: 'a key of 2 GiB', bytes: [20, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0], count: 1 },
    { name: 'fewer than no headers', bytes: [12, 0, 0, 0, 1, 1, 1], count: 1 },
    { name: 'more headers than bytes', bytes: [20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], count: 1 },
    { name: 'a header without a name', bytes: [16, 0, 0, 0, 1, 1, 2, 1, 1], count: 1 },
    {
      name: 'a timestamp that is no safe integer',
      bytes: [30, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 1, 0],
      count: 1,
    },
  ])('refuses $name', async ({ bytes, count }) => {
    const { set, batches } = asScanned(Uint8Array.from(bytes), { count, lastOffset: 3 })
    await expect(readRecordBatches(set, batches, 0)).rejects.toEqual(corrupt)
    const good = asScanned(Uint8Array.of(12, 0, 0, 0, 1, 1, 0), { lastOffset: 3 })
    expect((await readRecordBatches(good.set, good.batches, 0)).count).toBe(1)
  })
  it('says at which offset the batch is, in which record, and where that begins', async () => {
    const { set, batches } = asScanned(Uint8Array.of(12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0), { count: 2, baseOffset: 70 })
    await expect(readRecordBatches(set, batches, 0)).rejects.toMatchObject({
      message: expect.stringContaining('offset 70'),
      details: { baseOffset: 70, record: 1, at: 7 },
    })
  })
  it('refuses timestamps past what is safe', async () => {
    const set = changed(await write(orders(1)), (view) => view.setBigInt64(27, 1_700_000_000_000_000_000n))
    await expect(readAll(set)).rejects.toEqual(corrupt)
  })
  it.each(codecs.slice(1))('finds damage under %s or gives messages that rise, never anything else', async (codec) => {
    const messages = orders(40)
    const whole = await write(messages, codec)
    const [info] = scanRecordSet(whole).batches
    const harm = fc.tuple(fc.integer({ min: HEADER_BYTES, max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }))
    await fc.assert(
      fc.asyncProperty(fc.array(harm, { minLength: 1, maxLength: 3 }), fc.nat(10), async (changes, cut) => {
        const damaged = whole.slice()
        for (const [at, value] of changes) damaged[at]! ^= value
        const batches = [{ ...info!, bytes: info!.bytes - cut }]
        const read = await readRecordBatches(damaged, batches, 0).catch((error: unknown) => error)
        const isWhole = typeof read === 'object' && read !== null && 'count' in read && read.count === messages.length
        expect(isWhole || read).toEqual(isWhole || corrupt)
      }),
      { numRuns: 300 },
    )
  })
})

describe('what Java wrote', () => {
  const expected = Array.from({ length: 12 }, (_, i) => ({
    position: i,
    key: i % 4 === 0 ? null : `key-${i}`,
    value: i % 5 === 0 ? null : `{"order":${i},"text":"${'grüße '.repeat(i)}"}`,
    headers:
      i % 3 === 0
        ? []
        : [
            { name: 'type', value: 'order' },
            { name: 'n', value: `${i}` },
          ],
  }))
  it.each(codecs)('is read under %s, and rewritten to the same records', async (codec) => {
    const set = Buffer.from(javaLogs[codec], 'base64')
    const [info, ...others] = scanRecordSet(set).batches
    expect(others).toEqual([])
    expect(info).toMatchObject({ codec, baseOffset: 0, lastOffset: 11, count: 12, leaderEpoch: 0, timestampType: 'create' })
    const batch = await readRecordBatches(set, [info!], 0)
    const read = plainMessages(batch)
    const day = (timestamp: number) => Math.floor(timestamp / 86_400_000)
    expect(read.map((message) => ({ ...message, timestamp: day(message.timestamp) }))).toEqual(
      withoutId(expected.map((message) => ({ ...message, timestamp: 20_778 }))),
    )
    // Java counts timestamps from the first record's too, so that without a codec all of it is the same.
    const { producerId: id, producerEpoch: epoch, baseSequence } = info!
    const again = await writeRecordBatch(batch, 0, 12, { codec, producer: { id, epoch, baseSequence } })
    const [from, to] = codec === 'none' ? [17, set.byteLength] : [23, HEADER_BYTES]
    expect(Buffer.compare(again.subarray(from, to), set.subarray(from, to))).toBe(0)
  })
})

describe('scanRecordSet', () => {
  it('gives whole batches and tells what a cut one needs, wherever the set ends', async () => {
    const first = await write(orders(5), 'lz4')
    const second = await write(orders(4, 5), 'zstd')
    const set = Buffer.concat([first, second])
    for (let length = 0; length <= set.length; length++) {
      const { batches, restBytes, neededBytes } = scanRecordSet(set.subarray(0, length))
      const whole = length < first.length ? 0 : length < set.length ? 1 : 2
      const rest = length - [0, first.length, set.length][whole]!
      expect(batches.map(({ baseOffset }) => baseOffset)).toEqual([0, 5].slice(0, whole))
      expect(restBytes).toBe(rest)
      const needed = rest < 12 ? HEADER_BYTES : [first.length, second.length][whole]
      expect(neededBytes).toBe(rest === 0 ? undefined : needed)
    }
  })
  it('finds every flipped bit of what the CRC covers; what lies before a damaged batch is given', async () => {
    const first = await write(orders(2), 'snappy')
    const second = await write(orders(2, 2), 'snappy')
    for (let bit = 17 * 8; bit < second.length * 8; bit++) {
      const damaged = second.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => scanRecordSet(damaged)).toThrow(corrupt)
      expect(scanRecordSet(Buffer.concat([first, damaged]))).toMatchObject({
        batches: [{ baseOffset: 0 }],
        restBytes: second.length,
        neededBytes: undefined,
      })
    }
  })
  it.each([
    { name: 'a length that is negative', change: (view: DataView) => view.setInt32(8, -1), code: 'RECORD_SET_CORRUPT' },
    { name: 'a length without a header', change: (view: DataView) => view.setInt32(8, 48), code: 'RECORD_SET_CORRUPT' },
    { name: 'magic 3', change: (view: DataView) => view.setInt8(16, 3), code: 'RECORD_SET_CORRUPT' },
    { name: 'magic 1', change: (view: DataView) => view.setInt8(16, 1), code: 'FORMAT_UNSUPPORTED' },
    { name: 'magic 0', change: (view: DataView) => view.setInt8(16, 0), code: 'FORMAT_UNSUPPORTED' },
    { name: 'a codec that is not known', change: (view: DataView) => view.setInt16(21, 5), code: 'FORMAT_UNSUPPORTED' },
    { name: 'a negative offset', change: (view: DataView) => view.setBigInt64(0, -1n), code: 'RECORD_SET_CORRUPT' },
    {
      name: 'an offset that is not safe',
      change: (view: DataView) => view.setBigInt64(0, 2n ** 53n - 1n),
      code: 'RECORD_SET_CORRUPT',
    },
    { name: 'a last offset before the first', change: (view: DataView) => view.setInt32(23, -1), code: 'RECORD_SET_CORRUPT' },
    { name: 'a negative count', change: (view: DataView) => view.setInt32(57, -1), code: 'RECORD_SET_CORRUPT' },
    { name: 'more records than offsets', change: (view: DataView) => view.setInt32(57, 3), code: 'RECORD_SET_CORRUPT' },
  ])('refuses $name', async ({ change, code }) => {
    const set = changed(await write(orders(2)), change)
    expect(() => scanRecordSet(set)).toThrow(expect.objectContaining({ code }))
  })
  it('refuses a message set of Kafka 0.9', () => {
    const old = Buffer.alloc(26)
    old.writeInt32BE(14, 8)
    expect(() => scanRecordSet(old)).toThrow(expect.objectContaining({ code: 'FORMAT_UNSUPPORTED' }))
  })
  it('reads offsets up to the largest safe one', async () => {
    const position = Number.MAX_SAFE_INTEGER - 1
    const set = await write([position, position + 1].map((at) => ({ position: at, timestamp: -1, value: 'v' })))
    expect((await readAll(set)).map((message) => [message.position, message.timestamp])).toEqual([
      [position, -1],
      [position + 1, -1],
    ])
  })
})

describe('controlType', () => {
  const marker = async (type: number) => {
    const key = Uint8Array.of(0, 0, type >> 8, type & 255)
    return changed(await write([{ position: 7, timestamp: 1, key, value: Uint8Array.of(0, 0, 0, 0, 0, 0) }]), (view) =>
      view.setInt16(21, 0x30),
    )
  }
  it.each([
    { type: 0, says: 'abort' },
    { type: 1, says: 'commit' },
    { type: 2, says: 'other' },
    { type: 256, says: 'other' },
  ])('is $says for type $type', async ({ type, says }) => {
    const set = Buffer.concat([await write(orders(3)), await marker(type)])
    expect(controlType(set, scanRecordSet(set).batches[1]!)).toBe(says)
  })
  it('is other for a batch of messages', async () => {
    const set = await write(orders(1))
    expect(controlType(set, scanRecordSet(set).batches[0]!)).toBe('other')
  })
})

describe('rowsThatFit', () => {
  it('never takes more than fits, unless that is one row, and leaves little room', async () => {
    await fc.assert(
      fc.asyncProperty(nonEmpty, fc.nat(), fc.integer({ min: 61, max: 3000 }), async (messages, start, maxBytes) => {
        const batch = batchOf(messages)
        const from = start % messages.length
        const rows = rowsThatFit(batch, from, maxBytes)
        expect(rows).toBeGreaterThan(0)
        const bytesOf = async (count: number) =>
          (await writeRecordBatch(batch, from, from + count, { codec: 'none', keepOffsets: true })).byteLength
        expect(rows === 1 || (await bytesOf(rows)) <= maxBytes).toBe(true)
        expect(from + rows === batch.count || (await bytesOf(rows + 1)) > maxBytes - 20 * (rows + 1)).toBe(true)
      }),
    )
  })
  it('ends a batch before its offsets would be too far apart', () => {
    const batch = batchOf([0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 33].map((position) => ({ position, timestamp: 0 })))
    expect([0, 3, 4].map((from) => rowsThatFit(batch, from, 1_000_000))).toEqual([3, 1, 1])
  })
})

describe('transcodeRecordBatch', () => {
  const avroOf = async (messages: readonly MessageInput[]): Promise<AvroRecords> => {
    const { bytes, count, firstPosition } = await encodeBlock(batchOf(messages), { codec: 'null', lookups: [] })
    return { format: 'avro', bytes, count, firstPosition }
  }
  const dense = nonEmpty.map((messages) => messages.map((message, i) => ({ ...message, position: messages[0]!.position + i })))

  it.each(codecs)('makes of Avro records the very batch that is made of columns (%s)', async (codec) => {
    await fc.assert(
      fc.asyncProperty(dense, fc.boolean(), async (messages, isTransactional) => {
        const options = { codec, producer: { id: 9n, epoch: 1, baseSequence: 30 }, isTransactional }
        const expected = await writeRecordBatch(batchOf(messages), 0, messages.length, options)
        expect(Buffer.compare(await transcodeRecordBatch(await avroOf(messages), options), expected)).toBe(0)
      }),
      { numRuns: 40 },
    )
  })
  it.each(codecs)('gives each record its marks (%s)', async (codec) => {
    await fc.assert(
      fc.asyncProperty(dense, marksArbitrary, async (messages, marks) => {
        const options = { codec, producer: { id: 9n, epoch: 1, baseSequence: 30 } }
        const expected = await writeRecordBatch(markMessages(batchOf(messages), marks), 0, messages.length, options)
        expect(Buffer.compare(await transcodeRecordBatch({ ...(await avroOf(messages)), marks }, options), expected)).toBe(0)
      }),
      { numRuns: 40 },
    )
  })
  it('takes as many headers as there are', async () => {
    const headers = Array.from({ length: 5000 }, (_, i) => ({ name: `h${i}`, value: null }))
    const messages = [0, 1, 2].map((position) => ({ position, timestamp: 0, headers }))
    const written = await transcodeRecordBatch(await avroOf(messages), { codec: 'lz4' })
    expect(await readAll(written)).toEqual(withoutId(messages))
  })
  it('refuses records that are not what is said of them', async () => {
    const records = await avroOf(orders(10, 5))
    const wrong = [{ count: 9 }, { count: 11 }, { firstPosition: 4 }, { bytes: records.bytes.subarray(1) }]
    for (const change of wrong) {
      await expect(transcodeRecordBatch({ ...records, ...change }, { codec: 'lz4' })).rejects.toMatchObject({
        code: 'BLOCK_CORRUPT',
      })
    }
  })
})

describe('markRecordBatch', () => {
  const dense = nonEmpty.map((messages) => messages.map((message, i) => ({ ...message, position: messages[0]!.position + i })))

  it.each(codecs)('gives the records of a stored batch their marks (%s)', async (codec) => {
    await fc.assert(
      fc.asyncProperty(dense, marksArbitrary, fc.boolean(), async (messages, marks, isTransactional) => {
        const options = { codec, producer: { id: 9n, epoch: 1, baseSequence: 30 }, isTransactional }
        const set = Buffer.concat([await write(orders(3, 0), codec), await write(messages, codec)])
        const info = scanRecordSet(set).batches[1]!
        const marked = markMessages(batchOf(messages), marks)
        const expected = await writeRecordBatch(marked, 0, messages.length, options)
        expect(Buffer.compare(await markRecordBatch(set, info, marks, options), expected)).toBe(0)
      }),
      { numRuns: 40 },
    )
  })
  it('refuses a batch that does not hold what its header says', async () => {
    const set = await write(orders(10, 5), 'lz4')
    const [info] = scanRecordSet(set).batches
    const marks = { headers: [], positionName: 'at' }
    for (const change of [{ count: 9 }, { count: 11 }, { baseOffset: 4 }, { lastOffset: 15 }]) {
      await expect(markRecordBatch(set, { ...info!, ...change }, marks, {})).rejects.toMatchObject({ code: 'RECORD_SET_CORRUPT' })
    }
  })
})

describe('rebaseRecordBatch', () => {
  it('changes what a producer sets and nothing else', async () => {
    const stored = changed(await write(orders(10, 5000), 'lz4'), (view) => {
      view.setInt32(12, 42)
      // A transaction of another producer, and the mark of a compacted tombstone.
      view.setInt16(21, view.getInt16(21) | 0x50)
      view.setBigInt64(43, 17n)
    })
    const before = Uint8Array.from(stored)
    const producer = { id: 9n, epoch: 1, baseSequence: 30 }
    const [info] = scanRecordSet(stored).batches
    const again = Buffer.concat(
      rebaseRecordBatch(Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength), info!, {
        baseOffset: 0,
        producer,
        isTransactional: false,
      }),
    )
    expect(Buffer.compare(stored, before)).toBe(0)
    expect(scanRecordSet(again).batches[0]).toMatchObject({
      baseOffset: 0,
      lastOffset: 9,
      leaderEpoch: -1,
      producerId: 9n,
      producerEpoch: 1,
      baseSequence: 30,
      isTransactional: false,
      codec: 'lz4',
    })
    expect(Buffer.compare(again.subarray(HEADER_BYTES), stored.subarray(HEADER_BYTES))).toBe(0)
    expect(viewOf(again).getInt16(21)).toBe(3)
    expect(await readAll(again)).toEqual(withoutId(orders(10, 5000)).map((message, position) => ({ ...message, position })))
    const anonymous = Buffer.concat(rebaseRecordBatch(stored, info!, { baseOffset: 3, isTransactional: true }))
    expect(scanRecordSet(anonymous).batches[0]).toMatchObject({
      baseOffset: 3,
      producerId: -1n,
      baseSequence: -1,
      isTransactional: true,
    })
  })
})

describe('isProducible', () => {
  it.each([
    { name: 'messages without gaps', info: {}, is: true },
    { name: 'a gap', info: { lastOffset: 3 }, is: false },
    { name: 'times of the broker', info: { timestampType: 'append' }, is: false },
    { name: 'control records', info: { isControl: true }, is: false },
    { name: 'nothing', info: { count: 0, lastOffset: -1 }, is: false },
  ] as const)('is $is for $name', ({ info, is }) => {
    const { batches } = asScanned(new Uint8Array(0), { count: 3, lastOffset: 2, ...info })
    expect(isProducible(batches[0]!)).toBe(is)
  })
})
