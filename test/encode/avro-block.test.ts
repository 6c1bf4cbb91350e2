import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type MessageBatch, selectRows, sliceBatch } from '../../src/batch/batch.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { decodeBlock, encodeBlock, findUnencodable, readRecords } from '../../src/encode/avro-block.ts'
import type { Codec } from '../../src/encode/block.ts'
import { messagesArbitrary, plainMessage, plainMessages } from '../batch/message-arbitrary.ts'
import { readRecordsTwin, writeRecordsTwin } from '../kernel/avro-twin.ts'

const codecs: readonly Codec[] = ['zstandard', 'deflate', 'snappy', 'null']
const nonEmpty = messagesArbitrary({ minLength: 1 })

describe('encodeBlock', () => {
  it('writes the very bytes that its twin writes', async () => {
    await fc.assert(
      fc.asyncProperty(nonEmpty, async (messages) => {
        const block = await encodeBlock(batchOf(messages), { codec: 'null', lookups: [] })
        expect(Buffer.compare(block.bytes, writeRecordsTwin(messages))).toBe(0)
      }),
    )
  })
  it.each(codecs)('loses nothing under %s, and knows counts, positions and timestamps', async (codec) => {
    await fc.assert(
      fc.asyncProperty(nonEmpty, async (messages) => {
        const block = await encodeBlock(batchOf(messages), { codec, lookups: ['key', 'id'] })
        const timestamps = messages.map(({ timestamp }) => timestamp)
        expect(block).toMatchObject({
          format: 'avro',
          codec,
          count: messages.length,
          rawBytes: writeRecordsTwin(messages).byteLength,
          firstPosition: messages[0]!.position,
          lastPosition: messages.at(-1)!.position,
          minTimestamp: Math.min(...timestamps),
          maxTimestamp: Math.max(...timestamps),
        })
        expect(block.filters.map(({ field }) => field)).toEqual(['key', 'id'])
        expect(plainMessages(await decodeBlock(block))).toEqual(messages.map(plainMessage))
      }),
      { numRuns: 50 },
    )
  })
  it('takes slices and selections, however little of the bytes they point at', async () => {
    await fc.assert(
      fc.asyncProperty(nonEmpty, fc.nat(), async (messages, cut) => {
        const from = cut % messages.length
        const batch = batchOf(messages)
        const odd = Int32Array.from({ length: batch.count }, (_, row) => row).filter((row) => row % 2 === cut % 2)
        for (const [part, expected] of [
          [sliceBatch(batch, from, batch.count), messages.slice(from)],
          [selectRows(batch, odd), messages.filter((_, row) => row % 2 === cut % 2)],
        ] as const) {
          if (part.count === 0) continue
          const block = await encodeBlock(part, { codec: 'null', lookups: [] })
          expect(plainMessages(await decodeBlock(block))).toEqual(expected.map(plainMessage))
        }
      }),
    )
  })
  it('takes a selection whose messages lie further apart than the usual arena is long', async () => {
    const gap = new Uint8Array(30_000_000)
    const batch = batchOf([
      { position: 0, timestamp: 0, value: 'first' },
      { position: 1, timestamp: 0, value: gap },
      { position: 2, timestamp: 0, value: gap },
      { position: 3, timestamp: 0, value: 'last', headers: [{ name: 'far', value: 'header' }] },
    ])
    const block = await encodeBlock(selectRows(batch, Int32Array.of(0, 3)), { codec: 'null', lookups: [] })
    const [first, last] = plainMessages(await decodeBlock(block))
    expect([first, last].map((message) => Buffer.from(message!.value!).toString())).toEqual(['first', 'last'])
    expect(last!.headers).toHaveLength(1)
  })
  it('takes a message of 100 MB', async () => {
    const value = Buffer.alloc(100_000_000, 'a message that is far larger than a block ')
    const block = await encodeBlock(batchOf([{ position: 1, timestamp: 2, key: 'large', value }]), {
      codec: 'zstandard',
      lookups: ['key'],
    })
    expect(block.bytes.byteLength).toBeLessThan(value.byteLength / 100)
    const decoded = await decodeBlock(block)
    expect(Buffer.compare(decoded.bytes.subarray(decoded.valueStart[0], decoded.valueEnd[0]), value)).toBe(0)
  })
  it('takes a message with a hundred thousand headers', async () => {
    const headers = Array.from({ length: 100_000 }, () => ({ name: '', value: null }))
    const block = await encodeBlock(batchOf([{ position: 1, timestamp: 2, headers }]), { codec: 'snappy', lookups: ['header:x'] })
    const decoded = await decodeBlock(block)
    expect([...decoded.headerFrom]).toEqual([0, 100_000])
  })
  it.each([
    { positions: [2, 2], because: 'two positions are equal' },
    { positions: [3, 1], because: 'positions fall' },
    { positions: [0.5, 1], because: 'a position is no integer' },
    { positions: [1, 2 ** 53], because: 'a position is not safe' },
    { positions: [1, NaN], because: 'a position is no number' },
  ])('refuses a batch where $because', async ({ positions }) => {
    const batch = { ...batchOf([0, 1].map((position) => ({ position, timestamp: 0 }))), positions: Float64Array.from(positions) }
    await expect(encodeBlock(batch, { codec: 'null', lookups: [] })).rejects.toMatchObject({ code: 'POSITION_INVALID' })
  })
  it('refuses timestamps that are no safe integers', async () => {
    const batch = { ...batchOf([{ position: 0, timestamp: 0 }]), timestamps: Float64Array.of(-Infinity) }
    await expect(encodeBlock(batch, { codec: 'null', lookups: [] })).rejects.toMatchObject({ code: 'POSITION_INVALID' })
  })
  it('refuses a batch that points outside of its bytes', async () => {
    const batch = { ...batchOf([{ position: 0, timestamp: 0, key: 'k' }]), keyEnd: Int32Array.of(1000) }
    await expect(encodeBlock(batch, { codec: 'null', lookups: [] })).rejects.toMatchObject({ code: 'INTERNAL' })
  })
})

