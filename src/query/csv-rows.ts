import { MillpondError } from '../errors.ts'
import type { CellBuilder } from './column-builder.ts'
import type { ColumnType, ValueColumn } from './value-types.ts'

const QUOTE = 0x22
const LINE_FEED = 0x0a

/** Takes a field of a row: where its text lies, without quotes around it, and whether there were some. */
export type TakeField = (column: number, start: number, end: number, isQuoted: boolean) => void

/**
 * Gives the fields of all rows, in their order; `endRow` is told how many fields each had. Rows end in a line feed; a quote within quotes is there twice.
 * @throws MillpondError `BLOCK_CORRUPT` where a quote is left open.
 */
export function scanRows(bytes: Uint8Array, separator: number, take: TakeField, endRow: (fields: number) => void): void {
  let column = 0
  for (let at = 0; at < bytes.byteLength; at++) {
    const isQuoted = bytes[at] === QUOTE
    const start = isQuoted ? at + 1 : at
    const end = isQuoted ? endOfQuoted(bytes, start) : endOfPlain(bytes, start, separator)
    at = isQuoted ? end + 1 : end
    take(column++, start, end, isQuoted)
    if (at >= bytes.byteLength || bytes[at] === LINE_FEED) {
      endRow(column)
      column = 0
    } else if (bytes[at] !== separator) throw corrupt('text follows a quoted field')
    else if (at + 1 === bytes.byteLength) throw corrupt('the last row has no end')
  }
}

function endOfPlain(bytes: Uint8Array, start: number, separator: number): number {
  let at = start
  while (at < bytes.byteLength && bytes[at] !== separator && bytes[at] !== LINE_FEED) at++
  return at
}

/** Where the closing quote is. */
function endOfQuoted(bytes: Uint8Array, start: number): number {
  for (let at = start; at < bytes.byteLength; at++) {
    if (bytes[at] !== QUOTE) continue
    if (bytes[at + 1] !== QUOTE) return at
    at++
  }
  throw corrupt('a quote is not closed')
}

const textOf = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
const unquoted = (text: string): string => text.replaceAll('""', '"')

/** The texts of the first row. */
export function firstRow(bytes: Uint8Array, separator: number): string[] {
  const lineEnd = endOfFirstRow(bytes)
  const names: string[] = []
  const take: TakeField = (_column, start, end, isQuoted) => {
    const text = textOf(bytes, start, end)
    names.push(isQuoted ? unquoted(text) : text)
  }
  scanRows(bytes.subarray(0, lineEnd), separator, take, () => undefined)
  return names
}

function endOfFirstRow(bytes: Uint8Array): number {
  let isQuoted = false
  for (let at = 0; at < bytes.byteLength; at++) {
    if (bytes[at] === QUOTE) isQuoted = !isQuoted
    else if (bytes[at] === LINE_FEED && !isQuoted) return at + 1
  }
  return bytes.byteLength
}

/**
 * Names of the columns of a table: those of its first line; without one those that are set for it, where they are as many; `column0` and so on
 * otherwise. Of names that are there twice the later ones get a number.
 */
export function tableNames(
  given: readonly string[] | undefined,
  set: readonly string[] | undefined,
  width: number,
): readonly string[] {
  const fallback = set?.length === width ? set.map((name) => name.replace(/^value\./u, '')) : undefined
  const names = given ?? fallback ?? Array.from({ length: width }, (_, at) => `column${at}`)
  const taken = new Set<string>()
  return names.map((name) => {
    let free = name
    for (let number = 1; taken.has(free); number++) free = `${name}_${number}`
    taken.add(free)
    return free
  })
}

/** Columns that are numbers and times where Millpond writes them, by their names. */
const typedNames: Readonly<Partial<Record<string, ColumnType>>> = {
  position: { kind: 'long' },
  offset: { kind: 'long' },
  timestamp: { kind: 'moment' },
}

const WHOLE = /^-?\d{1,18}$/u
const MILLIS = /^-?\d{1,15}$/u
const isOf = ({ kind }: ColumnType, text: string): boolean =>
  kind === 'long' ? WHOLE.test(text) : MILLIS.test(text) || !Number.isNaN(Date.parse(text))

