/** Text and base64 as a message's fields have them: either may be null. */
import { BASE64_INVALID, TEXT_EXPECTED } from './json-reasons'
import { fail, isNull, markChanged, QUOTE, readText, textEnd, textStart } from './json-scan'

/** The bytes that were read last; 0 in both for null. */
export let spanStart: usize = 0
export let spanEnd: usize = 0

/** Text or null. */
export function readTextOrNull(p: usize): usize {
  if (load<u8>(p) == QUOTE) {
    p = readText(p + 1)
    spanStart = textStart
    spanEnd = textEnd
    return p
  }
  if (!isNull(p)) return fail(TEXT_EXPECTED, p)
  spanStart = 0
  spanEnd = 0
  return p + 4
}

/** The values of the base64 digits; 64 stands for what is none. */
const digits: usize = memory.data(128)
let ready = false

function prepare(): void {
  memory.fill(digits, 64, 128)
  for (let i: u32 = 0; i < 26; i++) {
    store<u8>(digits + 0x41 + i, i)
    store<u8>(digits + 0x61 + i, 26 + i)
  }
  for (let i: u32 = 0; i < 10; i++) store<u8>(digits + 0x30 + i, 52 + i)
  store<u8>(digits, 62, 0x2b)
  store<u8>(digits, 63, 0x2f)
  ready = true
}

// @ts-ignore: decorator
@inline
function digit(p: usize): u32 {
  const c = <u32>load<u8>(p)
  return c < 128 ? <u32>load<u8>(digits + c) : 64
}

/** Base64 (RFC 4648, section 4: padded, no spare bits set) or null, decoded where it lies. */
export function readBase64OrNull(p: usize): usize {
  const at = p
  p = readTextOrNull(p)
  if (p == 0 || spanStart == spanEnd) return p
  if (!ready) prepare()
  const length = spanEnd - spanStart
  if ((length & 3) != 0) return fail(BASE64_INVALID, at)
  markChanged()
  let padding = 0
  if (load<u8>(spanEnd - 1) == 0x3d) padding = load<u8>(spanEnd - 2) == 0x3d ? 2 : 1
  let from = spanStart
  let to = spanStart
  const whole = padding == 0 ? spanEnd : spanEnd - 4
  while (from < whole) {
    const a = digit(from)
    const b = digit(from + 1)
    const c = digit(from + 2)
    const d = digit(from + 3)
    if (((a | b | c | d) & 64) != 0) return fail(BASE64_INVALID, at)
    store<u8>(to, (a << 2) | (b >> 4))
    store<u8>(to, (b << 4) | (c >> 2), 1)
    store<u8>(to, (c << 6) | d, 2)
    from += 4
    to += 3
  }
  if (padding > 0) {
    const a = digit(from)
    const b = digit(from + 1)
    const c: u32 = padding == 1 ? digit(from + 2) : 0
    if (((a | b | c) & 64) != 0 || (padding == 2 ? b & 15 : c & 3) != 0) return fail(BASE64_INVALID, at)
    store<u8>(to++, (a << 2) | (b >> 4))
    if (padding == 1) store<u8>(to++, (b << 4) | (c >> 2))
  }
  spanEnd = to
  return p
}
