import type { Gap } from '../commit/commit.ts'

/** The gaps of some commits with those that removed messages leave; where ranges overlap they become one, which counts both. */
export function withRemoved(gaps: readonly Gap[], removed: readonly Gap[]): Gap[] {
  const sorted = [...gaps, ...removed].sort((a, b) => a.firstPosition - b.firstPosition || a.nextPosition - b.nextPosition)
  const joined: Gap[] = []
  for (const gap of sorted) {
    const last = joined.at(-1)
    const touches = last !== undefined && last.nextPosition === gap.firstPosition && last.reason === gap.reason
    if (last !== undefined && (touches || gap.firstPosition < last.nextPosition)) joined[joined.length - 1] = join(last, gap)
    else joined.push(gap)
  }
  return joined
}

const WEIGHT: Readonly<Record<Gap['reason'], number>> = { skipped: 0, expired: 1, removed: 2, forgotten: 3 }

const join = (left: Gap, right: Gap): Gap => ({
  firstPosition: left.firstPosition,
  nextPosition: Math.max(left.nextPosition, right.nextPosition),
  missing: left.missing + right.missing,
  reason: WEIGHT[right.reason] > WEIGHT[left.reason] ? right.reason : left.reason,
})

/** Single positions as gaps, neighbours as one. */
export function gapsOf(positions: Iterable<number>, reason: Gap['reason']): Gap[] {
  const gaps: Gap[] = []
  for (const position of [...positions].sort((a, b) => a - b)) {
    const last = gaps.at(-1)
    const gap = { firstPosition: position, nextPosition: position + 1, missing: 1, reason }
    if (last?.nextPosition === position) gaps[gaps.length - 1] = join(last, gap)
    else gaps.push(gap)
  }
  return gaps
}
