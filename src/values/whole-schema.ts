import { createHash } from 'node:crypto'
import { MillpondError } from '../errors.ts'
import type { RegisteredSchema, RegisteredType, SchemaRegistry } from './schema-registry.ts'
import type { NamedText } from './values.ts'

/** A schema with the text of all that it refers to. */
export interface WholeSchema {
  readonly type: RegisteredType
  readonly text: string
  /** The most basic first; none twice. */
  readonly references: readonly NamedText[]
}

/** Schemas that refer to one another further than this are not believed. */
const MAX_REFERENCES = 1000

/**
 * Looks up what a schema refers to, and what that does.
 * @throws MillpondError `REGISTRY_UNAVAILABLE`; `SCHEMA_INVALID` where the registry does not have it.
 */
export async function wholeSchema(
  registry: SchemaRegistry,
  { type, text, references }: RegisteredSchema,
  signal: AbortSignal,
): Promise<WholeSchema> {
  const found = new Map<string, string>()
  const visited = new Set<string>()
  const visit = async (all: RegisteredSchema['references']): Promise<void> => {
    for (const { name, subject, version } of all) {
      const key = JSON.stringify([name, subject, version])
      if (visited.has(key)) continue
      visited.add(key)
      if (visited.size > MAX_REFERENCES) throw invalid(`it refers to more than ${MAX_REFERENCES} others`)
      const schema = await registry.byVersion({ subject, version }, signal)
      if (schema === undefined) throw invalid(`it refers to version ${version} of ${subject}, which the registry does not have`)
      await visit(schema.references)
      if (!found.has(name)) found.set(name, schema.text)
    }
  }
  await visit(references)
  return { type, text, references: [...found].map(([name, text]) => ({ name, text })) }
}

const invalid = (reason: string) => new MillpondError('SCHEMA_INVALID', `a schema cannot be read: ${reason}`)

/**
 * An id of what values of a schema are: equal for texts that differ in white space and in the order of a JSON object's properties alone.
 * `member` is the message of a Protobuf file.
 */
export function kindId({ type, text, references }: WholeSchema, member = ''): string {
  const plain = (one: string) => (type === 'protobuf' ? one.trim() : canonicalJson(one))
  const parts = [type, member, plain(text), ...references.flatMap(({ name, text }) => [name, plain(text)])]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}

function canonicalJson(text: string): string {
  try {
    return JSON.stringify(sorted(JSON.parse(text)))
  } catch {
    return text.trim()
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]))
}
