import { isUtf8 } from 'node:buffer'
import { isMillpondError, MillpondError } from '../errors.ts'
import { compileJq } from '../jq/jq.ts'
import { nearest } from '../nearest.ts'
import type { FieldTest, FilterField, FilterOperand, MessageFilter } from './filter.ts'
import { parseInstant } from './instant.ts'

/** What a filter may be made of at the most, so that nobody's filter holds up others. */
export interface FilterLimits {
  readonly depth: number
  readonly parts: number
  readonly operands: number
}

export const LIMITS: FilterLimits = { depth: 32, parts: 1000, operands: 10_000 }
/** Of a filter that this program wrote down: put together of several. */
export const RECORD_LIMITS: FilterLimits = { depth: 64, parts: 20_000, operands: 100_000 }

/** Fields of messages that a filter can test, beside `header:NAME`. */
export const FILTER_FIELDS = ['topic', 'lane', 'position', 'timestamp', 'id', 'key'] as const
/** Ways to test a field. */
export const OPERATORS = ['equals', 'in', 'prefix', 'gt', 'gte', 'lt', 'lte', 'exists'] as const
/** What a part of a filter can be. */
export const KINDS = ['and', 'or', 'not', 'field', 'jq'] as const
const BOUNDS = { gt: 'greaterThan', gte: 'atLeast', lt: 'lessThan', lte: 'atMost' } as const

/** One of them. */
export type Operator = (typeof OPERATORS)[number]
type JsonObject = Readonly<Record<string, unknown>>

/** A filter as JSON: bytes are text, or `{"base64": …}` where they are none. */
export type FilterJson = JsonObject

interface Parsing {
  readonly depth: number
  readonly path: string
  readonly limits: FilterLimits
  /** Of the whole filter. */
  readonly counts: { parts: number; operands: number }
}

/**
 * Reads a filter from JSON (docs/search.md). Programs are compiled, so that whoever sent one that is none is told.
 * @throws MillpondError `INPUT_INVALID`, `JQ_INVALID` with the path of what is wrong; `path` is that of the filter itself.
 */
export function parseFilter(json: unknown, path = 'filter', limits = LIMITS): MessageFilter {
  return parsePart(json, { depth: 1, path, limits, counts: { parts: 0, operands: 0 } })
}

