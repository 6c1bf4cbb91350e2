import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { columnsBytes, writeColumns } from '../../src/kernel/columns.ts'
import { createKernel, SLACK_BYTES } from '../../src/kernel/kernel.ts'
import { snappyCompress } from '../../src/kernel/snappy.ts'
import { messagesArbitrary } from '../batch/message-arbitrary.ts'
import { valuesTwin, writeRecordsTwin as writeAvroTwin } from './avro-twin.ts'
import { lz4Frames } from './lz4-twin.ts'
import { writeRecordsTwin } from './record-twin.ts'
import { scattered } from './scattered.ts'
import { xerialStreams } from './xerial-twin.ts'

const kernel = createKernel(1 << 20)
const { exports, bytes } = kernel
const ARENA_BYTES = 1 << 17
const base = kernel.arenaStart

/** Fills the arena with one byte, puts `input` at `at`, calls, and gives the result with every byte of the arena afterwards. */
function callIn(fill: number, input: { at: number; bytes: Uint8Array }, call: () => number) {
  bytes.fill(fill, base, base + ARENA_BYTES)
  bytes.set(input.bytes, input.at)
  const result = call()
  return { result, after: bytes.slice(base, base + ARENA_BYTES) }
}

/** Expects all bytes outside of the regions to be `fill` still. */
function expectUntouched(after: Uint8Array, fill: number, regions: readonly { from: number; to: number }[]): void {
  const copy = after.slice()
  for (const { from, to } of regions) copy.fill(fill, from - base, to - base)
  expect(copy.every((byte) => byte === fill)).toBe(true)
}

/** Expects a call to give the same, be what lies around zeros or ones, and to write into its room and the slack behind it alone. */
function expectSame(place: { source: number; input: Uint8Array; out: number; room: number }, call: () => number): void {
  const { source, input, out, room } = place
  const outcomes = [0, 0xff].map((fill) => {
    const { result, after } = callIn(fill, { at: source, bytes: input }, call)
    expectUntouched(after, fill, [
      { from: source, to: source + input.length },
      { from: out, to: out + room + SLACK_BYTES },
    ])
    return { result, out: result < 0 ? undefined : after.slice(out - base, out - base + result) }
  })
  expect(outcomes[0]).toEqual(outcomes[1])
}

/** Changes bytes and cuts: what disks and strangers do to data. */
const damage = fc.record({ changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), cut: fc.nat(8) })
const damaged = (whole: Uint8Array, { changes, cut }: { changes: [number, number][]; cut: number }) => {
  const copy = whole.slice(0, whole.length - (whole.length > 0 ? cut % whole.length : 0))
  for (const [at, value] of changes) if (copy.length > 0) copy[at % copy.length] = value
  return copy
}

