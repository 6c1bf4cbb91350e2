import { isBareName, schemaJson } from './schema.ts'

/**
 * The text of an Avro schema with the types that it refers to defined where each is first used: what a container file needs. As it is where it
 * refers to none. `known` are texts that have passed `parseAvroSchema`, the most basic first.
 */
export function fillReferences(text: string, known: readonly string[]): string {
  if (known.length === 0) return isBareName(text) ? JSON.stringify(text.trim()) : text
  const definitions = new Map<string, JsonObject>()
  const defined = new Set<string>()
  for (const other of known) collect(schemaJson(other), '', definitions)
  return JSON.stringify(fill(schemaJson(text), '', { definitions, defined }))
}

type JsonObject = Readonly<Record<string, unknown>>

interface Filling {
  /** By whole name, with the names in them whole too. */
  readonly definitions: ReadonlyMap<string, JsonObject>
  readonly defined: Set<string>
}

const NAMED: ReadonlySet<unknown> = new Set(['record', 'error', 'enum', 'fixed'])
const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

const wholeName = (name: string, namespace: string): string =>
  name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
const namespaceOf = (name: string): string => (name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : '')

/** The whole name of a named type; undefined for other types. */
function nameOf(schema: JsonObject, namespace: string): string | undefined {
  if (!NAMED.has(schema['type'])) return undefined
  const own = schema['namespace']
  return wholeName(String(schema['name']), typeof own === 'string' ? own : namespace)
}

/** Goes through the types of a schema; `visit` may give another one for what is there. */
function mapTypes(schema: unknown, namespace: string, visit: (type: unknown, namespace: string) => unknown): unknown {
  if (Array.isArray(schema)) return schema.map((one) => visit(one, namespace))
  if (!isObject(schema)) return schema
  const within = nameOf(schema, namespace)
  const inside = within === undefined ? namespace : namespaceOf(within)
  const mapped: Record<string, unknown> = { ...schema }
  for (const key of ['type', 'items', 'values']) {
    if (key in schema && !(key === 'type' && typeof schema[key] === 'string' && isOwnType(schema)))
      mapped[key] = visit(schema[key], inside)
  }
  const { fields } = schema
  if (Array.isArray(fields)) {
    mapped['fields'] = fields.map((field: unknown) =>
      isObject(field) ? { ...field, type: visit(field['type'], inside) } : field,
    )
  }
  return mapped
}

/** Whether an object's `type` says what it is itself, not which other type it is. */
const isOwnType = (schema: JsonObject): boolean =>
  NAMED.has(schema['type']) || schema['type'] === 'array' || schema['type'] === 'map'

/** Notes the named types of a schema, under whole names: they may come to stand in another namespace. */
function collect(schema: unknown, namespace: string, definitions: Map<string, JsonObject>): void {
  const whole = (type: unknown, within: string): unknown => {
    if (typeof type === 'string') return definitions.has(wholeName(type, within)) ? wholeName(type, within) : type
    const name = isObject(type) ? nameOf(type, within) : undefined
    if (name === undefined) return mapTypes(type, within, whole)
    // It may hold itself, so its name is there first.
    definitions.set(name, {})
    const { namespace: _, ...rest } = mapTypes(type, within, whole) as JsonObject
    definitions.set(name, namespaceOf(name) === '' ? { ...rest, name, namespace: '' } : { ...rest, name })
    return name
  }
  whole(schema, namespace)
}

function fill(type: unknown, namespace: string, filling: Filling): unknown {
  const { definitions, defined } = filling
  const again = (one: unknown, within: string) => fill(one, within, filling)
  if (typeof type === 'string') {
    const name = [wholeName(type, namespace), type].find((one) => definitions.has(one) || defined.has(one))
    if (name === undefined || defined.has(name)) return name ?? type
    defined.add(name)
    return mapTypes(definitions.get(name), namespaceOf(name), again)
  }
  const name = isObject(type) ? nameOf(type, namespace) : undefined
  if (name !== undefined) defined.add(name)
  return mapTypes(type, namespace, again)
}