function invalid(path: string, why: string): MillpondError {
  return new MillpondError('INPUT_INVALID', `${path}: ${why}`, { details: { path } })
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

const isObject = (json: unknown): json is JsonObject => typeof json === 'object' && json !== null && !Array.isArray(json)

/** `; did you mean …?` where a name is near. */
export function meant(name: string, known: readonly string[]): string {
  const near = nearest(name.slice(0, 100), known)
  return near === undefined ? `; there are ${known.join(', ')}` : `; did you mean ${near}?`
}

function parsePart(json: unknown, parsing: Parsing): MessageFilter {
  const { depth, path, limits, counts } = parsing
  if (depth > limits.depth) throw invalid(path, `a filter nests no deeper than ${limits.depth}`)
  if (++counts.parts > limits.parts) throw invalid(path, `a filter has no more than ${limits.parts} parts`)
  if (!isObject(json)) throw invalid(path, `must be an object like {"field":"key","equals":"4711"}, not ${shown(json)}`)
  const names = Object.keys(json)
  const kind = KINDS.find((name) => names.includes(name))
  if (kind === undefined) {
    const [first] = names
    throw invalid(path, first === undefined ? 'an empty object says nothing' : `${shown(first)} is unknown${meant(first, KINDS)}`)
  }
  if (kind === 'field') return parseField(json, parsing)
  const other = names.find((name) => name !== kind)
  if (other !== undefined) throw invalid(path, `beside ${kind} there may be no ${shown(other)}; put both into {"and":[…]}`)
  const inner = (part: unknown, at: string) => parsePart(part, { ...parsing, depth: depth + 1, path: `${path}.${at}` })
  if (kind === 'not') return { not: inner(json['not'], 'not') }
  if (kind === 'jq') return { jq: parseProgram(json['jq'], `${path}.jq`) }
  const parts = listOf(json[kind], `${path}.${kind}`).map((part, at) => inner(part, `${kind}[${at}]`))
  return kind === 'and' ? { and: parts } : { or: parts }
}

function listOf(json: unknown, path: string): readonly unknown[] {
  if (Array.isArray(json)) return json
  throw invalid(path, `must be a list, not ${shown(json)}`)
}

/**
 * A jq program that can be run.
 * @throws MillpondError `JQ_INVALID`, `INPUT_INVALID`, with the path.
 */
export function parseProgram(json: unknown, path: string): string {
  if (typeof json !== 'string') throw invalid(path, `must be a jq program as text, not ${shown(json)}`)
  try {
    compileJq(json)
  } catch (error) {
    if (!isMillpondError(error, 'JQ_INVALID')) throw error
    throw new MillpondError('JQ_INVALID', `${path}: ${error.message}`, { cause: error, details: { ...error.details, path } })
  }
  return json
}

function parseField(json: JsonObject, parsing: Parsing): MessageFilter {
  const { path } = parsing
  const field = fieldOf(json['field'], `${path}.field`)
  const operators = Object.keys(json).filter((name) => name !== 'field')
  for (const name of operators) {
    if (!OPERATORS.some((one) => one === name)) throw invalid(path, `${shown(name)} is unknown${meant(name, OPERATORS)}`)
  }
  if (operators.length === 0) throw invalid(path, `says nothing of ${field}: one of ${OPERATORS.join(', ')} must be there`)
  const tests = testsOf(json, field, parsing)
  return tests.length === 1 ? { field, test: tests[0]! } : { and: tests.map((test) => ({ field, test })) }
}

function fieldOf(json: unknown, path: string): FilterField {
  if (typeof json === 'string' && json.isWellFormed()) {
    const plain = FILTER_FIELDS.find((name) => name === json)
    if (plain !== undefined) return plain
    if (json.startsWith('header:')) return json as `header:${string}`
    throw invalid(path, `${shown(json)} is no field${meant(json, [...FILTER_FIELDS, 'header:NAME'])}`)
  }
  throw invalid(path, `must be one of ${FILTER_FIELDS.join(', ')}, header:NAME, not ${shown(json)}`)
}

function testsOf(json: JsonObject, field: FilterField, { path, limits, counts }: Parsing): FieldTest[] {
  const operand = (value: unknown, at: string): FilterOperand => {
    if (++counts.operands > limits.operands) throw invalid(at, `a filter has no more than ${limits.operands} values`)
    return operandOf(field, value, at)
  }
  const has = (name: Operator): boolean => Object.hasOwn(json, name)
  const tests: FieldTest[] = []
  if (has('equals')) tests.push({ equals: operand(json['equals'], `${path}.equals`) })
  if (has('in')) tests.push({ in: listOf(json['in'], `${path}.in`).map((value, at) => operand(value, `${path}.in[${at}]`)) })
  if (has('prefix')) {
    const prefix = operand(json['prefix'], `${path}.prefix`)
    if (typeof prefix === 'number') throw invalid(`${path}.prefix`, `${field} is a number, which has no prefix`)
    tests.push({ prefix })
  }
  const bounds: { -readonly [Name in (typeof BOUNDS)[keyof typeof BOUNDS]]?: FilterOperand } = {}
  for (const name of ['gt', 'gte', 'lt', 'lte'] as const) {
    if (has(name)) bounds[BOUNDS[name]] = operand(json[name], `${path}.${name}`)
  }
  if (Object.keys(bounds).length > 0) tests.push(bounds)
  if (has('exists')) {
    const exists = json['exists']
    if (typeof exists !== 'boolean') throw invalid(`${path}.exists`, `must be true or false, not ${shown(exists)}`)
    tests.push({ exists })
  }
  return tests
}

function operandOf(field: FilterField, json: unknown, path: string): FilterOperand {
  if (field === 'position') {
    if (typeof json === 'number' && Number.isFinite(json)) return json
    throw invalid(path, `a position is a number, not ${shown(json)}`)
  }
  return field === 'timestamp' ? parseTime(json, path) : parseBytes(json, path)
}

/**
 * Milliseconds since 1970; a time may be between two of them.
 * @throws MillpondError `INPUT_INVALID` with the path.
 */
export function parseTime(json: unknown, path: string): number {
  if (typeof json === 'number' && Number.isFinite(json)) return json
  const ms = typeof json === 'string' ? parseInstant(json) : undefined
  if (ms !== undefined) return ms
  throw invalid(path, `must be a time like "2026-11-21T08:00:00+01:00" or milliseconds since 1970, not ${shown(json)}`)
}

/**
 * Text as UTF-8, or the bytes of `{"base64": …}`.
 * @throws MillpondError `INPUT_INVALID` with the path.
 */
export function parseBytes(json: unknown, path: string): Uint8Array {
  if (typeof json === 'string' && json.isWellFormed()) return new TextEncoder().encode(json)
  if (isObject(json) && Object.keys(json).join() === 'base64' && typeof json['base64'] === 'string') {
    const bytes = Buffer.from(json['base64'], 'base64')
    if (bytes.toString('base64') === json['base64']) return new Uint8Array(bytes)
    throw invalid(path, 'is no base64 with padding')
  }
  throw invalid(path, `must be text or {"base64":"…"}, not ${shown(json)}`)
}

/** The filter as `parseFilter` reads it. */
export function filterJson(filter: MessageFilter): FilterJson {
  if ('and' in filter) return { and: filter.and.map(filterJson) }
  if ('or' in filter) return { or: filter.or.map(filterJson) }
  if ('not' in filter) return { not: filterJson(filter.not) }
  if ('jq' in filter) return { jq: filter.jq }
  const { field, test } = filter
  const isNumber = field === 'position' || field === 'timestamp'
  const fits = (operand: FilterOperand) => (typeof operand === 'number') === isNumber
  if ('exists' in test) return { field, exists: test.exists }
  if ('in' in test) return { field, in: test.in.filter(fits).map(operandJson) }
  const bounds = Object.entries(BOUNDS).flatMap(([name, bound]): [string, FilterOperand | undefined][] =>
    'equals' in test || 'prefix' in test ? [] : [[name, test[bound]]],
  )
  const named: [string, FilterOperand | undefined][] =
    'equals' in test ? [['equals', test.equals]] : 'prefix' in test ? [['prefix', test.prefix]] : bounds
  const given = named.flatMap(([name, operand]) => (operand === undefined ? [] : [{ name, operand }]))
  // What is of another kind than the field passes never, and a prefix no number has.
  if (!given.every(({ operand }) => fits(operand)) || ('prefix' in test && isNumber)) return { or: [] }
  // A test without bounds holds where there is something.
  if (given.length === 0) return { field, exists: true }
  return { field, ...Object.fromEntries(given.map(({ name, operand }) => [name, operandJson(operand)])) }
}

function operandJson(operand: FilterOperand): unknown {
  if (typeof operand === 'number') return operand
  const bytes = Buffer.from(operand.buffer, operand.byteOffset, operand.byteLength)
  return isUtf8(bytes) ? bytes.toString() : { base64: bytes.toString('base64') }
}
