import type { MessageBatch } from '../batch/batch.ts'
import type { WireColumn } from './column-builder.ts'

/** Messages of one lane for a query; `batch` is left out where only their number is wanted. */
export interface QueryPart {
  readonly lane: string
  readonly count: number
  readonly batch?: MessageBatch
  /** For topics of values: their cells. */
  readonly values?: ValueRows
}

/** Values of one block, as a scan gives them. */
export interface ValueRows {
  /** The key of the object. */
  readonly object: string
  readonly minTimestamp: number
  readonly maxTimestamp: number
  /** The position of the first value where each has the one that follows the one before it; undefined where nobody knows. */
  readonly firstPosition: number | undefined
  /** What the layout put in the path, by columns of the scan. */
  readonly paths: Readonly<Record<string, string>>
  /** Cells by columns of the scan; those that were not asked for are not there. */
  readonly columns: Readonly<Record<string, WireColumn>>
}
