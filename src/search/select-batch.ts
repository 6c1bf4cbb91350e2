import type { MessageBatch } from '../batch/batch.ts'
import type { SegmentRange } from '../index/segment-directory.ts'
import type { LaneSelection, OpenValues } from './selection.ts'

/** What of a batch is meant that no index knows, such as one that a broker gave; the batch itself where all is, undefined where nothing is. */
export async function selectBatch(
  selection: LaneSelection,
  batch: MessageBatch,
  open: OpenValues,
  signal: AbortSignal,
): Promise<MessageBatch | undefined> {
  const range = rangeOf(batch)
  return selection.verdict(range) === 'none' ? undefined : selection.match(batch, range, open, signal)
}

/** Timestamps may be in any order. */
function rangeOf({ positions, timestamps, count }: MessageBatch): SegmentRange {
  let [minTimestamp, maxTimestamp] = [Infinity, -Infinity]
  for (let row = 0; row < count; row++) {
    minTimestamp = Math.min(minTimestamp, timestamps[row]!)
    maxTimestamp = Math.max(maxTimestamp, timestamps[row]!)
  }
  return { firstPosition: positions[0]!, lastPosition: positions[count - 1]!, minTimestamp, maxTimestamp }
}
