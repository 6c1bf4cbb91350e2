import { createHash } from 'node:crypto'
import { parseDuration } from '../../config/units.ts'
import { MillpondError } from '../../errors.ts'
import {
  type FilterJson,
  filterJson,
  type FilterLimits,
  LIMITS,
  meant,
  parseBytes,
  parseFilter,
  parseProgram,
  parseTime,
} from '../../search/filter-json.ts'
import type { FieldTest, FilterField, MessageFilter } from '../../search/filter.ts'
import type { MessageQuery } from '../../search/query.ts'

export type SearchOrder = 'lane' | 'time'

/** A search as it was asked for, checked. */
export interface SearchRequest {
  readonly query: MessageQuery
  readonly order: SearchOrder
  /** Equal for requests that ask the same; undefined for one that says nothing but a cursor. */
  readonly asked: string | undefined
  readonly limit: number | undefined
  readonly cursor: string | undefined
  readonly format: 'lines' | 'page' | undefined
  readonly fields: readonly string[] | undefined
  readonly decode: boolean
}

type JsonObject = Readonly<Record<string, unknown>>

const SELECTION = [
  'topic',
  'topicId',
  'lanes',
  'positions',
  'from',
  'to',
  'id',
  'ids',
  'key',
  'keys',
  'headers',
  'where',
  'filter',
  'order',
] as const
/** What says which messages are meant. */
export type SelectionName = (typeof SELECTION)[number]
const PRESENTATION = ['limit', 'cursor', 'format', 'fields', 'decode'] as const
/** What says how they are given. */
export type PresentationName = (typeof PRESENTATION)[number]
const NAMES = [...SELECTION, ...PRESENTATION]

/** What lines have; see docs/formats.md. */
export const LINE_FIELDS = ['topic', 'lane', 'position', 'timestamp', 'key', 'value', 'headers', 'id'] as const

function invalid(path: string, why: string): MillpondError {
  return new MillpondError('INPUT_INVALID', `${path}: ${why}`, { details: { path } })
}

const isObject = (json: unknown): json is JsonObject => typeof json === 'object' && json !== null && !Array.isArray(json)

/** How a request is read. */
export interface RequestReading {
  readonly nowMs: number
  readonly limits?: FilterLimits
}

/**
 * Reads a search from JSON.
 * @throws MillpondError `INPUT_INVALID` with the path of what is wrong.
 */
export function parseRequest(json: unknown, reading: RequestReading): SearchRequest {
  if (!isObject(json)) throw new MillpondError('INPUT_INVALID', 'a search is a JSON object like {"topic":"orders","key":"4711"}')
  for (const name of Object.keys(json)) {
    if (!NAMES.some((one) => one === name)) throw invalid(name.slice(0, 100), `is unknown${meant(name, NAMES)}`)
  }
  const given = SELECTION.filter((name) => json[name] !== undefined)
  const asked = given.map((name) => [name, json[name]])
  return {
    query: parseQuery(json, reading),
    order: oneOf(json, 'order', ['lane', 'time']) ?? 'lane',
    asked: asked.length === 0 ? undefined : createHash('sha256').update(JSON.stringify(asked)).digest('base64url').slice(0, 16),
    limit: wholeNumber(json['limit'], 'limit', 1),
    cursor: textOf(json['cursor'], 'cursor'),
    format: oneOf(json, 'format', ['lines', 'page']),
    fields: fieldsOf(json['fields']),
    decode: truth(json['decode'], 'decode') ?? false,
  }
}

function parseQuery(json: JsonObject, { nowMs, limits = LIMITS }: RequestReading): MessageQuery {
  const [topic, topicId] = [textOf(json['topic'], 'topic'), textOf(json['topicId'], 'topicId')]
  const lanes = listOf(json['lanes'], 'lanes')?.map((lane, at) => textOf(lane, `lanes[${at}]`) ?? '')
  const positions = positionsOf(json['positions'])
  // Ranges are half-open: what comes behind a moment between two milliseconds comes from the second on.
  const [from, to] = (['from', 'to'] as const).map((name) => {
    const ms = json[name] === undefined ? undefined : timeOf(json[name], name, nowMs)
    return ms === undefined ? undefined : Math.ceil(ms)
  })
  const filters = [
    ...anyOf('id', [json['id'], ...(listOf(json['ids'], 'ids') ?? [])], json['ids'] !== undefined),
    ...anyOf('key', [json['key'], ...(listOf(json['keys'], 'keys') ?? [])], json['keys'] !== undefined),
    ...headerFilters(json['headers']),
    ...(json['filter'] === undefined ? [] : [parseFilter(json['filter'], 'filter', limits)]),
    ...(json['where'] === undefined ? [] : [{ jq: parseProgram(json['where'], 'where') }]),
  ]
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(topicId === undefined ? {} : { topicId }),
    ...(lanes === undefined ? {} : { lanes }),
    ...(positions === undefined ? {} : { positions }),
    ...(from === undefined && to === undefined ? {} : { timestamps: { ...defined('from', from), ...defined('to', to) } }),
    ...(filters.length === 0 ? {} : { filter: filters.length === 1 ? filters[0]! : { and: filters } }),
  }
}

