/** Pieces of JSON text, written where `out` says; each gives the address behind what it wrote. */
import { isUtf8 } from './utf8'

/** Writes a literal of at most 16 ASCII characters. */
// @ts-ignore: decorator
@inline
export function writeLiteral(out: usize, text: string): usize {
  const units = changetype<usize>(text)
  v128.store(out, v128.narrow<i16>(v128.load(units), v128.load(units, 16)))
  return out + text.length
}

/** The decimal digits of a whole number. */
export function writeNumber(out: usize, number: f64): usize {
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
export function writeEscaped(out: usize, p: usize, end: usize): usize {
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

/** Base64 (RFC 4648, section 4, padded), without quotes. */
export function writeBase64(out: usize, p: usize, end: usize): usize {
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

/** Whether these are at most 16 bytes of ASCII without anything to escape: most keys, names and values of headers are. */
// @ts-ignore: decorator
@inline
export function isPlainShort(start: usize, length: usize): bool {
  if (length > 16) return false
  const bytes = v128.load(start)
  // Read with a sign, what is beyond ASCII is below 0x20.
  const special = v128.bitmask<i8>(
    v128.or(
      v128.lt<i8>(bytes, i8x16.splat(0x20)),
      v128.or(v128.eq<i8>(bytes, i8x16.splat(0x22)), v128.eq<i8>(bytes, i8x16.splat(0x5c))),
    ),
  )
  return (special & ((1 << <i32>length) - 1)) == 0
}

/** A JSON string of the bytes, of their base64 where they are not UTF-8. */
export function writeText(out: usize, start: usize, end: usize): usize {
  store<u8>(out++, 0x22)
  if (isPlainShort(start, end - start)) {
    v128.store(out, v128.load(start))
    out += end - start
  } else out = isUtf8(start, <u32>(end - start)) ? writeEscaped(out, start, end) : writeBase64(out, start, end)
  store<u8>(out, 0x22)
  return out + 1
}
