import { CHAINS_PREFIX, schemasPrefix } from '../commit/commit-names.ts'
import { isMillpondError, type MillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { SchemaName } from '../values/schema-lookup.ts'
import { type ArchivedSchema, decodeSchema, encodeSchema, parseSchemaKey, schemaIdentity, schemaKey } from './archived-schema.ts'

/** A schema as it lies in the store. */
export interface StoredSchema {
  readonly key: string
  /** What messages call it. */
  readonly name: SchemaName
  readonly schema: ArchivedSchema
}

/**
 * Stores a schema that messages of the topic call so, unless it is there. Resolves when it is durable.
 * @throws MillpondError of the store; `SCHEMA_DAMAGED` where another lies there that cannot be read.
 */
export async function putSchema(
  store: Store,
  topic: string,
  { name, schema }: Omit<StoredSchema, 'key'>,
  signal: AbortSignal,
): Promise<void> {
  const bytes = encodeSchema(schema)
  const key = schemaKey(topic, name)
  if ((await store.putIfAbsent(key, bytes, signal)) === 'created') return
  const there = decodeSchema(key, await store.read(key, undefined, signal))
  // It may have come to be registered elsewhere too, which changes nothing.
  if (schemaIdentity(there) === schemaIdentity(schema)) return
  await store.putIfAbsent(schemaKey(topic, name, schema), bytes, signal)
}

/** The archived schemas of a topic, by key. @throws MillpondError `SCHEMA_DAMAGED`. */
export async function* readSchemas(store: Store, topic: string, signal?: AbortSignal): AsyncGenerator<StoredSchema> {
  for await (const { key } of store.list(schemasPrefix(topic), {}, signal)) {
    const name = parseSchemaKey(key)
    if (name !== undefined) yield { key, name, schema: decodeSchema(key, await store.read(key, undefined, signal)) }
  }
}

/** What was found of archived schemas. */
export interface SchemasVerdict {
  readonly count: number
  readonly problems: readonly { readonly key: string; readonly error: MillpondError }[]
}

/**
 * Looks whether archived schemas, of one topic or of all, are what was written, and whether those are there that they refer to.
 * @throws MillpondError of the store.
 */
export async function verifySchemas(store: Store, topic: string | undefined, signal?: AbortSignal): Promise<SchemasVerdict> {
  const problems: { key: string; error: MillpondError }[] = []
  let count = 0
  const prefix = topic === undefined ? CHAINS_PREFIX : schemasPrefix(topic)
  for await (const { key } of schemaObjects(store, prefix, signal)) {
    count++
    try {
      const { references } = decodeSchema(key, await store.read(key, undefined, signal))
      const folder = key.slice(0, key.lastIndexOf('/') + 1)
      for (const { id } of references) await store.read(`${folder}${id}.json`, undefined, signal)
    } catch (error) {
      if (!isMillpondError(error) || error.retryable || error.exitCode === UNUSABLE_EXIT_CODE) throw error
      problems.push({ key, error })
    }
  }
  return { count, problems }
}

/** What `errors.ts` gives where a store cannot be used. */
const UNUSABLE_EXIT_CODE = 6

async function* schemaObjects(store: Store, prefix: string, signal: AbortSignal | undefined) {
  if (prefix !== CHAINS_PREFIX) {
    for await (const object of store.list(prefix, {}, signal)) if (parseSchemaKey(object.key) !== undefined) yield object
    return
  }
  // Commits are many: their folders are passed over.
  for await (const folder of store.folders(CHAINS_PREFIX, signal)) {
    const inside = `${CHAINS_PREFIX}${folder}/_schemas/`
    for await (const object of store.list(inside, {}, signal)) if (parseSchemaKey(object.key) !== undefined) yield object
  }
}
