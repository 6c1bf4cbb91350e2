import type { LaneId } from '../source/lane.ts'
import type { FieldTest, FilterField, FilterOperand, MessageFilter } from './filter.ts'
import type { LookupQuestion } from './lookup-question.ts'

/** Whole numbers, half-open. */
export interface Range {
  readonly from: number
  readonly to: number
}

export type NumberTest =
  | { readonly kind: 'within'; readonly range: Range }
  | { readonly kind: 'in'; readonly values: ReadonlySet<number> }

/** Bounds of bytes; those that are undefined do not matter. */
export interface BytesBounds {
  readonly greaterThan: Uint8Array | undefined
  readonly atLeast: Uint8Array | undefined
  readonly lessThan: Uint8Array | undefined
  readonly atMost: Uint8Array | undefined
}

export type BytesTest =
  | { readonly kind: 'in'; readonly values: readonly Uint8Array[] }
  | { readonly kind: 'prefix'; readonly prefix: Uint8Array }
  | { readonly kind: 'within'; readonly bounds: BytesBounds }
  /** Not null. */
  | { readonly kind: 'filled' }
  /** Of headers: there, null too. */
  | { readonly kind: 'there' }

/** Bytes of a message: its key, its id, or the headers of a name. */
export type BytesField = 'key' | 'id' | { readonly header: Uint8Array }

/** A filter made ready: what it says of topics and lanes is worked out where the lane is known. */
export type Condition =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  /** Of topics or lanes, where the lane is not known. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] }
  | { readonly kind: 'not'; readonly part: Condition }
  | { readonly kind: 'number'; readonly field: 'position' | 'timestamp'; readonly test: NumberTest }
  | {
      readonly kind: 'bytes'
      readonly field: BytesField
      readonly test: BytesTest
      /** Where look-up filters say no to all of these it cannot hold; none where they cannot be asked. */
      readonly questions: readonly LookupQuestion[]
    }
  | { readonly kind: 'jq'; readonly program: string }

const ALL: Condition = { kind: 'all' }
export const NONE: Condition = { kind: 'none' }
const UNKNOWN: Condition = { kind: 'unknown' }

const encoder = new TextEncoder()

/** All of the parts hold. */
export function and(parts: readonly Condition[]): Condition {
  if (parts.some(({ kind }) => kind === 'none')) return NONE
  const open = parts.filter(({ kind }) => kind !== 'all')
  if (open.length === 0) return ALL
  return open.length === 1 ? open[0]! : { kind: 'and', parts: open }
}

function or(parts: readonly Condition[]): Condition {
  if (parts.some(({ kind }) => kind === 'all')) return ALL
  const open = parts.filter(({ kind }) => kind !== 'none')
  if (open.length === 0) return NONE
  return open.length === 1 ? open[0]! : { kind: 'or', parts: open }
}

function not(part: Condition): Condition {
  if (part.kind === 'all') return NONE
  return part.kind === 'none' ? ALL : { kind: 'not', part }
}

/** What the filter says of messages of the lane; of any lane where none is given. */
export function conditionOf(filter: MessageFilter, lane: LaneId | undefined): Condition {
  if ('and' in filter) return and(filter.and.map((part) => conditionOf(part, lane)))
  if ('or' in filter) return or(filter.or.map((part) => conditionOf(part, lane)))
  if ('not' in filter) return not(conditionOf(filter.not, lane))
  if ('jq' in filter) return { kind: 'jq', program: filter.jq }
  const { field, test } = filter
  if (field === 'position' || field === 'timestamp') return numberCondition(field, test)
  const bytes = bytesTest(test)
  if (bytes === undefined) return NONE
  const isNegated = 'exists' in test && !test.exists
  if (field !== 'topic' && field !== 'lane') {
    const holds = bytesCondition(field, bytes)
    return isNegated ? not(holds) : holds
  }
  if (lane === undefined) return UNKNOWN
  const name = encoder.encode(lane[field])
  return bytesHold(bytes, name, 0, name.byteLength) === isNegated ? NONE : ALL
}

/** Messages with a number within a range. */
export const within = (field: 'position' | 'timestamp', { from = -Infinity, to = Infinity }: Partial<Range>): Condition => {
  if (from >= to) return NONE
  return from === -Infinity && to === Infinity ? ALL : { kind: 'number', field, test: { kind: 'within', range: { from, to } } }
}

