import { spend } from './budget.ts'
import { type JqObject, type JqValue, ownField } from './value.ts'

/** Keys in the order of jq: by code point. */
export const sortedKeys = (object: JqObject): string[] => Object.keys(object).sort(compareTexts)

/** Texts in the order of their code points, which is that of their UTF-8 too. */
export function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  const end = Math.min(a.length, b.length)
  for (let at = 0; at < end; at++) {
    const x = a.charCodeAt(at)
    const y = b.charCodeAt(at)
    if (x !== y) return x < 0xd8_00 || y < 0xd8_00 ? x - y : rankOf(x) - rankOf(y)
  }
  return a.length - b.length
}

/** Surrogates stand for what comes after all that is one unit long. */
const rankOf = (unit: number): number => (unit >= 0xe0_00 ? unit - 0x8_00 : unit + 0x20_00)

function rankOfKind(value: JqValue): number {
  if (value === null) return 0
  if (value === false) return 1
  if (value === true) return 2
  if (typeof value === 'number') return 3
  if (typeof value === 'string') return 4
  return Array.isArray(value) ? 5 : 6
}

/** Below, at or above zero: null < false < true < numbers < texts < arrays < objects; NaN below all numbers, itself too. */
export function compareValues(a: JqValue, b: JqValue): number {
  if (typeof a === 'number' && typeof b === 'number') {
    if (Number.isNaN(a)) return -1
    return Number.isNaN(b) ? 1 : a - b || (a < b ? -1 : a > b ? 1 : 0)
  }
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b)
  const ranks = rankOfKind(a) - rankOfKind(b)
  if (ranks !== 0 || a === null || typeof a !== 'object') return ranks
  return Array.isArray(a) ? compareArrays(a, b as readonly JqValue[]) : compareObjects(a as JqObject, b as JqObject)
}

function compareArrays(a: readonly JqValue[], b: readonly JqValue[]): number {
  const end = Math.min(a.length, b.length)
  for (let at = 0; at < end; at++) {
    spend(1)
    const order = compareValues(a[at]!, b[at]!)
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareObjects(a: JqObject, b: JqObject): number {
  const keys = sortedKeys(a)
  spend(keys.length)
  const order = compareArrays(keys, sortedKeys(b))
  if (order !== 0) return order
  for (const key of keys) {
    const order = compareValues(ownField(a, key)!, ownField(b, key)!)
    if (order !== 0) return order
  }
  return 0
}

/** Whether two values are the same; NaN equals nothing. */
export function equalValues(a: JqValue, b: JqValue): boolean {
  if (a === b) return true
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false
    spend(a.length)
    return a.every((item, at) => equalValues(item as JqValue, (b as readonly JqValue[])[at]!))
  }
  if (Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  spend(keys.length)
  return keys.every((key) => Object.hasOwn(b, key) && equalValues((a as JqObject)[key]!, (b as JqObject)[key]!))
}

/** The values in the order of their keys; what compares as equal stays in the order it had. */
export function sortedBy(values: readonly JqValue[], keys: readonly JqValue[]): number[] {
  spend(values.length * (1 + Math.log2(values.length + 1)))
  return values.map((_, at) => at).sort((x, y) => compareValues(keys[x]!, keys[y]!))
}
