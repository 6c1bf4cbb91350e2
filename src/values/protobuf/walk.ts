import { fault } from '../fault.ts'
import type { ProtobufField, ProtobufMessage, ProtobufScalar } from './message.ts'
import { checkDepth, FIXED32, FIXED64, GROUP, type ProtobufCursor, SIZED, VARINT } from './wire.ts'

const wireTypes: Readonly<Record<ProtobufScalar, number>> = {
  double: FIXED64,
  float: FIXED32,
  int32: VARINT,
  int64: VARINT,
  uint32: VARINT,
  uint64: VARINT,
  sint32: VARINT,
  sint64: VARINT,
  fixed32: FIXED32,
  fixed64: FIXED64,
  sfixed32: FIXED32,
  sfixed64: FIXED64,
  bool: VARINT,
  string: SIZED,
  bytes: SIZED,
}

/** The wire type of a scalar. */
export const scalarWireType = (scalar: ProtobufScalar): number => wireTypes[scalar]

/** The wire type of a field. */
export const wireTypeOf = (field: ProtobufField): number => (field.rule === 'map' ? SIZED : valueWireTypeOf(field))

/** The wire type of a field's value, of a map's that of the values in it. */
export function valueWireTypeOf({ type, isGroup }: ProtobufField): number {
  if (type.kind === 'message') return isGroup ? GROUP : SIZED
  return type.kind === 'enum' ? VARINT : wireTypes[type.scalar]
}

/**
 * Passes over one message, up to the cursor's end or that of the group, and throws MillpondError `INPUT_INVALID` where it is none. Unknown fields are
 * passed over, and so are known ones of another wire type, as the official libraries do.
 */
export function walkMessage(message: ProtobufMessage, cursor: ProtobufCursor, group = 0, depth = 0): void {
  checkDepth(depth)
  while (cursor.readTag(group)) {
    const field = message.fields.get(cursor.id)
    if (field === undefined || wireTypeOf(field) !== cursor.wireType) cursor.skip(depth)
    else if (field.rule === 'map') walkEntry(field, cursor, depth)
    else walkValue(field, cursor, depth)
  }
}

function walkValue({ type, isGroup }: ProtobufField, cursor: ProtobufCursor, depth: number): void {
  if (type.kind === 'scalar' && type.scalar === 'string') return void cursor.skipText()
  if (type.kind !== 'message') return cursor.skip()
  if (isGroup) return walkMessage(type.message, cursor, cursor.id, depth + 1)
  const outer = cursor.enter()
  walkMessage(type.message, cursor, 0, depth + 1)
  cursor.leave(outer)
}

function walkEntry(field: ProtobufField, cursor: ProtobufCursor, depth: number): void {
  checkDepth(depth + 1)
  const outer = cursor.enter()
  while (cursor.readTag()) {
    if (cursor.id === 1 && field.key === 'string' && cursor.wireType === SIZED) cursor.skipText()
    else if (cursor.id === 2 && cursor.wireType === valueWireTypeOf(field)) walkValue(field, cursor, depth + 1)
    else cursor.skip(depth + 1)
  }
  cursor.leave(outer)
}

/** Passes over one message that must be all of `bytes` from `start` to before `end`. @throws MillpondError `INPUT_INVALID`. */
export function checkMessage(message: ProtobufMessage, cursor: ProtobufCursor): void {
  walkMessage(message, cursor)
  if (cursor.at !== cursor.end) throw fault('bytes lie behind it')
}
