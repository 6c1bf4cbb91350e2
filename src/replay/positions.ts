/** Positions of a lane, rising: each alone, or all from one to before another. */
export type Positions = readonly (number | PositionRange)[]

/** From a position to before another. */
export type PositionRange = readonly [from: number, to: number]

/** The same as ranges. */
export const rangeOf = (item: number | PositionRange): PositionRange => (typeof item === 'number' ? [item, item + 1] : item)

/** A range, or its only position. */
export const compactRange = (from: number, to: number): number | PositionRange => (to === from + 1 ? from : [from, to])

/** The positions that are in both. */
export function inBoth(some: Positions, others: Positions): Positions {
  const both: (number | PositionRange)[] = []
  for (let [i, j] = [0, 0]; i < some.length && j < others.length;) {
    const [[from, to], [otherFrom, otherTo]] = [rangeOf(some[i]!), rangeOf(others[j]!)]
    const [least, end] = [Math.max(from, otherFrom), Math.min(to, otherTo)]
    if (least < end) both.push(compactRange(least, end))
    if (to < otherTo) i++
    else j++
  }
  return both
}

/** Whether the position is among them. */
export const holdsPosition = (positions: Positions, position: number): boolean =>
  positions.some((item) => {
    const [from, to] = rangeOf(item)
    return position >= from && position < to
  })
