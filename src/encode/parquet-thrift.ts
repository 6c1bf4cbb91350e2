/**
 * Thrift's compact protocol, as much of it as Parquet's headers and footers need. Source: Apache Thrift, "Thrift Compact protocol encoding",
 * read 2026-11.
 */
import { MillpondError } from '../errors.ts'

/** A value that can be written: its type in the protocol, and what writes it. */
export interface Thrift {
  readonly type: number
  readonly write: (out: number[]) => void
}

/** Fields of a struct by their ids; those that are undefined are left out. */
export type ThriftFields = Readonly<Record<number, Thrift | undefined>>

const TRUE = 1
const FALSE = 2
const BYTE = 3
const I16 = 4
const I32 = 5
const I64 = 6
const BINARY = 8
const LIST = 9
const STRUCT = 12

const encoder = new TextEncoder()

function writeVarint(out: number[], value: number | bigint): void {
  let rest = BigInt(value)
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80)
  out.push(Number(rest))
}

const zigzag = (value: number | bigint): bigint => {
  const long = BigInt(value)
  return BigInt.asUintN(64, (long << 1n) ^ (long >> 63n))
}

const whole = (type: number) => (value: number | bigint) => ({
  type,
  write: (out: number[]) => writeVarint(out, zigzag(value)),
})

/** Numbers of 16, 32 and 64 bits. */
export const i16 = whole(I16)
export const i32 = whole(I32)
export const i64 = whole(I64)
/** A number of 8 bits. */
export const i8 = (value: number): Thrift => ({ type: BYTE, write: (out) => void out.push(value & 0xff) })
/** A truth; within a struct its type says it all. */
export const truth = (value: boolean): Thrift => ({ type: value ? TRUE : FALSE, write: () => undefined })
/** Bytes. */
export const binary = (bytes: Uint8Array): Thrift => ({
  type: BINARY,
  write(out) {
    writeVarint(out, bytes.byteLength)
    for (const byte of bytes) out.push(byte)
  },
})
/** The UTF-8 of a text. */
export const text = (content: string): Thrift => binary(encoder.encode(content))
/** Values of one type, which an empty list has too. */
export const list = (values: readonly Thrift[], emptyType = STRUCT): Thrift => ({
  type: LIST,
  write(out) {
    const type = values[0]?.type ?? emptyType
    if (values.length < 15) out.push((values.length << 4) | type)
    else {
      out.push(0xf0 | type)
      writeVarint(out, values.length)
    }
    for (const value of values) value.write(out)
  },
})
/** A struct of fields. */
export const struct = (fields: ThriftFields): Thrift => ({
  type: STRUCT,
  write(out) {
    let last = 0
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue
      const id = Number(name)
      if (id - last <= 15) out.push(((id - last) << 4) | value.type)
      else {
        out.push(value.type)
        writeVarint(out, zigzag(id))
      }
      value.write(out)
      last = id
    }
    out.push(0)
  },
})

/** The bytes of a value. */
export function thriftBytes(value: Thrift): Uint8Array {
  const out: number[] = []
  value.write(out)
  return Uint8Array.from(out)
}

/** What was read: numbers of 64 bits as far as they are safe, bytes, lists and structs. */
export type ThriftRead = number | boolean | Uint8Array | readonly ThriftRead[] | ReadonlyMap<number, ThriftRead>

/** Deep enough for every header and footer; what nests deeper is none. */
const MAX_DEPTH = 16

/**
 * Reads the struct that begins at `at`; gives it and the place behind it.
 * @throws MillpondError `BLOCK_CORRUPT`.
 */
export function readThrift(
  bytes: Uint8Array,
  start: number,
): { readonly fields: ReadonlyMap<number, ThriftRead>; readonly end: number } {
  let at = start
  const byte = () => {
    const value = bytes[at++]
    if (value === undefined) throw new MillpondError('BLOCK_CORRUPT', 'a header ends too early', { details: { at } })
    return value
  }
  const varint = () => {
    let value = 0
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const next = byte()
      value += (next & 0x7f) * scale
      if (next < 0x80) return value
    }
    throw new MillpondError('BLOCK_CORRUPT', 'a number of a header has too many bytes', { details: { at } })
  }
  const signed = () => {
    const value = varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  const take = (length: number) => {
    if (length > bytes.byteLength - at)
      throw new MillpondError('BLOCK_CORRUPT', 'a header ends too early', { details: { at, length } })
    at += length
    return bytes.subarray(at - length, at)
  }
  const readList = (depth: number): ThriftRead => {
    const head = byte()
    const count = head >> 4 === 15 ? varint() : head >> 4
    const type = head & 15
    if (count > bytes.byteLength - at)
      throw new MillpondError('BLOCK_CORRUPT', 'a list of a header is too long', { details: { at, count } })
    return Array.from({ length: count }, () => (type === TRUE || type === FALSE ? byte() === 1 : readValue(type, depth)))
  }
  const readStruct = (depth: number): ReadonlyMap<number, ThriftRead> => {
    if (depth > MAX_DEPTH) throw new MillpondError('BLOCK_CORRUPT', 'a header nests too deep', { details: { at } })
    const fields = new Map<number, ThriftRead>()
    let id = 0
    for (let head = byte(); head !== 0; head = byte()) {
      id = head >> 4 === 0 ? signed() : id + (head >> 4)
      fields.set(id, readValue(head & 15, depth + 1))
    }
    return fields
  }
  const readValue = (type: number, depth: number): ThriftRead => {
    if (type === TRUE || type === FALSE) return type === TRUE
    if (type === BYTE) return byte()
    if (type === I16 || type === I32 || type === I64) return signed()
    if (type === BINARY) return take(varint())
    if (type === LIST) return readList(depth + 1)
    if (type === STRUCT) return readStruct(depth + 1)
    throw new MillpondError('BLOCK_CORRUPT', `a header has a field of type ${type}`, { details: { at } })
  }
  const fields = readStruct(0)
  return { fields, end: at }
}
