import { headersOf, spansOf, timestampsOf } from './columns'
import { copyShort } from './copy'
import { COLUMNS_INVALID } from './errors'

/** Writes a long as Avro does (zig-zag, 7 bits a byte, lowest first); gives the address behind it. */
// @ts-ignore: decorator
@inline
function writeLong(at: usize, value: i64): usize {
  let rest = <u64>((value << 1) ^ (value >> 63))
  while (rest >= 0x80) {
    store<u8>(at++, <u8>(rest | 0x80))
    rest >>= 7
  }
  store<u8>(at, <u8>rest)
  return at + 1
}

/** The same for a length: 0 to 2^31 - 1. */
// @ts-ignore: decorator
@inline
export function writeLength(at: usize, length: u32): usize {
  let rest = length << 1
  while (rest >= 0x80) {
    store<u8>(at++, <u8>(rest | 0x80))
    rest >>= 7
  }
  store<u8>(at, <u8>rest)
  return at + 1
}

/** `union { null, bytes }` or `union { null, string }`. */
// @ts-ignore: decorator
@inline
export function writeOptional(at: usize, bytes: usize, start: i32, end: i32): usize {
  if (start == -1) {
    store<u8>(at, 0)
    return at + 1
  }
  const length = <u32>(end - start)
  store<u8>(at, 2)
  at = writeLength(at + 1, length)
  copyShort(at, bytes + start, length)
  return at + length
}

/**
 * Writes the messages from row `from` to before `to` as Avro records, as many as fit: a row that would make the block longer than
 * `blockBytes` ends the call, unless the block holds nothing yet (`pendingBytes` of it are written elsewhere). The columns must have passed
 * `measureRows` or come from `readRecords`; `bytes` is the address of what the columns count from; `out` has room for the bound. Gives the
 * number of rows; `result` (24 bytes) gets their length in bytes (u32), 4 unused, then smallest and largest timestamp (f64).
 */
export function writeRows(
  columns: usize, n: u32, h: u32, from: u32, to: u32, bytes: usize, out: usize, pendingBytes: u32, blockBytes: u32, result: usize,
): i32 {
  const timestamps = timestampsOf(columns, n)
  const keyStart = spansOf(columns, n, 0)
  const step = n << 2
  const headerFrom = spansOf(columns, n, 6)
  const firstHeader = load<i32>(headerFrom)
  const nameStart = headersOf(columns, n, h, 0)
  const headerStep = h << 2
  const room = <i64>blockBytes - <i64>pendingBytes
  let smallest: f64 = Infinity
  let largest: f64 = -Infinity
  let at = out
  let row = from
  for (; row < to; row++) {
    const rowStart = at
    const timestamp = load<f64>(timestamps + (row << 3))
    at = writeLong(at, <i64>load<f64>(columns + (row << 3)))
    at = writeLong(at, <i64>timestamp)
    let spans = keyStart + (row << 2)
    at = writeOptional(at, bytes, load<i32>(spans), load<i32>(spans + step))
    spans += step << 1
    at = writeOptional(at, bytes, load<i32>(spans), load<i32>(spans + step))
    let header = <u32>(load<i32>(headerFrom + (row << 2)) - firstHeader)
    const end = <u32>(load<i32>(headerFrom + (row << 2) + 4) - firstHeader)
    if (header < end) {
      at = writeLength(at, end - header)
      for (; header < end; header++) {
        let name = nameStart + (header << 2)
        const start = load<i32>(name)
        const length = <u32>(load<i32>(name + headerStep) - start)
        at = writeLength(at, length)
        copyShort(at, bytes + start, length)
        at += length
        name += headerStep << 1
        at = writeOptional(at, bytes, load<i32>(name), load<i32>(name + headerStep))
      }
    }
    store<u8>(at++, 0)
    spans += step << 1
    at = writeOptional(at, bytes, load<i32>(spans), load<i32>(spans + step))
    if (<i64>(at - out) > room && (pendingBytes > 0 || row > from)) {
      at = rowStart
      break
    }
    smallest = min(smallest, timestamp)
    largest = max(largest, timestamp)
  }
  store<u32>(result, <u32>(at - out))
  store<f64>(result, smallest, 8)
  store<f64>(result, largest, 16)
  return <i32>(row - from)
}

/**
 * Writes the values of the rows one behind the other, as they are, with nothing between them; all else is as for `writeRows`. A value that is null
 * is an error.
 */
export function writeValues(
  columns: usize, n: u32, from: u32, to: u32, bytes: usize, out: usize, pendingBytes: u32, blockBytes: u32, result: usize,
): i32 {
  const timestamps = timestampsOf(columns, n)
  const starts = spansOf(columns, n, 2)
  const step = n << 2
  const room = <i64>blockBytes - <i64>pendingBytes
  let smallest: f64 = Infinity
  let largest: f64 = -Infinity
  let at = out
  let row = from
  for (; row < to; row++) {
    const start = load<i32>(starts + (row << 2))
    if (start == -1) return COLUMNS_INVALID
    const length = <u32>(load<i32>(starts + step + (row << 2)) - start)
    if (<i64>(at - out) + <i64>length > room && (pendingBytes > 0 || row > from)) break
    copyShort(at, bytes + start, length)
    at += length
    const timestamp = load<f64>(timestamps + (row << 3))
    smallest = min(smallest, timestamp)
    largest = max(largest, timestamp)
  }
  store<u32>(result, <u32>(at - out))
  store<f64>(result, smallest, 8)
  store<f64>(result, largest, 16)
  return <i32>(row - from)
}
