/** How values of Avro become values of one column: read where they lie, without anything in between. */
import { isUtf8 } from 'node:buffer'
import type { Cursor } from '../values/avro/cursor.ts'
import { readPlain } from '../values/avro/plain.ts'
import type { AvroType } from '../values/avro/schema.ts'
import { MAX_DECIMAL_BYTES } from '../values/avro/shape.ts'
import { fault } from '../values/fault.ts'
import type { Shape } from '../values/shape.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import { MAX_MILLIS, putMicros } from './parquet-micros.ts'

/** Takes the next value to a column, or looks whether it could; both throw MillpondError `INPUT_INVALID`. */
export interface AvroScalar {
  readonly put: (builder: ColumnBuilder, cursor: Cursor) => void
  readonly check: (cursor: Cursor) => unknown
}

/** What is known of all values that are looked at. */
export interface AvroBatch {
  /** Whether text need not be looked at. */
  isAscii: boolean
}

const encoder = new TextEncoder()

/** How values of the type become values of the shape, which is the type's own or JSON. */
export function avroScalar(type: AvroType, shape: Shape, batch: AvroBatch): AvroScalar {
  if (shape.kind === 'json') return jsonScalar(type)
  switch (type.kind) {
    case 'boolean':
      return { put: putBoolean, check: (cursor) => cursor.readBoolean() }
    case 'int':
      return { put: shape.kind === 'time' ? putIntMicros : putInt, check: (cursor) => cursor.readInt() }
    case 'long':
      return shape.kind === 'timestamp' && type.logical?.name.endsWith('millis') === true
        ? { put: (builder, cursor) => putMicros(builder, readMillis(cursor)), check: readMillis }
        : { put: putLong, check: (cursor) => cursor.readWords() }
    case 'float':
      return rawScalar(4)
    case 'double':
      return rawScalar(8)
    case 'bytes':
      return { put: putBytes, check: shape.kind === 'decimal' ? checkDecimal : (cursor) => cursor.skipSized() }
    case 'string':
      return shape.kind === 'uuid' ? uuidScalar : textScalar(batch)
    case 'fixed':
      return fixedScalar(type.size)
    case 'enum':
      return enumScalar(type.symbols)
    case 'null':
    case 'record':
    case 'array':
    case 'map':
    case 'union':
  }
  return jsonScalar(type)
}

/** What no column can hold as it is, as JSON text. */
const jsonScalar = (type: AvroType): AvroScalar => ({
  put: (builder, cursor) => builder.pushText(JSON.stringify(readPlain(type, cursor))),
  check: (cursor) => readPlain(type, cursor),
})

/** A long of milliseconds. @throws MillpondError `INPUT_INVALID` where it has no microseconds of 64 bits. */
function readMillis(cursor: Cursor): number {
  cursor.readWords()
  const millis = cursor.high * 2 ** 32 + (cursor.low >>> 0)
  if (Math.abs(millis) > MAX_MILLIS) throw fault('a time of milliseconds lies further away than microseconds count')
  return millis
}

const putIntMicros = (builder: ColumnBuilder, cursor: Cursor): void => putMicros(builder, cursor.readInt())

function putBoolean(builder: ColumnBuilder, cursor: Cursor): void {
  const bit = cursor.readBoolean()
  builder.reserve(1)
  builder.bytes[builder.used++] = bit
}

function putInt(builder: ColumnBuilder, cursor: Cursor): void {
  const value = cursor.readInt()
  builder.reserve(4)
  builder.view.setInt32(builder.used, value, true)
  builder.used += 4
}

function putLong(builder: ColumnBuilder, cursor: Cursor): void {
  cursor.readWords()
  builder.reserve(8)
  builder.view.setInt32(builder.used, cursor.low, true)
  builder.view.setInt32(builder.used + 4, cursor.high, true)
  builder.used += 8
}

const rawScalar = (size: number): AvroScalar => ({
  put(builder, cursor) {
    const start = cursor.take(size)
    builder.reserve(size)
    for (let i = 0; i < size; i++) builder.bytes[builder.used++] = cursor.bytes[start + i]!
  },
  check: (cursor) => cursor.take(size),
})

function putBytes(builder: ColumnBuilder, cursor: Cursor): void {
  const length = cursor.skipSized()
  builder.pushBytes(cursor.bytes, cursor.at - length, length)
}

function checkDecimal(cursor: Cursor): void {
  const length = cursor.skipSized()
  if (length === 0 || length > MAX_DECIMAL_BYTES) throw fault(`a decimal has ${length} bytes`)
}

/** Text; also the keys of maps. */
export const textScalar = (batch: AvroBatch): AvroScalar => ({
  put: putBytes,
  check(cursor) {
    const length = cursor.skipSized()
    if (!batch.isAscii && !isUtf8(cursor.bytes.subarray(cursor.at - length, cursor.at))) throw fault('a text is not UTF-8')
  },
})

function fixedScalar(size: number): AvroScalar {
  const check = (cursor: Cursor) => cursor.take(size)
  if (size === 0) return { put: (builder, cursor) => builder.pushBytes(cursor.bytes, cursor.at, 0), check }
  return {
    put(builder, cursor) {
      const start = cursor.take(size)
      builder.push(cursor.bytes.subarray(start, start + size))
    },
    check,
  }
}

function enumScalar(symbols: readonly string[]): AvroScalar {
  const texts = symbols.map((symbol) => encoder.encode(symbol))
  const read = (cursor: Cursor) => texts[cursor.readIndex(texts.length, 'symbol')]!
  return {
    put(builder, cursor) {
      const found = read(cursor)
      builder.pushBytes(found, 0, found.byteLength)
    },
    check: read,
  }
}

const UUID_TEXT_BYTES = 36
const DASH = 0x2d

/** Text of 36 characters becomes 16 bytes. */
const uuidScalar: AvroScalar = {
  put(builder, cursor) {
    const start = uuidStart(cursor)
    builder.reserve(16)
    for (let i = 0, at = start; i < 16; i++, at += 2) {
      if (cursor.bytes[at] === DASH) at++
      builder.bytes[builder.used++] = (hexDigit(cursor.bytes[at]!) << 4) | hexDigit(cursor.bytes[at + 1]!)
    }
  },
  check(cursor) {
    const start = uuidStart(cursor)
    for (let i = 0; i < UUID_TEXT_BYTES; i++) {
      const byte = cursor.bytes[start + i]!
      const isDash = i === 8 || i === 13 || i === 18 || i === 23
      if (isDash ? byte !== DASH : hexDigit(byte) < 0) throw fault('a UUID is none')
    }
  },
}

function uuidStart(cursor: Cursor): number {
  const length = cursor.skipSized()
  if (length !== UUID_TEXT_BYTES) throw fault(`a UUID has ${length} characters`)
  return cursor.at - length
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const letter = byte | 0x20
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}
