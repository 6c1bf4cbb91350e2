import type { MessageBatch } from '../batch/batch.ts'
import { extend, openExtent } from '../encode/group-extent.ts'
import type { LaneSelection, OpenValues } from './selection.ts'

/** What of a batch is meant that no index knows, such as one that a broker gave; the batch itself where all is, undefined where nothing is. */
export async function selectBatch(
  selection: LaneSelection,
  batch: MessageBatch,
  open: OpenValues,
  signal: AbortSignal,
): Promise<MessageBatch | undefined> {
  const range = openExtent()
  extend(range, batch)
  return selection.verdict(range) === 'none' ? undefined : selection.match(batch, range, open, signal)
}
