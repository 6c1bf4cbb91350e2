import { MillpondError } from '../errors.ts'

/** A value of Thrift's compact protocol: structs by field id, binary as bytes. */
export type ThriftValue = boolean | number | bigint | Uint8Array | ThriftStruct | readonly ThriftValue[]

export type ThriftStruct = ReadonlyMap<number, ThriftValue>

const STOP = 0
const TRUE = 1
const FALSE = 2
const BYTE = 3
const DOUBLE = 7
const BINARY = 8
const LIST = 9
const SET = 10
const MAP = 11
const STRUCT = 12
const MAX_DEPTH = 64

/**
 * Reads one struct. Lengths are checked before they are trusted. Source: Apache Thrift, "Thrift compact protocol encoding", read 2026-11.
 * @throws MillpondError `SEGMENT_CORRUPT`.
 */
export function readThriftStruct(bytes: Uint8Array): ThriftStruct {
  return readStruct({ bytes, at: 0, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }, 0)
}

interface Cursor {
  readonly bytes: Uint8Array
  readonly view: DataView
  at: number
}

const corrupt = (what: string) => new MillpondError('SEGMENT_CORRUPT', `the footer of a Parquet file ${what}`)

function readStruct(cursor: Cursor, depth: number): ThriftStruct {
  if (depth > MAX_DEPTH) throw corrupt('is nested too deeply')
  const fields = new Map<number, ThriftValue>()
  let id = 0
  for (let head = byte(cursor); head !== STOP; head = byte(cursor)) {
    const delta = head >> 4
    const type = head & 15
    id = delta === 0 ? Number(zigzag(cursor)) : id + delta
    fields.set(id, type === TRUE ? true : type === FALSE ? false : readValue(cursor, type, depth))
  }
  return fields
}

function readValue(cursor: Cursor, type: number, depth: number): ThriftValue {
  if (type === TRUE || type === FALSE) return byte(cursor) === TRUE
  if (type === BYTE) return (byte(cursor) << 24) >> 24
  if (type > BYTE && type < DOUBLE) return zigzag(cursor)
  if (type === DOUBLE) return cursor.view.getFloat64(skip(cursor, 8), true)
  if (type === BINARY) {
    const bytes = length(cursor)
    return cursor.bytes.subarray(skip(cursor, bytes), cursor.at)
  }
  if (type === LIST || type === SET) return readList(cursor, depth + 1)
  if (type === MAP) return readMap(cursor, depth + 1)
  if (type === STRUCT) return readStruct(cursor, depth + 1)
  throw corrupt(`has a value of the unknown type ${type}`)
}

function readList(cursor: Cursor, depth: number): ThriftValue[] {
  const head = byte(cursor)
  const count = head >> 4 === 15 ? length(cursor) : head >> 4
  return Array.from({ length: count }, () => readValue(cursor, head & 15, depth))
}

function readMap(cursor: Cursor, depth: number): ThriftValue[] {
  const count = length(cursor)
  if (count === 0) return []
  const types = byte(cursor)
  return Array.from({ length: count }, () => [readValue(cursor, types >> 4, depth), readValue(cursor, types & 15, depth)])
}

/** A count or length of something that lies within the bytes. */
function length(cursor: Cursor): number {
  const value = Number(varint(cursor))
  if (value > cursor.bytes.byteLength - cursor.at) throw corrupt('has a length that leaves it')
  return value
}

function zigzag(cursor: Cursor): number | bigint {
  const value = varint(cursor)
  if (typeof value === 'number') return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  const whole = (value >> 1n) ^ -(value & 1n)
  const number = Number(whole)
  return Number.isSafeInteger(number) ? number : whole
}

function varint(cursor: Cursor): number | bigint {
  let value = 0
  for (let i = 0, scale = 1; i < 7; i++, scale *= 128) {
    const next = byte(cursor)
    value += (next & 127) * scale
    if (next < 128) return value
  }
  let large = BigInt(value)
  for (let i = 7n; i < 10n; i++) {
    const next = byte(cursor)
    large |= BigInt(next & 127) << (7n * i)
    if (next < 128) return BigInt.asUintN(64, large)
  }
  throw corrupt('has a number of more than 10 bytes')
}

function byte(cursor: Cursor): number {
  return cursor.bytes[skip(cursor, 1)]!
}

/** Moves on; gives where the bytes that were passed begin. */
function skip(cursor: Cursor, bytes: number): number {
  const start = cursor.at
  if (start + bytes > cursor.bytes.byteLength) throw corrupt('ends too early')
  cursor.at = start + bytes
  return start
}
