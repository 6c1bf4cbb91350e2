import { atPath, index, indexesOf, withPath } from './access.ts'
import { spend } from './budget.ts'
import { textIndexes } from './builtins-text.ts'
import { compareValues, equalValues, sortedBy, sortedKeys } from './compare.ts'
import { deletePaths } from './delete-paths.ts'
import type { ValueFunctions } from './functions.ts'
import { itemsOf } from './items.ts'
import { described } from './json-text.ts'
import { add, subtract } from './operators.ts'
import { raise } from './raised.ts'
import { codePoints } from './text.ts'
import { type JqValue, hasField, isObject, isTruthy, kindOf, ownField, setField } from './value.ts'

/** Builtins over arrays, objects and values of any type. */
export const valueFunctions: ValueFunctions = {
  'not/0': (input) => !isTruthy(input),
  'type/0': kindOf,
  'length/0': lengthOf,
  'keys/0': (input) => (isObject(input) ? sortedKeys(input) : keysOfArray(input)),
  'keys_unsorted/0': (input) => (isObject(input) ? Object.keys(input) : keysOfArray(input)),
  'has/1': has,
  'contains/1': contains,
  'in/1': (input, outer) => has(outer, input),
  'inside/1': (input, outer) => contains(outer, input),
  'add/0': (input) => itemsOf(input).reduce(add, null),
  'reverse/0': reverse,
  'sort/0': (input) => sortedItems(arrayOf(input, 'cannot be sorted, as it is not an array')),
  'min/0': (input) => extreme(comparable(input), (order) => order < 0),
  'max/0': (input) => extreme(comparable(input), (order) => order >= 0),
  'flatten/0': (input) => flatten(itemsOf(input), -1),
  'flatten/1': (input, depth) =>
    compareValues(depth, 0) < 0 ? raise('flatten depth must not be negative') : flatten(itemsOf(input), depth),
  'transpose/0': transpose,
  'to_entries/0': (input) => entriesOf(input).map(([key, value]) => ({ key, value })),
  'from_entries/0': fromEntries,
  'indices/1': indices,
  'index/1': (input, wanted) => index(indices(input, wanted), 0),
  'rindex/1': (input, wanted) => index(index(indices(input, wanted), { start: -1, end: null }), 0),
  'getpath/1': atPath,
  'setpath/2': withPath,
  'delpaths/1': deletePaths,
  'toarray/0': (input) => (Array.isArray(input) ? input : [input]),
  'bsearch/1': bsearch,
}

export function lengthOf(input: JqValue): number {
  if (input === null) return 0
  if (typeof input === 'string') {
    spend(input.length / 32)
    return codePoints(input)
  }
  if (typeof input === 'number') return Math.abs(input)
  if (typeof input === 'boolean') raise(`${described(input)} has no length`)
  return Array.isArray(input) ? input.length : Object.keys(input).length
}

const keysOfArray = (input: JqValue): JqValue =>
  Array.isArray(input) ? input.map((_, at) => at) : raise(`${described(input)} has no keys`)

function has(input: JqValue, key: JqValue): boolean {
  if (isObject(input) && typeof key === 'string') return hasField(input, key)
  if (Array.isArray(input) && typeof key === 'number') return Math.trunc(key) >= 0 && Math.trunc(key) < input.length
  if (input === null) return false
  return raise(`Cannot check whether ${kindOf(input)} has a ${kindOf(key)} key`)
}

function contains(outer: JqValue, inner: JqValue): boolean {
  // To jq, true and false are of two kinds.
  if (kindOf(outer) === kindOf(inner) && (typeof outer !== 'boolean' || outer === inner)) return holds(outer, inner)
  return raise(`${described(outer)} and ${described(inner)} cannot have their containment checked`)
}

