import type { FieldTest, FilterField, MessageFilter } from '../../search/filter.ts'
import { evaluate, type RowFilter, type RowTest, type Scalar } from './row-filter.ts'

/** What is fixed for all messages of a topic. */
export interface TopicFacts {
  readonly brokerId: string
}

const ALWAYS: MessageFilter = { and: [] }
const NEVER: MessageFilter = { or: [] }

const isAlways = (filter: MessageFilter): boolean => 'and' in filter && filter.and.length === 0
const isNever = (filter: MessageFilter): boolean => 'or' in filter && filter.or.length === 0

/**
 * The filter as one of messages of a topic; undefined where it asks for what messages do not say themselves: where they lie, when they were committed, or
 * texts that are put together of several.
 */
export function messageFilter(filter: RowFilter, topic: TopicFacts): MessageFilter | undefined {
  if ('field' in filter) return ofTest(filter.field, filter.test, topic)
  const isAnd = 'and' in filter
  const parts: MessageFilter[] = []
  for (const one of isAnd ? filter.and : filter.or) {
    const part = messageFilter(one, topic)
    if (part === undefined) return undefined
    if (isAnd ? isNever(part) : isAlways(part)) return part
    if (!(isAnd ? isAlways(part) : isNever(part))) parts.push(part)
  }
  if (parts.length === 1) return parts[0]
  return isAnd ? { and: parts } : { or: parts }
}

/** Whether the filter holds for every message, or for none. */
export const constantOf = (filter: MessageFilter): boolean | undefined =>
  isAlways(filter) ? true : isNever(filter) ? false : undefined

function ofTest(field: string, test: RowTest, topic: TopicFacts): MessageFilter | undefined {
  const fixed = fixedFacts(field, topic)
  if (fixed !== undefined) return evaluate({ field, test }, () => fixed) === true ? ALWAYS : NEVER
  if (test.op === 'ne') return not(ofTest(field, { op: 'eq', value: test.value }, topic))
  if (test.op === 'nin') return not(ofTest(field, { op: 'in', values: test.values }, topic))
  if (field === 'publish_time') return ofTime(test)
  if (field === 'broker_msg_id') return ofId(test, '')
  if (field === 'unique_id') return ofId(test, `${topic.brokerId}_`)
  if (field === 'ordering_key') return test.op === 'exists' || asksForNull(test) ? undefined : ofText('key', test, true)
  if (field === 'business_source_key' || field === 'business_object_key') return ofBusinessKey(`header:${field}`, test)
  const header = /^additional_metadata\.(.+)$/su.exec(field)?.[1]
  if (header === undefined) return undefined
  if (header === 'business_source_key' || header === 'business_object_key')
    return asksForNull(test) || isAbsence(test) ? ALWAYS : NEVER
  return ofText(`header:${header}`, test, false)
}

function fixedFacts(field: string, { brokerId }: TopicFacts): { readonly value: Scalar | undefined } | undefined {
  if (field === 'broker_id') return { value: brokerId }
  return field === 'confirmation_flag' ? { value: false } : undefined
}

const not = (filter: MessageFilter | undefined): MessageFilter | undefined => {
  if (filter === undefined) return undefined
  if (isAlways(filter)) return NEVER
  return isNever(filter) ? ALWAYS : { not: filter }
}

const valuesOf = (test: RowTest): readonly (Scalar | null)[] | undefined =>
  test.op === 'eq' ? [test.value] : test.op === 'in' ? test.values : undefined
const asksForNull = (test: RowTest): boolean => valuesOf(test)?.includes(null) === true
const isAbsence = (test: RowTest): boolean => test.op === 'exists' && !test.value

/** One of several, where none is never and one is that one. */
function anyOf(filters: readonly MessageFilter[]): MessageFilter {
  return filters.length === 1 ? filters[0]! : { or: filters }
}

const orderings = { gt: 'greaterThan', gte: 'atLeast', lt: 'lessThan', lte: 'atMost' } as const

