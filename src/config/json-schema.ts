import { z } from 'zod'
import { configSchema } from './schema.ts'

/** The part of a JSON Schema that ours uses. */
export interface JsonSchema {
  readonly title?: string
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly pattern?: string
}

/** The JSON Schema of `millpond.yaml`, without references. */
export function plainSchema(): JsonSchema {
  return z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema
}

/** The JSON Schema of `millpond.yaml` for editors: every value may also be a reference such as `${PORT}`, a section may be empty. */
export function editorSchema(): JsonSchema {
  return { title: 'millpond.yaml', ...withReferences(plainSchema()) }
}

const REFERENCE = { type: 'string', pattern: '\\$\\{' }

function withReferences(schema: JsonSchema): JsonSchema {
  if (schema.properties !== undefined) {
    const properties = Object.entries(schema.properties).map(([key, value]) => [key, orEmpty(withReferences(value))])
    return { ...schema, properties: Object.fromEntries(properties) }
  }
  if (typeof schema.additionalProperties === 'object') {
    return { ...schema, additionalProperties: orEmpty(withReferences(schema.additionalProperties)) }
  }
  if (schema.type === 'array') return schema.items === undefined ? schema : { ...schema, items: withReferences(schema.items) }
  if (schema.type === 'string' && schema.enum === undefined && schema.pattern === undefined) return schema
  const { description, default: standard, ...rule } = schema
  return {
    ...(description === undefined ? {} : { description }),
    ...(standard === undefined ? {} : { default: standard }),
    anyOf: [...(rule.anyOf ?? [rule]), REFERENCE],
  }
}

function orEmpty(schema: JsonSchema): JsonSchema {
  if (schema.properties === undefined) return schema
  const { description, ...rule } = schema
  return { ...(description === undefined ? {} : { description }), anyOf: [rule, { type: 'null' }] }
}

/** The schema that holds for what lies at `path`, where the path is one. */
export function schemaAt(path: readonly PropertyKey[]): JsonSchema | undefined {
  let schema: JsonSchema | undefined = plainSchema()
  for (const step of path) {
    if (schema === undefined) return undefined
    const { properties, additionalProperties, items }: JsonSchema = schema
    if (typeof step === 'number') schema = items
    else if (properties !== undefined && Object.hasOwn(properties, String(step))) schema = properties[String(step)]
    else schema = typeof additionalProperties === 'object' ? additionalProperties : undefined
  }
  return schema
}
