import { createHash } from 'node:crypto'

/** A segment that would be longer is cut and ends in a hash. */
const MAX_ESCAPED_BYTES = 180
/** What a cut segment keeps of the escaped name. */
const KEPT_BYTES = 120
const HASH_DIGITS = 40

const KEPT = /[A-Za-z0-9._-]/
const ESCAPED = /^(?:[A-Za-z0-9._-]|%[0-9A-F]{2})+$/

/** The segment of the empty name. No other name gives it, for `~` itself is escaped. */
const EMPTY = '~'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The UTF-8 of the text; half of a surrogate pair, which UTF-8 has no bytes for, as three bytes of the same scheme (WTF-8). */
export function utf8Of(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text)
  const parts: number[] = []
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    if (code >= 0xd800 && code <= 0xdfff) parts.push(0xed, 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f))
    else parts.push(...encoder.encode(character))
  }
  return Uint8Array.from(parts)
}

/** The text whose `utf8Of` are these, or undefined where there is none. */
export function textOfUtf8(bytes: Uint8Array): string | undefined {
  let text = ''
  let start = 0
  try {
    for (let at = 0; at + 2 < bytes.length; at++) {
      const [first = 0, second = 0, third = 0] = bytes.subarray(at, at + 3)
      // In UTF-8 the byte ED is always the first of three, and these three are no character of it.
      if (first !== 0xed || second < 0xa0) continue
      text += decoder.decode(bytes.subarray(start, at)) + String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f))
      start = at + 3
      at += 2
    }
    return text + decoder.decode(bytes.subarray(start))
  } catch {
    return undefined
  }
}

function escapeName(bytes: Uint8Array): string {
  let escaped = ''
  for (const [at, byte] of bytes.entries()) {
    const character = String.fromCharCode(byte)
    // A leading dot hides, a leading underscore is Millpond's own, and Windows drops a trailing dot.
    const special = (at === 0 && (character === '.' || character === '_')) || (at === bytes.length - 1 && character === '.')
    escaped += KEPT.test(character) && !special ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return escaped
}

/**
 * One path segment for any text; different texts give different segments. ASCII letters, digits, `-`, `_` and `.` stay as they are, save a
 * leading `.` or `_` and a trailing `.`; everything else becomes `%XX` for each byte of its UTF-8. What would be longer than 180 bytes is
 * cut to 120 and ends in `~` and the first 40 hex digits of the SHA-256 of the whole text. The empty text gives `~`.
 */
export function pathSegment(name: string): string {
  if (name === '') return EMPTY
  const bytes = utf8Of(name)
  const escaped = escapeName(bytes)
  if (escaped.length <= MAX_ESCAPED_BYTES) return escaped
  const kept = escaped.slice(0, KEPT_BYTES).replace(/%.?$/, '')
  return `${kept}~${createHash('sha256').update(bytes).digest('hex').slice(0, HASH_DIGITS)}`
}

/** The text whose segment this is; undefined where the segment holds a hash of it, or is none that `pathSegment` gives. */
export function parsePathSegment(segment: string): string | undefined {
  if (segment === EMPTY) return ''
  if (segment.length > MAX_ESCAPED_BYTES || !ESCAPED.test(segment)) return undefined
  const bytes: number[] = []
  for (let at = 0; at < segment.length; at++) {
    if (segment[at] === '%') {
      bytes.push(Number.parseInt(segment.slice(at + 1, at + 3), 16))
      at += 2
    } else {
      bytes.push(segment.charCodeAt(at))
    }
  }
  const name = textOfUtf8(Uint8Array.from(bytes))
  // Only the one spelling that is written is read, so that no two segments mean one name.
  return name !== undefined && pathSegment(name) === segment ? name : undefined
}
