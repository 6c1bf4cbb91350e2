/** Values of Protocol Buffers. Source: protobuf.dev, "Encoding", read 2026-11. */
import { isUtf8 } from 'node:buffer'
import { fault } from '../values/fault.ts'
import type { ProtoField, ProtoMessage, ProtoScalar, ProtoType } from './proto-types.ts'

/** Fields by name; whole numbers of 64 bits that a number cannot hold are bigints. */
export type ProtoValue = Record<string, unknown>

/** Messages nest no deeper. Source: the default of Google's own readers. */
const MAX_DEPTH = 100

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const FIXED32 = 5

interface Place {
  readonly bytes: Uint8Array
  readonly view: DataView
  at: number
}

/** The value of a message. @throws MillpondError `INPUT_INVALID`. */
export function readProto(message: ProtoMessage, bytes: Uint8Array): ProtoValue {
  const place = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 }
  return readMessage(message, place, bytes.byteLength, 0)
}

const fieldsByNumber = new WeakMap<ProtoMessage, Map<number, ProtoField>>()

function fieldsOf(message: ProtoMessage): Map<number, ProtoField> {
  let fields = fieldsByNumber.get(message)
  if (fields === undefined) {
    fields = new Map(message.fields.map((field) => [field.number, field]))
    fieldsByNumber.set(message, fields)
  }
  return fields
}

function readMessage(message: ProtoMessage, place: Place, end: number, depth: number): ProtoValue {
  if (depth > MAX_DEPTH) throw fault(`it nests deeper than ${MAX_DEPTH}`)
  const value: ProtoValue = {}
  for (const { name, presence, type } of message.fields) {
    if (presence === 'implicit') value[name] = defaultOf(type)
    else if (presence === 'repeated') value[name] = []
    else if (presence === 'map') value[name] = {}
  }
  const fields = fieldsOf(message)
  while (place.at < end) {
    const tag = Number(readVarint(place, end))
    const field = fields.get(Math.floor(tag / 8))
    if (field === undefined) skip(place, tag % 8, end)
    else readField(field, value, place, { wire: tag % 8, end, depth })
  }
  return value
}

interface FieldPlace {
  readonly wire: number
  readonly end: number
  readonly depth: number
}

function readField(field: ProtoField, value: ProtoValue, place: Place, { wire, end, depth }: FieldPlace): void {
  const { name, presence, type } = field
  if (presence === 'map') {
    const [key, item] = readEntry(field, place, lengthEnd(place, wire, end), depth)
    ;(value[name] as ProtoValue)[key] = item
    return
  }
  const isPacked = presence === 'repeated' && wire === LENGTH && wireOf(type) !== LENGTH
  if (!isPacked) {
    if (wire !== wireOf(type)) throw fault(`${name} has the wire type ${wire}`)
    const item = readValue(type, place, end, depth)
    if (presence === 'repeated') (value[name] as unknown[]).push(item)
    else value[name] = item
    return
  }
  const packedEnd = lengthEnd(place, wire, end)
  while (place.at < packedEnd) (value[name] as unknown[]).push(readValue(type, place, packedEnd, depth))
}

function readEntry({ type, key }: ProtoField, place: Place, end: number, depth: number): [string, unknown] {
  const keyType: ProtoType = { kind: 'scalar', scalar: key! }
  let name: unknown = defaultOf(keyType)
  let item: unknown = type.kind === 'message' ? readMessage(type.type, place, place.at, depth + 1) : defaultOf(type)
  while (place.at < end) {
    const tag = Number(readVarint(place, end))
    if (tag === 8 + wireOf(keyType)) name = readValue(keyType, place, end, depth)
    else if (tag === 16 + wireOf(type)) item = readValue(type, place, end, depth)
    else skip(place, tag % 8, end)
  }
  return [String(name), item]
}

function defaultOf(type: ProtoType): unknown {
  if (type.kind === 'enum') return type.type.values.get(0) ?? [...type.type.values.values()][0] ?? '0'
  if (type.kind === 'message') return null
  return type.scalar === 'bool' ? false : type.scalar === 'string' ? '' : type.scalar === 'bytes' ? new Uint8Array(0) : 0
}

const fixed64: ReadonlySet<ProtoScalar> = new Set(['double', 'fixed64', 'sfixed64'])
const fixed32: ReadonlySet<ProtoScalar> = new Set(['float', 'fixed32', 'sfixed32'])