const defined = <Name extends string>(name: Name, value: number | undefined) =>
  (value === undefined ? {} : { [name]: value }) as Partial<Record<Name, number>>

/** The query as JSON that `parseRequest` reads again. */
export function queryJson({ topic, topicId, lanes, positions, timestamps, filter }: MessageQuery): FilterJson {
  return {
    topic,
    topicId,
    lanes,
    positions,
    from: timestamps?.from,
    to: timestamps?.to,
    filter: filter === undefined ? undefined : filterJson(filter),
  }
}

function textOf(json: unknown, path: string): string | undefined {
  if (json === undefined) return undefined
  if (typeof json === 'string' && json.isWellFormed()) return json
  throw invalid(path, 'must be text')
}

function listOf(json: unknown, path: string): readonly unknown[] | undefined {
  if (json === undefined || Array.isArray(json)) return json
  throw invalid(path, 'must be a list')
}

function truth(json: unknown, path: string): boolean | undefined {
  if (json === undefined || typeof json === 'boolean') return json
  throw invalid(path, 'must be true or false')
}

function wholeNumber(json: unknown, path: string, least: number): number | undefined {
  if (json === undefined) return undefined
  if (typeof json === 'number' && Number.isSafeInteger(json) && json >= least) return json
  throw invalid(path, `must be a whole number of at least ${least}`)
}

function oneOf<const Word extends string>(json: JsonObject, name: string, words: readonly Word[]): Word | undefined {
  const given = json[name]
  if (given === undefined) return undefined
  const word = words.find((one) => one === given)
  if (word === undefined) throw invalid(name, `must be ${words.join(' or ')}`)
  return word
}

function positionsOf(json: unknown): { readonly from?: number; readonly to?: number } | undefined {
  if (json === undefined) return undefined
  if (!isObject(json)) throw invalid('positions', 'must be an object like {"from":5,"to":9}, of which 9 is out')
  const stray = Object.keys(json).find((name) => name !== 'from' && name !== 'to')
  if (stray !== undefined) throw invalid(`positions.${stray.slice(0, 100)}`, `is unknown${meant(stray, ['from', 'to'])}`)
  return {
    ...defined('from', wholeNumber(json['from'], 'positions.from', 0)),
    ...defined('to', wholeNumber(json['to'], 'positions.to', 0)),
  }
}

function timeOf(json: unknown, path: string, nowMs: number): number {
  if (json === 'now') return nowMs
  const ago = typeof json === 'string' && /^-\d/u.test(json) ? parseDuration(json.slice(1)) : undefined
  // All digits are milliseconds since 1970, before it too.
  if (ago === undefined || /^-\d+$/u.test(json as string)) return parseTime(json, path)
  return nowMs - ago
}

function anyOf(field: 'id' | 'key', given: readonly unknown[], isList: boolean): MessageFilter[] {
  const values = given.flatMap((value, at) => {
    if (value === undefined) return []
    return [parseBytes(value, at === 0 ? field : `${field}s[${at - 1}]`)]
  })
  return values.length === 0 && !isList ? [] : [{ field, test: { in: values } }]
}

/** Values by names; a list where one of several will do; true or false for whether it is there. */
function headerFilters(json: unknown): MessageFilter[] {
  if (json === undefined) return []
  if (!isObject(json)) throw invalid('headers', 'must be an object like {"region":"eu"}')
  return Object.entries(json).map(([name, value]) => {
    const path = `headers.${name.slice(0, 100)}`
    const field: FilterField = `header:${textOf(name, path)!}`
    return { field, test: headerTest(value, path) }
  })
}

function headerTest(value: unknown, path: string): FieldTest {
  if (typeof value === 'boolean') return { exists: value }
  if (Array.isArray(value)) return { in: value.map((one, at) => parseBytes(one, `${path}[${at}]`)) }
  return { equals: parseBytes(value, path) }
}

function fieldsOf(json: unknown): readonly string[] | undefined {
  return listOf(json, 'fields')?.map((name, at) => {
    if (LINE_FIELDS.some((one) => one === name)) return name as string
    throw invalid(`fields[${at}]`, `is no field${meant(String(name), LINE_FIELDS)}`)
  })
}
