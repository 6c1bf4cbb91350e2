import { MillpondError } from '../../errors.ts'
import { ANYTHING, type ScalarKind, type Shape } from '../shape.ts'
import type { ProtobufField, ProtobufMessage, ProtobufScalar, ProtobufType } from './message.ts'
import { ownFields } from './plain.ts'

/** The shape of messages; one that holds itself is anything there. @throws MillpondError `SCHEMA_INVALID` for a group. */
export function messageShape(message: ProtobufMessage, within: readonly ProtobufMessage[] = []): Shape {
  const fields = ownFields(message)
  if (within.includes(message) || fields.length === 0) return ANYTHING
  const inner = [...within, message]
  return { kind: 'record', fields: new Map(fields.map((field) => [field.name, fieldShape(field, inner)])), isOpen: false }
}

function fieldShape({ name, rule, type, isGroup }: ProtobufField, within: readonly ProtobufMessage[]): Shape {
  if (isGroup) throw new MillpondError('SCHEMA_INVALID', `a Protobuf schema has a group, ${name}`)
  const items = typeShape(type, within)
  if (rule === 'single') return items
  return { kind: rule === 'repeated' ? 'list' : 'map', items }
}

const scalarShapes: Readonly<Record<ProtobufScalar, ScalarKind>> = {
  double: 'double',
  float: 'float',
  int32: 'int32',
  sint32: 'int32',
  sfixed32: 'int32',
  uint32: 'uint32',
  fixed32: 'uint32',
  int64: 'int',
  sint64: 'int',
  sfixed64: 'int',
  uint64: 'uint64',
  fixed64: 'uint64',
  bool: 'boolean',
  string: 'string',
  bytes: 'bytes',
}

function typeShape(type: ProtobufType, within: readonly ProtobufMessage[]): Shape {
  if (type.kind === 'message') return messageShape(type.message, within)
  return { kind: type.kind === 'enum' ? 'string' : scalarShapes[type.scalar] }
}
