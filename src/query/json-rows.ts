import { parseJson } from '../encode/json-spans.ts'
import { widen } from '../values/json/widen.ts'
import { type Shape, UNKNOWN } from '../values/shape.ts'
import { MillpondError } from '../errors.ts'
import type { CellBuilder } from './column-builder.ts'
import { hasEscapes, isObject, scanMembers, skipSpace, stringOf } from './json-scan.ts'
import type { ColumnType, ValueColumn } from './value-types.ts'

/** The name of the column of values that are not all objects. */
const ONLY = 'value'
const QUOTE = 0x22
const LINE_FEED = 10
const COMMA = 0x2c

/** Where each line begins; the last entry is where the last one ends. Lines end in a line feed, which is not part of them. */
export function lineStarts(bytes: Uint8Array): Int32Array<ArrayBuffer> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const starts: number[] = [0]
  for (let at = buffer.indexOf(LINE_FEED); at !== -1; at = buffer.indexOf(LINE_FEED, at + 1)) starts.push(at + 1)
  return Int32Array.from(starts)
}

/** The values of a part of an array, which stand between commas that end lines, as lines. Values have no line feeds. */
export function linesOfArray(part: Uint8Array): Uint8Array {
  const lines = new Uint8Array(part.byteLength + 1)
  let used = 0
  // All but the first part of an array begins behind a comma.
  for (let at = part[0] === COMMA ? 2 : 0; at < part.byteLength; at++) {
    if (part[at] === COMMA && part[at + 1] === LINE_FEED) continue
    lines[used++] = part[at]!
  }
  lines[used++] = LINE_FEED
  return lines.subarray(0, used)
}

/** What lines of JSON look like, of all that were seen: a shape to go on with. */
export function learnLines(shape: Shape, bytes: Uint8Array, maxLines: number): Shape {
  let learnt = shape
  const starts = lineStarts(bytes)
  const count = Math.min(maxLines, starts.length - 1)
  for (let line = 0; line < count; line++) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + starts[line]!, starts[line + 1]! - 1 - starts[line]!).toString()
    learnt = widen(learnt, parseJson(text))
  }
  return learnt
}

/** Nothing was seen yet. */
export const noShape = UNKNOWN

/** The columns of values of the shape: the fields of objects; what nests is JSON. */
export function shapeColumns(shape: Shape): readonly ValueColumn[] {
  if (shape.kind !== 'record') return [{ name: ONLY, type: shapeType(shape) }]
  return [...shape.fields].map(([name, field]) => ({ name, type: shapeType(field) }))
}

const shapeTypes: Readonly<Partial<Record<string, ColumnType>>> = {
  unknown: { kind: 'null' },
  boolean: { kind: 'boolean' },
  int: { kind: 'long' },
  double: { kind: 'double' },
  string: { kind: 'text' },
}

const shapeType = ({ kind }: Shape): ColumnType => shapeTypes[kind] ?? { kind: 'json' }

/** Finds columns by the names of members. A class: it remembers which member comes where, for lines are alike. */
class MemberColumns {
  readonly #bytes: Uint8Array
  readonly #names: readonly Uint8Array[]
  readonly #byName: ReadonlyMap<string, number>
  #expected = 0

  constructor(bytes: Uint8Array, names: readonly string[]) {
    this.#bytes = bytes
    this.#byName = new Map(names.map((name, at) => [name, at]))
    this.#names = names.map((name) => Buffer.from(JSON.stringify(name).slice(1, -1)))
  }

