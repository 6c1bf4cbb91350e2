import { MillpondError } from '../errors.ts'
import { nearest } from '../nearest.ts'

/** Why a text is refused, by the numbers of `src/kernel/assembly/json-reasons.ts`. */
const reasons: readonly string[] = [
  '',
  'a value is expected here',
  'an object is expected here, { to }',
  'a name in double quotes is expected here',
  'a colon is expected here',
  'a comma or a closing sign is expected here',
  'the line must end behind its object',
  'an object or a list of objects is expected here',
  'nothing may follow the messages',
  'text in double quotes or null is expected here',
  'headers are a list of {"name", "value"} or an object of texts',
  'a header is an object with "name" and "value"',
  'control characters in text must be escaped',
  'it ends before it is complete',
  'this is no JSON escape',
  'half of a surrogate pair stands alone',
  'this is not UTF-8',
  'this is no JSON number',
  'objects and lists are nested more than 128 deep',
  'a timestamp is a whole number of milliseconds or RFC 3339 text, such as 2026-11-21T08:03:59.125Z',
  'this is not base64 with padding',
  'this field is there twice',
  'unknown property',
  'unknown property of a header',
  'a header needs a "name"',
  'this header is there twice; headers that repeat need the form of a list',
  'more than 256 headers need the form of a list',
  'the message is too large',
  'the columns are full',
  'a position, which is a whole number, is expected here',
]

const PROPERTY_UNKNOWN = 22
const HEADER_PROPERTY_UNKNOWN = 23

/** What the kernel gives for a message that is larger than allowed, and where the columns are full. */
export const MESSAGE_TOO_LARGE = 27
export const COLUMNS_FULL = 28

const headerProperties = ['name', 'value', 'nameBase64', 'valueBase64']
const messageProperties = 'key keyBase64 value valueText valueBase64 headers timestamp id idBase64 topic lane position'.split(' ')

/** What was being read when something was wrong. */
export interface JsonFailure {
  readonly reason: number
  /** The whole input, and the place in it. */
  readonly input: Uint8Array
  readonly offset: number
  /** Number of the input's first line. */
  readonly firstLine: number
  /** Number of the message within a body, from 1; undefined for lines. */
  readonly message?: number | undefined
  /** The name that was read last. */
  readonly name: string
  readonly messageBytes: number
  readonly maxMessageBytes: number
}

/** The error for what the kernel refused: `JSON_INVALID`, or `MESSAGE_TOO_LARGE`. Details: line and column from 1, column in characters. */
export function jsonError(failure: JsonFailure): MillpondError {
  const { line, column } = placeOf(failure)
  const where = failure.message === undefined ? `line ${line}` : `message ${failure.message}, line ${line}`
  const place = { line, column, ...(failure.message !== undefined && { message: failure.message }) }
  if (failure.reason === MESSAGE_TOO_LARGE) {
    const { messageBytes, maxMessageBytes } = failure
    const text = `${where}: the message has ${messageBytes} bytes, more than the ${maxMessageBytes} that are allowed`
    return new MillpondError('MESSAGE_TOO_LARGE', text, { details: { ...place, messageBytes, maxMessageBytes } })
  }
  const reason = reasonOf(failure)
  return new MillpondError('JSON_INVALID', `${where}: ${reason} (column ${column})`, { details: { ...place, reason } })
}

function reasonOf({ reason, name }: JsonFailure): string {
  const text = reasons[reason]
  if (text === undefined) return `refused for reason ${reason}`
  if (reason !== PROPERTY_UNKNOWN && reason !== HEADER_PROPERTY_UNKNOWN) return text
  const right = nearest(name, reason === PROPERTY_UNKNOWN ? messageProperties : headerProperties)
  return `${text} ${JSON.stringify(name)}${right === undefined ? '' : `, did you mean "${right}"?`}`
}

const LINE_FEED = 10
const decoder = new TextDecoder()

function placeOf({ input, offset, firstLine }: JsonFailure): { line: number; column: number } {
  let line = firstLine
  let lineStart = 0
  for (let at = input.indexOf(LINE_FEED); at !== -1 && at < offset; at = input.indexOf(LINE_FEED, lineStart)) {
    line++
    lineStart = at + 1
  }
  let column = 1
  for (const _ of decoder.decode(input.subarray(lineStart, offset))) column++
  return { line, column }
}
