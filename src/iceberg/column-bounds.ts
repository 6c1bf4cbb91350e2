import type { ParquetColumn, ParquetFooter } from './parquet-footer.ts'
import type { FileColumns, Leaf } from './parquet-schema.ts'
import { allParts, type FieldType, type Part, partsOf, pathKey, type PrimitiveType, type StructType } from './schema.ts'
import { compareValues, statisticValue, type Value } from './values.ts'

/** What a file says of one column. */
export interface ColumnBounds {
  readonly type: PrimitiveType
  readonly values: number
  readonly nulls: number | undefined
  readonly nans: number | undefined
  readonly min: Value | undefined
  readonly max: Value | undefined
  /** Compressed bytes; undefined where the file does not have the column. */
  readonly bytes: number | undefined
  /** Whether it lies in a list or map, where its values are not the file's rows. */
  readonly repeated: boolean
}

/** What a file says of each column of the table, by field id. A column that it does not have is null in all its rows. */
export function columnBounds(footer: ParquetFooter, columns: FileColumns, schema: StructType): Map<number, ColumnBounds> {
  const parts = new Map([...allParts(schema)].map((part) => [pathKey(part.names), part]))
  const bounds = new Map<number, ColumnBounds>()
  for (const [path, column] of footer.columns) {
    const leaf = columns.leaves.get(path)
    const part = leaf && parts.get(pathKey(leaf.names))
    if (leaf === undefined || part === undefined || typeof part.type !== 'string') continue
    const ends = leaf.repeated ? undefined : endsOf(leaf, part.type, column)
    const { values, nulls, nans, bytes } = column
    bounds.set(part.id, { type: part.type, values, nulls, nans, bytes, repeated: leaf.repeated, min: ends?.min, max: ends?.max })
  }
  for (const part of flatParts(schema)) {
    if (typeof part.type !== 'string' || bounds.has(part.id)) continue
    const absent = { values: footer.rows, nulls: footer.rows, nans: undefined, bytes: undefined, repeated: false }
    bounds.set(part.id, { type: part.type, ...absent, min: undefined, max: undefined })
  }
  return bounds
}

/** The parts of a struct, and of structs in it: of each there is one value a row. */
function* flatParts(type: FieldType): Generator<Part> {
  if (typeof type === 'string' || type.type !== 'struct') return
  for (const part of partsOf(type)) {
    yield part
    yield* flatParts(part.type)
  }
}

/** Smallest and largest value over all row groups. */
function endsOf(leaf: Leaf, type: PrimitiveType, { ranges }: ParquetColumn): { min: Value; max: Value } | undefined {
  let found: { min: Value; max: Value } | undefined
  for (const range of ranges ?? []) {
    const min = statisticValue(leaf, type, range.min, 'min')
    const max = statisticValue(leaf, type, range.max, 'max')
    if (min === undefined || max === undefined) return undefined
    found = {
      min: found !== undefined && compareValues(found.min, min) < 0 ? found.min : min,
      max: found !== undefined && compareValues(found.max, max) > 0 ? found.max : max,
    }
  }
  return found
}
