import { headersOf, spansOf, timestampsOf } from './columns'
import { copyShort } from './copy'

/** Records of Kafka's batches of magic 2. Source: Apache Kafka 4.3, `DefaultRecord.writeTo` and `ByteUtils`. */

/** Writes a number of 32 bits (zig-zag, 7 bits a byte, lowest first); gives the address behind it. */
// @ts-ignore: decorator
@inline
function writeVarint(at: usize, value: i32): usize {
  let rest = <u32>((value << 1) ^ (value >> 31))
  while (rest >= 0x80) {
    store<u8>(at++, <u8>(rest | 0x80))
    rest >>>= 7
  }
  store<u8>(at, <u8>rest)
  return at + 1
}

// @ts-ignore: decorator
@inline
function writeVarlong(at: usize, value: i64): usize {
  let rest = <u64>((value << 1) ^ (value >> 63))
  while (rest >= 0x80) {
    store<u8>(at++, <u8>(rest | 0x80))
    rest >>= 7
  }
  store<u8>(at, <u8>rest)
  return at + 1
}

/** Bytes that a length takes: 7 of its bits, doubled by the zig-zag, go into each. */
// @ts-ignore: decorator
@inline
function lengthBytes(length: u32): u32 {
  return (38 - clz<u32>((length << 1) | 1)) / 7
}

/** Length and bytes of a field, -1 for null. */
// @ts-ignore: decorator
@inline
function writeField(at: usize, bytes: usize, start: i32, end: i32): usize {
  if (start == -1) {
    store<u8>(at, 1)
    return at + 1
  }
  const length = end - start
  at = writeVarint(at, length)
  copyShort(at, bytes + start, length)
  return at + length
}

/** Length and decimal text of a position, which is 0 to 2^53 - 1. */
// @ts-ignore: decorator
@inline
function writePosition(at: usize, position: f64): usize {
  let rest = <u64>position
  let digits: u32 = 1
  for (let bound: u64 = 10; rest >= bound; bound *= 10) digits++
  // Of one byte: there are 16 digits at the most.
  store<u8>(at, <u8>(digits << 1))
  let digit = at + digits
  while (digit > at) {
    const quotient = rest / 10
    store<u8>(digit--, <u8>(0x30 + (rest - quotient * 10)))
    rest = quotient
  }
  return at + 1 + digits
}

/**
 * Writes all rows as records; ids have no place there. The columns must have passed `measureRows`; `bytes` is the address of what
 * they count from; `out` has room for the measured bound. Offsets count up from `firstDelta`, or, where that is -1, are what positions
 * are more than `baseOffset`, which must be 0 to 2^31 - 1. Timestamps count from `baseTimestamp`. Each record gets `marks` headers more behind its
 * own, none where that is 0: `marksLength` bytes at `marksAt`, which are the headers as they are written but for the last one's value, that is
 * the row's position as decimal text. Gives the length in bytes.
 */
export function writeRecords(
  columns: usize, n: u32, h: u32, bytes: usize, out: usize, baseOffset: f64, firstDelta: i32, baseTimestamp: f64,
  marks: u32, marksAt: usize, marksLength: u32,
): i32 {
  const timestamps = timestampsOf(columns, n)
  const keyStart = spansOf(columns, n, 0)
  const step = <usize>n << 2
  const headerFrom = spansOf(columns, n, 6)
  const firstHeader = load<i32>(headerFrom)
  const nameStart = headersOf(columns, n, h, 0)
  const headerStep = <usize>h << 2
  const baseTime = <i64>baseTimestamp
  let at = out
  // Records are alike: the length takes as many bytes as the one before, or the record is moved.
  let expected: u32 = 2
  for (let row: u32 = 0; row < n; row++) {
    const begin = at
    const body = begin + expected
    store<u8>(body, 0)
    at = writeVarlong(body + 1, <i64>load<f64>(timestamps + (row << 3)) - baseTime)
    at = writeVarint(at, firstDelta < 0 ? <i32>(load<f64>(columns + (row << 3)) - baseOffset) : firstDelta + row)
    let spans = keyStart + (row << 2)
    at = writeField(at, bytes, load<i32>(spans), load<i32>(spans + step))
    spans += step << 1
    at = writeField(at, bytes, load<i32>(spans), load<i32>(spans + step))
    let header = <u32>(load<i32>(headerFrom + (row << 2)) - firstHeader)
    const end = <u32>(load<i32>(headerFrom + (row << 2) + 4) - firstHeader)
    at = writeVarint(at, end - header + marks)
    for (; header < end; header++) {
      let name = nameStart + (header << 2)
      at = writeField(at, bytes, load<i32>(name), load<i32>(name + headerStep))
      name += headerStep << 1
      at = writeField(at, bytes, load<i32>(name), load<i32>(name + headerStep))
    }
    if (marks > 0) {
      memory.copy(at, marksAt, marksLength)
      at = writePosition(at + marksLength, load<f64>(columns + (row << 3)))
    }
    const length = <u32>(at - body)
    const needed = lengthBytes(length)
    if (needed != expected) {
      memory.copy(begin + needed, body, length)
      at += needed - expected
      expected = needed
    }
    writeVarint(begin, length)
  }
  return <i32>(at - out)
}