function wireOf(type: ProtoType): number {
  if (type.kind === 'message') return LENGTH
  if (type.kind === 'enum') return VARINT
  if (type.scalar === 'string' || type.scalar === 'bytes') return LENGTH
  return fixed64.has(type.scalar) ? FIXED64 : fixed32.has(type.scalar) ? FIXED32 : VARINT
}

function readValue(type: ProtoType, place: Place, end: number, depth: number): unknown {
  if (type.kind === 'message') return readMessage(type.type, place, lengthEnd(place, LENGTH, end), depth + 1)
  if (type.kind === 'enum') {
    const number = Number(BigInt.asIntN(32, readVarint(place, end)))
    return type.type.values.get(number) ?? String(number)
  }
  return scalarReaders[type.scalar](place, end)
}

type Read = (place: Place, end: number) => unknown

/** What a varint becomes. */
const whole =
  (of: (bits: bigint) => unknown): Read =>
  (place, end) =>
    of(readVarint(place, end))

const unzigzag = (bits: bigint) => (bits >> 1n) ^ -(bits & 1n)

const scalarReaders: Readonly<Record<ProtoScalar, Read>> = {
  double: (place, end) => place.view.getFloat64(take(place, 8, end), true),
  float: (place, end) => place.view.getFloat32(take(place, 4, end), true),
  fixed32: (place, end) => place.view.getUint32(take(place, 4, end), true),
  sfixed32: (place, end) => place.view.getInt32(take(place, 4, end), true),
  fixed64: (place, end) => narrow(place.view.getBigUint64(take(place, 8, end), true)),
  sfixed64: (place, end) => narrow(place.view.getBigInt64(take(place, 8, end), true)),
  string: readText,
  bytes(place, end) {
    const last = lengthEnd(place, LENGTH, end)
    const start = place.at
    place.at = last
    return place.bytes.slice(start, last)
  },
  bool: whole((bits) => bits !== 0n),
  int32: whole((bits) => Number(BigInt.asIntN(32, bits))),
  uint32: whole((bits) => Number(BigInt.asUintN(32, bits))),
  sint32: whole((bits) => Number(BigInt.asIntN(32, unzigzag(BigInt.asUintN(32, bits))))),
  int64: whole((bits) => narrow(BigInt.asIntN(64, bits))),
  uint64: whole(narrow),
  sint64: whole((bits) => narrow(BigInt.asIntN(64, unzigzag(bits)))),
}

function narrow(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

function readText(place: Place, end: number): string {
  const last = lengthEnd(place, LENGTH, end)
  const bytes = place.bytes.subarray(place.at, last)
  if (!isUtf8(bytes)) throw fault('a text is not UTF-8')
  place.at = last
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

function take(place: Place, bytes: number, end: number): number {
  const start = place.at
  if (bytes > end - start) throw fault('it ends too early')
  place.at = start + bytes
  return start
}

/** Where what begins with its length ends. */
function lengthEnd(place: Place, wire: number, end: number): number {
  if (wire !== LENGTH) throw fault(`a field has the wire type ${wire}`)
  const length = Number(readVarint(place, end))
  if (length > end - place.at) throw fault('it ends too early')
  return place.at + length
}

function readVarint(place: Place, end: number): bigint {
  let low = 0
  let scale = 1
  for (let i = 0; i < 10; i++) {
    if (place.at >= end) throw fault('it ends too early')
    const byte = place.bytes[place.at++]!
    // Seven bytes stay below 2^53.
    if (i === 7) return longVarint(place, end, BigInt(low), byte)
    low += (byte & 0x7f) * scale
    scale *= 128
    if (byte < 0x80) return BigInt(low)
  }
  throw fault('a number has more than 64 bits')
}

function longVarint(place: Place, end: number, low: bigint, eighth: number): bigint {
  let value = low
  let byte = eighth
  for (let shift = 49n; shift < 70n; shift += 7n) {
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return BigInt.asUintN(64, value)
    if (place.at >= end) throw fault('it ends too early')
    byte = place.bytes[place.at++]!
  }
  throw fault('a number has more than 64 bits')
}

function skip(place: Place, wire: number, end: number): void {
  if (wire === VARINT) readVarint(place, end)
  else if (wire === FIXED64) take(place, 8, end)
  else if (wire === LENGTH) place.at = lengthEnd(place, LENGTH, end)
  else if (wire === FIXED32) take(place, 4, end)
  else throw fault(`a field has the wire type ${wire}`)
}
