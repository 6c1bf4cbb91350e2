import { headersOf, spansOf, timestampsOf } from './columns'
import {
  HEADERS_FULL, LENGTH_INVALID, POSITION_NOT_RISING, TRAILING_BYTES, TRUNCATED, UNION_INVALID, UNSAFE_INTEGER, VARINT_TOO_LONG,
} from './errors'

const SAFE: i64 = 9007199254740991

// The reading place, the end, and the first fault: module variables, for AssemblyScript returns one value only.
let cursor: usize = 0
let limit: usize = 0
let fault: i32 = 0

/** Keeps the first fault; nothing is read behind it. */
function fail(code: i32): void {
  if (fault != 0) return
  fault = code
  limit = cursor
}

function readLongSlowly(): i64 {
  let value: u64 = 0
  let at = cursor
  for (let shift: u32 = 0; shift < 70; shift += 7) {
    if (at >= limit) {
      fail(TRUNCATED)
      return 0
    }
    const byte = <u64>load<u8>(at++)
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      // The tenth byte holds the 64th bit alone.
      if (shift == 63 && byte > 1) break
      cursor = at
      return <i64>(value >> 1) ^ -(<i64>(value & 1))
    }
  }
  fail(VARINT_TOO_LONG)
  return 0
}

/** A long of the Avro encoding; sets `fault` and gives 0 where there is none. */
// @ts-ignore: decorator
@inline
function readLong(): i64 {
  const at = cursor
  if (at < limit) {
    const byte = <u32>load<u8>(at)
    if (byte < 0x80) {
      cursor = at + 1
      return <i64>(<i32>(byte >>> 1) ^ -(<i32>(byte & 1)))
    }
  }
  return readLongSlowly()
}

/** Goes over `string` or `bytes`, which begin with their length; gives the address of the first byte. */
// @ts-ignore: decorator
@inline
function readBytes(): usize {
  const length = readLong()
  if (<u64>length > <u64>(limit - cursor)) {
    fail(length < 0 ? LENGTH_INVALID : TRUNCATED)
    return cursor
  }
  const start = cursor
  cursor = start + <usize>length
  return start
}

/** Reads `union { null, bytes }` or `union { null, string }` into a pair of columns. */
// @ts-ignore: decorator
@inline
function readOptional(base: usize, startAt: usize, endAt: usize): void {
  const branch = readLong()
  if (branch == 0) {
    store<i32>(startAt, -1)
    store<i32>(endAt, -1)
    return
  }
  if (branch != 1) fail(UNION_INVALID)
  const start = readBytes()
  store<i32>(startAt, <i32>(start - base))
  store<i32>(endAt, <i32>(cursor - base))
}

/**
 * Reads `n` Avro records, which must be all that the `length` bytes at `source` hold, into columns with room for `n` messages and
 * `h` headers; spans count from `source`. Gives the number of headers or an error; then `result` (8 bytes) gets the row in
 * which it was found and the offset up to which it was read (u32 each). Positions must rise.
 */
export function readRows(source: usize, length: u32, columns: usize, n: u32, h: u32, result: usize): i32 {
  cursor = source
  limit = source + length
  fault = 0
  const timestamps = timestampsOf(columns, n)
  const keyStart = spansOf(columns, n, 0)
  const step = n << 2
  const headerFrom = spansOf(columns, n, 6)
  const nameStart = headersOf(columns, n, h, 0)
  const headerStep = h << 2
  let last: i64 = -SAFE - 1
  let header: u32 = 0
  let row: u32 = 0
  for (; row < n; row++) {
    const position = readLong()
    const timestamp = readLong()
    if (fault != 0) break
    if (position > SAFE || position < -SAFE || timestamp > SAFE || timestamp < -SAFE) fail(UNSAFE_INTEGER)
    else if (position <= last) fail(POSITION_NOT_RISING)
    if (fault != 0) break
    last = position
    store<f64>(columns + (row << 3), <f64>position)
    store<f64>(timestamps + (row << 3), <f64>timestamp)
    let spans = keyStart + (row << 2)
    readOptional(source, spans, spans + step)
    spans += step << 1
    readOptional(source, spans, spans + step)
    store<u32>(headerFrom + (row << 2), header)
    // An array comes in blocks, each with its count; a negative one is followed by the block's size in bytes.
    while (fault == 0) {
      let count = readLong()
      if (count == 0) break
      let blockEnd: usize = 0
      if (count < 0) {
        const size = readLong()
        if (<u64>size > <u64>(limit - cursor)) fail(size < 0 ? LENGTH_INVALID : TRUNCATED)
        blockEnd = cursor + <usize>size
        count = -count
      }
      // Two bytes are the least that a header takes; the count that has no positive twin fails here too.
      if (<u64>count > <u64>(limit - cursor) >> 1) fail(TRUNCATED)
      if (<u64>count > <u64>(h - header)) fail(HEADERS_FULL)
      if (fault != 0) break
      for (const end = header + <u32>count; header < end && fault == 0; header++) {
        let name = nameStart + (header << 2)
        const start = readBytes()
        store<i32>(name, <i32>(start - source))
        store<i32>(name + headerStep, <i32>(cursor - source))
        name += headerStep << 1
        readOptional(source, name, name + headerStep)
      }
      if (blockEnd != 0 && cursor != blockEnd) fail(LENGTH_INVALID)
    }
    spans += step << 1
    readOptional(source, spans, spans + step)
    if (fault != 0) break
  }
  if (cursor != limit) fail(TRAILING_BYTES)
  if (fault != 0) {
    store<u32>(result, row)
    store<u32>(result, <u32>(cursor - source), 4)
    return fault
  }
  store<u32>(headerFrom + (n << 2), header)
  return <i32>header
}

/** Goes over `union { null, bytes }` or `union { null, string }`. */
// @ts-ignore: decorator
@inline
function passOptional(): void {
  const branch = readLong()
  if (branch == 0) return
  if (branch != 1) fail(UNION_INVALID)
  readBytes()
}

/**
 * Writes to `out` where each of `n` Avro records ends that `writeRows` wrote, which are all that the `length` bytes at `source` hold: u32 each, counted
 * from `source`. Gives 0 or an error.
 */
export function findRowEnds(source: usize, length: u32, n: u32, out: usize): i32 {
  cursor = source
  limit = source + length
  fault = 0
  for (let row: u32 = 0; row < n && fault == 0; row++) {
    readLong()
    readLong()
    passOptional()
    passOptional()
    // Headers are written as one block.
    let headers = readLong()
    if (headers != 0) {
      for (; headers > 0 && fault == 0; headers--) {
        readBytes()
        passOptional()
      }
      if (readLong() != 0) fail(LENGTH_INVALID)
    }
    passOptional()
    store<u32>(out + (row << 2), <u32>(cursor - source))
  }
  if (cursor != limit) fail(TRAILING_BYTES)
  return fault
}