function ofTime(test: RowTest): MessageFilter {
  const field = 'timestamp'
  if (test.op === 'exists') return test.value ? ALWAYS : NEVER
  const values = valuesOf(test)?.filter((value) => typeof value === 'number')
  if (values !== undefined) return values.length === 0 ? NEVER : { field, test: oneOf(values) }
  if (test.op !== 'gt' && test.op !== 'gte' && test.op !== 'lt' && test.op !== 'lte') return NEVER
  return typeof test.value === 'number' ? { field, test: { [orderings[test.op]]: test.value } } : NEVER
}

const oneOf = (values: readonly (number | Uint8Array)[]): FieldTest =>
  values.length === 1 ? { equals: values[0]! } : { in: values }

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

function ofText(field: FilterField, test: RowTest, isNeverEmpty: boolean): MessageFilter {
  if (test.op === 'exists') return { field, test: { exists: test.value } }
  const values = valuesOf(test)
  if (values !== undefined) {
    const texts = values.filter((value) => typeof value === 'string').filter((text) => text !== '' || !isNeverEmpty)
    return anyOf([
      ...(texts.length === 0 ? [] : [{ field, test: oneOf(texts.flatMap(meantBy)) }]),
      ...(values.includes(null) ? [{ field, test: { exists: false } }] : []),
    ])
  }
  if (test.op === 'prefix')
    return test.value === '' ? { field, test: { exists: true } } : { field, test: { prefix: bytesOf(test.value) } }
  if (test.op !== 'gt' && test.op !== 'gte' && test.op !== 'lt' && test.op !== 'lte') return NEVER
  return typeof test.value === 'string' ? { field, test: { [orderings[test.op]]: bytesOf(test.value) } } : NEVER
}

/** The bytes that are shown as this text: bytes that are no text are shown by their base64. */
function meantBy(text: string): Uint8Array[] {
  const base64 = /^base64:([A-Za-z0-9+/]+=*)$/u.exec(text)?.[1]
  return base64 === undefined ? [bytesOf(text)] : [bytesOf(text), new Uint8Array(Buffer.from(base64, 'base64'))]
}

/** A business key that is empty is none. */
function ofBusinessKey(field: FilterField, test: RowTest): MessageFilter {
  const empty: MessageFilter = { field, test: { equals: new Uint8Array(0) } }
  const there: MessageFilter = { and: [{ field, test: { exists: true } }, { not: empty }] }
  if (test.op === 'exists') return test.value ? there : { not: there }
  const isThere = ofText(field, withoutNull(test), true)
  if (asksForNull(test)) return { or: [isThere, { not: there }] }
  return test.op === 'lt' || test.op === 'lte' || test.op === 'prefix' ? { and: [there, isThere] } : isThere
}

const withoutNull = (test: RowTest): RowTest => {
  const values = valuesOf(test)
  return values === undefined ? test : { op: 'in', values: values.filter((value) => value !== null) }
}

/** A message's own id, or lane and position where it has none. */
function ofId(test: RowTest, beginning: string): MessageFilter | undefined {
  if (test.op === 'exists') return test.value ? ALWAYS : NEVER
  const values = valuesOf(test)
  if (values === undefined) return undefined
  const ids = values
    .filter((value) => typeof value === 'string')
    .filter((text) => text.startsWith(beginning))
    .map((text) => text.slice(beginning.length))
  if (ids.length === 0) return NEVER
  const places = ids.flatMap((id): MessageFilter[] => {
    const [, lane, position] = /^(.*)_(0|[1-9]\d{0,15})$/su.exec(id) ?? []
    if (lane === undefined) return []
    return [
      {
        and: [
          { field: 'lane', test: { equals: bytesOf(lane) } },
          { field: 'position', test: { equals: Number(position) } },
          { field: 'id', test: { exists: false } },
        ],
      },
    ]
  })
  return anyOf([{ field: 'id', test: oneOf(ids.map(bytesOf)) }, ...places])
}
