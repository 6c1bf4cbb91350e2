import { boundsOf, index, withKey } from './access.ts'
import { equalValues, sortedBy } from './compare.ts'
import { raise } from './raised.ts'
import { type JqValue, copyObject, isObject, kindOf, ownField } from './value.ts'

/** A copy of the value without what stands at any of the paths. */
export function deletePaths(value: JqValue, paths: JqValue): JqValue {
  if (!Array.isArray(paths)) raise('Paths must be specified as an array')
  const list = paths as readonly JqValue[]
  const sorted = sortedBy(list, list).map((at) => list[at]!)
  for (const path of sorted) if (!Array.isArray(path)) raise(`Path must be specified as array, not ${kindOf(path)}`)
  const keys = sorted as readonly (readonly JqValue[])[]
  if (keys.length === 0) return value
  return keys[0]!.length === 0 ? null : deleteSorted(value, keys, 0)
}

/** Paths that go on behind the same key lie side by side, the shortest first. */
function deleteSorted(value: JqValue, paths: readonly (readonly JqValue[])[], depth: number): JqValue {
  const gone: JqValue[] = []
  let changed = value
  for (let from = 0; from < paths.length;) {
    const key = paths[from]![depth]!
    let to = from + 1
    while (to < paths.length && equalValues(paths[to]![depth]!, key)) to++
    if (paths[from]!.length === depth + 1) {
      gone.push(key)
    } else {
      const inner = index(changed, key)
      if (inner !== null) changed = withKey(changed, key, deleteSorted(inner, paths.slice(from, to), depth + 1))
    }
    from = to
  }
  return withoutKeys(changed, gone)
}

function withoutKeys(value: JqValue, keys: readonly JqValue[]): JqValue {
  if (value === null || keys.length === 0) return value
  if (Array.isArray(value)) return withoutItems(value as readonly JqValue[], keys)
  if (!isObject(value)) raise(`Cannot delete fields from ${kindOf(value)}`)
  const copy = copyObject(value)
  for (const key of keys) {
    if (typeof key !== 'string') raise(`Cannot delete ${kindOf(key)} field of object`)
    delete copy[key]
  }
  return copy
}

function withoutItems(values: readonly JqValue[], keys: readonly JqValue[]): JqValue {
  const isGone = new Set<number>()
  for (const key of keys) {
    if (typeof key === 'number') {
      isGone.add(Math.trunc(key) + (key < 0 ? values.length : 0))
    } else if (isObject(key)) {
      const bounds = boundsOf(values.length, ownField(key, 'start'), ownField(key, 'end'))
      if (bounds === undefined) raise('Start and end indices of an array slice must be numbers')
      for (let at = bounds.start; at < bounds.end; at++) isGone.add(at)
    } else {
      raise(`Cannot delete ${kindOf(key)} element of array`)
    }
  }
  return values.filter((_, at) => !isGone.has(at))
}
