import { isMillpondError } from '../errors.ts'
import { type CompiledKind, type CompiledSchema, compileSchema } from './compiled-kind.ts'
import type { RegisteredSchema, SchemaRegistry } from './schema-registry.ts'
import { kindWith } from './value-schema.ts'
import type { SubjectVersion } from './values.ts'
import { wholeSchema } from './whole-schema.ts'

/** What values say of their schema: an id, or a GUID. */
export type SchemaName = number | string

/** What became of a look-up: a schema, or why its values cannot be read. */
export type FoundSchema = CompiledSchema | { readonly reason: string }

/** Looks up schemas, and remembers them. */
export interface SchemaLookup {
  /** What is known already for messages of the topic; undefined where `find` has to be asked. */
  known(name: SchemaName, topic?: string): FoundSchema | undefined
  /** @throws MillpondError `REGISTRY_UNAVAILABLE`, `REGISTRY_REFUSED`. */
  find(name: SchemaName, signal: AbortSignal, topic?: string): Promise<FoundSchema>
}

const MAX_SCHEMAS = 1000
/** For so long the registry is not asked again for what it does not have: every message may name another. */
const UNKNOWN_MS = 60_000

/** How schemas are looked up. */
export interface LookupOptions {
  readonly nowMs: () => number
  /** Whether kinds say where their schema is registered. */
  readonly withVersions: boolean
}

/** A look-up in a registry. Schemas that are the same under several names are one. */
export function createSchemaLookup(registry: SchemaRegistry, { nowMs, withVersions }: LookupOptions): SchemaLookup {
  // A schema is registered before a topic's first message names it, and perhaps for this topic long after for another: each asks where.
  const keyOf = (name: SchemaName, topic = '') => (withVersions ? `${topic}\n${name}` : name)
  const known = new Map<SchemaName, { readonly schema: FoundSchema; readonly untilMs: number }>()
  const kinds = new Map<string, { readonly kind: CompiledKind; readonly all: SubjectVersion[] }>()
  const remember = (name: SchemaName, schema: FoundSchema, untilMs: number): FoundSchema => {
    known.delete(name)
    known.set(name, { schema, untilMs })
    if (known.size > MAX_SCHEMAS) known.delete(known.keys().next().value!)
    return schema
  }
  const share = (made: CompiledKind, versions: readonly SubjectVersion[]): CompiledKind => {
    const { id } = made.kind
    const { kind, all } = kinds.get(id) ?? { kind: made, all: [] }
    const isKnown = ({ subject, version }: SubjectVersion) =>
      all.some((one) => one.subject === subject && one.version === version)
    all.push(...versions.filter((one) => !isKnown(one)))
    const shared = withVersions && kind === made ? { ...made, kind: kindWith(made.kind, { versions: all }) } : kind
    kinds.set(id, { kind: shared, all })
    if (kinds.size > MAX_SCHEMAS) kinds.delete(kinds.keys().next().value!)
    return shared
  }
  const versionsOf = async (name: SchemaName, signal: AbortSignal): Promise<readonly SubjectVersion[]> => {
    const id = typeof name === 'number' ? name : await registry.idOf(name, signal)
    return id === undefined ? [] : registry.versionsOf(id, signal)
  }
  const load = async (name: SchemaName, signal: AbortSignal): Promise<RegisteredSchema | undefined> =>
    typeof name === 'number' ? registry.byId(name, signal) : registry.byGuid(name, signal)
  return {
    known(name, topic) {
      const found = known.get(keyOf(name, topic))
      return found !== undefined && nowMs() < found.untilMs ? found.schema : undefined
    },
    async find(name, signal, topic) {
      const key = keyOf(name, topic)
      const registered = await load(name, signal)
      if (registered === undefined) {
        const reason = `the registry knows no schema ${name}`
        return remember(key, { reason }, nowMs() + UNKNOWN_MS)
      }
      try {
        const whole = await wholeSchema(registry, registered, signal)
        const versions = withVersions ? await versionsOf(name, signal) : []
        return remember(key, await compileSchema(whole, (kind) => share(kind, versions)), Infinity)
      } catch (error) {
        if (!isMillpondError(error, 'SCHEMA_INVALID')) throw error
        return remember(key, { reason: `schema ${name}: ${error.message}` }, nowMs() + UNKNOWN_MS)
      }
    },
  }
}
