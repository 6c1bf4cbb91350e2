import type { CellBuilder } from './column-builder.ts'
import type { ValueColumn } from './value-types.ts'

/** A Parquet file whose footer was read. */
export interface ParquetFile {
  readonly columns: readonly ValueColumn[]
  /**
   * Reads the row group that begins at byte `offset` of the file from its bytes alone; `cellsOf` gives where the cells of a column go, undefined
   * for one that is not wanted, which costs nothing then. Gives how many rows there are.
   * @throws MillpondError `BLOCK_CORRUPT`.
   */
  readGroup(stored: Uint8Array, offset: number, cellsOf: (column: string) => CellBuilder | undefined): Promise<void>
}

/** Reads Parquet files whose columns are not known before. */
export interface ParquetReader {
  /** @throws MillpondError `SEGMENT_CORRUPT` for what is no end of a Parquet file, `FORMAT_UNSUPPORTED` for columns that are not read. */
  open(footer: Uint8Array): ParquetFile
}
