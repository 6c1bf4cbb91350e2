/**
 * JSON as RFC 8259 says, strictly, over bytes: strings, numbers, whole values. Every function takes the address to read from and
 * gives the address behind what it read, or 0 where that is no JSON; then `failedReason` and `failedAt` say what and where.
 * The byte behind the input must be 0, which no JSON text holds, so that no loop compares addresses; 64 bytes may be read there.
 */

import {
  COLON_EXPECTED, COMMA_EXPECTED, CONTROL_CHARACTER, ENDS_EARLY, ESCAPE_INVALID, NAME_EXPECTED, NUMBER_INVALID, SURROGATE_ALONE,
  TOO_DEEP, UTF8_INVALID, VALUE_EXPECTED,
} from './json-reasons'

/** Containers that a value may hold inside of one another. */
const MAX_DEPTH: i32 = 128

export const LF: i32 = 10
export const QUOTE: i32 = 0x22
export const COMMA: i32 = 0x2c
export const COLON: i32 = 0x3a
const BACKSLASH: i32 = 0x5c
export const OPEN_BRACKET: i32 = 0x5b
export const CLOSE_BRACKET: i32 = 0x5d
export const OPEN_BRACE: i32 = 0x7b
export const CLOSE_BRACE: i32 = 0x7d

export const SPACES_IN_LINE: u64 = (1 << 0x20) | (1 << 0x09) | (1 << 0x0d)
export const SPACES_IN_TEXT: u64 = SPACES_IN_LINE | (1 << LF)
export const SPACES_WITHOUT_BREAKS: u64 = (1 << 0x20) | (1 << 0x09)

/** Which bytes up to 0x20 count as white space: one bit each. */
let spaces: u64 = 0
let inputEnd: usize = 0
/** Whether halves of surrogate pairs are refused also where no text is made of them. */
let wantsPairs = false

export let failedReason: i32 = 0
export let failedAt: usize = 0

/** The bytes of the text that was read last, escapes replaced. */
export let textStart: usize = 0
export let textEnd: usize = 0
/** Whether any byte of the input was changed: text with escapes and base64 is decoded where it lies. */
export let changed: i32 = 0

export function markChanged(): void {
  changed = 1
}

/** One byte a container that is open: 1 for an object, 0 for an array. */
const containers: usize = memory.data(128)

export function beginScan(end: usize, spaceBits: u64, refusesHalves: bool = false): void {
  spaces = spaceBits
  wantsPairs = refusesHalves
  inputEnd = end
  failedReason = 0
  failedAt = 0
  changed = 0
}

/** Notes what is wrong and where; always 0. */
export function fail(reason: i32, at: usize): usize {
  const ended = at >= inputEnd || (spaces != SPACES_IN_TEXT && load<u8>(at) == LF)
  failedReason = ended && reason < ENDS_EARLY ? ENDS_EARLY : reason
  failedAt = at
  return 0
}

/** Goes over white space. */
// @ts-ignore: decorator
@inline
export function skipSpace(p: usize): usize {
  let c = <u32>load<u8>(p)
  while (c <= 0x20 && ((spaces >> (<u64>c)) & 1) != 0) c = load<u8>(++p)
  return p
}

/** From behind a name over the colon to the value. */
// @ts-ignore: decorator
@inline
export function skipColon(p: usize): usize {
  p = skipSpace(p)
  if (load<u8>(p) != COLON) return fail(COLON_EXPECTED, p)
  return skipSpace(p + 1)
}

/** Bytes that end the plain run of a string: the quote, the backslash, control characters, and all that is not ASCII. */
// @ts-ignore: decorator
@inline
function specialBytes(bytes: v128): i32 {
  return v128.bitmask<i8>(
    v128.or(
      v128.lt<i8>(bytes, i8x16.splat(0x20)),
      v128.or(v128.eq<i8>(bytes, i8x16.splat(0x22)), v128.eq<i8>(bytes, i8x16.splat(0x5c))),
    ),
  )
}

/** Goes over one or more characters beyond ASCII (RFC 3629: shortest form, no surrogates, at most U+10FFFF). */
export function skipBeyondAscii(p: usize): usize {
  let c = <u32>load<u8>(p)
  do {
    const second = <u32>load<u8>(p, 1)
    if (c >= 0xc2 && c < 0xe0) {
      if ((second & 0xc0) != 0x80) return fail(UTF8_INVALID, p)
      p += 2
    } else if (c >= 0xe0 && c < 0xf0) {
      const third = <u32>load<u8>(p, 2)
      const low: u32 = c == 0xe0 ? 0xa0 : 0x80
      const high: u32 = c == 0xed ? 0x9f : 0xbf
      if (second < low || second > high || (third & 0xc0) != 0x80) return fail(UTF8_INVALID, p)
      p += 3
    } else if (c >= 0xf0 && c < 0xf5) {
      const low: u32 = c == 0xf0 ? 0x90 : 0x80
      const high: u32 = c == 0xf4 ? 0x8f : 0xbf
      if (second < low || second > high) return fail(UTF8_INVALID, p)
      if ((<u32>load<u8>(p, 2) & 0xc0) != 0x80 || (<u32>load<u8>(p, 3) & 0xc0) != 0x80) return fail(UTF8_INVALID, p)
      p += 4
    } else return fail(UTF8_INVALID, p)
    c = load<u8>(p)
  } while (c >= 0x80)
  return p
}

