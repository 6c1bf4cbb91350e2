/** Messages out of columns as JSON lines that lose nothing (docs/formats.md); `json-envelope.ts` reads them. */
import { headersOf, spansOf, timestampsOf } from './columns'
import { beginScan, isNull, skipValue, SPACES_WITHOUT_BREAKS } from './json-scan'
import { isUtf8 } from './utf8'

const QUOTE: u8 = 0x22

/** Bytes of a line beside its prefix, its payload and its headers; and those of a header. */
const LINE_BYTES: u64 = 192
const HEADER_BYTES: u64 = 48
/** A control character takes the most: `\u0000`. */
const GROWTH: u64 = 6

/** Writes a literal of at most 16 ASCII characters. */
// @ts-ignore: decorator
@inline
function writeLiteral(out: usize, text: string): usize {
  const units = changetype<usize>(text)
  v128.store(out, v128.narrow<i16>(v128.load(units), v128.load(units, 16)))
  return out + text.length
}

/** The decimal digits of a whole number. */
function writeNumber(out: usize, number: f64): usize {
  let rest = <u64>Math.abs(number)
  if (number < 0) store<u8>(out++, 0x2d)
  let scale: u64 = 10
  let length: usize = 1
  while (rest >= scale) {
    scale *= 10
    length++
  }
  let p = out + length
  // Divisions of 32 bits are several times as fast.
  while (rest > 0xffff_ffff) {
    const high = rest / 1_000_000_000
    let low = <u32>(rest - high * 1_000_000_000)
    for (let i = 0; i < 9; i++) {
      store<u8>(--p, 0x30 + (low % 10))
      low /= 10
    }
    rest = high
  }
  let low = <u32>rest
  do {
    store<u8>(--p, 0x30 + (low % 10))
    low /= 10
  } while (p > out)
  return out + length
}

/** Bytes that must be escaped in text: quotes, backslashes and control characters. */
// @ts-ignore: decorator
@inline
function bytesToEscape(bytes: v128): i32 {
  return v128.bitmask<i8>(
    v128.or(
      v128.lt<u8>(bytes, i8x16.splat(0x20)),
      v128.or(v128.eq<i8>(bytes, i8x16.splat(0x22)), v128.eq<i8>(bytes, i8x16.splat(0x5c))),
    ),
  )
}

/** Text between its quotes, with what JSON demands escaped. */
function writeEscaped(out: usize, p: usize, end: usize): usize {
  while (p < end) {
    const bytes = v128.load(p)
    v128.store(out, bytes)
    const left = end - p
    let special = bytesToEscape(bytes)
    if (left < 16) special &= (1 << <i32>left) - 1
    if (special == 0) {
      const copied = left < 16 ? left : 16
      p += copied
      out += copied
      continue
    }
    const plain = ctz(special)
    p += plain
    out += plain
    out = writeEscape(out, load<u8>(p++))
  }
  return out
}

function writeEscape(out: usize, c: i32): usize {
  let letter: i32 = 0
  if (c == 0x22 || c == 0x5c) letter = c
  else if (c == 10) letter = 0x6e
  else if (c == 13) letter = 0x72
  else if (c == 9) letter = 0x74
  store<u8>(out, 0x5c)
  if (letter != 0) {
    store<u8>(out, letter, 1)
    return out + 2
  }
  store<u32>(out, 0x30303075, 1)
  store<u8>(out, 0x30 + (c >> 4), 4)
  store<u8>(out, (c & 15) < 10 ? 0x30 + (c & 15) : 0x57 + (c & 15), 5)
  return out + 6
}

/** The base64 digit of six bits. */
// @ts-ignore: decorator
@inline
function digit(bits: u32): u32 {
  const six = bits & 63
  if (six < 26) return 0x41 + six
  if (six < 52) return 0x47 + six
  if (six < 62) return six - 4
  return six == 62 ? 0x2b : 0x2f
}

/** Base64 (RFC 4648, section 4, padded) between its quotes. */
function writeBase64(out: usize, p: usize, end: usize): usize {
  for (; p + 3 <= end; p += 3) {
    const bits = (<u32>load<u8>(p) << 16) | (<u32>load<u8>(p, 1) << 8) | <u32>load<u8>(p, 2)
    store<u32>(out, digit(bits >> 18) | (digit(bits >> 12) << 8) | (digit(bits >> 6) << 16) | (digit(bits) << 24))
    out += 4
  }
  if (p == end) return out
  const two = p + 1 < end
  const bits = (<u32>load<u8>(p) << 16) | (two ? <u32>load<u8>(p, 1) << 8 : 0)
  const third: u32 = two ? digit(bits >> 6) : 0x3d
  store<u32>(out, digit(bits >> 18) | (digit(bits >> 12) << 8) | (third << 16) | (0x3d << 24))
  return out + 4
}

/** Whether the bytes are one JSON text on one line that begins and ends with itself, and not null. */
function isEmbeddable(start: usize, end: usize): bool {
  if (start == end || load<u8>(start) <= 0x20 || (end - start == 4 && isNull(start))) return false
  const behind = load<u8>(end)
  store<u8>(end, 0)
  beginScan(end, SPACES_WITHOUT_BREAKS)
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
    const keyStart = load<i32>(spansOf(columns, n, 0) + at)
    const keyEnd = load<i32>(spansOf(columns, n, 1) + at)
    const valueStart = load<i32>(spansOf(columns, n, 2) + at)
    const valueEnd = load<i32>(spansOf(columns, n, 3) + at)
    const idStart = load<i32>(spansOf(columns, n, 4) + at)
    const idEnd = load<i32>(spansOf(columns, n, 5) + at)
    const from = <usize>load<i32>(headerFrom + at) - firstHeader
    const to = <usize>load<i32>(headerFrom + at, 4) - firstHeader
    let payload = bytesOf(keyStart, keyEnd) + bytesOf(valueStart, valueEnd) + bytesOf(idStart, idEnd)
    for (let header = from; header < to; header++) payload += headerBytes(columns, n, h, header)
    const most = payload * GROWTH + <u64>(to - from) * HEADER_BYTES + LINE_BYTES + <u64>prefixBytes
    if (<u64>out + most > outEnd) break

    memory.copy(out, prefix, prefixBytes)
    out = writeNumber(out + prefixBytes, load<f64>(columns + (row << 3)))
    out = writeLiteral(out, ',"timestamp":')
    out = writeNumber(out, load<f64>(timestampsOf(columns, n) + (row << 3)))
    if (idStart >= 0) {
      out = writeLiteral(out, ',"id')
      out = writeTextOrBase64(out, bytes + idStart, bytes + idEnd)
    }
    out = writeLiteral(out, ',"key')
    out = keyStart < 0 ? writeLiteral(out, '":null') : writeTextOrBase64(out, bytes + keyStart, bytes + keyEnd)
    if (from < to) out = writeHeaders(out, columns, n, h, from, to, bytes)
    out = writeLiteral(out, ',"value')
    out = valueStart < 0 ? writeLiteral(out, '":null') : writeValue(out, bytes + valueStart, bytes + valueEnd)
    store<u16>(out, 0x0a7d)
    out += 2
  }
  store<u32>(call, <u32>row, 36)
  store<u32>(call, <u32>(out - first), 40)
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
  if (isUtf8(start, <u32>(end - start))) {
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
