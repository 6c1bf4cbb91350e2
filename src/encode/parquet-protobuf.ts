import type { ValueKind } from '../values/values.ts'
import { ANYTHING, type ScalarKind, type Shape } from '../values/shape.ts'
import { rootWriter } from './parquet-plain.ts'
import type { ValueWriter } from './parquet-value-writer.ts'
import type { ColumnTarget } from './parquet-plan.ts'
import { readProto } from './proto-read.ts'
import { parseProto, type ProtoField, type ProtoMessage, type ProtoScalar, type ProtoType } from './proto-types.ts'

/** What writes values of the message that the kind names. @throws MillpondError `FORMAT_UNSUPPORTED`. */
export function protobufWriter({ text, name }: Pick<ValueKind, 'text' | 'name'>, target: ColumnTarget): ValueWriter {
  const message = parseProto(text, name)
  const root = rootWriter(messageShape(message, []), target)
  return {
    schema: root.schema,
    begin: () => undefined,
    check: (batch, row, start) => void readProto(message, batch.bytes.subarray(start, batch.valueEnd[row])),
    write: (batch, row, start) => root.write(readProto(message, batch.bytes.subarray(start, batch.valueEnd[row]))),
  }
}

/** A message that holds itself is kept as text. */
function messageShape(message: ProtoMessage, stack: readonly ProtoMessage[]): Shape {
  if (stack.includes(message) || message.fields.length === 0) return ANYTHING
  const inner = [...stack, message]
  return { kind: 'record', fields: new Map(message.fields.map((field) => [field.name, fieldShape(field, inner)])), isOpen: false }
}

function fieldShape({ presence, type }: ProtoField, stack: readonly ProtoMessage[]): Shape {
  const items = typeShape(type, stack)
  if (presence === 'repeated') return { kind: 'list', items }
  return presence === 'map' ? { kind: 'map', items } : items
}

const scalarShapes: Readonly<Record<ProtoScalar, ScalarKind>> = {
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

function typeShape(type: ProtoType, stack: readonly ProtoMessage[]): Shape {
  if (type.kind === 'message') return messageShape(type.type, stack)
  return { kind: type.kind === 'enum' ? 'string' : scalarShapes[type.scalar] }
}
