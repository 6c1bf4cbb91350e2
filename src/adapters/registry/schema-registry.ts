/**
 * A client of the schema registry API of Confluent's, which Apicurio, Karapace and Redpanda speak too. Source: docs.confluent.io, "Schema
 * Registry API Reference", read 2026-11.
 */
import { MillpondError } from '../../errors.ts'
import { retry } from '../../store/retry.ts'
import type { RegisteredSchema, RegisteredType, SchemaReference, SchemaRegistry } from '../../values/schema-registry.ts'
import type { SubjectVersion } from '../../values/values.ts'
import { createSchemaCache } from './cache.ts'
import { type ApiAnswer, type ApiRequest, createApiClient } from './http.ts'
import type { RegistryOptions } from './options.ts'

/** Error codes that say that something is not registered: subject, version, schema. */
const UNKNOWN = new Set([40401, 40402, 40403])

const typeNames: Readonly<Partial<Record<string, RegisteredType>>> = { AVRO: 'avro', JSON: 'json-schema', PROTOBUF: 'protobuf' }
const apiNames: Readonly<Record<RegisteredType, string>> = { avro: 'AVRO', 'json-schema': 'JSON', protobuf: 'PROTOBUF' }

/** Opens a registry; nothing is asked before it has to be. What it answered once of an id is remembered: schemas never change. */
export function openSchemaRegistry(options: RegistryOptions): SchemaRegistry {
  const client = createApiClient(options)
  const ask = (request: ApiRequest, signal: AbortSignal): Promise<unknown> =>
    retry(async () => readAnswer(request, await client.ask(request, signal)), { policy: options.retry, signal })
  const get = (path: string, signal: AbortSignal) => ask({ method: 'GET', path }, signal)
  const schemas = createSchemaCache<RegisteredSchema | undefined>(options.cacheCount, (schema) => schema !== undefined)
  const versions = createSchemaCache<(RegisteredSchema & { readonly id: number }) | undefined>(
    options.cacheCount,
    (schema) => schema !== undefined,
  )
  const known = (path: string, signal: AbortSignal) =>
    schemas(path, async () => {
      const answer = await get(path, signal)
      return answer === undefined ? undefined : schemaOf(path, answer)
    })
  return {
    byId: (id, signal) => known(`schemas/ids/${id}`, signal),
    byGuid: (guid, signal) => known(`schemas/guids/${encodeURIComponent(guid)}`, signal),
    async idOf(guid, signal) {
      const path = `schemas/guids/${encodeURIComponent(guid)}/ids`
      const answer = await get(path, signal)
      if (answer === undefined) return undefined
      if (!Array.isArray(answer) || !answer.every(isContextId)) throw strange(path, 'it gives no ids')
      return (answer.find(({ context }) => context === DEFAULT_CONTEXT) ?? answer[0])?.id
    },
    byVersion({ subject, version }, signal) {
      // What others refer to may have been deleted since, which leaves it where it was.
      const path = `subjects/${encodeURIComponent(subject)}/versions/${version}?deleted=true`
      return versions(path, async () => {
        const answer = await get(path, signal)
        if (answer === undefined) return undefined
        const { id } = answer as { readonly id?: unknown }
        if (typeof id !== 'number') throw strange(path, 'it gives no id')
        return { ...schemaOf(path, answer), id }
      })
    },
    async versionsOf(id, signal) {
      const path = `schemas/ids/${id}/versions?deleted=true`
      const answer = (await get(path, signal)) ?? []
      if (!Array.isArray(answer) || !answer.every(isSubjectVersion)) throw strange(path, 'it gives no versions')
      return answer.map(({ subject, version }) => ({ subject, version }))
    },
    async register(subject, { type, text, references }, signal) {
      const path = `subjects/${encodeURIComponent(subject)}/versions`
      const body = JSON.stringify({
        schema: text,
        // Registries from before there were other types know no such property.
        ...(type === 'avro' ? {} : { schemaType: apiNames[type] }),
        ...(references.length === 0 ? {} : { references }),
      })
      const answer = (await ask({ method: 'POST', path, body }, signal)) as { readonly id?: unknown } | undefined
      if (typeof answer?.id !== 'number') throw strange(path, 'it gives no id')
      return answer.id
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]()
    },
  }
}

/** What was answered; undefined where what was asked for is not registered. @throws MillpondError `REGISTRY_REFUSED`. */
function readAnswer({ path }: ApiRequest, { status, text }: ApiAnswer): unknown {
  const answer = parse(text)
  if (status >= 200 && status < 300 && answer !== undefined) return answer
  const { error_code: code, message } = (answer ?? {}) as { readonly error_code?: unknown; readonly message?: unknown }
  // Another server, or a wrong path, answers 404 as well: that must not pass for a schema that is not there.
  if (status === 404 && typeof code === 'number' && UNKNOWN.has(code)) return undefined
  const reason = typeof message === 'string' ? printable(message) : 'the answer is none of a schema registry'
  throw new MillpondError('REGISTRY_REFUSED', `the schema registry refuses ${path}: ${status}, ${reason}`, {
    details: { path, status, code },
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const printable = (text: string): string => text.slice(0, 500).replaceAll(/[\p{C}\s]+/gu, ' ')

function schemaOf(path: string, answer: unknown): RegisteredSchema {
  const { schema, schemaType = 'AVRO', references = [], guid } = answer as Record<string, unknown>
  const type = typeNames[String(schemaType)]
  if (typeof schema !== 'string') throw strange(path, 'it gives no schema')
  if (type === undefined) throw strange(path, `it gives a schema of type ${printable(String(schemaType))}`)
  if (!Array.isArray(references) || !references.every(isReference)) throw strange(path, 'it gives references without names')
  return {
    type,
    text: schema,
    references: references.map(({ name, subject, version }) => ({ name, subject, version })),
    guid: typeof guid === 'string' ? guid.toLowerCase() : undefined,
  }
}

/** Where ids lie unless a subject says otherwise. */
const DEFAULT_CONTEXT = '.'

const isContextId = (value: unknown): value is { readonly context?: unknown; readonly id: number } =>
  typeof value === 'object' && value !== null && typeof (value as { readonly id?: unknown }).id === 'number'

const isSubjectVersion = (value: unknown): value is SubjectVersion =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as SubjectVersion).subject === 'string' &&
  typeof (value as SubjectVersion).version === 'number'

const isReference = (value: unknown): value is SchemaReference =>
  isSubjectVersion(value) && typeof (value as unknown as SchemaReference).name === 'string'

const strange = (path: string, what: string) =>
  new MillpondError('REGISTRY_REFUSED', `the schema registry answers ${path} in a way that is not understood: ${what}`, {
    details: { path },
  })
