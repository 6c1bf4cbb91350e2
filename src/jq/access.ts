import { spend } from './budget.ts'
import { equalValues } from './compare.ts'
import { raise } from './raised.ts'
import { type JqObject, type JqValue, copyObject, isObject, kindOf, ownField, setField } from './value.ts'
import { codePointSlice, codePoints } from './text.ts'

const SHOWN_KEY_CHARS = 30

/** What `.[key]` gives; undefined where values of this kind cannot be asked for such a key. */
export function lookUp(value: JqValue, key: JqValue): JqValue | undefined {
  if (typeof key === 'string') {
    if (value === null) return null
    return isObject(value) ? (ownField(value, key) ?? null) : undefined
  }
  if (typeof key === 'number') {
    if (value === null) return null
    if (!Array.isArray(value)) return undefined
    return (value[key < 0 ? key + value.length : key] as JqValue | undefined) ?? null
  }
  if (isObject(key)) return sliceOf(value, ownField(key, 'start'), ownField(key, 'end'))
  if (Array.isArray(key) && Array.isArray(value)) return indexesOf(value, key)
  return undefined
}

/** What `.[key]` gives. Raises where values of this kind cannot be asked for such a key. */
export function index(value: JqValue, key: JqValue): JqValue {
  const found = lookUp(value, key)
  if (found !== undefined) return found
  if (isObject(key) && (Array.isArray(value) || typeof value === 'string')) {
    raise(`Start and end indices of an ${Array.isArray(value) ? 'array' : 'string'} slice must be numbers`)
  }
  const what = typeof key === 'string' && key.length < SHOWN_KEY_CHARS ? `string "${key}"` : kindOf(key)
  return raise(`Cannot index ${kindOf(value)} with ${what}`)
}

/** Slices of arrays and, by code point, texts; undefined where value or bounds are of the wrong kind. */
export function sliceOf(value: JqValue, from: JqValue | undefined, to: JqValue | undefined): JqValue | undefined {
  if (value === null) return null
  if (Array.isArray(value)) {
    const bounds = boundsOf(value.length, from, to)
    if (bounds === undefined) return undefined
    if (bounds.end - bounds.start === value.length && value.length > 0) return value
    spend((bounds.end - bounds.start) / 16)
    return value.slice(bounds.start, bounds.end) as readonly JqValue[]
  }
  if (typeof value !== 'string') return undefined
  const bounds = boundsOf(codePoints(value), from, to)
  return bounds && codePointSlice(value, bounds.start, bounds.end)
}

/** Where a slice begins and ends in what is `length` long, from one end to the other for null; undefined where a bound is neither. */
export function boundsOf(
  length: number,
  from: JqValue | undefined,
  to: JqValue | undefined,
): { readonly start: number; readonly end: number } | undefined {
  const low = from === null ? 0 : from
  const high = to === null ? length : to
  if (typeof low !== 'number' || typeof high !== 'number') return undefined
  const within = (bound: number) => Math.max(0, Math.min(length, bound < 0 ? bound + length : bound || 0))
  const start = Math.floor(within(low))
  return { start, end: Math.max(start, Math.ceil(within(high))) }
}

/** Where a sequence stands in an array. */
export function indexesOf(values: readonly JqValue[], wanted: readonly JqValue[]): JqValue {
  if (wanted.length === 0) return []
  spend(values.length)
  const found: number[] = []
  for (let at = 0; at + wanted.length <= values.length; at++) {
    if (wanted.every((item, offset) => equalValues(values[at + offset]!, item))) found.push(at)
  }
  return found
}

/** How far an assignment can lengthen an array. */
const MAX_INDEX = 1 << 24

/** A copy of the value in which `key` is set. */
export function withKey(value: JqValue, key: JqValue, item: JqValue): JqValue {
  if (typeof key === 'string' && (value === null || isObject(value))) {
    const copy = copyObject(value ?? {})
    spend(1)
    setField(copy, key, item)
    return copy
  }
  if (typeof key === 'number' && (value === null || Array.isArray(value))) {
    return withItem((value ?? []) as readonly JqValue[], key, item)
  }
  if (isObject(key) && (value === null || Array.isArray(value))) {
    return withSlice((value ?? []) as readonly JqValue[], key, item)
  }
  return raise(`Cannot update field at ${kindOf(key)} index of ${kindOf(value)}`)
}

function withItem(values: readonly JqValue[], key: number, item: JqValue): JqValue {
  const whole = Math.trunc(key)
  const at = whole < 0 ? whole + values.length : whole
  if (!(at >= 0)) raise('Out of bounds negative array index')
  if (at > MAX_INDEX) raise('Array index too large')
  spend(1 + Math.max(values.length / 16, at - values.length))
  const copy = [...values]
  while (copy.length < at) copy.push(null)
  copy[at] = item
  return copy
}

function withSlice(values: readonly JqValue[], key: JqObject, items: JqValue): JqValue {
  const bounds = boundsOf(values.length, ownField(key, 'start'), ownField(key, 'end'))
  if (bounds === undefined) raise('Start and end indices of an array slice must be numbers')
  if (!Array.isArray(items)) raise('A slice of an array can only be assigned another array')
  spend((values.length + items.length) / 16)
  return [...values.slice(0, bounds.start), ...(items as readonly JqValue[]), ...values.slice(bounds.end)]
}

/** The value at a path; null where the path leads nowhere. */
export function atPath(value: JqValue, path: JqValue): JqValue {
  if (!Array.isArray(path)) raise('Path must be specified as an array')
  let found = value
  for (const key of path as readonly JqValue[]) found = index(found, key)
  return found
}

/** A copy of the value in which a path is set. */
export function withPath(value: JqValue, path: JqValue, item: JqValue): JqValue {
  if (!Array.isArray(path)) raise('Path must be specified as an array')
  return withKeys(value, path as readonly JqValue[], 0, () => item)
}

/** A copy of the value in which what stands at a path is changed. */
export function withKeys(value: JqValue, path: readonly JqValue[], from: number, change: (item: JqValue) => JqValue): JqValue {
  if (from === path.length) return change(value)
  const key = path[from]!
  return withKey(value, key, withKeys(index(value, key), path, from + 1, change))
}
