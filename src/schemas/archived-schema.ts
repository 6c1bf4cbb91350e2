import { createHash } from 'node:crypto'
import { schemasPrefix } from '../commit/commit-names.ts'
import { MillpondError } from '../errors.ts'
import type { RegisteredType, SchemaReference } from '../values/schema-registry.ts'
import type { SubjectVersion } from '../values/values.ts'
import type { SchemaName } from '../values/schema-lookup.ts'

/** That a schema uses another, which is archived under that id too. */
export interface ArchivedReference extends SchemaReference {
  readonly id: number
}

/** A schema of a registry, as it lies beside the messages that need it. It never changes. */
export interface ArchivedSchema {
  /** Undefined where messages name it by its GUID alone, and the registry told no id. */
  readonly id: number | undefined
  readonly guid: string | undefined
  /** Where it was registered when it was archived. */
  readonly subjects: readonly SubjectVersion[]
  readonly type: RegisteredType
  readonly text: string
  readonly references: readonly ArchivedReference[]
}

interface SchemaObject extends Pick<ArchivedSchema, 'subjects' | 'type' | 'references'> {
  readonly id: number | null
  readonly guid: string | null
  readonly schema: string
}

const TYPES: ReadonlySet<unknown> = new Set(['avro', 'json-schema', 'protobuf'] satisfies RegisteredType[])

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** What makes two schemas the same: where they are registered does not. */
export function schemaIdentity({ type, text, references }: ArchivedSchema): string {
  return hashOf(JSON.stringify([type, text, references.map(({ name, subject, version }) => [name, subject, version])]))
}

/**
 * The key of a schema that messages of the topic name so. Another schema that the same name meant at another time, in another registry, lies
 * beside it under a key with its identity.
 */
export const schemaKey = (topic: string, name: SchemaName, other?: ArchivedSchema): string =>
  `${schemasPrefix(topic)}${name}${other === undefined ? '' : `-${schemaIdentity(other).slice(0, 16)}`}.json`

/** The name that a key ends in; undefined for keys that are none of a schema. */
export function parseSchemaKey(key: string): SchemaName | undefined {
  const name = /\/_schemas\/(?:(\d{1,10})|([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))(?:-[0-9a-f]{16})?\.json$/u.exec(key)
  return name === null ? undefined : (name[2] ?? Number(name[1]))
}

/** The object of a schema: JSON for people too, which ends in the SHA-256 of what comes before. */
export function encodeSchema({ id, guid, subjects, type, text, references }: ArchivedSchema): Uint8Array {
  const content = { version: 1, id: id ?? null, guid: guid ?? null, subjects, type, schema: text, references }
  return Buffer.from(`${JSON.stringify({ ...content, sha256: hashOf(JSON.stringify(content)) }, undefined, 1)}\n`)
}

/** @throws MillpondError `SCHEMA_DAMAGED` for what is not the object that was written. */
export function decodeSchema(key: string, bytes: Uint8Array): ArchivedSchema {
  let parsed: Readonly<Record<string, unknown>>
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString()) as typeof parsed
  } catch (cause) {
    throw damaged(key, 'it is no JSON', cause)
  }
  const { sha256, ...content } = parsed
  if (sha256 !== hashOf(JSON.stringify(content))) throw damaged(key, 'it does not match its SHA-256')
  if (content['version'] !== 1) throw new MillpondError('FORMAT_UNSUPPORTED', `schema ${key} is of a later version of Millpond`)
  // The hash says that it is what was written, so only gross errors are looked for.
  const { id, guid, subjects, type, schema, references } = content as unknown as SchemaObject
  if (typeof schema !== 'string' || !TYPES.has(type) || !Array.isArray(subjects) || !Array.isArray(references))
    throw damaged(key, 'it is no schema')
  return { id: id ?? undefined, guid: guid ?? undefined, subjects, type, text: schema, references }
}

const damaged = (key: string, what: string, cause?: unknown) =>
  new MillpondError('SCHEMA_DAMAGED', `archived schema ${key}: ${what}`, { cause, details: { key } })