function numberCondition(field: 'position' | 'timestamp', test: FieldTest): Condition {
  if ('exists' in test) return test.exists ? ALL : NONE
  if ('prefix' in test) return NONE
  if ('equals' in test || 'in' in test) {
    const operands = 'equals' in test ? [test.equals] : test.in
    const values = new Set(operands.filter((operand) => typeof operand === 'number'))
    return values.size === 0 ? NONE : { kind: 'number', field, test: { kind: 'in', values } }
  }
  const { greaterThan = -Infinity, atLeast = -Infinity, lessThan = Infinity, atMost = Infinity } = test
  const bounds = [greaterThan, atLeast, lessThan, atMost]
  if (!bounds.every((bound) => typeof bound === 'number' && !Number.isNaN(bound))) return NONE
  const [above, from, below, upTo] = bounds as number[]
  // Positions and timestamps are whole; bounds need not be.
  return within(field, {
    from: Math.max(Math.floor(above!) + 1, Math.ceil(from!)),
    to: Math.min(Math.ceil(below!), Math.floor(upTo!) + 1),
  })
}

const isBytes = (operand: FilterOperand | undefined): operand is Uint8Array => operand instanceof Uint8Array

/** Undefined for a test that no bytes pass. */
function bytesTest(test: FieldTest): BytesTest | undefined {
  if ('exists' in test) return { kind: 'filled' }
  if ('prefix' in test) return { kind: 'prefix', prefix: test.prefix }
  if ('equals' in test) return isBytes(test.equals) ? { kind: 'in', values: [test.equals] } : undefined
  if ('in' in test) {
    const values = test.in.filter(isBytes)
    return values.length === 0 ? undefined : { kind: 'in', values }
  }
  const { greaterThan, atLeast, lessThan, atMost } = test
  for (const bound of [greaterThan, atLeast, lessThan, atMost]) if (bound !== undefined && !isBytes(bound)) return undefined
  return { kind: 'within', bounds: { greaterThan, atLeast, lessThan, atMost } as BytesBounds }
}

function bytesCondition(field: Exclude<FilterField, 'topic' | 'lane' | 'position' | 'timestamp'>, test: BytesTest): Condition {
  if (field === 'key' || field === 'id') {
    const questions = test.kind === 'in' ? test.values.map((value) => ({ field, value })) : []
    return { kind: 'bytes', field, test, questions }
  }
  return headerCondition(field.slice('header:'.length), test)
}

/** A test of the headers of a name. */
export function headerCondition(name: string, test: BytesTest): Condition {
  const field = `header:${name}` as const
  const questions = test.kind === 'in' ? test.values.map((value) => ({ field, value })) : [{ field }]
  return { kind: 'bytes', field: { header: encoder.encode(name) }, test, questions }
}

/** A test of the key or the id: that it is this. */
export const equals = (field: 'key' | 'id', value: Uint8Array): Condition =>
  bytesCondition(field, { kind: 'in', values: [value] })

/** Whether the bytes from `start` on pass the test; `start` is -1 for null. */
export function bytesHold(test: BytesTest, bytes: Uint8Array, start: number, end: number): boolean {
  if (test.kind === 'there') return true
  if (start < 0) return false
  switch (test.kind) {
    case 'filled':
      return true
    case 'in':
      return test.values.some((value) => equalAt(bytes, start, end, value))
    case 'prefix':
      return equalAt(bytes, start, Math.min(end, start + test.prefix.byteLength), test.prefix)
    case 'within': {
      const { greaterThan, atLeast, lessThan, atMost } = test.bounds
      return (
        (greaterThan === undefined || compareAt(bytes, start, end, greaterThan) > 0) &&
        (atLeast === undefined || compareAt(bytes, start, end, atLeast) >= 0) &&
        (lessThan === undefined || compareAt(bytes, start, end, lessThan) < 0) &&
        (atMost === undefined || compareAt(bytes, start, end, atMost) <= 0)
      )
    }
    default:
      throw new TypeError(`no test ${String(test satisfies never)}`)
  }
}

/** Hot: most values differ in length or in the last bytes, so those are looked at first. */
export function equalAt(bytes: Uint8Array, start: number, end: number, wanted: Uint8Array): boolean {
  const length = wanted.byteLength
  if (end - start !== length) return false
  for (let i = length - 1; i >= 0; i--) if (bytes[start + i] !== wanted[i]) return false
  return true
}

function compareAt(bytes: Uint8Array, start: number, end: number, other: Uint8Array): number {
  const length = Math.min(end - start, other.byteLength)
  for (let i = 0; i < length; i++) {
    const difference = bytes[start + i]! - other[i]!
    if (difference !== 0) return difference
  }
  return end - start - other.byteLength
}
