import { isMillpondError, MillpondError } from '../errors.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/** Takes a member of an object: where its name lies, without its quotes, and where its value does. */
export type TakeMember = (nameStart: number, nameEnd: number, start: number, end: number) => void

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** Behind white space. */
export function skipSpace(bytes: Uint8Array, at: number, end: number): number {
  let next = at
  while (next < end && isSpace(bytes[next])) next++
  return next
}

/** Whether the text begins an object. */
export const isObject = (bytes: Uint8Array, start: number, end: number): boolean =>
  bytes[skipSpace(bytes, start, end)] === OPEN_BRACE

/**
 * Gives the members of the object that is the whole text, in their order. What is JSON is not looked into further than its ends: whoever
 * wrote the text has checked it.
 * @throws MillpondError `BLOCK_CORRUPT` where it is no object.
 */
export function scanMembers(bytes: Uint8Array, start: number, end: number, take: TakeMember): void {
  let at = skipSpace(bytes, start, end)
  if (bytes[at] !== OPEN_BRACE) throw noObject()
  at = skipSpace(bytes, at + 1, end)
  if (bytes[at] === CLOSE_BRACE) return
  for (;;) {
    if (at >= end || bytes[at] !== QUOTE) throw noObject()
    const nameEnd = endOfString(bytes, at, end)
    const colon = skipSpace(bytes, nameEnd, end)
    if (bytes[colon] !== COLON) throw noObject()
    const valueStart = skipSpace(bytes, colon + 1, end)
    const valueEnd = endOfValue(bytes, valueStart, end)
    take(at + 1, nameEnd - 1, valueStart, valueEnd)
    at = skipSpace(bytes, valueEnd, end)
    if (bytes[at] === CLOSE_BRACE) return
    if (at >= end || bytes[at] !== COMMA) throw noObject()
    at = skipSpace(bytes, at + 1, end)
  }
}

/** Behind the string that begins at `start`. */
function endOfString(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start + 1; at < end; at++) {
    const byte = bytes[at]!
    if (byte === BACKSLASH) at++
    else if (byte === QUOTE) return at + 1
  }
  throw noObject()
}

/** Behind the value that begins at `start`. */
function endOfValue(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start]
  if (first === QUOTE) return endOfString(bytes, start, end)
  let at = start
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    while (at < end && bytes[at] !== COMMA && bytes[at] !== CLOSE_BRACE && !isSpace(bytes[at])) at++
    if (at === start) throw noObject()
    return at
  }
  for (let depth = 0; at < end; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) at = endOfString(bytes, at, end) - 1
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at + 1
  }
  throw noObject()
}

const noObject = () => new MillpondError('BLOCK_CORRUPT', 'a line is no JSON object')

/** The text in quotes that lies there. @throws MillpondError `BLOCK_CORRUPT`. */
export function stringOf(bytes: Uint8Array, start: number, end: number): string {
  try {
    return JSON.parse(`"${Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()}"`) as string
  } catch (error) {
    if (isMillpondError(error)) throw error
    throw new MillpondError('BLOCK_CORRUPT', 'a line has text that is no JSON', { cause: error })
  }
}

/** Whether there is a backslash in the bytes. */
export function hasEscapes(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === BACKSLASH) return true
  return false
}
