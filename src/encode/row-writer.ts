import type { ColumnsPlace } from '../kernel/columns.ts'
import { checkResult } from '../kernel/fault.ts'
import type { HashedRows } from './lookup-hashes.ts'

/** Rows in the kernel, and an upper bound of their Avro encoding: how much they are. */
export interface MeasuredRows {
  readonly kernel: HashedRows['kernel']
  readonly columns: ColumnsPlace
  readonly encodedBytes: number
}

/** Which rows to write, and into what. */
export interface RowsRange {
  readonly from: number
  readonly to: number
  /** What the block holds already. */
  readonly pendingBytes: number
  /** A row that would make the block longer is left, unless the block is empty. */
  readonly blockBytes: number
}

/** Rows that were written; the bytes lie in the kernel. */
export interface WrittenRows {
  readonly count: number
  readonly start: number
  readonly bytes: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
}

/** Writes messages that lie in the kernel as records of a format. */
export interface RowWriter {
  /** Room that `write` needs from `free` on for all of these rows. */
  scratchBytes(rows: MeasuredRows): number
  /** Whether a single message is too large for a block. */
  isTooLarge(rows: MeasuredRows): boolean
  write(rows: HashedRows, range: RowsRange): WrittenRows
}

/** Largest message that a block can hold, in bytes of its encoding. */
export const MAX_MESSAGE_BYTES = 1024 * 1024 * 1024

/** Messages as Avro records. */
export const avroWriter: RowWriter = {
  scratchBytes: ({ encodedBytes }) => encodedBytes,
  isTooLarge: ({ encodedBytes }) => encodedBytes > MAX_MESSAGE_BYTES,
  write({ kernel, columns, bytesAt, free }, { from, to, pendingBytes, blockBytes }) {
    const result = kernel.arenaStart
    const { start, count, headers } = columns
    const taken = kernel.exports.writeRows(start, count, headers, from, to, bytesAt, free, pendingBytes, blockBytes, result)
    checkResult(taken, 'INTERNAL', 'messages cannot be written')
    return {
      count: taken,
      start: free,
      bytes: kernel.i32[result / 4]!,
      minTimestamp: kernel.f64[result / 8 + 1]!,
      maxTimestamp: kernel.f64[result / 8 + 2]!,
    }
  },
}