/** The value of a hexadecimal digit, or -1. */
// @ts-ignore: decorator
@inline
function hexDigit(c: i32): i32 {
  if (c >= 0x30 && c <= 0x39) return c - 0x30
  const lower = c | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** The four hexadecimal digits at `p`, or -1. */
function hex4(p: usize): i32 {
  let value = 0
  for (let i: usize = 0; i < 4; i++) {
    const digit = hexDigit(load<u8>(p + i))
    if (digit < 0) return -1
    value = (value << 4) | digit
  }
  return value
}

/** The byte that a one-letter escape stands for, or -1. */
function escapedByte(letter: i32): i32 {
  switch (letter) {
    case 0x22:
    case 0x2f:
    case 0x5c:
      return letter
    case 0x62:
      return 8
    case 0x66:
      return 12
    case 0x6e:
      return 10
    case 0x72:
      return 13
    case 0x74:
      return 9
    default:
      return -1
  }
}

/** Whether the escape at `p` begins a pair of surrogates. */
function isPair(unit: i32, p: usize): bool {
  return unit < 0xdc00 && load<u16>(p, 6) == 0x755c && (hex4(p + 8) & ~0x3ff) == 0xdc00
}

/** From behind the opening quote to behind the closing one; the string stays as it is, its escapes are checked. */
export function skipString(p: usize): usize {
  while (true) {
    const special = specialBytes(v128.load(p))
    if (special == 0) {
      p += 16
      continue
    }
    p += ctz(special)
    const c = <i32>load<u8>(p)
    if (c == QUOTE) return p + 1
    if (c == BACKSLASH) {
      const letter = <i32>load<u8>(p, 1)
      if (letter == 0x75) {
        const unit = hex4(p + 2)
        if (unit < 0) return fail(ESCAPE_INVALID, p)
        if ((unit & 0xf800) == 0xd800 && wantsPairs && !isPair(unit, p)) return fail(SURROGATE_ALONE, p)
        p += (unit & 0xf800) == 0xd800 && wantsPairs ? 12 : 6
      } else if (escapedByte(letter) >= 0) p += 2
      else return fail(ESCAPE_INVALID, p)
    } else if (c >= 0x80) {
      p = skipBeyondAscii(p)
      if (p == 0) return 0
    } else return fail(CONTROL_CHARACTER, p)
  }
}

/** Like `skipString`, and leaves the text in `textStart` and `textEnd`. */
export function readText(p: usize): usize {
  const start = p
  while (true) {
    const special = specialBytes(v128.load(p))
    if (special == 0) {
      p += 16
      continue
    }
    p += ctz(special)
    const c = <i32>load<u8>(p)
    if (c == QUOTE) {
      textStart = start
      textEnd = p
      return p + 1
    }
    if (c == BACKSLASH) return readEscapedText(start, p)
    if (c < 0x80) return fail(CONTROL_CHARACTER, p)
    p = skipBeyondAscii(p)
    if (p == 0) return 0
  }
}

/** The rest of `readText` from the first escape at `p` on. What it writes is never longer than what it read. */
function readEscapedText(start: usize, p: usize): usize {
  changed = 1
  let out = p
  while (true) {
    const bytes = v128.load(p)
    const special = specialBytes(bytes)
    if (special == 0) {
      v128.store(out, bytes)
      p += 16
      out += 16
      continue
    }
    for (let plain = <i32>ctz(special); plain > 0; plain--) store<u8>(out++, load<u8>(p++))
    const c = <i32>load<u8>(p)
    if (c == QUOTE) {
      textStart = start
      textEnd = out
      return p + 1
    }
    if (c == BACKSLASH) {
      const byte = escapedByte(load<u8>(p, 1))
      if (byte >= 0) {
        store<u8>(out++, byte)
        p += 2
        continue
      }
      const length = unicodeEscape(p)
      if (length == 0) return 0
      p += length
      out += writeUtf8(out, codePoint)
    } else if (c >= 0x80) {
      const behind = skipBeyondAscii(p)
      if (behind == 0) return 0
      while (p < behind) store<u8>(out++, load<u8>(p++))
    } else return fail(CONTROL_CHARACTER, p)
  }
}

let codePoint: i32 = 0

/** Leaves in `codePoint` what the `\u` escape at `p` stands for, a pair of surrogates taken together; gives its length, or 0. */
function unicodeEscape(p: usize): usize {
  if (load<u8>(p, 1) != 0x75) return fail(ESCAPE_INVALID, p)
  const unit = hex4(p + 2)
  if (unit < 0) return fail(ESCAPE_INVALID, p)
  codePoint = unit
  if ((unit & 0xf800) != 0xd800) return 6
  if (unit >= 0xdc00 || load<u8>(p, 6) != BACKSLASH || load<u8>(p, 7) != 0x75) return fail(SURROGATE_ALONE, p)
  const low = hex4(p + 8)
  if (low < 0) return fail(ESCAPE_INVALID, p + 6)
  if ((low & 0xfc00) != 0xdc00) return fail(SURROGATE_ALONE, p)
  codePoint = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff)
  return 12
}

