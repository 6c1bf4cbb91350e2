import { compactRange, type PositionRange, type Positions, rangeOf } from './positions.ts'

/** Which messages of a part its target refused, so that they can be sent again, however many there are. */
export interface Refused {
  /** Where they lie. Of what the part selects nothing else lies there; what it does not select may. */
  readonly at: Positions
  /** How many of them lie there; those that found no place are in the counts of the part alone. */
  readonly count: number
  /** Behind the last range the part selects nothing but what was refused, up to here. */
  readonly clearTo: number
}

const NOTHING: Refused = { at: [], count: 0, clearTo: -1 }
/**
 * Ranges that a part keeps. No fewer than a job keeps reasons, so that what is known by name has its place here too; no more than can be stored with every step
 * of a part.
 */
export const MAX_REFUSED_RANGES = 1000

/** A step of a part, from a position to before another. */
export interface RefusingStep {
  readonly from: number
  readonly to: number
  readonly counts: { readonly read: number; readonly failed: number }
  /** The positions of what was refused, in any order. */
  readonly refused: readonly number[]
}

/**
 * What is refused when a step is added. Where all that a step read was refused it is one range, whatever lies between; else only neighbours are put together.
 */
export function addRefused(before: Refused = NOTHING, { from, to, counts, refused }: RefusingStep): Refused {
  const isAll = counts.read === counts.failed
  const isClear = isAll && before.clearTo === from
  if (refused.length === 0) return isClear ? { ...before, clearTo: to } : before
  const at = [...before.at]
  let [count, end] = [before.count, lastOf(at)?.[1] ?? -1]
  // A target that lost what it had is sent it again.
  const positions = refused.toSorted((a, b) => a - b).filter((position) => position >= end)
  if (positions.length === 0) return before
  const add = (first: number, next: number, messages: number, isNext: boolean): void => {
    if (isNext && at.length > 0) at.push(compactRange(lastOf([at.pop()!])![0], next))
    else if (at.length < MAX_REFUSED_RANGES) at.push(compactRange(first, next))
    else return
    count += messages
    end = next
  }
  if (isAll) add(positions[0]!, positions.at(-1)! + 1, positions.length, isClear)
  else for (const position of positions) add(position, position + 1, 1, position === end)
  if (count === before.count) return before
  return { at, count, clearTo: isAll ? to : end }
}

function lastOf(at: Positions): PositionRange | undefined {
  const last = at.at(-1)
  return last === undefined ? undefined : rangeOf(last)
}