describe('readRecords', () => {
  it('reads any form that Avro allows: longer numbers, arrays in several blocks, with sizes or without', () => {
    fc.assert(
      fc.property(messagesArbitrary(), fc.infiniteStream(fc.nat(8)), (messages, numbers) => {
        const next = () => numbers.next().value as number
        const records = writeRecordsTwin(messages, {
          padding: () => Math.max(0, next() - 4),
          blockCount: (left) => 1 + (next() % left),
          sized: () => next() % 2 === 0,
        })
        expect(plainMessages(readRecords(records, messages.length))).toEqual(messages.map(plainMessage))
      }),
    )
  })
  it('agrees with its twin on damaged records: the same messages or an error, never anything else', () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff)))
    fc.assert(
      fc.property(
        messagesArbitrary(),
        fc.array(change, { maxLength: 3 }),
        fc.nat(3),
        fc.integer({ min: -1, max: 1 }),
        (messages, changes, cut, more) => {
          const whole = writeRecordsTwin(messages)
          const records = whole.slice(0, Math.max(0, whole.length - cut))
          for (const [at, value] of changes) if (records.length > 0) records[at % records.length] = value
          const count = Math.max(0, messages.length + more)
          expect(outcome(() => plainMessages(readRecords(records, count)))).toEqual(
            outcome(() => readRecordsTwin(records, count)),
          )
        },
      ),
      { numRuns: 3000 },
    )
  })
  it('agrees with its twin on bytes of any kind', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 1, 2, 3, 4, 0x7e, 0x7f, 0x80, 0xff), { maxLength: 60 }),
        fc.nat(4),
        (bytes, count) => {
          const records = Uint8Array.from(bytes)
          expect(outcome(() => plainMessages(readRecords(records, count)))).toEqual(
            outcome(() => readRecordsTwin(records, count)),
          )
        },
      ),
      { numRuns: 3000 },
    )
  })
  const huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]
  const lowest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]
  it.each([
    { name: 'fewer records than counted', bytes: [2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0], count: 3 },
    { name: 'more records than counted', bytes: [2, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0], count: 1 },
    { name: 'equal positions', bytes: [2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0], count: 2 },
    { name: 'bytes but no message', bytes: [0], count: 0 },
    { name: 'a count that is negative', bytes: [2, 0, 0, 0, 0, 0], count: -1 },
    { name: 'a count past all bytes', bytes: [2, 0, 0, 0, 0, 0], count: 2 ** 40 },
    { name: 'a union branch that is not there', bytes: [2, 0, 4, 0, 0, 0, 0], count: 1 },
    { name: 'a negative length', bytes: [2, 0, 2, 1, 0, 0, 0], count: 1 },
    { name: 'a length past the end', bytes: [2, 0, 2, ...huge, 0, 0, 0], count: 1 },
    { name: 'a position that is not safe', bytes: [...huge, 0, 0, 0, 0, 0], count: 1 },
    { name: 'a timestamp that is not safe', bytes: [2, ...lowest, 0, 0, 0, 0], count: 1 },
    { name: 'a number of eleven bytes', bytes: [...Array(10).fill(0x80), 0, 0, 0, 0, 0, 0], count: 1 },
    { name: 'an array of 2^63 - 1 headers', bytes: [2, 0, 0, 0, ...huge, 0, 0], count: 1 },
    { name: 'an array of -2^63 headers', bytes: [2, 0, 0, 0, ...lowest, 0, 0, 0], count: 1 },
    { name: 'an array block with a negative size', bytes: [2, 0, 0, 0, 1, 1, 0, 0, 0, 0], count: 1 },
    { name: 'an array block with a wrong size', bytes: [2, 0, 0, 0, 1, 2, 0, 0, 0, 0], count: 1 },
  ])('refuses $name', ({ bytes, count }) => {
    expect(() => readRecords(Uint8Array.from(bytes), count)).toThrow(expect.objectContaining({ code: 'BLOCK_CORRUPT' }))
  })
  it('says in which row, and up to which byte it was read', () => {
    const records = Uint8Array.of(2, 0, 0, 0, 0, 0, 4, 0, 6, 0, 0, 0, 0)
    expect(() => readRecords(records, 2)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ row: 1, offset: 9 }) }),
    )
  })
  it('shares the bytes it was given', () => {
    const records = writeRecordsTwin([{ position: 1, timestamp: 2, value: 'value' }])
    expect(readRecords(records, 1).bytes).toBe(records)
  })
})

