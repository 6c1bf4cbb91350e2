import { isUtf8 } from 'node:buffer'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const COLON = 0x3a
const PLUS = 0x2b
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const LETTER_U = 0x75

/** Deeper texts are refused: a scan must not run out of stack. */
const MAX_DEPTH = 1000

/** What may come behind a backslash. */
const ESCAPES: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrtu'))

/** A property's name to look for. */
export interface Needle {
  readonly text: string
  /** UTF-8, without quotes. */
  readonly bytes: Uint8Array
}

/**
 * A place in JSON text (RFC 8259). A class: it is on the hot path of every archive by fields of JSON. Its calls give where what they passed over
 * ends, or -1 where it is no JSON; strings are not looked at for UTF-8.
 */
export class JsonScanner {
  bytes: Uint8Array = new Uint8Array(0)
  end = 0
  /** The value that `skipObject` found last; -1 for none. */
  foundStart = -1
  foundEnd = -1
  #hasEscapes = false

  open(bytes: Uint8Array, end: number): void {
    this.bytes = bytes
    this.end = end
  }

  /** Where the next byte lies that is no white space. */
  skipSpace(start: number): number {
    const { bytes, end } = this
    let at = start
    while (at < end) {
      const byte = bytes[at]!
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return at
      at++
    }
    return at
  }

  /** Passes over a value that begins at `at`, which is no white space. */
  skipValue(at: number, depth = 0): number {
    const { bytes, end } = this
    if (at >= end) return -1
    switch (bytes[at]!) {
      case QUOTE:
        return this.#skipString(at)
      case OPEN_BRACE:
        return this.skipObject(at, depth + 1, undefined)
      case OPEN_BRACKET:
        return this.#skipArray(at, depth + 1)
      case 0x74:
        return this.#skipWord(at, 'true')
      case 0x66:
        return this.#skipWord(at, 'false')
      case 0x6e:
        return this.#skipWord(at, 'null')
      default:
        return this.#skipNumber(at)
    }
  }

  /** Passes over the object that begins at `start`. With a needle `foundStart` and `foundEnd` tell its value: of several the last one. */
  skipObject(start: number, depth: number, needle: Needle | undefined): number {
    const { bytes, end } = this
    let foundStart = -1
    let foundEnd = -1
    if (depth > MAX_DEPTH) return -1
    let at = this.skipSpace(start + 1)
    const isEmpty = at < end && bytes[at] === CLOSE_BRACE
    while (!isEmpty) {
      if (at >= end || bytes[at] !== QUOTE) return -1
      const nameStart = at
      const nameEnd = this.#skipString(at)
      if (nameEnd === -1) return -1
      const isIt = needle !== undefined && this.#isNamed(nameStart, nameEnd, needle)
      at = this.skipSpace(nameEnd)
      if (at >= end || bytes[at] !== COLON) return -1
      const valueStart = this.skipSpace(at + 1)
      const valueEnd = this.skipValue(valueStart, depth)
      if (valueEnd === -1) return -1
      if (isIt) {
        foundStart = valueStart
        foundEnd = valueEnd
      }
      at = this.skipSpace(valueEnd)
      if (at >= end) return -1
      if (bytes[at] === CLOSE_BRACE) break
      if (bytes[at] !== COMMA) return -1
      at = this.skipSpace(at + 1)
    }
    this.foundStart = foundStart
    this.foundEnd = foundEnd
    return at + 1
  }

  /** Whether the name that was passed over last is the needle; it may be written with escapes. */
  #isNamed(start: number, end: number, { text, bytes: wanted }: Needle): boolean {
    const { bytes } = this
    if (this.#hasEscapes) return stringOf(bytes, start, end, true) === text
    if (end - start - 2 !== wanted.length) return false
    for (let i = 0; i < wanted.length; i++) if (bytes[start + 1 + i] !== wanted[i]) return false
    return true
  }

  #skipString(start: number): number {
    const { bytes, end } = this
    this.#hasEscapes = false
    for (let at = start + 1; at < end; at++) {
      const byte = bytes[at]!
      if (byte === QUOTE) return at + 1
      if (byte < 0x20) return -1
      if (byte !== BACKSLASH) continue
      this.#hasEscapes = true
      const escape = ++at < end ? bytes[at]! : 0
      if (!ESCAPES.has(escape)) return -1
      if (escape !== LETTER_U) continue
      for (let digit = 0; digit < 4; digit++) if (++at >= end || !isHex(bytes[at]!)) return -1
    }
    return -1
  }

  #skipArray(start: number, depth: number): number {
    const { bytes, end } = this
    if (depth > MAX_DEPTH) return -1
    let at = this.skipSpace(start + 1)
    if (at < end && bytes[at] === CLOSE_BRACKET) return at + 1
    for (;;) {
      at = this.skipValue(at, depth)
      if (at === -1) return -1
      at = this.skipSpace(at)
      if (at >= end) return -1
      if (bytes[at] === CLOSE_BRACKET) return at + 1
      if (bytes[at] !== COMMA) return -1
      at = this.skipSpace(at + 1)
    }
  }

  #skipWord(at: number, word: string): number {
    const { bytes, end } = this
    if (at + word.length > end) return -1
    for (let i = 1; i < word.length; i++) if (bytes[at + i] !== word.codePointAt(i)) return -1
    return at + word.length
  }

  #skipNumber(start: number): number {
    const { bytes, end } = this
    let at = bytes[start] === MINUS ? start + 1 : start
    const whole = at < end && bytes[at] === ZERO ? at + 1 : this.#skipDigits(at)
    if (whole === -1) return -1
    at = whole
    if (at < end && bytes[at] === DOT) at = this.#skipDigits(at + 1)
    if (at === -1) return -1
    if (at >= end || (bytes[at]! | 0x20) !== 0x65) return at
    at++
    return this.#skipDigits(at < end && (bytes[at] === PLUS || bytes[at] === MINUS) ? at + 1 : at)
  }

  /** Passes over digits, one at the least. */
  #skipDigits(start: number): number {
    const { bytes, end } = this
    let at = start
    while (at < end && bytes[at]! >= ZERO && bytes[at]! <= NINE) at++
    return at === start ? -1 : at
  }
}

const isHex = (byte: number): boolean => {
  const letter = byte | 0x20
  return (byte >= ZERO && byte <= NINE) || (letter >= 0x61 && letter <= 0x66)
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const SHORT_BYTES = 32

/** The text of a string that was passed over, quotes included. */
export function stringOf(bytes: Uint8Array, start: number, end: number, mayHaveEscapes: boolean): string {
  let text = ''
  let at = start + 1
  // Short ones without anything special are put together by hand, which is quicker.
  if (end - start <= SHORT_BYTES) {
    for (; at < end - 1; at++) {
      const byte = bytes[at]!
      if (byte >= 0x80 || byte === BACKSLASH) break
      text += String.fromCodePoint(byte)
    }
    if (at === end - 1) return text
  }
  text = decoder.decode(bytes.subarray(start, end))
  return mayHaveEscapes && text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1)
}

const scanner = new JsonScanner()

/** Whether the bytes are one JSON text. */
export function isJson(bytes: Uint8Array, start: number, end: number): boolean {
  scanner.open(bytes, end)
  const at = scanner.skipValue(scanner.skipSpace(start))
  return at !== -1 && scanner.skipSpace(at) === end && isUtf8(bytes.subarray(start, end))
}
