import { isMillpondError, MillpondError } from '../../errors.ts'
import { type AvroJsonEncoder, createAvroJsonEncoder } from '../../values/avro/json.ts'
import { parseAvroSchema } from '../../values/avro/schema.ts'
import type { RegisteredSchema, SchemaReference, SchemaRegistry } from '../../values/schema-registry.ts'
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

/** Schemas whose encoders are kept. */
const KEPT_SCHEMAS = 1000

/** Schemas by the registry, where there is one. */
export function createSchemaDesk(registry: SchemaRegistry | undefined): SchemaDesk {
  const encoders = new Map<number, AvroJsonEncoder>()
  const keep = (id: number, encode: AvroJsonEncoder): ValueSchema => {
    encoders.delete(id)
    encoders.set(id, encode)
    const oldest = encoders.keys().next().value
    if (encoders.size > KEPT_SCHEMAS && oldest !== undefined) encoders.delete(oldest)
    return { id, encode }
  }
  return {
    async resolve(wish, subject, signal) {
      if (wish === undefined) return undefined
      if (registry === undefined) throw refuse(REST.payload, 'Schema Registry must be configured when using schemas.')
      if ('text' in wish) {
        const encode = encoderOf(wish.text, [])
        const id = await registerSchema(registry, subject, wish.text, signal)
        return keep(id, encoders.get(id) ?? encode)
      }
      const kept = encoders.get(wish.id)
      if (kept !== undefined) return keep(wish.id, kept)
      const schema = await registry.byId(wish.id, signal)
      if (schema === undefined) throw refuse(REST.serialization, `Error when fetching schema by id. schemaId = ${wish.id}`)
      if (schema.type !== 'avro') throw refuse(REST.schemaInvalid, `schema ${wish.id} is not Avro`)
      return keep(wish.id, encoderOf(schema.text, await referredTexts(registry, schema, signal)))
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

async function registerSchema(registry: SchemaRegistry, subject: string, text: string, signal: AbortSignal): Promise<number> {
  try {
    return await registry.register(subject, { type: 'avro', text, references: [] }, signal)
  } catch (error) {
    if (!isMillpondError(error) || error.retryable) throw error
    throw refuse(REST.serialization, `Error when registering schema. subject = ${subject}\n${error.message}`, error)
  }
}

/** Schemas that refer to one another in a ring would be followed for ever. */
const MAX_REFERENCES = 1000

/** The texts of all schemas that a schema refers to, the most basic first. */
async function referredTexts(registry: SchemaRegistry, schema: RegisteredSchema, signal: AbortSignal): Promise<string[]> {
  const texts = new Map<string, string>()
  let followed = 0
  const follow = async ({ references }: RegisteredSchema): Promise<void> => {
    for (const reference of references) {
      const name = nameOf(reference)
      if (texts.has(name)) continue
      if (++followed > MAX_REFERENCES) throw new MillpondError('SCHEMA_INVALID', 'schemas refer to one another without an end')
      const found = await registry.byVersion(reference, signal)
      if (found === undefined) throw refuse(REST.serialization, `Error when fetching schema by version. ${name}`)
      await follow(found)
      texts.set(name, found.text)
    }
  }
  await follow(schema)
  return [...texts.values()]
}

const nameOf = ({ subject, version }: SchemaReference): string => `subject = ${subject}, version = ${version}`
