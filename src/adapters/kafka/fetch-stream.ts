import type { LaneId } from '../../source/lane.ts'
import type { FetchedSet } from './fetch-kept.ts'

/** One partition that is fetched for one reader. */
export interface Stream {
  readonly lane: LaneId
  readonly partition: number
  /** Where reading began. */
  readonly fromPosition: number
  /** What the next request asks for. */
  offset: number
  /** Of what lies before the offset: -1 where that is not known, undefined where it was not looked for. */
  lastEpoch: number | undefined
  readonly waiting: FetchedSet[]
  /** What those take that wait. */
  waitingBytes: number
  /** What the one takes that the reader was given last, until it comes for the next. */
  givenBytes: number
  /** What ends the stream, given after what waits. */
  failure: unknown
  isClosed: boolean
  isInFlight: boolean
  /** Nothing came the last time. */
  isQuiet: boolean
  /** The last time brought all that there was. */
  isAtEnd: boolean
  /** Orders requests: who was served longest ago comes first, so that a batch larger than its share has its turn. */
  served: number
  leaderEpoch: number
  /** Asked for at the least, where one batch is so large. */
  neededBytes: number
  /** It is known to the observer to work. */
  isSettled: boolean
  /** In a row. */
  failures: number
  failingSinceMs: number
  corruptSets: number
  /** In a row. */
  outOfRange: number
  changed: PromiseWithResolvers<void>
}

export const createStream = (lane: LaneId, offset: number): Stream => ({
  lane,
  partition: Number(lane.lane),
  fromPosition: offset,
  offset,
  lastEpoch: undefined,
  waiting: [],
  waitingBytes: 0,
  givenBytes: 0,
  failure: undefined,
  isClosed: false,
  isInFlight: false,
  isQuiet: false,
  isAtEnd: false,
  served: 0,
  leaderEpoch: -1,
  neededBytes: 0,
  isSettled: false,
  failures: 0,
  failingSinceMs: 0,
  corruptSets: 0,
  outOfRange: 0,
  changed: Promise.withResolvers<void>(),
})

/** Lets the stream's reader look again. */
export function wake(stream: Stream): void {
  stream.changed.resolve()
  stream.changed = Promise.withResolvers<void>()
}
