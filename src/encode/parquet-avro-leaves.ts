import { isUtf8 } from 'node:buffer'
import { type AvroCursor, unfit } from './avro-cursor.ts'
import { readAvroAsJson } from './avro-json.ts'
import type { AvroDecimal, AvroType } from './avro-types.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import type { LogicalType } from './parquet-schema.ts'
import { type ColumnTarget, definitionOf, leafNode, type NodePlace, type NodeWriter } from './parquet-writers.ts'

const encoder = new TextEncoder()

/** What the writers of one schema share. */
export interface Plan {
  readonly cursor: AvroCursor
  readonly target: ColumnTarget
  /** Columns so far. */
  leaves: number
  /** Whether text need not be looked at. */
  isAscii: boolean
}

/** Writes null, which has no column. */
export const nothing: NodeWriter = { node: undefined, write: () => undefined, skip: () => undefined, check: () => undefined }

type Leaf = Exclude<AvroType, { kind: 'union' | 'record' | 'array' | 'map' | 'null' }>

/** A column whose values `put` writes to its builder. */
function column(
  plan: Plan,
  place: NodePlace,
  node: NonNullable<NodeWriter['node']>,
  put: (builder: ColumnBuilder, cursor: AvroCursor) => void,
  check: (cursor: AvroCursor) => void,
): NodeWriter {
  const { cursor, target } = plan
  const index = plan.leaves++
  const definition = definitionOf(place)
  return {
    node,
    write(repetition) {
      const builder = target.columns[index]!
      put(builder, cursor)
      builder.addLevel(definition, repetition)
    },
    skip(nothingFrom, repetition) {
      target.columns[index]!.addLevel(nothingFrom, repetition)
    },
    check: () => check(cursor),
  }
}

/** The column of a type of one value. */
export function leafWriter(type: Leaf, plan: Plan, place: NodePlace): NodeWriter {
  switch (type.kind) {
    case 'boolean':
      return column(plan, place, leafNode(place, 'BOOLEAN'), putBoolean, (cursor) => cursor.readBoolean())
    case 'int':
      return column(plan, place, leafNode(place, 'INT32', intMeaning(type.logical)), putInt, (cursor) => cursor.readInt())
    case 'long': {
      const meaning = longMeaning(type.logical)
      const encoding = meaning?.kind === 'timestamp' ? 'delta' : 'dictionary'
      return column(plan, place, leafNode(place, 'INT64', meaning, { encoding }), putLong, (cursor) => cursor.readWords())
    }
    case 'float':
      return column(plan, place, leafNode(place, 'FLOAT'), putRaw(4), (cursor) => cursor.take(4))
    case 'double':
      return column(plan, place, leafNode(place, 'DOUBLE'), putRaw(8), (cursor) => cursor.take(8))
    case 'bytes':
      return bytesWriter(type.decimal, plan, place)
    case 'string':
      return type.logical === 'uuid' ? uuidWriter(plan, place) : textWriter(plan, place)
    case 'fixed':
      return fixedWriter(type, plan, place)
    case 'enum':
      return enumWriter(type.symbols, plan, place)
  }
  return nothing
}

function intMeaning(logical: string | undefined): LogicalType | undefined {
  if (logical === 'date') return { kind: 'date' }
  return logical === 'time-millis' ? { kind: 'time', unit: 'millis', isUtc: false } : undefined
}

function longMeaning(logical: string | undefined): LogicalType | undefined {
  if (logical === 'time-micros') return { kind: 'time', unit: 'micros', isUtc: false }
  const found = /^(local-)?timestamp-(millis|micros|nanos)$/u.exec(logical ?? '')
  if (found === null) return undefined
  return { kind: 'timestamp', unit: found[2] as 'millis' | 'micros' | 'nanos', isUtc: found[1] === undefined }
}

function putBoolean(builder: ColumnBuilder, cursor: AvroCursor): void {
  const bit = cursor.readBoolean()
  builder.reserve(1)
  builder.bytes[builder.used++] = bit
}

function putInt(builder: ColumnBuilder, cursor: AvroCursor): void {
  const value = cursor.readInt()
  builder.reserve(4)
  builder.view.setInt32(builder.used, value, true)
  builder.used += 4
}

function putLong(builder: ColumnBuilder, cursor: AvroCursor): void {
  cursor.readWords()
  builder.reserve(8)
  builder.view.setInt32(builder.used, cursor.low, true)
  builder.view.setInt32(builder.used + 4, cursor.high, true)
  builder.used += 8
}

const putRaw = (size: number) => (builder: ColumnBuilder, cursor: AvroCursor) => {
  const start = cursor.take(size)
  builder.reserve(size)
  for (let i = 0; i < size; i++) builder.bytes[builder.used++] = cursor.bytes[start + i]!
}

function putBytes(builder: ColumnBuilder, cursor: AvroCursor): void {
  const length = cursor.readBytes()
  builder.pushBytes(cursor.bytes, cursor.at - length, length)
}

