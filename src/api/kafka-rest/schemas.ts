import { isMillpondError } from '../../errors.ts'
import { type AvroJsonEncoder, createAvroJsonEncoder } from '../../values/avro/json.ts'
import { parseAvroSchema } from '../../values/avro/schema.ts'
import type { SchemaRegistry } from '../../values/schema-registry.ts'
import { wholeSchema } from '../../values/whole-schema.ts'
import { REST, refuse } from './errors.ts'
import type { SchemaWish } from './request.ts'

/** A registered schema, and what makes data of it. */
export interface ValueSchema {
  readonly id: number
  readonly encode: AvroJsonEncoder
}

/** Finds the schemas that requests name, and registers those that they bring. */
export interface SchemaDesk {
  /**
   * Undefined where the request names none.
   * @throws MillpondError `SCHEMA_INVALID` with `details.errorCode`, `REGISTRY_UNAVAILABLE`.
   */
  resolve(wish: SchemaWish, subject: string, signal: AbortSignal): Promise<ValueSchema | undefined>
}

/** Schemas that are kept: by id, and by the text that requests bring. */
const KEPT_SCHEMAS = 1000

/** Schemas by the registry, where there is one. */
export function createSchemaDesk(registry: SchemaRegistry | undefined): SchemaDesk {
  const byName = new Map<string, ValueSchema>()
  const keep = (name: string, schema: ValueSchema): ValueSchema => {
    byName.delete(name)
    byName.set(name, schema)
    const oldest = byName.keys().next().value
    if (byName.size > KEPT_SCHEMAS && oldest !== undefined) byName.delete(oldest)
    return schema
  }
  return {
    async resolve(wish, subject, signal) {
      if (wish === undefined) return undefined
      if (registry === undefined) throw refuse(REST.payload, 'Schema Registry must be configured when using schemas.')
      const name = 'text' in wish ? JSON.stringify([subject, wish.text]) : String(wish.id)
      const kept = byName.get(name)
      if (kept !== undefined) return keep(name, kept)
      if ('id' in wish) return keep(name, await registeredSchema(registry, wish.id, signal))
      const encode = encoderOf(wish.text, [])
      return keep(name, { id: await registerSchema(registry, subject, wish.text, signal), encode })
    },
  }
}

function encoderOf(text: string, known: readonly string[]): AvroJsonEncoder {
  try {
    return createAvroJsonEncoder(parseAvroSchema(text, known))
  } catch (error) {
    if (!isMillpondError(error, 'SCHEMA_INVALID')) throw error
    throw refuse(REST.schemaInvalid, error.message, error)
  }
}

async function registeredSchema(registry: SchemaRegistry, id: number, signal: AbortSignal): Promise<ValueSchema> {
  const schema = await registry.byId(id, signal)
  if (schema === undefined) throw refuse(REST.serialization, `Error when fetching schema by id. schemaId = ${id}`)
  if (schema.type !== 'avro') throw refuse(REST.schemaInvalid, `schema ${id} is not Avro`)
  const { text, references } = await wholeSchema(registry, schema, signal)
  const known = references.map((reference) => reference.text)
  return { id, encode: encoderOf(text, known) }
}

async function registerSchema(registry: SchemaRegistry, subject: string, text: string, signal: AbortSignal): Promise<number> {
  try {
    return await registry.register(subject, { type: 'avro', text, references: [] }, signal)
  } catch (error) {
    if (!isMillpondError(error) || error.retryable) throw error
    throw refuse(REST.serialization, `Error when registering schema. subject = ${subject}\n${error.message}`, error)
  }
}