/** The columns of a table whose rows begin with those of `sample`: text, and what Millpond writes as numbers and times where the rows bear it out. */
export function learnTable(sample: Uint8Array, names: readonly string[], separator: number): readonly ValueColumn[] {
  const types = names.map((name): ColumnType => typedNames[name] ?? { kind: 'text' })
  const take: TakeField = (column, start, end, isQuoted) => {
    const type = types[column]
    if (type === undefined || type.kind === 'text' || (start === end && !isQuoted)) return
    if (isQuoted || !isOf(type, textOf(sample, start, end))) types[column] = { kind: 'text' }
  }
  scanRows(sample, separator, take, () => undefined)
  return names.map((name, at) => ({ name, type: types[at]! }))
}

/** What a table looks like. */
export interface TableRows {
  /** The byte between fields. */
  readonly separator: number
  /** Fields of a row. */
  readonly width: number
}

/**
 * Reads rows of a table into cells by the place of their column: nothing is null, and `""` is empty text.
 * @throws MillpondError `BLOCK_CORRUPT` where a row has more or fewer fields than the table; `QUERY_FAILED` for a number or time that is none.
 */
export function readTableRows(
  bytes: Uint8Array,
  { separator, width }: TableRows,
  cells: readonly (CellBuilder | undefined)[],
): void {
  const take: TakeField = (column, start, end, isQuoted) => {
    const target = cells[column]
    if (target !== undefined) putField(target, bytes, start, end, isQuoted)
  }
  scanRows(bytes, separator, take, (fields) => {
    if (fields !== width) throw corrupt(`a row has ${fields} fields, the table ${width}`)
  })
}

function putField(cells: CellBuilder, bytes: Uint8Array, start: number, end: number, isQuoted: boolean): void {
  if (start === end && !isQuoted) return cells.putNull()
  const { kind } = cells.type
  if (kind === 'text' && !(isQuoted && hasQuotes(bytes, start, end))) return cells.putBytes(bytes, start, end)
  const text = unquoted(textOf(bytes, start, end))
  if (kind === 'long') putWhole(cells, text)
  else if (kind === 'moment') putMoment(cells, text)
  else cells.putText(kind === 'json' ? JSON.stringify(text) : text)
}

function hasQuotes(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === QUOTE) return true
  return false
}

function putWhole(cells: CellBuilder, text: string): void {
  if (!WHOLE.test(text)) throw notA('a whole number')
  cells.putBig(BigInt(text))
}

/** RFC 3339, or milliseconds since 1970. */
function putMoment(cells: CellBuilder, text: string): void {
  const millis = MILLIS.test(text) ? Number(text) : Date.parse(text)
  if (Number.isNaN(millis)) throw notA('a time')
  cells.putBig(BigInt(millis) * 1000n)
}

const notA = (what: string) =>
  new MillpondError(
    'QUERY_FAILED',
    `a field of a table is not ${what}, as those were that its column was made from; a larger --sample finds such fields before`,
  )
const corrupt = (what: string) =>
  new MillpondError('BLOCK_CORRUPT', `a table cannot be read: ${what} (archive.delimiter says what stands between fields)`)

/** Where each value begins and ends; a delimiter follows each. Without a delimiter all is one value. */
export function splitRaw(
  bytes: Uint8Array,
  delimiter: Uint8Array,
): { readonly starts: Int32Array<ArrayBuffer>; readonly ends: Int32Array<ArrayBuffer> } {
  if (delimiter.byteLength === 0) return { starts: Int32Array.of(0), ends: Int32Array.of(bytes.byteLength) }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const starts: number[] = []
  const ends: number[] = []
  let start = 0
  for (let at = buffer.indexOf(delimiter); at !== -1; at = buffer.indexOf(delimiter, start)) {
    starts.push(start)
    ends.push(at)
    start = at + delimiter.byteLength
  }
  // What another program wrote may lack its last delimiter.
  if (start < bytes.byteLength) {
    starts.push(start)
    ends.push(bytes.byteLength)
  }
  return { starts: Int32Array.from(starts), ends: Int32Array.from(ends) }
}
