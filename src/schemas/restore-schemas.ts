import { isMillpondError, MillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { type CompiledSchema, compileSchema } from '../values/compiled-kind.ts'
import type { SchemaReference, SchemaRegistry } from '../values/schema-registry.ts'
import { type ArchivedSchema, schemaIdentity } from './archived-schema.ts'
import { readSchemas } from './schema-files.ts'

/** What became of the archived schemas of a topic in another registry. */
export interface RestoredSchemas {
  /** Of ids of the archive: what they are now, and what their data look like. */
  readonly ids: ReadonlyMap<number, RestoredId>
  readonly registered: number
  /** Names of schemas that messages may have and that could not be brought back, and why. */
  readonly refused: readonly { readonly what: string; readonly reason: string }[]
}

/** An id of the archive in another registry. */
export interface RestoredId {
  readonly id: number
  readonly schema: CompiledSchema
}

/** Where schemas are brought back to. */
export interface SchemaTarget {
  readonly registry: SchemaRegistry
  /** The topic in the archive, and what it is called now: subjects that are named after it follow. */
  readonly topic: string
  readonly to: string
}

/**
 * Registers the archived schemas of a topic, under their subjects and in the order of their versions, in a registry that may have them already.
 * @throws MillpondError `REGISTRY_UNAVAILABLE`, `REGISTRY_REFUSED`, `SCHEMA_DAMAGED`, `SCHEMA_INVALID`.
 */
export async function restoreSchemas(store: Store, target: SchemaTarget, signal: AbortSignal): Promise<RestoredSchemas> {
  const byId = new Map<number, ArchivedSchema>()
  const withoutId: ArchivedSchema[] = []
  const refused: { what: string; reason: string }[] = []
  const guids = new Set<string>()
  for await (const { name, schema } of readSchemas(store, target.topic, signal)) {
    if (typeof name === 'string') guids.add(name)
    if (schema.id === undefined) {
      withoutId.push(schema)
      continue
    }
    const other = byId.get(schema.id)
    if (typeof name === 'string' && other !== undefined) continue
    if (other === undefined) byId.set(schema.id, schema)
    else if (schemaIdentity(other) !== schemaIdentity(schema))
      refused.push({
        what: `schema ${schema.id}`,
        reason: 'the archive has two schemas of this id, of two registries: messages keep it',
      })
  }
  const restoring = { target, byId, restored: new Map<ArchivedSchema, number>(), signal }
  for (const schema of [...byId.values(), ...withoutId].sort(byFirstVersion)) await restoreOne(restoring, schema, [])
  const ids = new Map<number, RestoredId>()
  const ambiguous = new Set(refused.map(({ what }) => what))
  for (const [id, schema] of byId) {
    if (ambiguous.has(`schema ${id}`)) continue
    const compiled = await compiledOf(byId, schema)
    ids.set(id, { id: restoring.restored.get(schema)!, schema: compiled })
  }
  refused.push(...(await changedGuids(target.registry, guids, signal)))
  return { ids, registered: restoring.restored.size, refused }
}

/** Versions of a subject are compatible with those before them, so that they come in that order. */
function byFirstVersion(left: ArchivedSchema, right: ArchivedSchema): number {
  const first = ({ subjects }: ArchivedSchema) => Math.min(...subjects.map(({ version }) => version))
  return first(left) - first(right) || (left.id ?? Infinity) - (right.id ?? Infinity)
}

interface Restoring {
  readonly target: SchemaTarget
  readonly byId: ReadonlyMap<number, ArchivedSchema>
  readonly restored: Map<ArchivedSchema, number>
  readonly signal: AbortSignal
}

async function restoreOne(restoring: Restoring, schema: ArchivedSchema, within: readonly ArchivedSchema[]): Promise<number> {
  const { target, restored, signal } = restoring
  const known = restored.get(schema)
  if (known !== undefined) return known
  if (within.includes(schema)) throw new MillpondError('SCHEMA_INVALID', `schema ${schema.id} refers to itself`)
  const references: SchemaReference[] = []
  for (const { name, subject, id } of schema.references) {
    const other = restoring.byId.get(id)
    if (other === undefined)
      throw new MillpondError('SCHEMA_INVALID', `schema ${schema.id} refers to schema ${id}, which is not archived`)
    const otherId = await restoreOne(restoring, other, [...within, schema])
    references.push({ name, ...(await versionIn(target, subjectIn(target, subject), otherId, signal)) })
  }
  const { subjects, type, text } = schema
  const names = new Set(subjects.map(({ subject }) => subjectIn(target, subject)))
  if (names.size === 0) names.add(`${target.to}-value`)
  let id = NaN
  for (const subject of names) id = await target.registry.register(subject, { type, text, references }, signal)
  restored.set(schema, id)
  return id
}

/** The subject in the target: those of the topic have its new name. */
function subjectIn({ topic, to }: SchemaTarget, subject: string): string {
  for (const part of ['-value', '-key']) if (subject === `${topic}${part}`) return `${to}${part}`
  return subject
}

async function versionIn({ registry }: SchemaTarget, subject: string, id: number, signal: AbortSignal) {
  const versions = (await registry.versionsOf(id, signal)).filter((one) => one.subject === subject)
  const [newest] = versions.sort((a, b) => b.version - a.version)
  if (newest === undefined)
    throw new MillpondError(
      'REGISTRY_REFUSED',
      `the registry does not have schema ${id} under ${subject}, where it was registered`,
    )
  return newest
}

/** The schema with the texts of all that it refers to. */
async function compiledOf(
  byId: ReadonlyMap<number, ArchivedSchema>,
  { type, text, references }: ArchivedSchema,
): Promise<CompiledSchema> {
  const texts = new Map<string, string>()
  const add = (all: ArchivedSchema['references']): void => {
    for (const { name, id } of all) {
      const other = byId.get(id)
      if (other === undefined || texts.has(name)) continue
      add(other.references)
      texts.set(name, other.text)
    }
  }
  add(references)
  return compileSchema({ type, text, references: [...texts].map(([name, text]) => ({ name, text })) })
}

/** Messages that name a schema by its GUID keep it: a GUID is made of the schema itself, but by each kind of registry in its own way. */
async function changedGuids(registry: SchemaRegistry, guids: ReadonlySet<string>, signal: AbortSignal) {
  const changed: { what: string; reason: string }[] = []
  for (const guid of guids) {
    try {
      if ((await registry.byGuid(guid, signal)) !== undefined) continue
    } catch (error) {
      // Registries from before there were GUIDs do not know the question.
      if (!isMillpondError(error, 'REGISTRY_REFUSED')) throw error
    }
    changed.push({
      what: `schema ${guid}`,
      reason: 'the registry does not know it by this GUID, which headers of messages have',
    })
  }
  return changed
}
