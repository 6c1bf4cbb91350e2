/** Fields of a table as RFC 4180 has them; each gives the address behind what it wrote. */
import { writeBase64 } from './json-put'

const QUOTE: u8 = 0x22

/** Bytes for which a field is quoted: quotes, line breaks, and the sign between fields. */
// @ts-ignore: decorator
@inline
function bytesToQuote(bytes: v128, separator: u8): i32 {
  return v128.bitmask<i8>(
    v128.or(
      v128.or(v128.eq<i8>(bytes, i8x16.splat(0x22)), v128.eq<i8>(bytes, i8x16.splat(<i8>separator))),
      v128.or(v128.eq<i8>(bytes, i8x16.splat(10)), v128.eq<i8>(bytes, i8x16.splat(13))),
    ),
  )
}

/** A field; an empty one is quoted, so that it is not taken for null, and so is one with white space at either end. */
export function writeCsvText(out: usize, start: usize, end: usize, separator: u8): usize {
  if (start == end || load<u8>(start) <= 0x20 || load<u8>(end - 1) <= 0x20) return writeQuoted(out, start, end)
  let at = out
  for (let p = start; p < end; p += 16, at += 16) {
    const bytes = v128.load(p)
    v128.store(at, bytes)
    let found = bytesToQuote(bytes, separator)
    if (end - p < 16) found &= (1 << <i32>(end - p)) - 1
    if (found != 0) return writeQuoted(out, start, end)
  }
  return out + (end - start)
}

function writeQuoted(out: usize, p: usize, end: usize): usize {
  store<u8>(out++, QUOTE)
  while (p < end) {
    const bytes = v128.load(p)
    v128.store(out, bytes)
    const left = end - p
    let quotes = v128.bitmask<i8>(v128.eq<i8>(bytes, i8x16.splat(0x22)))
    if (left < 16) quotes &= (1 << <i32>left) - 1
    if (quotes == 0) {
      const copied = left < 16 ? left : 16
      p += copied
      out += copied
      continue
    }
    const plain = ctz(quotes) + 1
    p += plain
    out += plain
    store<u8>(out++, QUOTE)
  }
  store<u8>(out, QUOTE)
  return out + 1
}

/** Base64, which is never quoted unless it is empty. */
export function writeCsvBase64(out: usize, start: usize, end: usize): usize {
  if (start < end) return writeBase64(out, start, end)
  store<u16>(out, 0x2222)
  return out + 2
}

/** Makes a quoted field of the text that lies from `out` to `end`; there is room for twice as much. */
export function writeCsvField(out: usize, end: usize): usize {
  let quotes: usize = 0
  for (let p = out; p < end; p++) if (load<u8>(p) == QUOTE) quotes++
  const behind = end + quotes + 2
  let to = behind
  store<u8>(--to, QUOTE)
  for (let p = end; p > out; ) {
    const c = load<u8>(--p)
    store<u8>(--to, c)
    if (c == QUOTE) store<u8>(--to, QUOTE)
  }
  store<u8>(out, QUOTE)
  return behind
}
