import type { MessageBatch } from '../batch/batch.ts'
import type { Store } from '../store/store.ts'
import { markSchemas } from '../values/marks.ts'
import type { SchemaName } from '../values/schema-lookup.ts'
import type { RegisteredSchema, SchemaRegistry } from '../values/schema-registry.ts'
import type { ArchivedReference, ArchivedSchema } from './archived-schema.ts'
import { putSchema } from './schema-files.ts'

/** What keys and values of a batch call their schemas, each name once. Plain bytes may look like a name: not every one is a schema. */
export function collectSchemaNames(batch: MessageBatch): ReadonlySet<SchemaName> {
  return new Set([...markSchemas(batch, 'value').names, ...markSchemas(batch, 'key').names])
}

/** Keeps schemas beside the messages that need them. */
export interface SchemaKeeper {
  /**
   * Resolves when every schema that the registry has and messages of the batch name is durable: to be awaited before the commit that names them.
   * @throws MillpondError `REGISTRY_UNAVAILABLE`, and of the store.
   */
  keep(topic: string, batch: MessageBatch, signal: AbortSignal): Promise<void>
}

const MAX_KEPT = 100_000
/** For so long the registry is not asked again for what it does not have. */
const UNKNOWN_MS = 60_000

/** A keeper that remembers what it has kept. */
export function createSchemaKeeper(store: Store, registry: SchemaRegistry, nowMs: () => number): SchemaKeeper {
  const keptUntilMs = new Map<string, number>()
  const keepOne = async (topic: string, name: SchemaName, signal: AbortSignal): Promise<void> => {
    const kept = `${topic}\n${name}`
    if (nowMs() < (keptUntilMs.get(kept) ?? -Infinity)) return
    const schema = typeof name === 'number' ? await registry.byId(name, signal) : await registry.byGuid(name, signal)
    if (schema !== undefined) {
      const references = await keepReferences(topic, schema, signal)
      await putSchema(store, topic, { name, schema: await archived(registry, name, { ...schema, references }, signal) }, signal)
    }
    keptUntilMs.delete(kept)
    keptUntilMs.set(kept, schema === undefined ? nowMs() + UNKNOWN_MS : Infinity)
    if (keptUntilMs.size > MAX_KEPT) keptUntilMs.delete(keptUntilMs.keys().next().value!)
  }
  const keepReferences = async (topic: string, { references }: RegisteredSchema, signal: AbortSignal) => {
    const kept: ArchivedReference[] = []
    for (const reference of references) {
      const schema = await registry.byVersion(reference, signal)
      // The registry let it be registered with this reference, and has lost it since: what is there is kept.
      if (schema === undefined) continue
      await keepOne(topic, schema.id, signal)
      kept.push({ ...reference, id: schema.id })
    }
    return kept
  }
  return {
    async keep(topic, batch, signal) {
      for (const name of collectSchemaNames(batch)) await keepOne(topic, name, signal)
    },
  }
}

async function archived(
  registry: SchemaRegistry,
  name: SchemaName,
  { type, text, references, guid }: Omit<RegisteredSchema, 'references'> & Pick<ArchivedSchema, 'references'>,
  signal: AbortSignal,
): Promise<ArchivedSchema> {
  const id = typeof name === 'number' ? name : await registry.idOf(name, signal)
  const subjects = id === undefined ? [] : await registry.versionsOf(id, signal)
  const [first] = subjects
  // Registries give the GUID with a version, if not with an id.
  const known = guid ?? (typeof name === 'string' ? name : first && (await registry.byVersion(first, signal))?.guid)
  return { id, guid: known, subjects, type, text, references }
}
