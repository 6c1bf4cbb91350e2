import { isMillpondError, MillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { RegisteredSchema, SchemaRegistry } from '../values/schema-registry.ts'
import type { SchemaName } from '../values/schema-lookup.ts'
import { decodeSchema, schemaKey } from './archived-schema.ts'

/**
 * The schemas that the archive keeps of a topic, where there is one, as a registry that is only read. What the archive does not have is asked of `registry`, where there is one.
 * Its calls throw MillpondError `SCHEMA_DAMAGED`, and of the store.
 */
export function createArchivedRegistry(store: Store | undefined, topic: string, registry?: SchemaRegistry): SchemaRegistry {
  // References name a subject and a version; the archive has them by id.
  const ids = new Map<string, number>()
  const load = async (name: SchemaName, signal: AbortSignal): Promise<RegisteredSchema | undefined> => {
    if (store === undefined) return undefined
    const key = schemaKey(topic, name)
    try {
      const { type, text, references, guid } = decodeSchema(key, await store.read(key, undefined, signal))
      for (const { subject, version, id } of references) ids.set(`${subject}\n${version}`, id)
      return { type, text, references, guid }
    } catch (error) {
      if (isMillpondError(error, 'OBJECT_MISSING')) return undefined
      throw error
    }
  }
  return {
    byId: async (id, signal) => (await load(id, signal)) ?? registry?.byId(id, signal),
    byGuid: async (guid, signal) => (await load(guid, signal)) ?? registry?.byGuid(guid, signal),
    async byVersion(version, signal) {
      const id = ids.get(`${version.subject}\n${version.version}`)
      const archived = id === undefined ? undefined : await load(id, signal)
      return id === undefined || archived === undefined ? registry?.byVersion(version, signal) : { ...archived, id }
    },
    idOf: async (guid, signal) => registry?.idOf(guid, signal),
    versionsOf: async (id, signal) => (await registry?.versionsOf(id, signal)) ?? [],
    async register() {
      throw new MillpondError('REGISTRY_REFUSED', 'the schemas of an archive are only read')
    },
    // Whoever opened the registry closes it.
    async [Symbol.asyncDispose]() {},
  }
}
