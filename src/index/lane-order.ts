import type { LaneId } from '../source/lane.ts'

/** The one order of lanes everywhere: topic, then topic id, then lane, numbers among the lanes in numeric order before other names. */
export function compareLanes(a: LaneId, b: LaneId): number {
  return compareText(a.topic, b.topic) || compareText(a.topicId, b.topicId) || compareLaneNames(a.lane, b.lane)
}

/** Whether both name the same lane. */
export const sameLane = (a: LaneId, b: LaneId): boolean => a.lane === b.lane && a.topic === b.topic && a.topicId === b.topicId

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** A number written the one usual way, short enough to be exact. */
const NUMBER = /^(0|[1-9]\d{0,14})$/

function compareLaneNames(a: string, b: string): number {
  const aIsNumber = NUMBER.test(a)
  const bIsNumber = NUMBER.test(b)
  if (aIsNumber && bIsNumber) return Number(a) - Number(b)
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1
  return compareText(a, b)
}