function holds(outer: JqValue, inner: JqValue): boolean {
  spend(1)
  if (isObject(outer) && isObject(inner)) {
    return Object.entries(inner).every(([key, value]) => {
      const own = ownField(outer, key)
      return own !== undefined && holds(own, value)
    })
  }
  if (Array.isArray(outer) && Array.isArray(inner)) {
    return inner.every((wanted) => outer.some((item) => holds(item as JqValue, wanted as JqValue)))
  }
  return typeof outer === 'string' && typeof inner === 'string' ? outer.includes(inner) : equalValues(outer, inner)
}

export function arrayOf(input: JqValue, otherwise: string): readonly JqValue[] {
  return Array.isArray(input) ? (input as readonly JqValue[]) : raise(`${described(input)} ${otherwise}`)
}

const sortedItems = (items: readonly JqValue[]): readonly JqValue[] => sortedBy(items, items).map((at) => items[at]!)

function reverse(input: JqValue): JqValue {
  if (Array.isArray(input)) return [...(input as readonly JqValue[])].reverse()
  return lengthOf(input) === 0 ? [] : index(input, 0)
}

const comparable = (input: JqValue): readonly JqValue[] =>
  Array.isArray(input)
    ? (input as readonly JqValue[])
    : raise(`${described(input)} and ${described(input)} cannot be iterated over`)

/** The item that no other one takes the place of; `replaces` says whether the order of a later one to the best so far does. */
export function extreme(items: readonly JqValue[], replaces: (order: number) => boolean, keys = items): JqValue {
  let best = 0
  for (let at = 1; at < items.length; at++) if (replaces(compareValues(keys[at]!, keys[best]!))) best = at
  return items[best] ?? null
}

function flatten(items: readonly JqValue[], depth: JqValue): readonly JqValue[] {
  return items.flatMap((item) => {
    spend(1)
    return Array.isArray(item) && depth !== 0 ? flatten(item as readonly JqValue[], subtract(depth, 1)) : [item]
  })
}

function transpose(input: JqValue): JqValue {
  const rows = itemsOf(input)
  const width = rows.reduce<number>((most, row) => Math.max(most, lengthOf(row)), 0)
  if (!Array.isArray(input)) {
    if (rows.length === 0) raise('Range bounds must be numeric')
    if (width > 0) raise('Cannot index object with number')
  }
  spend(width * rows.length)
  return Array.from({ length: Math.ceil(width) }, (_, column) => rows.map((row) => index(row, column)))
}

export function entriesOf(input: JqValue): readonly (readonly [string | number, JqValue])[] {
  if (isObject(input)) {
    const entries = Object.entries(input)
    spend(entries.length)
    return entries
  }
  return arrayOf(input, 'has no keys').map((item, at) => [at, item] as const)
}

export function fromEntries(input: JqValue): JqValue {
  const object: Record<string, JqValue> = {}
  for (const entry of itemsOf(input)) {
    const keys = ['key', 'Key', 'name', 'Name'].map((name) => index(entry, name))
    const key = keys.find(isTruthy) ?? keys.at(-1)!
    const name = typeof key === 'string' ? key : raise(`Cannot use ${described(key)} as object key`)
    setField(object, name, has(entry, 'value') ? index(entry, 'value') : index(entry, 'Value'))
  }
  return object
}

function indices(input: JqValue, wanted: JqValue): JqValue {
  if (typeof input === 'string' && typeof wanted === 'string') return textIndexes(input, wanted)
  if (Array.isArray(input)) return indexesOf(input, Array.isArray(wanted) ? wanted : [wanted])
  return index(input, wanted)
}

function bsearch(input: JqValue, target: JqValue): JqValue {
  if (!Array.isArray(input)) return lengthOf(input) === 0 ? -1 : index(input, 0)
  const items = input as readonly JqValue[]
  let [low, high] = [0, items.length - 1]
  while (low <= high) {
    spend(1)
    const middle = (low + high) >> 1
    const order = compareValues(items[middle]!, target)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle - 1
  }
  return -1 - low
}
