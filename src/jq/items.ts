import { spend } from './budget.ts'
import { described } from './json-text.ts'
import { raise } from './raised.ts'
import type { JqValue } from './value.ts'

/** What `.[]` gives. */
export function itemsOf(input: JqValue): readonly JqValue[] {
  if (typeof input !== 'object' || input === null) raise(`Cannot iterate over ${described(input)}`)
  const items = Array.isArray(input) ? (input as readonly JqValue[]) : Object.values(input)
  spend(items.length)
  return items
}