/** A column of text. */
export function textWriter(plan: Plan, place: NodePlace): NodeWriter {
  return column(plan, place, leafNode(place, 'BYTE_ARRAY', { kind: 'string' }), putBytes, (cursor) => checkText(plan, cursor))
}

function checkText(plan: Plan, cursor: AvroCursor): void {
  const length = cursor.readBytes()
  if (!plan.isAscii && !isUtf8(cursor.bytes.subarray(cursor.at - length, cursor.at))) throw unfit('a text is not UTF-8')
}

function bytesWriter(decimal: AvroDecimal | undefined, plan: Plan, place: NodePlace): NodeWriter {
  const meaning = decimal && ({ kind: 'decimal', ...decimal } as const)
  // Decimals are ordered as numbers, which these bytes are not by themselves.
  return column(plan, place, leafNode(place, 'BYTE_ARRAY', meaning, { hasBounds: !decimal }), putBytes, (cursor) => {
    const length = cursor.readBytes()
    if (decimal && (length === 0 || length > MAX_DECIMAL_BYTES)) throw unfit(`a decimal has ${length} bytes`)
  })
}

/** What 38 digits take. */
const MAX_DECIMAL_BYTES = 16

function fixedWriter(type: Leaf & { readonly kind: 'fixed' }, plan: Plan, place: NodePlace): NodeWriter {
  const { size, decimal } = type
  if (size === 0) {
    const node = leafNode(place, 'BYTE_ARRAY')
    return column(plan, place, node, (builder, cursor) => builder.pushBytes(cursor.bytes, cursor.at, 0), nothing.check)
  }
  const isUuid = type.logical === 'uuid' && size === 16
  const isDecimal = decimal !== undefined && size <= MAX_DECIMAL_BYTES
  const meaning = isUuid ? ({ kind: 'uuid' } as const) : isDecimal ? ({ kind: 'decimal', ...decimal } as const) : undefined
  const node = leafNode(place, 'FIXED_LEN_BYTE_ARRAY', meaning, { typeLength: size, hasBounds: false })
  const put = (builder: ColumnBuilder, cursor: AvroCursor) => {
    const start = cursor.take(size)
    builder.push(cursor.bytes.subarray(start, start + size))
  }
  return column(plan, place, node, put, (cursor) => cursor.take(size))
}

const UUID_TEXT_BYTES = 36
const DASH = 0x2d

/** Text of 36 characters becomes 16 bytes. */
function uuidWriter(plan: Plan, place: NodePlace): NodeWriter {
  const node = leafNode(place, 'FIXED_LEN_BYTE_ARRAY', { kind: 'uuid' }, { typeLength: 16, hasBounds: false })
  const put = (builder: ColumnBuilder, cursor: AvroCursor) => {
    const start = uuidStart(cursor)
    builder.reserve(16)
    for (let i = 0, at = start; i < 16; i++, at += 2) {
      if (cursor.bytes[at] === DASH) at++
      builder.bytes[builder.used++] = (hexDigit(cursor.bytes[at]!) << 4) | hexDigit(cursor.bytes[at + 1]!)
    }
  }
  return column(plan, place, node, put, (cursor) => {
    const start = uuidStart(cursor)
    for (let i = 0; i < UUID_TEXT_BYTES; i++) {
      const byte = cursor.bytes[start + i]!
      const isDash = i === 8 || i === 13 || i === 18 || i === 23
      if (isDash ? byte !== DASH : hexDigit(byte) < 0) throw unfit('a UUID is none')
    }
  })
}

function uuidStart(cursor: AvroCursor): number {
  const length = cursor.readBytes()
  if (length !== UUID_TEXT_BYTES) throw unfit(`a UUID has ${length} characters`)
  return cursor.at - length
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const letter = byte | 0x20
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}

function enumWriter(symbols: readonly string[], plan: Plan, place: NodePlace): NodeWriter {
  const texts = symbols.map((symbol) => encoder.encode(symbol))
  const read = (cursor: AvroCursor) => {
    const index = cursor.readCount()
    const found = texts[index]
    if (found === undefined) throw unfit(`an enum has no symbol ${index}`)
    return found
  }
  const put = (builder: ColumnBuilder, cursor: AvroCursor) => {
    const found = read(cursor)
    builder.pushBytes(found, 0, found.byteLength)
  }
  return column(plan, place, leafNode(place, 'BYTE_ARRAY', { kind: 'string' }), put, read)
}

/** What no column can hold as it is, as JSON text. */
export function jsonWriter(type: AvroType, plan: Plan, place: NodePlace): NodeWriter {
  const node = leafNode(place, 'BYTE_ARRAY', { kind: 'json' }, { hasBounds: false })
  const put = (builder: ColumnBuilder, cursor: AvroCursor) => {
    builder.pushText(JSON.stringify(readAvroAsJson(type, cursor)))
  }
  return column(plan, place, node, put, (cursor) => readAvroAsJson(type, cursor))
}
