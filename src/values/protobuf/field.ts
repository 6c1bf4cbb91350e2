import { decimalText, milliseconds } from '../logical.ts'
import type { FieldValue } from '../values.ts'
import type { ProtobufField, ProtobufMessage, ProtobufType } from './message.ts'
import { readText, scalarReaders } from './scalar.ts'
import { valueWireTypeOf, wireTypeOf } from './walk.ts'
import { type ProtobufCursor, SIZED, VARINT } from './wire.ts'

/** Reads one field of a message from its beginning; throws MillpondError `INPUT_INVALID`. */
export type ReadProtobufField = (cursor: ProtobufCursor) => FieldValue

/** What a message, of which there may be several pieces, says of a field so far; `nothing` where it says nothing. */
type Read = (cursor: ProtobufCursor, before: Found) => Found
const nothing = Symbol('nothing')
type Found = FieldValue | typeof nothing

/**
 * How to read the field of that dotted name, its parts as the schema names them or as JSON does; parts may be keys of maps whose keys are text.
 * What a field's own type gives as one value is that value: an instant its milliseconds, a wrapped value that value.
 */
export function createProtobufFieldReader(message: ProtobufMessage, name: string): ReadProtobufField {
  const path = name.split('.')
  const read = messageReader(message, path)
  if (read === undefined) return () => undefined
  const standard = standardOf(message, path)
  return (cursor) => {
    const found = read(cursor, nothing)
    return found === nothing ? standard : found
  }
}

const fieldOf = (message: ProtobufMessage, name: string | undefined): ProtobufField | undefined =>
  message.fields.values().find((field) => field.name === name || field.jsonName === name)

/** What the field is where a message does not say it; of a message that is not there no field is known. */
const standardOf = (message: ProtobufMessage, path: readonly string[]): FieldValue =>
  path.length === 1 ? fieldOf(message, path[0])?.standard : undefined

function messageReader(message: ProtobufMessage, [name, ...rest]: readonly string[]): Read | undefined {
  const field = fieldOf(message, name)
  const readValue = field === undefined || field.rule === 'repeated' ? undefined : fieldReader(field, rest)
  if (field === undefined || readValue === undefined) return undefined
  const wireType = wireTypeOf(field)
  const others = new Set(field.others)
  return (cursor, before) => {
    let found = before
    while (cursor.readTag()) {
      if (cursor.id === field.id && cursor.wireType === wireType) found = readValue(cursor, found)
      else {
        // The wire type is not looked at: a field of a oneof that is there in any form is what libraries keep.
        if (others.has(cursor.id)) found = nothing
        cursor.skip()
      }
    }
    return found
  }
}

function fieldReader(field: ProtobufField, path: readonly string[]): Read | undefined {
  if (field.rule === 'map') return mapReader(field, path)
  return valueReader(field, path)
}

function valueReader({ type, isGroup }: Pick<ProtobufField, 'type' | 'isGroup'>, path: readonly string[]): Read | undefined {
  if (type.kind !== 'message') return path.length > 0 ? undefined : scalarReader(type)
  if (isGroup) return undefined
  const { message } = type
  const read = path.length === 0 ? knownReader(message) : messageReader(message, path)
  if (read === undefined) return undefined
  const standard = path.length === 0 ? undefined : standardOf(message, path)
  return (cursor, before) => {
    const outer = cursor.enter()
    const found = read(cursor, before)
    cursor.leave(outer)
    return found === nothing && standard !== undefined ? standard : found
  }
}

/** Of an entry that comes twice the last one counts. */
function mapReader(field: ProtobufField, [key, ...path]: readonly string[]): Read | undefined {
  const read = key === undefined || field.key !== 'string' ? undefined : valueReader(field, path)
  if (read === undefined) return undefined
  const wireType = valueWireTypeOf(field)
  return (cursor, before) => {
    const outer = cursor.enter()
    let isIt = key === ''
    let value: Found = nothing
    while (cursor.readTag()) {
      if (cursor.id === 1 && cursor.wireType === SIZED) isIt = readText(cursor) === key
      else if (cursor.id === 2 && cursor.wireType === wireType) value = read(cursor, nothing)
      else cursor.skip()
    }
    cursor.leave(outer)
    if (!isIt) return before
    return value === nothing ? zeroOf(field.type) : value
  }
}

function zeroOf(type: ProtobufType): FieldValue {
  if (type.kind === 'enum') return type.values.get(0) ?? 0
  if (type.kind === 'message') return undefined
  return type.scalar === 'string' ? '' : type.scalar === 'bool' ? false : type.scalar === 'bytes' ? undefined : 0
}

function scalarReader(type: Exclude<ProtobufType, { readonly kind: 'message' }>): Read | undefined {
  if (type.kind === 'enum') {
    return (cursor) => {
      const number = cursor.readSmall() | 0
      return type.values.get(number) ?? number
    }
  }
  return type.scalar === 'bytes' ? undefined : scalarReaders[type.scalar]
}

/** Messages that mean one value. */
function knownReader(message: ProtobufMessage): Read | undefined {
  switch (message.name) {
    case 'google.protobuf.Timestamp':
      return (cursor) => readInstant(cursor)
    case 'google.type.Date':
      return (cursor) => readDay(cursor)
    case 'confluent.type.Decimal':
      return (cursor) => readDecimal(cursor)
    default:
      return message.name.startsWith('google.protobuf.') && message.name.endsWith('Value') ? wrapperReader(message) : undefined
  }
}

function wrapperReader(message: ProtobufMessage): Read | undefined {
  const field = message.fields.size === 1 ? fieldOf(message, 'value') : undefined
  if (field === undefined || field.rule !== 'single') return undefined
  const read = messageReader(message, ['value'])
  return (
    read &&
    ((cursor, before) => {
      const found = read(cursor, before)
      return found === nothing ? field.standard : found
    })
  )
}

/** The fields of a small message by their numbers, as numbers that are not zig-zag. */
function readNumbers(cursor: ProtobufCursor): Map<number, bigint> {
  const numbers = new Map<number, bigint>()
  while (cursor.readTag()) {
    const { id } = cursor
    if (cursor.wireType === VARINT) numbers.set(id, BigInt.asIntN(64, BigInt(cursor.readLarge())))
    else cursor.skip()
  }
  return numbers
}

function readInstant(cursor: ProtobufCursor): number {
  const numbers = readNumbers(cursor)
  return Number((numbers.get(1) ?? 0n) * 1000n) + milliseconds(Number(numbers.get(2) ?? 0n), 1_000_000)
}

function readDay(cursor: ProtobufCursor): string {
  const numbers = readNumbers(cursor)
  const digits = (id: number, length: number) => String(numbers.get(id) ?? 0n).padStart(length, '0')
  return `${digits(1, 4)}-${digits(2, 2)}-${digits(3, 2)}`
}

function readDecimal(cursor: ProtobufCursor): string {
  let unscaled = new Uint8Array(0)
  let scale = 0
  while (cursor.readTag()) {
    if (cursor.id === 1 && cursor.wireType === SIZED) {
      unscaled = scalarReaders.bytes(cursor)
    } else if (cursor.id === 3 && cursor.wireType === VARINT) scale = cursor.readSmall() | 0
    else cursor.skip()
  }
  return decimalText(unscaled, Math.max(0, scale))
}
