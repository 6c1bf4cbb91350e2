import type { MessageBatch } from '../batch/batch.ts'
import { withRows } from './rows.ts'

/** The partition of each message's key as Kafka's default partitioner chooses it (murmur2); -1 for a null key. */
export function partitionKeys(batch: MessageBatch, partitions: number): Int32Array {
  const chosen = new Int32Array(batch.count)
  for (let row = 0; row < batch.count;) {
    row = withRows(
      batch,
      row,
      ({ columns }) => 4 * columns.count,
      ({ kernel, columns, bytesAt, free, nextRow }) => {
        kernel.exports.partitionKeys(columns.start, columns.count, bytesAt, partitions, free)
        chosen.set(kernel.i32.subarray(free / 4, free / 4 + columns.count), row)
        return nextRow
      },
    )
  }
  return chosen
}
