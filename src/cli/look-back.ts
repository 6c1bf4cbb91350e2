import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import { compactIfSparse } from '../batch/compact.ts'
import { isMillpondError } from '../errors.ts'
import type { LaneId } from '../source/lane.ts'
import type { LaneEnds, Stretch, TailPlace } from './tail-places.ts'

/** One message, as a batch, and where it is from. */
export interface Found {
  readonly lane: LaneId
  readonly batch: MessageBatch
  readonly timestamp: number
}

/** How it is looked back. */
export interface LookingBack {
  /** Messages that are wanted. */
  readonly count: number
  /** No position from here on is meant. */
  readonly end: number
  /** Whether all messages are meant, so that there is no need to look at more than are wanted. */
  readonly isAll: boolean
  readonly onLooked: (positions: number) => void
}

/** Where few of many are meant, not so few positions are looked at that nearly none is among them. */
const FIRST_POSITIONS = 1000

/**
 * The newest messages that are meant, by timestamp: of the last ones of each lane, which is read back, each time twice as far as before, until there are enough.
 */
export async function newestOf(
  place: Pick<TailPlace, 'read'>,
  lanes: readonly LaneEnds[],
  { count, end, isAll, onLooked }: LookingBack,
): Promise<readonly Found[]> {
  const newest: Found[] = []
  for (const { lane, oldest, next } of lanes) {
    let found: Found[] = []
    let to = Math.min(next, end)
    for (let size = isAll ? count : Math.max(count, FIRST_POSITIONS); to > oldest && found.length < count; size *= 2) {
      const from = Math.max(oldest, to - size)
      found = [...(await lastBetween(place, { lane, from, to }, count)), ...found].slice(-count)
      onLooked(to - from)
      to = from
    }
    newest.push(...found)
  }
  return newest.sort((a, b) => a.timestamp - b.timestamp).slice(-count)
}

/** The last messages between two positions that are meant, or some more. */
async function lastBetween(place: Pick<TailPlace, 'read'>, stretch: Stretch, count: number): Promise<Found[]> {
  const { lane, from, to } = stretch
  let found: Found[] = []
  try {
    for await (const batch of place.read(stretch)) {
      const last = compactIfSparse(sliceBatch(batch, Math.max(0, batch.count - count), batch.count))
      for (let row = 0; row < last.count; row++) {
        found.push({ lane, batch: sliceBatch(last, row, row + 1), timestamp: last.timestamps[row]! })
      }
      if (found.length > 2 * count) found = found.slice(-count)
    }
  } catch (error) {
    // What has been removed since the lane was asked for its ends is no longer among its newest.
    const oldest = isMillpondError(error, 'POSITION_GONE') ? Number(error.details['oldest']) : Number.NaN
    if (!(oldest > from)) throw error
    return oldest < to ? lastBetween(place, { lane, from: oldest, to }, count) : []
  }
  return found
}
