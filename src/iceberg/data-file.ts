import type { ColumnBounds } from './column-bounds.ts'
import type { ParquetFooter } from './parquet-footer.ts'
import type { PartitionTuple } from './partition.ts'
import { shortBound, valueBytes } from './values.ts'

/** A data file as a manifest lists it. Maps are by field id. */
export interface DataFile {
  /** The whole address. */
  readonly path: string
  readonly format: string
  readonly partition: PartitionTuple
  readonly rows: number
  readonly bytes: number
  readonly columnBytes: ReadonlyMap<number, number> | undefined
  readonly valueCounts: ReadonlyMap<number, number> | undefined
  readonly nullCounts: ReadonlyMap<number, number> | undefined
  readonly nanCounts: ReadonlyMap<number, number> | undefined
  readonly lowerBounds: ReadonlyMap<number, Uint8Array> | undefined
  readonly upperBounds: ReadonlyMap<number, Uint8Array> | undefined
  readonly splitOffsets: readonly number[] | undefined
}

/** The entry of a file, out of what it says of its columns. */
export function dataFile(
  file: { readonly path: string; readonly bytes: number; readonly partition: PartitionTuple },
  footer: ParquetFooter,
  bounds: ReadonlyMap<number, ColumnBounds>,
): DataFile {
  const flat = [...bounds].filter(([, { repeated }]) => !repeated)
  const collect = <T>(entries: readonly (readonly [number, ColumnBounds])[], value: (bounds: ColumnBounds) => T | undefined) =>
    new Map(
      entries.flatMap(([id, one]): [number, T][] => {
        const found = value(one)
        return found === undefined ? [] : [[id, found]]
      }),
    )
  const end = (which: 'min' | 'max') => (one: ColumnBounds) => {
    const short = one[which] === undefined ? undefined : shortBound(one[which], which)
    return short === undefined ? undefined : valueBytes(one.type, short)
  }
  return {
    ...file,
    format: 'PARQUET',
    rows: footer.rows,
    columnBytes: collect([...bounds], ({ bytes }) => bytes),
    valueCounts: collect(flat, ({ values }) => values),
    nullCounts: collect(flat, ({ nulls }) => nulls),
    nanCounts: collect(flat, ({ nans }) => nans),
    lowerBounds: collect(flat, end('min')),
    upperBounds: collect(flat, end('max')),
    splitOffsets: footer.splitOffsets,
  }
}
