import type { MessageBatch } from '../batch/batch.ts'
import { selectRows } from '../batch/batch.ts'
import { partitionKeys } from '../kernel/partition.ts'
import type { ReplayPart } from './part.ts'
import { rangeOf } from './positions.ts'

/** Whether every message of the selection in the part's range is the part's. */
export const isWholeLane = ({ shard, only }: ReplayPart): boolean => shard === null && only === null

/** Named positions this far apart are read as one range. */
const NEAR_POSITIONS = 1000

/** What has to be read for a part from a position on. */
export function* rangesOf({ only, toPosition }: ReplayPart, position: number): Generator<{ from: number; to: number }> {
  if (only === null) {
    if (position < toPosition) yield { from: position, to: toPosition }
    return
  }
  let range: { from: number; to: number } | undefined
  for (const [first, to] of only.map(rangeOf)) {
    if (to <= position) continue
    const from = Math.max(first, position)
    if (range !== undefined && from - range.to > NEAR_POSITIONS) {
      yield range
      range = undefined
    }
    range = { from: range?.from ?? from, to }
  }
  if (range !== undefined) yield range
}

/** The messages of the batch that are the part's: of its shard of keys, and among the positions that it names. */
export function rowsOf(batch: MessageBatch, { shard, only }: ReplayPart): MessageBatch {
  if (shard === null && only === null) return batch
  const shards = shard === null || batch.count === 0 ? undefined : partitionKeys(batch, shard.count)
  const named = only?.map(rangeOf)
  let next = 0
  const rows = new Int32Array(batch.count)
  let count = 0
  for (let row = 0; row < batch.count; row++) {
    // Messages without a key have -1.
    if (shards !== undefined && Math.max(0, shards[row]!) !== shard!.index) continue
    if (named !== undefined) {
      const position = batch.positions[row]!
      while (next < named.length && named[next]![1] <= position) next++
      if (next === named.length) break
      if (position < named[next]![0]) continue
    }
    rows[count++] = row
  }
  return count === batch.count ? batch : selectRows(batch, rows.subarray(0, count))
}
