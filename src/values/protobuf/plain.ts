import { textOf } from '../text.ts'
import { fault } from '../fault.ts'
import type { ProtobufField, ProtobufMessage, ProtobufScalar, ProtobufType } from './message.ts'
import { scalarReaders } from './scalar.ts'
import { scalarWireType, valueWireTypeOf } from './walk.ts'
import { checkDepth, GROUP, type ProtobufCursor, SIZED } from './wire.ts'

/** Fields by their names; whole numbers of 64 bits that a number cannot hold are bigints. */
type PlainMessage = Record<string, unknown>

/**
 * Reads the message that the cursor is open at, up to its end: enums as their names, what a message does not say as its zero where its schema tells no
 * difference. A field of another wire type than the schema says is refused, and so is a group.
 * @throws MillpondError `INPUT_INVALID`.
 */
export type ReadMessage = (cursor: ProtobufCursor) => unknown

/** How messages are read. */
export function createMessageReader(message: ProtobufMessage): ReadMessage {
  const known = new Map<ProtobufMessage, Read>()
  const read = messageReader(message, known)
  return (cursor) => read(cursor, 0)
}

type Read = (cursor: ProtobufCursor, depth: number) => unknown

interface PlainField {
  readonly name: string
  /** Takes the next value of the field into its message. */
  readonly take: (cursor: ProtobufCursor, into: PlainMessage, depth: number) => void
  /** What it is as long as nothing was said of it; undefined for what is then missing. */
  readonly zero: (() => unknown) | undefined
}

/** Messages may hold themselves: each is made once. */
function messageReader(message: ProtobufMessage, known: Map<ProtobufMessage, Read>): Read {
  const before = known.get(message)
  if (before !== undefined) return before
  const fields = new Map<number, PlainField>()
  const zeros: { readonly name: string; readonly zero: () => unknown }[] = []
  const read: Read = (cursor, depth) => {
    checkDepth(depth)
    const value: PlainMessage = {}
    for (const { name, zero } of zeros) value[name] = zero()
    while (cursor.readTag()) {
      const field = fields.get(cursor.id)
      if (field === undefined) skipUnknown(cursor)
      else field.take(cursor, value, depth)
    }
    return value
  }
  known.set(message, read)
  for (const field of ownFields(message)) {
    const made = fieldReader(field, known)
    fields.set(field.id, made)
    if (made.zero !== undefined) zeros.push({ name: made.name, zero: made.zero })
  }
  return read
}

/** The fields that a message has of itself, in their order: extensions that are known have names that begin with a dot. */
export const ownFields = ({ fields }: ProtobufMessage): ProtobufField[] =>
  [...fields.values()].filter(({ name }) => !name.startsWith('.'))

function skipUnknown(cursor: ProtobufCursor): void {
  if (cursor.wireType === GROUP) throw fault(`a field has the wire type ${GROUP}`)
  cursor.skip()
}

function fieldReader(field: ProtobufField, known: Map<ProtobufMessage, Read>): PlainField {
  const { name, type, rule, isImplicit } = field
  if (rule === 'map') return mapReader(field, known)
  const read = valueReader(type, known)
  const wireType = valueWireTypeOf(field)
  const check = (cursor: ProtobufCursor) => {
    if (cursor.wireType !== wireType) throw fault(`${name} has the wire type ${cursor.wireType}`)
  }
  if (rule === 'single') {
    const take: PlainField['take'] = (cursor, into, depth) => {
      check(cursor)
      into[name] = read(cursor, depth)
    }
    return { name, take, zero: isImplicit ? () => zeroOf(type) : undefined }
  }
  const take: PlainField['take'] = (cursor, into, depth) => {
    const items = into[name] as unknown[]
    if (cursor.wireType !== SIZED || wireType === SIZED) {
      check(cursor)
      items.push(read(cursor, depth))
      return
    }
    const outer = cursor.enter()
    while (cursor.at < cursor.end) items.push(read(cursor, depth))
    cursor.leave(outer)
  }
  return { name, take, zero: () => [] }
}

function mapReader(field: ProtobufField, known: Map<ProtobufMessage, Read>): PlainField {
  const { name, type } = field
  const keyType: ProtobufType = { kind: 'scalar', scalar: field.key! }
  const [readKey, readItem] = [valueReader(keyType, known), valueReader(type, known)]
  const [keyWireType, itemWireType] = [scalarWireType(field.key!), valueWireTypeOf(field)]
  const readEmpty = type.kind === 'message' ? messageReader(type.message, known) : undefined
  const take: PlainField['take'] = (cursor, into, depth) => {
    if (cursor.wireType !== SIZED) throw fault(`a field has the wire type ${cursor.wireType}`)
    const outer = cursor.enter()
    let key = zeroOf(keyType)
    let item = readEmpty === undefined ? zeroOf(type) : withinNothing(cursor, () => readEmpty(cursor, depth + 1))
    while (cursor.readTag()) {
      if (cursor.id === 1 && cursor.wireType === keyWireType) key = readKey(cursor, depth)
      else if (cursor.id === 2 && cursor.wireType === itemWireType) item = readItem(cursor, depth)
      else skipUnknown(cursor)
    }
    cursor.leave(outer)
    ;(into[name] as PlainMessage)[String(key)] = item
  }
  return { name, take, zero: () => ({}) }
}

/** Reads no bytes. */
function withinNothing(cursor: ProtobufCursor, read: () => unknown): unknown {
  const { end } = cursor
  cursor.end = cursor.at
  const value = read()
  cursor.end = end
  return value
}

function valueReader(type: ProtobufType, known: Map<ProtobufMessage, Read>): Read {
  if (type.kind === 'enum') {
    return (cursor) => {
      const number = cursor.readSmall() | 0
      return type.values.get(number) ?? String(number)
    }
  }
  if (type.kind === 'scalar') return type.scalar === 'string' ? readCheckedText : scalarReaders[type.scalar]
  const read = messageReader(type.message, known)
  return (cursor, depth) => {
    const outer = cursor.enter()
    const value = read(cursor, depth + 1)
    cursor.leave(outer)
    return value
  }
}

function readCheckedText(cursor: ProtobufCursor): string {
  const length = cursor.skipText()
  return textOf(cursor.bytes, cursor.at - length, cursor.at)
}

const zeros: Readonly<Partial<Record<ProtobufScalar, () => unknown>>> = {
  bool: () => false,
  string: () => '',
  bytes: () => new Uint8Array(0),
}

function zeroOf(type: ProtobufType): unknown {
  if (type.kind === 'message') return null
  if (type.kind === 'scalar') return zeros[type.scalar]?.() ?? 0
  return type.values.get(0) ?? [...type.values.values()][0] ?? '0'
}
