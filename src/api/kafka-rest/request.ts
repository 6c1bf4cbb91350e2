import { itemsOf, type JsonSpan, membersOf, parseJson, wholeValue } from '../../encode/json-spans.ts'
import { MillpondError } from '../../errors.ts'
import { REST, refuse } from './errors.ts'

/** A record of a produce request. */
export interface RestRecord {
  /** JSON texts; undefined for none, and for null. */
  readonly key: string | undefined
  readonly value: string | undefined
  /** -1 for none. */
  readonly partition: number
  /** Of ours: ms since 1970. */
  readonly timestamp: number | undefined
  /** Of ours. */
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array | string | null }[]
}

/** The schema of all keys or values of a request: its text, or its id. */
export type SchemaWish = { readonly text: string } | { readonly id: number } | undefined

/** A request to produce. */
export interface ProduceRequest {
  readonly records: readonly RestRecord[]
  readonly keySchema: SchemaWish
  readonly valueSchema: SchemaWish
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads a body. Keys and values stay JSON texts that are still to be looked into.
 * @throws MillpondError `JSON_INVALID`, `INPUT_INVALID`, some with `details.errorCode`.
 */
export function parseProduceRequest(body: Uint8Array): ProduceRequest {
  const text = textOf(body)
  const fields = fieldsOf(text, wholeValue(text), REQUEST_FIELDS, 'the request')
  return {
    records: recordsOf(text, fields.get('records')),
    keySchema: schemaWish(text, fields, 'key'),
    valueSchema: schemaWish(text, fields, 'value'),
  }
}

function textOf(body: Uint8Array): string {
  try {
    return utf8.decode(body)
  } catch (error) {
    throw new MillpondError('JSON_INVALID', 'the body is not UTF-8', { cause: error })
  }
}

const REQUEST_FIELDS = new Set(['records', 'key_schema', 'key_schema_id', 'value_schema', 'value_schema_id'])
const RECORD_FIELDS = new Set(['key', 'value', 'partition', 'headers', 'timestamp'])
const HEADER_FIELDS = new Set(['name', 'value', 'valueBase64'])

/** The fields of an object that are not null; the last of those of one name. */
function fieldsOf(text: string, span: JsonSpan, known: ReadonlySet<string>, what: string): Map<string, JsonSpan> {
  if (text[span.start] !== '{') throw refuse(REST.badRequest, `${what} must be an object`)
  const fields = new Map<string, JsonSpan>()
  for (const { name, start, end } of membersOf(text, span)) {
    if (!known.has(name)) throw refuse(REST.badRequest, `Unrecognized field: ${name.slice(0, 100)}`)
    if (text.startsWith('null', start) && end - start === 4) fields.delete(name)
    else fields.set(name, { start, end })
  }
  return fields
}

function recordsOf(text: string, span: JsonSpan | undefined): RestRecord[] {
  if (span === undefined) throw refuse(REST.invalid, 'records must not be empty')
  if (text[span.start] !== '[') throw refuse(REST.badRequest, 'records must be a list')
  const records = [...itemsOf(text, span)].map((item, i) => recordOf(text, item, `record ${i}`))
  if (records.length === 0) throw refuse(REST.invalid, 'records must not be empty')
  return records
}

function recordOf(text: string, span: JsonSpan, what: string): RestRecord {
  const fields = fieldsOf(text, span, RECORD_FIELDS, what)
  const textOfField = (name: string): string | undefined => {
    const field = fields.get(name)
    return field && text.slice(field.start, field.end)
  }
  return {
    key: textOfField('key'),
    value: textOfField('value'),
    partition: partitionOf(textOfField('partition'), what),
    timestamp: timestampOf(textOfField('timestamp'), what),
    headers: headersOf(text, fields.get('headers'), what),
  }
}

const MAX_INT = 2 ** 31 - 1

function partitionOf(text: string | undefined, what: string): number {
  if (text === undefined) return -1
  const partition = parseJson(text)
  if (Number.isInteger(partition) && (partition as number) >= 0 && (partition as number) <= MAX_INT) return partition as number
  throw refuse(REST.badRequest, `${what}: partition must be a whole number from 0 on`)
}

/** RFC 3339, which tells the zone. */
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/iu

function timestampOf(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined
  const given = parseJson(text)
  const timestamp = typeof given === 'string' && TIME.test(given) ? Date.parse(given) : given
  if (typeof timestamp === 'number' && Number.isSafeInteger(timestamp)) return timestamp
  throw refuse(REST.badRequest, `${what}: timestamp must be milliseconds since 1970, or a time as in RFC 3339`)
}

function headersOf(text: string, span: JsonSpan | undefined, what: string): RestRecord['headers'] {
  if (span === undefined) return []
  if (text[span.start] === '{') {
    return [...membersOf(text, span)].map(({ name, start, end }) => {
      const value = parseJson(text.slice(start, end))
      if (value === null || typeof value === 'string') return { name, value: wellFormed(value, what) }
      throw refuse(REST.badRequest, `${what}: the value of a header must be text or null`)
    })
  }
  if (text[span.start] !== '[') throw refuse(REST.badRequest, `${what}: headers must be a list or an object`)
  return [...itemsOf(text, span)].map((item) => headerOf(text, item, what))
}

function headerOf(text: string, span: JsonSpan, what: string): RestRecord['headers'][number] {
  const fields = fieldsOf(text, span, HEADER_FIELDS, `${what}: a header`)
  const textOfField = (field: string): string | undefined => {
    const found = fields.get(field)
    if (found === undefined) return undefined
    const value = parseJson(text.slice(found.start, found.end))
    if (typeof value === 'string') return wellFormed(value, what)
    throw refuse(REST.badRequest, `${what}: ${field} of a header must be text`)
  }
  const [name, value, base64] = [textOfField('name'), textOfField('value'), textOfField('valueBase64')]
  if (name === undefined) throw refuse(REST.badRequest, `${what}: a header has no name`)
  if (value !== undefined && base64 !== undefined) throw refuse(REST.badRequest, `${what}: a header has two values`)
  return { name, value: base64 === undefined ? (value ?? null) : bytesOfBase64(base64, `${what}: valueBase64 of a header`) }
}

function wellFormed<T extends string | null>(value: T, what: string): T {
  if (value === null || value.isWellFormed()) return value
  throw refuse(REST.badRequest, `${what}: half a surrogate pair is no text`)
}

/** The bytes that a base64 text stands for, with its padding or without. */
export function bytesOfBase64(text: string, what: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64').replace(/=+$/u, '') === text.replace(/={1,2}$/u, '')) return bytes
  throw refuse(REST.badRequest, `${what} is not a valid base64 string`)
}

function schemaWish(text: string, fields: ReadonlyMap<string, JsonSpan>, part: 'key' | 'value'): SchemaWish {
  const [schema, id] = [`${part}_schema`, `${part}_schema_id`].map((name) => {
    const span = fields.get(name)
    return span && parseJson(text.slice(span.start, span.end))
  })
  if (schema !== undefined && id !== undefined) {
    throw refuse(REST.badRequest, `${part}_schema and ${part}_schema_id must not both be given`)
  }
  if (id !== undefined) {
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) <= MAX_INT) return { id: id as number }
    throw refuse(REST.badRequest, `${part}_schema_id must be a whole number`)
  }
  if (schema === undefined || typeof schema === 'string') return schema === undefined ? undefined : { text: schema }
  throw refuse(REST.badRequest, `${part}_schema must be text`)
}