  /** The place of the column whose name lies there; -1 where it is not wanted. */
  find(start: number, end: number): number {
    const count = this.#names.length
    for (let tried = 0, at = this.#expected; tried < count; tried++, at++) {
      if (at >= count) at = 0
      if (!isAt(this.#bytes, start, end, this.#names[at]!)) continue
      this.#expected = at + 1
      return at
    }
    return hasEscapes(this.#bytes, start, end) ? (this.#byName.get(stringOf(this.#bytes, start, end)) ?? -1) : -1
  }
}

function isAt(bytes: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  if (end - start !== name.byteLength) return false
  for (let i = 0; i < name.byteLength; i++) if (bytes[start + i] !== name[i]) return false
  return true
}

/**
 * Reads lines of JSON into cells by the names of members; of what is no object only a column `value` has cells. Of a name that an object has twice
 * the last one counts, as JSON's readers have it.
 * @throws MillpondError `BLOCK_CORRUPT`; `QUERY_FAILED` where a value is not of the type that its column got.
 */
export function readJsonRows(
  bytes: Uint8Array,
  starts: Int32Array,
  columns: ReadonlyMap<string, CellBuilder>,
  isRecord: boolean,
): void {
  if (isRecord) return readObjects(bytes, starts, columns)
  const only = columns.get(ONLY)
  if (only === undefined) return
  for (let line = 0; line + 1 < starts.length; line++) putValue(only, ONLY, bytes, starts[line]!, starts[line + 1]! - 1)
}

function readObjects(bytes: Uint8Array, starts: Int32Array, columns: ReadonlyMap<string, CellBuilder>): void {
  const names = [...columns.keys()]
  const cells = [...columns.values()]
  const members = new MemberColumns(bytes, names)
  const valueStarts = new Int32Array(cells.length)
  const valueEnds = new Int32Array(cells.length)
  const take = (nameStart: number, nameEnd: number, start: number, end: number): void => {
    const at = members.find(nameStart, nameEnd)
    if (at < 0) return
    valueStarts[at] = start
    valueEnds[at] = end
  }
  for (let line = 0; line + 1 < starts.length; line++) {
    const start = starts[line]!
    const end = starts[line + 1]! - 1
    valueStarts.fill(-1)
    if (isObject(bytes, start, end)) scanMembers(bytes, start, end, take)
    else if (!isNull(bytes, start, end)) throw notAnObject(line)
    for (let at = 0; at < cells.length; at++) {
      if (valueStarts[at] === -1) cells[at]!.putNull()
      else putValue(cells[at]!, names[at]!, bytes, valueStarts[at]!, valueEnds[at]!)
    }
  }
}

const isNull = (bytes: Uint8Array, start: number, end: number): boolean => bytes[skipSpace(bytes, start, end)] === LETTER_N

const notAnObject = (line: number) =>
  new MillpondError(
    'QUERY_FAILED',
    `value ${line + 1} of a block is no object, as those were that the columns were made from; a larger --sample finds such values before`,
  )

const LETTER_N = 0x6e
const LETTER_T = 0x74
const LETTER_F = 0x66

function putValue(cells: CellBuilder, name: string, bytes: Uint8Array, start: number, end: number): void {
  const first = bytes[start]
  if (first === LETTER_N) return cells.putNull()
  const { kind } = cells.type
  if (kind === 'text') return putText(cells, bytes, start, end)
  if (kind === 'long') return putLong(cells, name, bytes, start, end)
  if (kind === 'double') {
    const number = numberOf(bytes, start, end)
    if (Number.isNaN(number)) throw unlike(cells, name, bytes, start, end)
    return cells.putNumber(number)
  }
  if (kind !== 'boolean') return cells.putBytes(bytes, start, end)
  if (first !== LETTER_T && first !== LETTER_F) throw unlike(cells, name, bytes, start, end)
  cells.putNumber(first === LETTER_T ? 1 : 0)
}

/** Text without its quotes; anything else as JSON. */
function putText(cells: CellBuilder, bytes: Uint8Array, start: number, end: number): void {
  if (bytes[start] !== QUOTE) return cells.putBytes(bytes, start, end)
  if (hasEscapes(bytes, start + 1, end - 1)) cells.putText(stringOf(bytes, start + 1, end - 1))
  else cells.putBytes(bytes, start + 1, end - 1)
}

const MIN_LONG = -(2n ** 63n)
const MAX_LONG = 2n ** 63n - 1n
const SAFE_DIGITS = 15

function putLong(cells: CellBuilder, name: string, bytes: Uint8Array, start: number, end: number): void {
  const isNegative = bytes[start] === 0x2d
  const firstDigit = isNegative ? start + 1 : start
  let value = 0
  for (let at = firstDigit; at < end; at++) {
    const digit = bytes[at]! - 0x30
    if (digit < 0 || digit > 9) return putOddLong(cells, name, bytes, start, end)
    value = value * 10 + digit
  }
  if (end - firstDigit <= SAFE_DIGITS) return cells.putNumber(isNegative ? -value : value)
  const exact = BigInt(asText(bytes, start, end))
  if (exact < MIN_LONG || exact > MAX_LONG) throw unlike(cells, name, bytes, start, end)
  cells.putBig(exact)
}

/** A whole number that is written as `1.0` or `1e3` is one. */
function putOddLong(cells: CellBuilder, name: string, bytes: Uint8Array, start: number, end: number): void {
  const number = bytes[start] === QUOTE ? Number.NaN : Number(asText(bytes, start, end))
  if (!Number.isSafeInteger(number)) throw unlike(cells, name, bytes, start, end)
  cells.putNumber(number)
}

const MINUS = 0x2d
const POINT = 0x2e

/** NaN for what is no number. Few digits with a point among them are one exact division, which rounds as reading the text does. */
function numberOf(bytes: Uint8Array, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS
  let digits = 0
  let divisor = 0
  for (let at = isNegative ? start + 1 : start; at < end; at++) {
    const byte = bytes[at]!
    if (byte === POINT && divisor === 0) divisor = 1
    else if (byte < 0x30 || byte > 0x39 || end - start > SAFE_DIGITS)
      return bytes[start] === QUOTE ? Number.NaN : Number(asText(bytes, start, end))
    else {
      digits = digits * 10 + (byte - 0x30)
      divisor *= 10
    }
  }
  const number = divisor === 0 ? digits : digits / divisor
  return isNegative ? -number : number
}

const asText = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')

const typeNames: Readonly<Partial<Record<string, string>>> = {
  long: 'a whole number',
  double: 'a number',
  boolean: 'true or false',
}

/** The value itself is not told: errors are logged. */
function unlike({ type, row }: CellBuilder, name: string, bytes: Uint8Array, start: number, end: number): MillpondError {
  const message = `the field ${name} of value ${row + 1} of a block is not ${typeNames[type.kind] ?? type.kind}, as those were that its column was made from, but has ${end - start} bytes that begin with ${JSON.stringify(String.fromCharCode(bytes[start]!))}; a larger --sample finds such values before, and _value holds each of them`
  return new MillpondError('QUERY_FAILED', message)
}
