/** Messages out of columns as JSON lines that lose nothing (docs/formats.md); `json-envelope.ts` reads them. */
import { headersOf, spansOf, timestampsOf } from './columns'
import { isPlainShort, writeBase64, writeEscaped, writeLiteral, writeNumber } from './json-put'
import { beginScan, isNull, skipValue, SPACES_WITHOUT_BREAKS } from './json-scan'
import { isUtf8 } from './utf8'

const QUOTE: u8 = 0x22

/** Bytes of a line beside its prefix, its payload and its headers; and those of a header. */
const LINE_BYTES: u64 = 192
const HEADER_BYTES: u64 = 48
/** A control character takes the most: `\u0000`. */
const GROWTH: u64 = 6

/** Whether the bytes are one JSON text on one line that begins and ends with itself, has no half of a surrogate pair, and is not null. */
function isEmbeddable(start: usize, end: usize): bool {
  if (start == end || load<u8>(start) <= 0x20 || (end - start == 4 && isNull(start))) return false
  const behind = load<u8>(end)
  store<u8>(end, 0)
  // Some readers refuse a whole file for half of a surrogate pair.
  beginScan(end, SPACES_WITHOUT_BREAKS, true)
  const whole = skipValue(start) == end
  store<u8>(end, behind)
  return whole
}

// @ts-ignore: decorator
@inline
function bytesOf(start: i32, end: i32): u64 {
  return <u64>(end - start)
}

/**
 * Writes a line for each row until the rows end or the next line might not fit. In, as 32-bit words at `call`: 0 address of the
 * columns' offset 0, 1 columns, 2 their rows, 3 their headers, 4 first row, 5 what each line begins with, up to the position, and 6
 * its length, 7 output and 8 its length. Out: 9 the first row that is not written, 10 bytes written. The columns must point at
 * memory that may be written (bytes behind a value are changed and restored).
 */
export function writeJson(call: usize): void {
  const bytes = <usize>load<u32>(call)
  const columns = <usize>load<u32>(call, 4)
  const n = <usize>load<u32>(call, 8)
  const h = <usize>load<u32>(call, 12)
  const prefix = <usize>load<u32>(call, 20)
  const prefixBytes = <usize>load<u32>(call, 24)
  const first = <usize>load<u32>(call, 28)
  const outEnd = <u64>first + <u64>load<u32>(call, 32)
  const headerFrom = spansOf(columns, n, 6)
  const firstHeader = <usize>load<i32>(headerFrom)
  let out = first
  let row = <usize>load<u32>(call, 16)
  for (; row < n; row++) {
    const at = row << 2
    const from = <usize>load<i32>(headerFrom + at) - firstHeader
    const to = <usize>load<i32>(headerFrom + at, 4) - firstHeader
    let payload: u64 = 0
    for (let column = 0; column < 6; column += 2) {
      payload += bytesOf(load<i32>(spansOf(columns, n, column) + at), load<i32>(spansOf(columns, n, column + 1) + at))
    }
    for (let header = from; header < to; header++) payload += headerBytes(columns, n, h, header)
    const most = payload * GROWTH + <u64>(to - from) * HEADER_BYTES + LINE_BYTES + <u64>prefixBytes
    if (<u64>out + most > outEnd) break

    memory.copy(out, prefix, prefixBytes)
    out = writeEnvelope(out + prefixBytes, columns, n, h, row, bytes)
    store<u8>(out++, 0x0a)
  }
  store<u32>(call, <u32>row, 36)
  store<u32>(call, <u32>(out - first), 40)
}

/** The rest of a line's object, from the number of its position on. */
export function writeEnvelope(out: usize, columns: usize, n: usize, h: usize, row: usize, bytes: usize): usize {
  const spans = spansOf(columns, n, 0) + (row << 2)
  const step = n << 2
  const keyStart = load<i32>(spans)
  const valueStart = load<i32>(spans + 2 * step)
  const idStart = load<i32>(spans + 4 * step)
  const headerFrom = spans + 6 * step
  const firstHeader = <usize>load<i32>(spansOf(columns, n, 6))
  const from = <usize>load<i32>(headerFrom) - firstHeader
  const to = <usize>load<i32>(headerFrom, 4) - firstHeader
  out = writeNumber(out, load<f64>(columns + (row << 3)))
  out = writeLiteral(out, ',"timestamp":')
  out = writeNumber(out, load<f64>(timestampsOf(columns, n) + (row << 3)))
  if (idStart >= 0) {
    out = writeLiteral(out, ',"id')
    out = writeTextOrBase64(out, bytes + idStart, bytes + load<i32>(spans + 5 * step))
  }
  out = writeLiteral(out, ',"key')
  out = keyStart < 0 ? writeLiteral(out, '":null') : writeTextOrBase64(out, bytes + keyStart, bytes + load<i32>(spans + step))
  if (from < to) out = writeHeaders(out, columns, n, h, from, to, bytes)
  out = writeLiteral(out, ',"value')
  if (valueStart < 0) out = writeLiteral(out, '":null')
  else out = writeValue(out, bytes + valueStart, bytes + load<i32>(spans + 3 * step))
  store<u8>(out, 0x7d)
  return out + 1
}

// @ts-ignore: decorator
@inline
function headerBytes(columns: usize, n: usize, h: usize, header: usize): u64 {
  const at = header << 2
  const name = bytesOf(load<i32>(headersOf(columns, n, h, 0) + at), load<i32>(headersOf(columns, n, h, 1) + at))
  return name + bytesOf(load<i32>(headersOf(columns, n, h, 2) + at), load<i32>(headersOf(columns, n, h, 3) + at))
}

function writeHeaders(out: usize, columns: usize, n: usize, h: usize, from: usize, to: usize, bytes: usize): usize {
  out = writeLiteral(out, ',"headers":[')
  for (let header = from; header < to; header++) {
    const at = header << 2
    const valueStart = load<i32>(headersOf(columns, n, h, 2) + at)
    if (header > from) store<u8>(out++, 0x2c)
    out = writeLiteral(out, '{"name')
    const nameStart = load<i32>(headersOf(columns, n, h, 0) + at)
    out = writeTextOrBase64(out, bytes + nameStart, bytes + load<i32>(headersOf(columns, n, h, 1) + at))
    out = writeLiteral(out, ',"value')
    if (valueStart < 0) out = writeLiteral(out, '":null')
    else out = writeTextOrBase64(out, bytes + valueStart, bytes + load<i32>(headersOf(columns, n, h, 3) + at))
    store<u8>(out++, 0x7d)
  }
  store<u8>(out++, 0x5d)
  return out
}

/** The end of a property's name and its value: text as it is, all else in base64. */
function writeTextOrBase64(out: usize, start: usize, end: usize): usize {
  if (isPlainShort(start, end - start)) {
    out = writeLiteral(out, '":"')
    v128.store(out, v128.load(start))
    out += end - start
  } else if (isUtf8(start, <u32>(end - start))) {
    out = writeLiteral(out, '":"')
    out = writeEscaped(out, start, end)
  } else {
    out = writeLiteral(out, 'Base64":"')
    out = writeBase64(out, start, end)
  }
  store<u8>(out, QUOTE)
  return out + 1
}

/** Like `writeTextOrBase64` for a value, which goes in as it is where it is JSON. */
function writeValue(out: usize, start: usize, end: usize): usize {
  if (isEmbeddable(start, end)) {
    out = writeLiteral(out, '":')
    memory.copy(out, start, end - start)
    return out + (end - start)
  }
  if (isUtf8(start, <u32>(end - start))) out = writeLiteral(out, 'Text')
  return writeTextOrBase64(out, start, end)
}
