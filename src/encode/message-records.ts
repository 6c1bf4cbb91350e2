import type { MessageBatch } from '../batch/batch.ts'
import { checkResult } from '../kernel/fault.ts'
import { withRows } from '../kernel/rows.ts'
import { avroWriter } from './row-writer.ts'

/** Records of the kernel's that are on their way, and where each of them ends, counted from the first; both are the kernel's own memory. */
export type TakeRecords = (records: Uint8Array, ends: Int32Array) => void

/** No end: a call of the kernel takes few enough rows. */
const MAX_BYTES = 0x7fff_ffff

/** Writes messages as Avro records that `readRecords` reads, and hands them over some at a time. */
export function writeRecords(batch: MessageBatch, take: TakeRecords): void {
  for (let row = 0; row < batch.count;) {
    row = withRows(
      batch,
      row,
      ({ columns, encodedBytes }) => encodedBytes + 8 + 4 * columns.count,
      (rows) => {
        const { kernel, columns, nextRow } = rows
        const { count, start, bytes } = avroWriter.write(rows, {
          from: 0,
          to: columns.count,
          pendingBytes: 0,
          blockBytes: MAX_BYTES,
        })
        const endsAt = Math.ceil((start + bytes) / 8) * 8
        checkResult(kernel.exports.findRowEnds(start, bytes, count, endsAt), 'INTERNAL', 'records end elsewhere')
        take(kernel.bytes.subarray(start, start + bytes), kernel.i32.subarray(endsAt / 4, endsAt / 4 + count))
        return nextRow
      },
    )
  }
}
