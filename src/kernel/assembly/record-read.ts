import { headersOf, spansOf, timestampsOf } from './columns'
import {
  HEADERS_FULL, LENGTH_INVALID, OFFSET_INVALID, RECORD_LENGTH_WRONG, TRAILING_BYTES, TRUNCATED, UNSAFE_INTEGER, VARINT_TOO_LONG,
} from './errors'
import { MAX_SAFE } from './rows'

/** Records of Kafka's batches of magic 2. Source: Apache Kafka 4.3, `DefaultRecord.readFrom` and `ByteUtils`. */

/** Places in the memory that describes a call; `../record-read.ts` fills it. */
const SOURCE: usize = 0
const LENGTH: usize = 4
const COLUMNS: usize = 8
const ROOM: usize = 12
const HEADER_ROOM: usize = 16
const SPAN_BASE: usize = 20
const ROW: usize = 24
const HEADER: usize = 28
const COUNT: usize = 32
const IS_APPEND_TIME: usize = 36
const BASE_OFFSET: usize = 40
const LAST_OFFSET: usize = 48
const FROM_OFFSET: usize = 56
const TIMESTAMP: usize = 64
const FAULT_RECORD: usize = 72
const FAULT_AT: usize = 76

// What a number that takes the long way has to say: module variables, for AssemblyScript returns one value only.
let fault: i32 = 0
let wide: i64 = 0

/** Number and place behind it in one: the place is the low word. */
// @ts-ignore: decorator
@inline
function numberAndPlace(value: u32, p: usize): u64 {
  return (<u64>((value >>> 1) ^ (0 - (value & 1))) << 32) | <u64>p
}

/** Where a number is wrong, it reads as 0 with a place behind `end`, which every caller checks. */
function wrong(end: usize, code: i32): u64 {
  if (fault == 0) fault = code
  return <u64>(end + 1)
}

function varintSlowly(p: usize, end: usize): u64 {
  let value: u32 = 0
  for (let shift: u32 = 0; shift < 35; shift += 7) {
    if (p >= end) return wrong(end, RECORD_LENGTH_WRONG)
    const byte = <u32>load<u8>(p++)
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      // The fifth byte holds the upper four bits alone.
      if (shift == 28 && byte > 0x0f) break
      return numberAndPlace(value, p)
    }
  }
  return wrong(end, VARINT_TOO_LONG)
}

/** A number of 32 bits; it may be read from a few bytes behind `end`, and then gives a place there. */
// @ts-ignore: decorator
@inline
function varint(p: usize, end: usize): u64 {
  const bytes = <u32>load<u16>(p)
  if ((bytes & 0x80) == 0) return numberAndPlace(bytes & 0x7f, p + 1)
  if ((bytes & 0x8000) == 0) return numberAndPlace((bytes & 0x7f) | ((bytes >>> 1) & 0x3f80), p + 2)
  return varintSlowly(p, end)
}

/** Reads a number of 64 bits into `wide`; gives the place behind it. */
function varlong(p: usize, end: usize): usize {
  let value: u64 = 0
  for (let shift: u32 = 0; shift < 70; shift += 7) {
    if (p >= end) return <usize>wrong(end, RECORD_LENGTH_WRONG)
    const byte = <u64>load<u8>(p++)
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      // The tenth byte holds the 64th bit alone.
      if (shift == 63 && byte > 1) break
      wide = <i64>(value >> 1) ^ -(<i64>(value & 1))
      return p
    }
  }
  return <usize>wrong(end, VARINT_TOO_LONG)
}

// @ts-ignore: decorator
@inline
function placeOf(read: u64): usize {
  return <usize><u32>read
}

// @ts-ignore: decorator
@inline
function valueOf(read: u64): i32 {
  return <i32>(read >> 32)
}

/** Reads the length of a field and stores where the field lies, null for a length below 0; gives the place behind it. */
// @ts-ignore: decorator
@inline
function readSpan(p: usize, end: usize, origin: i32, startAt: usize, endAt: usize): usize {
  const read = varint(p, end)
  const start = placeOf(read)
  const size = valueOf(read)
  if (size < 0) {
    store<i32>(startAt, -1)
    store<i32>(endAt, -1)
    return start
  }
  if (size > <i32>(end - start)) return placeOf(wrong(end, start > end ? RECORD_LENGTH_WRONG : LENGTH_INVALID))
  store<i32>(startAt, <i32>start - origin)
  store<i32>(endAt, <i32>(start + size) - origin)
  return start + size
}