/** Writes a code point and gives how many bytes that took. */
function writeUtf8(out: usize, point: i32): usize {
  if (point < 0x80) {
    store<u8>(out, point)
    return 1
  }
  if (point < 0x800) {
    store<u8>(out, 0xc0 | (point >> 6))
    store<u8>(out, 0x80 | (point & 0x3f), 1)
    return 2
  }
  if (point < 0x10000) {
    store<u8>(out, 0xe0 | (point >> 12))
    store<u8>(out, 0x80 | ((point >> 6) & 0x3f), 1)
    store<u8>(out, 0x80 | (point & 0x3f), 2)
    return 3
  }
  store<u8>(out, 0xf0 | (point >> 18))
  store<u8>(out, 0x80 | ((point >> 12) & 0x3f), 1)
  store<u8>(out, 0x80 | ((point >> 6) & 0x3f), 2)
  store<u8>(out, 0x80 | (point & 0x3f), 3)
  return 4
}

// @ts-ignore: decorator
@inline
export function isDigit(c: i32): bool {
  return <u32>(c - 0x30) < 10
}

function skipDigits(p: usize): usize {
  if (!isDigit(load<u8>(p))) return fail(NUMBER_INVALID, p)
  do p++
  while (isDigit(load<u8>(p)))
  return p
}

function skipNumber(p: usize): usize {
  if (load<u8>(p) == 0x2d) p++
  if (load<u8>(p) == 0x30) {
    p++
    if (isDigit(load<u8>(p))) return fail(NUMBER_INVALID, p)
  } else p = skipDigits(p)
  if (p != 0 && load<u8>(p) == 0x2e) p = skipDigits(p + 1)
  if (p != 0 && (load<u8>(p) | 0x20) == 0x65) {
    const sign = <i32>load<u8>(p, 1)
    p = skipDigits(sign == 0x2b || sign == 0x2d ? p + 2 : p + 1)
  }
  return p
}

// The first four bytes of the literals, little endian.
const NULL: u32 = 0x6c6c756e
const TRUE: u32 = 0x65757274
const FALS: u32 = 0x736c6166

// @ts-ignore: decorator
@inline
export function isNull(p: usize): bool {
  return load<u32>(p) == NULL
}

/** Goes over a value that is no container. */
function skipScalar(p: usize, first: i32): usize {
  if (first == QUOTE) return skipString(p + 1)
  if (isDigit(first) || first == 0x2d) return skipNumber(p)
  const word = load<u32>(p)
  if (word == NULL || word == TRUE) return p + 4
  if (word == FALS && load<u8>(p, 4) == 0x65) return p + 5
  return fail(VALUE_EXPECTED, p)
}

/** Goes over a name and its colon to the value. */
function skipName(p: usize): usize {
  if (load<u8>(p) != QUOTE) return fail(NAME_EXPECTED, p)
  p = skipString(p + 1)
  return p == 0 ? 0 : skipColon(p)
}

/** Goes over one whole value, which stays as it is. Hot: one loop, no recursion. */
export function skipValue(p: usize): usize {
  let depth = 0
  let inObject: i32 = 0
  while (true) {
    const c = <i32>load<u8>(p)
    if (c == OPEN_BRACE || c == OPEN_BRACKET) {
      if (depth == MAX_DEPTH) return fail(TOO_DEEP, p)
      const object: i32 = c == OPEN_BRACE ? 1 : 0
      p = skipSpace(p + 1)
      // The closing sign of either container is its opening one plus 2.
      if (load<u8>(p) != c + 2) {
        store<u8>(containers + depth, inObject)
        depth++
        inObject = object
        if (object != 0) {
          p = skipName(p)
          if (p == 0) return 0
        }
        continue
      }
      p++
    } else {
      p = skipScalar(p, c)
      if (p == 0) return 0
    }
    while (true) {
      if (depth == 0) return p
      p = skipSpace(p)
      const sign = <i32>load<u8>(p)
      if (sign == COMMA) {
        p = skipSpace(p + 1)
        if (inObject != 0) {
          p = skipName(p)
          if (p == 0) return 0
        }
        break
      }
      if (sign != (inObject != 0 ? CLOSE_BRACE : CLOSE_BRACKET)) return fail(COMMA_EXPECTED, p)
      p++
      depth--
      inObject = load<u8>(containers + depth)
    }
  }
}
