import type { LaneSpan } from '../../search/selection.ts'
import type { LaneId } from '../../source/lane.ts'
import type { SearchOrder } from './request.ts'

/** How far a search has come in each lane. */
export interface Progress {
  /** All that matches in the lane below `position` was given. */
  reach(lane: LaneId, position: number): void
  /** What is left; each lane's part where it still has one. */
  left(): readonly LaneSpan[]
  /** Whether anything was looked through. */
  readonly hasMoved: boolean
}

const nameOf = ({ topic, topicId, lane }: LaneId): string => JSON.stringify([topic, topicId, lane])

/** The progress of a search through these parts of lanes; by lane, one that is reached says that those before it are done. */
export function createProgress(spans: readonly LaneSpan[], order: SearchOrder): Progress {
  const places = new Map(spans.map((span, at) => [nameOf(span.lane), at]))
  const next = spans.map(({ from }) => from)
  let first = 0
  let hasMoved = false
  return {
    reach(lane, position) {
      const at = places.get(nameOf(lane))
      if (at === undefined || position <= next[at]!) return
      next[at] = position
      if (order === 'lane') first = Math.max(first, at)
      hasMoved = true
    },
    left: () =>
      spans.flatMap((span, at) => {
        const from = Math.max(span.from, next[at]!)
        return at < first || from >= span.to ? [] : [{ ...span, from }]
      }),
    get hasMoved() {
      return hasMoved
    },
  }
}