/**
 * Reads `COUNT` records, which must be all that the source holds, into columns with room for `ROOM` messages and `HEADER_ROOM`
 * headers, from row `ROW` and header `HEADER` on; both are moved on. Spans count from `SPAN_BASE` at the source's first byte. Offsets
 * must rise and not pass `LAST_OFFSET`; records before `FROM_OFFSET` are read and left out. Timestamps count from `TIMESTAMP`, or all
 * are it. Gives 0 or an error; then `FAULT_RECORD` says in which record, `FAULT_AT` where that begins.
 */
export function readRecords(call: usize): i32 {
  const source = load<usize>(call, SOURCE)
  const limit = source + load<u32>(call, LENGTH)
  const columns = load<usize>(call, COLUMNS)
  const room = load<u32>(call, ROOM)
  const h = load<u32>(call, HEADER_ROOM)
  const count = load<u32>(call, COUNT)
  const isAppendTime = load<u32>(call, IS_APPEND_TIME) != 0
  const baseOffset = <i64>load<f64>(call, BASE_OFFSET)
  const lastDelta = <i64>load<f64>(call, LAST_OFFSET) - baseOffset
  const fromDelta = <i64>load<f64>(call, FROM_OFFSET) - baseOffset
  const baseTime = <i64>load<f64>(call, TIMESTAMP)
  // What an address is more than the span that it stands for.
  const origin = <i32>source - load<i32>(call, SPAN_BASE)
  const timestamps = timestampsOf(columns, room)
  const keyStart = spansOf(columns, room, 0)
  const step = <usize>room << 2
  const headerFrom = spansOf(columns, room, 6)
  const nameStart = headersOf(columns, room, h, 0)
  const headerStep = <usize>h << 2
  fault = 0
  let row = load<u32>(call, ROW)
  let header = load<u32>(call, HEADER)
  let last: i64 = -1
  let p = source
  let begin = p
  let record: u32 = 0
  for (; record < count; record++) {
    begin = p
    let read = varint(p, limit)
    p = placeOf(read)
    if (p > limit) {
      if (fault != VARINT_TOO_LONG) fault = TRUNCATED
      break
    }
    // Attributes, two numbers, two lengths and a count are the least that a record has.
    if (valueOf(read) < 6 || valueOf(read) > <i32>(limit - p)) {
      fault = valueOf(read) < 6 ? LENGTH_INVALID : TRUNCATED
      break
    }
    const end = p + valueOf(read)
    p = varlong(p + 1, end)
    const time = isAppendTime ? baseTime : baseTime + wide
    read = varint(p, end)
    p = placeOf(read)
    if (p > end) break
    const delta = <i64>valueOf(read)
    if (delta <= last || delta > lastDelta) {
      fault = OFFSET_INVALID
      break
    }
    last = delta
    if (time > <i64>MAX_SAFE || time < -<i64>MAX_SAFE) {
      fault = UNSAFE_INTEGER
      break
    }
    store<f64>(columns + (row << 3), <f64>(baseOffset + delta))
    store<f64>(timestamps + (row << 3), <f64>time)
    let spans = keyStart + (row << 2)
    p = readSpan(p, end, origin, spans, spans + step)
    spans += step << 1
    p = readSpan(p, end, origin, spans, spans + step)
    spans += step << 1
    store<i32>(spans, -1)
    store<i32>(spans + step, -1)
    const firstHeader = header
    store<u32>(headerFrom + (row << 2), header)
    read = varint(p, end)
    p = placeOf(read)
    if (p > end) break
    const headers = valueOf(read)
    // Two bytes are the least that a header takes.
    if (headers < 0 || headers > <i32>(end - p) >> 1) {
      fault = LENGTH_INVALID
      break
    }
    if (<u32>headers > h - header) {
      fault = HEADERS_FULL
      break
    }
    for (const lastHeader = header + headers; header < lastHeader; header++) {
      let name = nameStart + (header << 2)
      p = readSpan(p, end, origin, name, name + headerStep)
      if (p > end) break
      if (load<i32>(name) < 0) {
        fault = LENGTH_INVALID
        break
      }
      name += headerStep << 1
      p = readSpan(p, end, origin, name, name + headerStep)
      if (p > end) break
    }
    if (fault != 0 || p != end) break
    if (delta >= fromDelta) row++
    else header = firstHeader
  }
  if (record < count) {
    if (fault == 0) fault = RECORD_LENGTH_WRONG
  } else if (p != limit) {
    fault = TRAILING_BYTES
    begin = p
  }
  if (fault != 0) {
    store<u32>(call, record, FAULT_RECORD)
    store<u32>(call, <u32>(begin - source), FAULT_AT)
    return fault
  }
  store<u32>(headerFrom + (row << 2), header)
  store<u32>(call, row, ROW)
  store<u32>(call, header, HEADER)
  return 0
}