describe('kernel functions on hostile input', () => {
  it('readRows: what lies around its input changes nothing, and nothing outside of its regions is written', () => {
    fc.assert(
      fc.property(messagesArbitrary(), damage, fc.nat(3), fc.nat(20), (messages, harm, more, headers) => {
        const input = damaged(writeAvroTwin(messages), harm)
        const count = messages.length + more
        const result = base + 4096
        const columns = result + 64
        const source = columns + columnsBytes(count, headers) + 4096
        const call = () => exports.readRows(source, input.length, columns, count, headers, result)
        const outcomes = [0, 0xff].map((fill) => {
          const { result: returned, after } = callIn(fill, { at: source, bytes: input }, call)
          expectUntouched(after, fill, [
            { from: result, to: columns + columnsBytes(count, headers) },
            { from: source, to: source + input.length },
          ])
          return returned
        })
        expect(outcomes[0]).toBe(outcomes[1])
      }),
      { numRuns: 500 },
    )
  })
  it('snappyDecompress: the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 40 }), damage, (part, times, harm) => {
        const input = damaged(snappyCompress(Uint8Array.from(Array.from({ length: times }, () => [...part]).flat())), harm)
        const source = base + 4096
        const out = source + input.length + 4096
        const length = callIn(0, { at: source, bytes: input }, () => exports.snappyLength(source, input.length)).result
        if (length < 0 || length > 1 << 16) return
        const outcomes = [0, 0xff].map((fill) => {
          const { result, after } = callIn(fill, { at: source, bytes: input }, () =>
            exports.snappyDecompress(source, input.length, out, length),
          )
          expectUntouched(after, fill, [
            { from: source, to: source + input.length },
            { from: out, to: out + length },
          ])
          return { result, out: result < 0 ? undefined : after.slice(out - base, out - base + length) }
        })
        expect(outcomes[0]).toEqual(outcomes[1])
      }),
      { numRuns: 500 },
    )
  })
  it('lz4Decompress: the same', () => {
    fc.assert(
      fc.property(lz4Frames, damage, ({ bytes: whole }, harm) => {
        const input = damaged(whole, harm)
        const source = base + 4096
        const out = source + input.length + 4096
        const bound = callIn(0, { at: source, bytes: input }, () => exports.lz4Bound(source, input.length)).result
        if (bound < 0) return
        const room = Math.min(bound, 1 << 16)
        expectSame({ source, input, out, room }, () => exports.lz4Decompress(source, input.length, out, room))
      }),
      { numRuns: 500 },
    )
  })
  it('xerialDecompress: the same', () => {
    fc.assert(
      fc.property(xerialStreams, damage, ({ bytes: whole }, harm) => {
        const input = damaged(whole, harm)
        const source = base + 4096
        const out = source + input.length + 4096
        const bound = callIn(0, { at: source, bytes: input }, () => exports.xerialBound(source, input.length)).result
        if (bound < 0) return
        const room = Math.min(bound, 1 << 15)
        expectSame({ source, input, out, room }, () => exports.xerialDecompress(source, input.length, out, room))
      }),
      { numRuns: 500 },
    )
  })
  it('readRecords: the same', () => {
    fc.assert(
      fc.property(messagesArbitrary({ minLength: 1 }), damage, fc.nat(20), fc.nat(3), (messages, harm, headers, more) => {
        const baseOffset = messages[0]!.position
        const input = damaged(writeRecordsTwin(messages, { baseOffset, baseTimestamp: 0 }), harm)
        const count = messages.length + more
        const call = base + 4096
        const columns = call + 128
        const source = columns + columnsBytes(count, headers) + 4096
        const outcomes = [0, 0xff].map((fill) => {
          const { result, after } = callIn(fill, { at: source, bytes: input }, () => {
            kernel.i32.set([source, input.length, columns, count, headers, 0, 0, 0, count, 0], call / 4)
            kernel.f64.set([baseOffset, baseOffset + 2 ** 31, 0, 0], call / 8 + 5)
            return exports.readRecords(call)
          })
          expectUntouched(after, fill, [
            { from: call, to: columns + columnsBytes(count, headers) },
            { from: source, to: source + input.length },
          ])
          return result
        })
        expect(outcomes[0]).toBe(outcomes[1])
      }),
      { numRuns: 500 },
    )
  })
  it('writeRecords: nothing is written behind the measured bound, that of its marks and its slack', () => {
    fc.assert(
      fc.property(messagesArbitrary({ minLength: 1 }), fc.option(fc.uint8Array({ maxLength: 300 })), (messages, marks) => {
        const batch = batchOf(messages)
        const headers = batch.headerFrom[batch.count]!
        const result = base
        const columns = base + 64
        const payload = columns + columnsBytes(batch.count, headers) + 64
        const marksAt = payload + batch.bytes.byteLength + SLACK_BYTES
        const marksLength = marks?.byteLength ?? 0
        const out = marksAt + marksLength
        bytes.fill(0xa5, base, base + ARENA_BYTES)
        writeColumns(kernel, columns, batch, 0, batch.count)
        bytes.set(batch.bytes, payload)
        if (marks !== null) bytes.set(marks, marksAt)
        expect(exports.measureRows(columns, batch.count, headers, batch.bytes.byteLength, result)).toBe(0)
        // The text of a position and its length take 17 bytes at the most, and marks make the number of headers two bytes longer, and the record's length.
        const bound = kernel.f64[result / 8 + 1]! + (marks === null ? 0 : batch.count * (marksLength + 17 + 4))
        const [first, time] = [batch.positions[0]!, batch.timestamps[0]!]
        const place = [marks === null ? 0 : 4, marksAt, marksLength] as const
        const length = exports.writeRecords(columns, batch.count, headers, payload, out, first, -1, time, ...place)
        expect(length).toBeLessThanOrEqual(bound)
        expect(bytes.subarray(out + bound + SLACK_BYTES, base + ARENA_BYTES).every((byte) => byte === 0xa5)).toBe(true)
      }),
    )
  })
  it.each(['lz4CompressBlocks', 'xerialCompress'] as const)('%s: nothing is written behind the room that it asks for', (name) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000, size: 'max' }), fc.nat(3), (part, times) => {
        const input = Uint8Array.from(Array.from({ length: times + 1 }, () => [...part]).flat())
        const source = base + 4096
        const out = source + input.length + 4096
        const room =
          input.length + Math.ceil(input.length / (name === 'xerialCompress' ? 6 : 128)) + Math.ceil(input.length / 1024) + 64
        const { result, after } = callIn(0xa5, { at: source, bytes: input }, () => exports[name](source, input.length, out))
        expect(result).toBeLessThanOrEqual(room)
        expectUntouched(after, 0xa5, [
          { from: source, to: source + input.length },
          { from: out, to: out + room + SLACK_BYTES },
        ])
      }),
      { numRuns: 200 },
    )
  })
  it('writeRows and measureRows: nothing is written behind the measured bound and its slack', () => {
    fc.assert(
      fc.property(messagesArbitrary({ minLength: 1 }), (messages) => {
        const batch = batchOf(messages)
        const headers = batch.headerFrom[batch.count]!
        const result = base
        const columns = base + 64
        const payload = columns + columnsBytes(batch.count, headers) + 64
        const out = payload + batch.bytes.byteLength + SLACK_BYTES
        bytes.fill(0xa5, base, base + ARENA_BYTES)
        writeColumns(kernel, columns, batch, 0, batch.count)
        bytes.set(batch.bytes, payload)
        expect(exports.measureRows(columns, batch.count, headers, batch.bytes.byteLength, result)).toBe(0)
        const bound = kernel.f64[result / 8 + 1]!
        expect(exports.writeRows(columns, batch.count, headers, 0, batch.count, payload, out, 0, 0x7fffffff, result)).toBe(
          batch.count,
        )
        expect(kernel.i32[result / 4]).toBeLessThanOrEqual(bound)
        expect(bytes.subarray(out + bound + SLACK_BYTES, base + ARENA_BYTES).every((byte) => byte === 0xa5)).toBe(true)
      }),
    )
  })
  it('writeValues: nothing is written behind the bound and its slack, and a null is refused', () => {
    fc.assert(
      fc.property(messagesArbitrary({ minLength: 1 }), fc.nat(200), fc.nat(200), (messages, pendingBytes, blockBytes) => {
        const batch = batchOf(messages)
        const result = base
        const columns = base + 64
        const payload = columns + columnsBytes(batch.count, batch.headerFrom[batch.count]!) + 64
        const out = payload + batch.bytes.byteLength + SLACK_BYTES
        bytes.fill(0xa5, base, base + ARENA_BYTES)
        writeColumns(kernel, columns, batch, 0, batch.count)
        bytes.set(batch.bytes, payload)
        const taken = exports.writeValues(columns, batch.count, 0, batch.count, payload, out, pendingBytes, blockBytes, result)
        expect([taken, taken < 0 ? [] : [...bytes.subarray(out, out + kernel.i32[result / 4]!)]]).toEqual(
          valuesTwin(messages, pendingBytes, blockBytes),
        )
        expect(
          bytes.subarray(out + batch.bytes.byteLength + SLACK_BYTES, base + ARENA_BYTES).every((byte) => byte === 0xa5),
        ).toBe(true)
      }),
    )
  })
  it('gatherRows: nothing is written outside of the columns and its room, and no span leaves its piece', () => {
    const scatter = fc.tuple(messagesArbitrary({ minLength: 1 }), fc.infiniteStream(fc.nat(900)))
    fc.assert(
      fc.property(scatter, ([messages, gaps]) => {
        let used = 0
        const batch = scattered(messages, 1 << 20, (length) => (used += gaps.next().value! + length) - length)
        const headers = batch.headerFrom[batch.count]!
        const columns = base + 64
        const out = columns + columnsBytes(batch.count, headers) + 64
        const outEnd = out + 16 * (3 * batch.count + 2 * headers)
        bytes.fill(0xa5, base, base + ARENA_BYTES)
        writeColumns(kernel, columns, batch, 0, batch.count)
        const before = kernel.i32.slice(columns / 4, out / 4)
        const pieces = exports.gatherRows(columns, batch.count, headers, out)
        expectUntouched(bytes.slice(base, base + ARENA_BYTES), 0xa5, [
          { from: columns, to: columns + columnsBytes(batch.count, headers) },
          { from: out, to: outEnd },
        ])
        const table = kernel.i32.slice(out / 4, out / 4 + 3 * pieces)
        const spans = 4 * batch.count
        for (let i = 0; i < 6 * batch.count; i++) {
          const was = before[spans + i]!
          const is = kernel.i32[columns / 4 + spans + i]!
          const isInPiece = (at: number) => was >= table[at]! && was <= table[at + 1]! && is === table[at + 2]! + was - table[at]!
          expect(was === -1 ? is === -1 : Array.from({ length: pieces }, (_, piece) => 3 * piece).some(isInPiece)).toBe(true)
        }
      }),
    )
  })
  it('measureRows refuses columns that point outside, wherever they do', () => {
    const batch = batchOf([
      { position: 5, timestamp: 1, key: 'key', value: 'value', id: 'id', headers: [{ name: 'n', value: 'v' }] },
    ])
    const columns = base + 64
    const measure = (change: (i32: Int32Array, at: number) => void) => {
      writeColumns(kernel, columns, batch, 0, 1)
      change(kernel.i32, columns / 4 + 4)
      return exports.measureRows(columns, 1, 1, batch.bytes.byteLength, base)
    }
    expect(measure(() => undefined)).toBe(0)
    // Starts and ends of key, value and id, then (behind two of headerFrom) of the header's name and value.
    for (const column of [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]) {
      for (const value of [-2, -0x8000_0000, 0x7fff_ffff, batch.bytes.byteLength + 1]) {
        expect(
          measure((i32, at) => (i32[at + column] = value)),
          `column ${column}, ${value}`,
        ).toBe(-10)
      }
    }
    expect(
      measure((i32, at) => (i32[at + 8] = -1)),
      'a name that is null',
    ).toBe(-10)
    for (const [first, second] of [
      [0, 2],
      [1, 0],
      [0, -1],
      [0, 0],
    ] as const) {
      const result = measure((i32, at) => i32.set([first, second], at + 6))
      expect(result, `headerFrom ${first}, ${second}`).toBe(-10)
    }
  })
})
