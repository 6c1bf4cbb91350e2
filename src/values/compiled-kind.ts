import { MillpondError } from '../errors.ts'
import { Cursor } from './avro/cursor.ts'
import { createFieldReader } from './avro/field.ts'
import { fillReferences } from './avro/fill.ts'
import { type AvroType, parseAvroSchema } from './avro/schema.ts'
import { createWalks } from './avro/walk.ts'
import { fault } from './fault.ts'
import { createJsonFieldReader } from './json/field.ts'
import { isJson } from './json/scan.ts'
import { createProtobufFieldReader } from './protobuf/field.ts'
import type { ProtobufMessage } from './protobuf/message.ts'
import { parseProtobufSchema } from './protobuf/schema.ts'
import { checkMessage } from './protobuf/walk.ts'
import { ProtobufCursor } from './protobuf/wire.ts'
import { withSchema } from './value-schema.ts'
import type { FieldValue, ValueKind } from './values.ts'
import { kindId, type WholeSchema } from './whole-schema.ts'

/** Reads a field of the datum from `start` to before `end`; throws MillpondError `INPUT_INVALID` for what is no datum of the kind. */
export type ReadDatumField = (bytes: Uint8Array, start: number, end: number) => FieldValue

/** A kind of values with all that has to be worked out only once. */
export interface CompiledKind {
  readonly kind: ValueKind
  /** @throws MillpondError `INPUT_INVALID` for what is no datum of the kind. */
  check(bytes: Uint8Array, start: number, end: number): void
  /** The same reader for the same name. */
  field(name: string): ReadDatumField
}

/** The kind of values without a schema: JSON as far as fields go. */
export const plainKind: CompiledKind = {
  kind: { id: 'none', type: 'none', name: undefined, text: '', references: [] },
  check: () => undefined,
  field: remembered(createJsonFieldReader),
}

/** The kind of values of which nothing is to be known. */
export const opaqueKind: CompiledKind = { ...plainKind, field: () => () => undefined }

/** The kinds of one schema. */
export type CompiledSchema =
  | { readonly type: 'avro' | 'json-schema'; readonly kind: CompiledKind }
  | {
      readonly type: 'protobuf'
      /** The kind of the message of these indexes within the file; undefined where it has none. */
      message(path: readonly number[]): CompiledKind | undefined
    }

/** Gives the kind that others share which has the same id. */
export type ShareKind = (kind: CompiledKind) => CompiledKind

/**
 * Works out a schema.
 * @throws MillpondError `SCHEMA_INVALID`.
 */
export async function compileSchema(schema: WholeSchema, share: ShareKind = (kind) => kind): Promise<CompiledSchema> {
  if (schema.type === 'protobuf') return compileProtobuf(schema, share)
  return { type: schema.type, kind: share(schema.type === 'avro' ? compileAvro(schema) : compileJsonSchema(schema)) }
}

function compileAvro(schema: WholeSchema): CompiledKind {
  const known = schema.references.map(({ text }) => text)
  const type = parseAvroSchema(schema.text, known)
  const walk = createWalks()(type)
  const cursor = new Cursor()
  return {
    kind: withSchema(
      { id: kindId(schema), type: 'avro', name: nameOf(type), text: fillReferences(schema.text, known), references: [] },
      { type: 'avro', root: type },
    ),
    check(bytes, start, end) {
      cursor.open(bytes, start, end)
      walk(cursor)
      if (cursor.at !== end) throw fault(`${end - cursor.at} bytes lie behind it`)
    },
    field: remembered((name) => {
      const read = createFieldReader(type, name)
      return (bytes, start, end) => {
        cursor.open(bytes, start, end)
        return read(cursor)
      }
    }),
  }
}

const nameOf = (type: AvroType): string | undefined => ('name' in type ? type.name : undefined)

function compileJsonSchema(schema: WholeSchema): CompiledKind {
  let title: unknown
  try {
    const parsed: unknown = JSON.parse(schema.text)
    title = typeof parsed === 'object' && parsed !== null && 'title' in parsed ? parsed.title : undefined
  } catch (cause) {
    throw new MillpondError('SCHEMA_INVALID', 'a JSON Schema is no JSON', { cause })
  }
  const { text, references } = schema
  return {
    kind: { id: kindId(schema), type: 'json-schema', name: typeof title === 'string' ? title : undefined, text, references },
    check(bytes, start, end) {
      if (!isJson(bytes, start, end)) throw fault('it is no JSON')
    },
    field: remembered(createJsonFieldReader),
  }
}

async function compileProtobuf(schema: WholeSchema, share: ShareKind): Promise<CompiledSchema> {
  const parsed = await parseProtobufSchema(schema.text, schema.references)
  return {
    type: 'protobuf',
    message: remembered(
      (path: readonly number[]) => {
        const message = parsed.message(path)
        return message === undefined ? undefined : share(compileMessage(schema, message))
      },
      (path) => path.join('.'),
    ),
  }
}

function compileMessage(schema: WholeSchema, message: ProtobufMessage): CompiledKind {
  const { text, references } = schema
  const cursor = new ProtobufCursor()
  return {
    kind: withSchema(
      { id: kindId(schema, message.name), type: 'protobuf', name: message.name, text, references },
      { type: 'protobuf', message },
    ),
    check(bytes, start, end) {
      cursor.open(bytes, start, end)
      checkMessage(message, cursor)
    },
    field: remembered((name) => {
      const read = createProtobufFieldReader(message, name)
      return (bytes, start, end) => {
        cursor.open(bytes, start, end)
        return read(cursor)
      }
    }),
  }
}

/** The function with what it gave before. */
function remembered<A, B>(make: (of: A) => B, keyOf: (of: A) => unknown = (of) => of): (of: A) => B {
  const known = new Map<unknown, B>()
  return (of) => {
    const key = keyOf(of)
    if (!known.has(key)) known.set(key, make(of))
    return known.get(key) as B
  }
}
