import { MillpondError } from '../../errors.ts'
import type { RowFilter, RowTest, Scalar } from './row-filter.ts'
import { noTime, parseTime } from './time.ts'

/** Names of the fields of a row, in the order of Dataphos' own list. */
const FIELDS: ReadonlySet<string> = new Set([
  'broker_id',
  'broker_msg_id',
  'business_source_key',
  'business_object_key',
  'unique_id',
  'index_source_key',
  'ordering_key',
  'additional_metadata',
  'location_key',
  'location_position',
  'publish_time',
  'ingestion_time',
  'indexer_ingestion_time',
  'confirmation_flag',
])
const METADATA = 'additional_metadata'
const TIMES = new Set(['publish_time', 'ingestion_time', 'indexer_ingestion_time'])
const OPERATORS = ['$eq', '$gt', '$gte', '$in', '$lt', '$lte', '$ne', '$nin', '$exists', '$regex'] as const
const MAX_DEPTH = 20

type Json = Readonly<Record<string, unknown>>

/**
 * The filters of a request as one condition: a row must pass one of them. Nothing but what is known here is let through.
 * @throws MillpondError `INPUT_INVALID`, in Dataphos' words where it has some, with what is allowed otherwise.
 */
export function parseFilters(filters: readonly Json[]): RowFilter {
  if (filters.length === 0) throw refused('(BadValue) $and/$or/$nor must be a nonempty array')
  const unknown = filters.flatMap((filter) => unknownKeys(filter, 0))
  if (unknown.length > 0) throw refused(`invalid query filter keys in query request body - [${unknown.join(' ')}]`)
  const faults = new Map<string, string>()
  const parsed = { or: filters.map((filter) => parseFilter(filter, faults)) }
  if (faults.size === 0) return parsed
  const told = [...faults].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([field, why]) => `${field}:${why}`)
  throw refused(`invalid timestamp values in query request body - map[${told.join(' ')}]`)
}

const refused = (message: string): MillpondError => new MillpondError('INPUT_INVALID', message)

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

function unknownKeys(filter: Json, depth: number): string[] {
  if (depth > MAX_DEPTH) throw refused(`filters may lie ${MAX_DEPTH} deep`)
  return Object.entries(filter).flatMap(([key, value]) => {
    if (key === '$or' || key === '$and') return partsOf(key, value).flatMap((part) => unknownKeys(part, depth + 1))
    return key.startsWith(METADATA) || FIELDS.has(key) ? [] : [key]
  })
}

function partsOf(key: string, value: unknown): readonly Json[] {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isObject))
    throw refused(`${key} must be a nonempty array of filters`)
  return value
}

function parseFilter(filter: Json, faults: Map<string, string>): RowFilter {
  const parts = Object.entries(filter).flatMap(([key, value]): RowFilter[] => {
    if (key === '$or') return [{ or: partsOf(key, value).map((part) => parseFilter(part, faults)) }]
    if (key === '$and') return [{ and: partsOf(key, value).map((part) => parseFilter(part, faults)) }]
    const isTime = TIMES.has(key)
    if (isObject(value) && Object.keys(value).some((name) => name.startsWith('$')))
      return Object.entries(value).map(([operator, operand]) => ({
        field: key,
        test: parseOperator({ field: key, operator, operand, faults: isTime ? faults : undefined }),
      }))
    if (isTime) return [{ field: key, test: { op: 'eq', value: timeOf(key, value, faults) } }]
    if (isObject(value)) return [{ field: key, test: mapTest(key, value) }]
    return [{ field: key, test: { op: 'eq', value: scalarOf(key, value) } }]
  })
  return { and: parts }
}

interface Operation {
  readonly field: string
  readonly operator: string
  readonly operand: unknown
  /** Where faults of times go; undefined for a field that is none. */
  readonly faults: Map<string, string> | undefined
}

function parseOperator({ field, operator, operand, faults }: Operation): RowTest {
  const value = (one: unknown): Scalar | null =>
    faults === undefined ? scalarOf(field, one) : timeOf(field, one, faults, operator)
  switch (operator) {
    case '$eq':
      return { op: 'eq', value: value(operand) }
    case '$ne':
      return { op: 'ne', value: value(operand) }
    case '$in':
    case '$nin':
      if (!Array.isArray(operand)) throw refused(`(BadValue) ${operator} needs an array`)
      return { op: operator === '$in' ? 'in' : 'nin', values: operand.map(value) }
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte': {
      const bound = value(operand)
      if (bound === null) throw refused(`${operator} of ${field} needs a text or a number`)
      return { op: orderings[operator], value: bound }
    }
    case '$exists':
      if (typeof operand !== 'boolean') throw refused(`$exists of ${field} must be true or false`)
      return { op: 'exists', value: operand }
    case '$regex':
      return { op: 'prefix', value: literalPrefix(field, operand) }
    default:
      throw refused(`the operator ${operator} is not allowed in query filters; those that are: ${OPERATORS.join(' ')} $or $and`)
  }
}

const orderings = { $gt: 'gt', $gte: 'gte', $lt: 'lt', $lte: 'lte' } as const

/** The text that `^text` says, where nothing in it has a meaning of its own. */
function literalPrefix(field: string, pattern: unknown): string {
  const found = typeof pattern === 'string' ? /^\^((?:[^\\^$.|?*+()[\]{}]|\\[^a-z\d])*)$/iu.exec(pattern) : null
  if (found === null || TIMES.has(field))
    throw refused(
      `$regex of ${field} may only ask for a beginning, like "^orders_", with \\ before what has a meaning of its own`,
    )
  return found[1]!.replaceAll(/\\(.)/gu, '$1')
}

function scalarOf(field: string, value: unknown): Scalar | null {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  throw refused(`${field} must be compared with a text, a number, true, false or null`)
}

function mapTest(field: string, value: Json): RowTest {
  const texts = Object.values(value).every((one) => typeof one === 'string')
  if (field !== METADATA || !texts) throw refused(`${field} cannot be compared with an object`)
  return { op: 'map', entries: new Map(Object.entries(value as Readonly<Record<string, string>>)) }
}

function timeOf(field: string, value: unknown, faults: Map<string, string>, operator?: string): number | null {
  if (value === null) return null
  if (typeof value !== 'string') {
    faults.set(field, operator === undefined ? 'invalid time format' : `time for operator ${operator} is not a string`)
    return null
  }
  const ms = parseTime(value)
  if (ms !== undefined) return ms
  faults.set(field, `failed to parse time${operator === undefined ? '' : ` for operator ${operator}`}: ${noTime(value)}`)
  return null
}
