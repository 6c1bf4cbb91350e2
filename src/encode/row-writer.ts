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

/** What the kernel writes of rows: as `writeRows` does, and with the same result, or values alone. */
export type WriteRows = (rows: HashedRows, range: RowsRange) => number

/** Avro records, as the kernel's function writes them. */
export const avroRows = (write: WriteRows): RowWriter => ({
  scratchBytes: ({ encodedBytes }) => encodedBytes,
  isTooLarge: ({ encodedBytes }) => encodedBytes > MAX_MESSAGE_BYTES,
  write(rows, range) {
    const { kernel, free } = rows
    const result = kernel.arenaStart
    return {
      count: checkResult(write(rows, range), 'INTERNAL', 'messages cannot be written'),
      start: free,
      bytes: kernel.i32[result / 4]!,
      minTimestamp: kernel.f64[result / 8 + 1]!,
      maxTimestamp: kernel.f64[result / 8 + 2]!,
    }
  },
})

/** Messages as Avro records. */
export const avroWriter = avroRows(({ kernel, columns, bytesAt, free }, { from, to, pendingBytes, blockBytes }) => {
  const { start, count, headers } = columns
  return kernel.exports.writeRows(start, count, headers, from, to, bytesAt, free, pendingBytes, blockBytes, kernel.arenaStart)
})
