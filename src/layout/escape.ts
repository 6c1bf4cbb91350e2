import { createHash } from 'node:crypto'
import { utf8Of, textOfUtf8 } from './path-segment.ts'

/** What a text of a message may take of a key, bytes; longer ones are cut and end in a hash. */
const MAX_TEXT_BYTES = 180
const KEPT_BYTES = 120
const HASH_DIGITS = 40

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const ALWAYS = /[\u0000-\u001f\u007f-\u009f\\\ud800-\udfff]/u
// oxlint-disable-next-line no-control-regex -- as above
const USUALLY = /[\u0000-\u001f\u007f-\u009f\\\ud800-\udfff/=%]|^\.{1,2}$/u
const WITHIN_STRICT = /[/=%]/u

/** Whether texts of messages are made safe so that they can be read again, or written as other tools write them. */
export interface Escaping {
  /** Slashes, `=` and `%` stay as they are, as far as keys can have them. */
  readonly strict: boolean
  /** Characters beside these that separate parts of a key. */
  readonly delimiters?: string
}

const percent = (bytes: Iterable<number>): string => {
  let text = ''
  for (const byte of bytes) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return text
}

/**
 * A text of a message as part of a key. What could leave its place becomes `%XX` for each byte of its UTF-8: `/`, `\`, `=`, `%`, control
 * characters, halves of surrogate pairs, and `.` and `..` where they are all of it; so different texts stay different, and
 * `unescapeText` reads them again. In strict mode `/`, `=` and `%` stay. What would be longer than 180 bytes is cut and ends in `~` and a hash.
 */
export function escapeText(text: string, { strict, delimiters = '' }: Escaping): string {
  let escaped = text
  if ((strict ? ALWAYS : USUALLY).test(text) || hasAny(text, delimiters)) {
    const isDots = /^\.{1,2}$/u.test(text)
    escaped = ''
    for (const character of text) {
      const stays = strict && WITHIN_STRICT.test(character)
      const goes = !stays && (isDots || USUALLY.test(character) || (delimiters !== '' && delimiters.includes(character)))
      escaped += goes && character !== '.' ? percent(utf8Of(character)) : goes && isDots ? '%2E' : character
    }
  }
  return cut(escaped, text)
}

const hasAny = (text: string, characters: string): boolean => {
  for (const character of characters) if (text.includes(character)) return true
  return false
}

function cut(escaped: string, text: string): string {
  if (escaped.length * 3 <= MAX_TEXT_BYTES || Buffer.byteLength(escaped) <= MAX_TEXT_BYTES) return escaped
  let kept = ''
  let bytes = 0
  for (const [character] of escaped.matchAll(/%[0-9A-F]{2}|[^]/gu)) {
    bytes += Buffer.byteLength(character)
    if (bytes > KEPT_BYTES) break
    kept += character
  }
  return `${kept}~${createHash('sha256').update(utf8Of(text)).digest('hex').slice(0, HASH_DIGITS)}`
}

/** The text whose escaped form this is; undefined where it was cut, or is none that `escapeText` gives without `strict`. */
export function unescapeText(escaped: string): string | undefined {
  const bytes: number[] = []
  for (const [part] of escaped.matchAll(/%[0-9A-F]{2}|[^]/gu)) {
    if (part.length === 3 && part.startsWith('%')) bytes.push(Number.parseInt(part.slice(1), 16))
    else if (part === '%') return undefined
    else bytes.push(...utf8Of(part))
  }
  return /~[0-9a-f]{40}$/u.test(escaped) ? undefined : textOfUtf8(Uint8Array.from(bytes))
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes of a key or a header as part of a key: as text where they are UTF-8, else every byte outside of ASCII as `%XX`. */
export function escapeBytes(bytes: Uint8Array, escaping: Escaping): { readonly escaped: string; readonly text: string } {
  try {
    const text = decoder.decode(bytes)
    return { escaped: escapeText(text, escaping), text }
  } catch {
    const text = Array.from(bytes, (byte) =>
      byte < 0x80 ? escapeText(String.fromCharCode(byte), { strict: false }) : percent([byte]),
    ).join('')
    return { escaped: cut(text, text), text }
  }
}

/** Every path that has an empty segment, `.`, `..`, or begins with the folder of the commit chains. */
const UNSAFE_SEGMENT = /^$|^\/|\/\/|\/$|(?:^|\/)\.\.?(?:\/|$)|^_millpond(?:\/|$)/u

/**
 * Makes segments of a path ones that keys can have, whatever texts of messages stand in them: none is empty, `.` or `..`, and the
 * first is not the folder of the commit chains.
 */
export function safePath(path: string): string {
  if (!UNSAFE_SEGMENT.test(path)) return path
  const segments = path.split('/')
  for (const [i, segment] of segments.entries()) {
    if (segment === '') segments[i] = '~'
    else if (segment === '.' || segment === '..') segments[i] = segment.replaceAll('.', '%2E')
  }
  if (segments[0] === '_millpond') segments[0] = '%5Fmillpond'
  return segments.join('/')
}
