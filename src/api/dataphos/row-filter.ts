/** What a field of a row may be compared with; times are ms. */
export type Scalar = string | number | boolean

/** What must hold of a field, as MongoDB means it: only values of one type are ordered, and a field that is not there is null. */
export type RowTest =
  | { readonly op: 'eq'; readonly value: Scalar | null }
  | { readonly op: 'ne'; readonly value: Scalar | null }
  | { readonly op: 'gt' | 'gte' | 'lt' | 'lte'; readonly value: Scalar }
  | { readonly op: 'in'; readonly values: readonly (Scalar | null)[] }
  | { readonly op: 'nin'; readonly values: readonly (Scalar | null)[] }
  | { readonly op: 'exists'; readonly value: boolean }
  | { readonly op: 'prefix'; readonly value: string }
  /** The whole of `additional_metadata`. */
  | { readonly op: 'map'; readonly entries: ReadonlyMap<string, string> }

/** A condition on rows of the index. Fields are those of Dataphos; `additional_metadata.x` is the header `x`. */
export type RowFilter =
  | { readonly and: readonly RowFilter[] }
  | { readonly or: readonly RowFilter[] }
  | { readonly field: string; readonly test: RowTest }

/** What is known of a field: its value (undefined where it is not there), or that it lies between two numbers, both included. */
export type Fact =
  | { readonly value: Scalar | ReadonlyMap<string, string> | undefined }
  | { readonly from: number; readonly to: number }

/** What is known of the fields; undefined where nothing is. */
export type Facts = (field: string) => Fact | undefined

/** Whether the filter holds for all that the facts are true of; undefined where it holds for some and not for others, or nobody knows. */
export function evaluate(filter: RowFilter, facts: Facts): boolean | undefined {
  if ('field' in filter) return evaluateTest(filter.test, facts(filter.field))
  const isAnd = 'and' in filter
  let isKnown = true
  for (const part of isAnd ? filter.and : filter.or) {
    const held = evaluate(part, facts)
    if (held === !isAnd) return held
    isKnown &&= held !== undefined
  }
  return isKnown ? isAnd : undefined
}

function evaluateTest(test: RowTest, fact: Fact | undefined): boolean | undefined {
  if (fact === undefined) return undefined
  if (test.op === 'ne') return not(evaluateTest({ op: 'eq', value: test.value }, fact))
  if (test.op === 'nin') return not(evaluateTest({ op: 'in', values: test.values }, fact))
  return 'value' in fact ? holds(test, fact.value) : holdsBetween(test, fact.from, fact.to)
}

const not = (held: boolean | undefined): boolean | undefined => (held === undefined ? undefined : !held)

function holds(test: RowTest, value: Scalar | ReadonlyMap<string, string> | undefined): boolean {
  if (test.op === 'exists') return (value !== undefined) === test.value
  if (typeof value === 'object') return test.op === 'map' && isSameMap(value, test.entries)
  if (test.op === 'eq') return test.value === null ? value === undefined : value === test.value
  if (test.op === 'in') return test.values.includes(value ?? null)
  if (test.op === 'prefix') return typeof value === 'string' && value.startsWith(test.value)
  if (test.op !== 'gt' && test.op !== 'gte' && test.op !== 'lt' && test.op !== 'lte') return false
  return value !== undefined && isOrdered(test.op, compare(value, test.value))
}

/** The order of two values, undefined where they have none. */
function compare(a: Scalar, b: Scalar): number | undefined {
  if (typeof a !== typeof b) return undefined
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(String(b)))
  return Number(a) - Number(b)
}

function isOrdered(op: 'gt' | 'gte' | 'lt' | 'lte', order: number | undefined): boolean {
  if (order === undefined) return false
  if (op === 'gt') return order > 0
  if (op === 'gte') return order >= 0
  return op === 'lt' ? order < 0 : order <= 0
}

function holdsBetween(test: RowTest, from: number, to: number): boolean | undefined {
  if (test.op === 'exists') return test.value
  const values = test.op === 'eq' ? [test.value] : test.op === 'in' ? test.values : undefined
  if (values !== undefined) {
    if (from === to) return values.includes(from)
    return values.some((value) => typeof value === 'number' && value >= from && value <= to) ? undefined : false
  }
  if (test.op === 'gt' || test.op === 'gte' || test.op === 'lt' || test.op === 'lte') {
    const { value } = test
    if (typeof value !== 'number') return false
    const [first, last] = [isOrdered(test.op, from - value), isOrdered(test.op, to - value)]
    return first === last ? first : undefined
  }
  return false
}

const isSameMap = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean =>
  a.size === b.size && [...a].every(([name, value]) => b.get(name) === value)

/** The smallest half-open range outside of which no value of the number field passes the filter. */
export function rangeOf(filter: RowFilter, field: string): { readonly from: number; readonly to: number } {
  if ('and' in filter) {
    const ranges = filter.and.map((part) => rangeOf(part, field))
    return { from: Math.max(-Infinity, ...ranges.map(({ from }) => from)), to: Math.min(Infinity, ...ranges.map(({ to }) => to)) }
  }
  if ('or' in filter) {
    const ranges = filter.or.map((part) => rangeOf(part, field))
    return { from: Math.min(Infinity, ...ranges.map(({ from }) => from)), to: Math.max(-Infinity, ...ranges.map(({ to }) => to)) }
  }
  const everything = { from: -Infinity, to: Infinity }
  const { test } = filter
  if (filter.field !== field || !('value' in test) || typeof test.value !== 'number') return everything
  if (test.op === 'eq') return { from: test.value, to: test.value + 1 }
  if (test.op === 'gt') return { from: test.value + 1, to: Infinity }
  if (test.op === 'gte') return { from: test.value, to: Infinity }
  if (test.op === 'lt') return { from: -Infinity, to: test.value }
  return test.op === 'lte' ? { from: -Infinity, to: test.value + 1 } : everything
}

/** Texts one of which the field must have where the filter is to hold; undefined where others may do. */
export function textsOf(filter: RowFilter, field: string): readonly string[] | undefined {
  if ('or' in filter) {
    const lists = filter.or.map((part) => textsOf(part, field))
    return lists.every((list) => list !== undefined) ? lists.flat() : undefined
  }
  if ('and' in filter) {
    const lists = filter.and.map((part) => textsOf(part, field)).filter((list) => list !== undefined)
    return lists.toSorted((a, b) => a.length - b.length)[0]
  }
  const { test } = filter
  const values = test.op === 'eq' ? [test.value] : test.op === 'in' ? test.values : undefined
  if (filter.field !== field || values === undefined) return undefined
  return values.includes(null) ? undefined : values.filter((value) => typeof value === 'string')
}
