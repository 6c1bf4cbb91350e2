import type { MessageBatch } from '../batch/batch.ts'
import type { SchemaNode } from './parquet-schema.ts'

/** Writes values as columns. */
export interface ValueWriter {
  /** The columns' schema; it may change with `learn`. */
  readonly schema: readonly SchemaNode[]
  /**
   * Sees the values of rows that `write` will be given next; tells whether the schema is another one afterwards. Writers whose schema is given
   * do not have it.
   */
  learn?(batch: MessageBatch, from: number, to: number): boolean
  /** Called before the first row of a batch is checked or written. */
  begin(batch: MessageBatch): void
  /** Goes over the value of a row, which begins at `start`. @throws MillpondError `INPUT_INVALID` where it does not fit the schema. */
  check(batch: MessageBatch, row: number, start: number): void
  /** Writes the value of a row. @throws MillpondError `INPUT_INVALID`, with a part of it written; `check` tells beforehand. */
  write(batch: MessageBatch, row: number, start: number): void
}