describe('decodeBlock', () => {
  it('refuses more bytes than the caller allows', async () => {
    const messages = Array.from({ length: 1000 }, (_, position) => ({ position, timestamp: 0, value: 'x'.repeat(100) }))
    for (const codec of ['zstandard', 'deflate', 'snappy'] as const) {
      const block = await encodeBlock(batchOf(messages), { codec, lookups: [] })
      await expect(decodeBlock({ ...block, maxRawBytes: block.rawBytes - 1 })).rejects.toMatchObject({ code: 'BLOCK_CORRUPT' })
      expect(await decodeBlock({ ...block, maxRawBytes: block.rawBytes })).toMatchObject({ count: 1000 })
    }
  })
})

describe('findUnencodable', () => {
  /** A batch whose ids and header names are these bytes. */
  const named = (names: readonly (readonly number[])[]): MessageBatch => {
    const batch = batchOf(
      names.map((name, position) => ({
        position,
        timestamp: 0,
        value: Uint8Array.from(name),
        headers: [{ name: 'x', value: null }],
      })),
    )
    return { ...batch, idStart: batch.valueStart, idEnd: batch.valueEnd }
  }

  it('finds nothing in text, be it ASCII or not, nor in keys and values of any bytes', () => {
    fc.assert(
      fc.property(messagesArbitrary(), (messages) => {
        expect(findUnencodable(batchOf(messages))).toEqual([])
      }),
    )
  })
  it('names the row and the reason of every id and header name that is not UTF-8, one entry a message', () => {
    const ids = named([[0x61], [0xff], [0xc3, 0xa9], [0xed, 0xa0, 0x80], []])
    expect(findUnencodable(ids)).toEqual([1, 3].map((row) => ({ row, reason: 'the id is not UTF-8' })))
    const both = { ...ids, headerNameStart: ids.valueStart, headerNameEnd: ids.valueEnd }
    expect(findUnencodable(both)).toEqual(
      [1, 3].map((row) => ({ row, reason: 'the id is not UTF-8 and a header name is not UTF-8' })),
    )
    expect(findUnencodable(sliceBatch(both, 3, 5))).toEqual([
      { row: 0, reason: 'the id is not UTF-8 and a header name is not UTF-8' },
    ])
  })
  it('looks at every row of a batch larger than one call takes', () => {
    const batch = named(Array.from({ length: 5000 }, (_, i) => (i % 1000 === 999 ? [0x80] : [0x61])))
    expect(findUnencodable(batch).map(({ row }) => row)).toEqual([999, 1999, 2999, 3999, 4999])
  })
})

function outcome<T>(read: () => T): T | 'an error' {
  try {
    return read()
  } catch {
    return 'an error'
  }
}
