import type { MessageBatch } from '../batch/batch.ts'

/** Which messages a row group holds so far. */
export interface GroupExtent {
  count: number
  /** NaN while there are none, as is `lastPosition`. */
  firstPosition: number
  lastPosition: number
  minTimestamp: number
  maxTimestamp: number
}

/** No messages. */
export const openExtent = (): GroupExtent => ({
  count: 0,
  firstPosition: NaN,
  lastPosition: NaN,
  minTimestamp: Infinity,
  maxTimestamp: -Infinity,
})

/** Takes note of all messages of a batch, which is not empty. */
export function extend(extent: GroupExtent, { count, positions, timestamps }: MessageBatch): void {
  if (extent.count === 0) extent.firstPosition = positions[0]!
  extent.lastPosition = positions[count - 1]!
  extent.count += count
  for (let row = 0; row < count; row++) {
    const timestamp = timestamps[row]!
    if (timestamp < extent.minTimestamp) extent.minTimestamp = timestamp
    if (timestamp > extent.maxTimestamp) extent.maxTimestamp = timestamp
  }
}

/** The extent alone, of what has one among others. */
export const extentOf = ({ count, firstPosition, lastPosition, minTimestamp, maxTimestamp }: GroupExtent): GroupExtent => ({
  count,
  firstPosition,
  lastPosition,
  minTimestamp,
  maxTimestamp,
})
