import { MillpondError } from '../errors.ts'

/** Where a part of a JSON text lies. */
export interface JsonSpan {
  readonly start: number
  readonly end: number
}

/** A member of an object. */
export interface JsonMember extends JsonSpan {
  readonly name: string
}

/** The characters around a value; nothing else may stand there. */
const SPACE = /[ \t\n\r]*/uy

function skipSpace(text: string, at: number): number {
  SPACE.lastIndex = at
  SPACE.test(text)
  return SPACE.lastIndex
}

const invalid = (text: string, at: number, wanted: string): MillpondError => {
  const line = text.slice(0, at).split('\n')
  const place = `line ${line.length}, column ${line.at(-1)!.length + 1}`
  const message = at >= text.length ? `the JSON ends where ${wanted} is missing` : `${place}: ${wanted} is missing`
  return new MillpondError('JSON_INVALID', message, { details: { line: line.length, column: line.at(-1)!.length + 1 } })
}

/** Behind the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let first = quote
    while (text.charCodeAt(first - 1) === BACKSLASH) first--
    if ((quote - first) % 2 === 0) return quote + 1
  }
  throw invalid(text, text.length, 'the end of a string')
}

const BACKSLASH = 0x5c
const QUOTE = 0x22
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/** What may stand between the parts of a value whose strings are left out. */
const SCALAR = /[^\s,:{}[\]"]+/uy
const MARKS = /["{}[\]]/gu

/** Behind the value that begins at `at`. Whether it is JSON inside is not looked at, but its brackets and strings have their ends. */
function endOfValue(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first === QUOTE) return endOfString(text, at)
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    SCALAR.lastIndex = at
    if (SCALAR.test(text)) return SCALAR.lastIndex
    throw invalid(text, at, 'a value')
  }
  let depth = 0
  for (MARKS.lastIndex = at; ;) {
    const mark = MARKS.exec(text)
    if (mark === null) throw invalid(text, text.length, 'a closing bracket')
    const code = text.charCodeAt(mark.index)
    if (code === QUOTE) MARKS.lastIndex = endOfString(text, mark.index)
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
    else if (--depth === 0) return mark.index + 1
  }
}

/** The value that is the whole text. @throws MillpondError `JSON_INVALID` where there is none, or more. */
export function wholeValue(text: string): JsonSpan {
  const start = skipSpace(text, 0)
  const end = endOfValue(text, start)
  const rest = skipSpace(text, end)
  if (rest < text.length) throw invalid(text, rest, 'the end of the JSON')
  return { start, end }
}

/**
 * The members of the object at `start`, in their order; their values are not looked into, but where their ends are.
 * @throws MillpondError `JSON_INVALID`.
 */
export function* membersOf(text: string, { start }: Pick<JsonSpan, 'start'>): Generator<JsonMember> {
  for (let at = skipSpace(text, start + 1), isFirst = true; ; isFirst = false) {
    if (text.charCodeAt(at) === CLOSE_BRACE && isFirst) return
    if (text.charCodeAt(at) !== QUOTE) throw invalid(text, at, 'a name in quotes')
    const nameEnd = endOfString(text, at)
    const name = parseJson(text.slice(at, nameEnd)) as string
    const colon = skipSpace(text, nameEnd)
    if (text[colon] !== ':') throw invalid(text, colon, 'a colon')
    const valueStart = skipSpace(text, colon + 1)
    const end = endOfValue(text, valueStart)
    yield { name, start: valueStart, end }
    const behind = skipSpace(text, end)
    if (text.charCodeAt(behind) === CLOSE_BRACE) return
    if (text[behind] !== ',') throw invalid(text, behind, 'a comma or }')
    at = skipSpace(text, behind + 1)
  }
}

/** The items of the list at `start`, as `membersOf`. @throws MillpondError `JSON_INVALID`. */
export function* itemsOf(text: string, { start }: Pick<JsonSpan, 'start'>): Generator<JsonSpan> {
  for (let at = skipSpace(text, start + 1), isFirst = true; ; isFirst = false) {
    if (text.charCodeAt(at) === CLOSE_BRACKET && isFirst) return
    const end = endOfValue(text, at)
    yield { start: at, end }
    const behind = skipSpace(text, end)
    if (text.charCodeAt(behind) === CLOSE_BRACKET) return
    if (text[behind] !== ',') throw invalid(text, behind, 'a comma or ]')
    at = skipSpace(text, behind + 1)
  }
}

/** As `JSON.parse`; whole numbers that a double cannot hold are bigints. @throws MillpondError `JSON_INVALID`. */
export function parseJson(text: string): unknown {
  try {
    if (!MANY_DIGITS.test(text)) return JSON.parse(text) as unknown
    return JSON.parse(text, exactNumber as (this: unknown, name: string, value: unknown) => unknown)
  } catch (error) {
    throw new MillpondError('JSON_INVALID', 'it is no JSON', { cause: error })
  }
}

const MANY_DIGITS = /\d{16}/u

function exactNumber(_name: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined) return value
  return /^-?\d+$/u.test(source) ? BigInt(source) : value
}

/**
 * A JSON value without the white space between its parts, and with the shortest escapes in its strings. Numbers stay as they are written, and
 * members keep their order.
 */
export function compactJson(text: string): string {
  if (!/[ \t\n\r\\]/u.test(text)) return text
  let compact = ''
  for (let at = 0; ;) {
    const quote = text.indexOf('"', at)
    compact += text.slice(at, quote < 0 ? text.length : quote).replaceAll(/[ \t\n\r]+/gu, '')
    if (quote < 0) return compact
    at = endOfString(text, quote)
    const literal = text.slice(quote, at)
    compact += literal.includes('\\') ? JSON.stringify(JSON.parse(literal)) : literal
  }
}
