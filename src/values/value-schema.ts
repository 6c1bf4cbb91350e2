import { type AvroType, parseAvroSchema } from './avro/schema.ts'
import { MillpondError } from '../errors.ts'
import { jsonSchemaShape } from './json/shape.ts'
import type { ProtobufMessage } from './protobuf/message.ts'
import type { Shape } from './shape.ts'
import type { ValueKind } from './values.ts'

/** The schema of a kind as it was read: once, for all that has to do with its values. */
export type ValueSchema =
  | { readonly type: 'none' }
  | { readonly type: 'avro'; readonly root: AvroType }
  | { readonly type: 'json-schema'; readonly shape: Shape }
  | { readonly type: 'protobuf'; readonly message: ProtobufMessage }

const schemas = new WeakMap<ValueKind, ValueSchema>()

/** The kind, with its schema known. */
export function withSchema(kind: ValueKind, schema: ValueSchema | undefined): ValueKind {
  if (schema !== undefined) schemas.set(kind, schema)
  return kind
}

/** The kind with other words about it, and the same schema. */
export const kindWith = (kind: ValueKind, more: Pick<ValueKind, 'versions'>): ValueKind =>
  withSchema({ ...kind, ...more }, schemas.get(kind))

/**
 * The schema of a kind.
 * @throws MillpondError `SCHEMA_INVALID` where its text is none, and for a kind of Protobuf that `compileSchema` did not make.
 */
export function schemaOf(kind: ValueKind): ValueSchema {
  const known = schemas.get(kind)
  if (known !== undefined) return known
  const schema = readSchema(kind)
  schemas.set(kind, schema)
  return schema
}

function readSchema({ type, text, name }: ValueKind): ValueSchema {
  switch (type) {
    case 'none':
      return { type }
    case 'avro':
      return { type, root: parseAvroSchema(text) }
    case 'json-schema':
      return { type, shape: jsonSchemaShape(text) }
    case 'protobuf':
      throw new MillpondError('SCHEMA_INVALID', `the Protobuf schema of ${name ?? 'a message'} was not read with its imports`)
    default:
      throw new TypeError(`no kind of schema ${String(type satisfies never)}`)
  }
}
