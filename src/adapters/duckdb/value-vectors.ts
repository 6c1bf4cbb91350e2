import type { WireColumn } from '../../query/column-builder.ts'
import type { ValueRows } from '../../query/parts.ts'
import type { Bindings, Vector } from './bindings.ts'
import { type ChunkRows, constant, fillCells } from './vectors.ts'

/** Fills one column of a chunk with what is known of values. Types that are text in the scan are cast in the view. */
export function fillValueColumn(bindings: Bindings, vector: Vector, column: string, rows: ChunkRows, values: ValueRows): void {
  switch (column) {
    case 'topic':
      return constant(bindings, vector, rows.topic)
    case 'lane':
      return constant(bindings, vector, rows.part.lane)
    case 'object':
      return constant(bindings, vector, values.object)
    case 'position':
      return fillPositions(bindings, vector, rows, values.firstPosition)
    case 'min_timestamp':
      return fillTime(bindings, vector, rows.count, values.minTimestamp)
    case 'max_timestamp':
      return fillTime(bindings, vector, rows.count, values.maxTimestamp)
    default: {
      const text = values.paths[column]
      const cells = values.columns[column]
      if (text !== undefined) constant(bindings, vector, text)
      else if (cells === undefined) fillNulls(bindings, vector, rows.count)
      else fillWire(bindings, vector, rows, cells)
    }
  }
}

function fillNulls(bindings: Bindings, vector: Vector, count: number): void {
  const none = new ArrayBuffer(Math.ceil(count / 64) * 8)
  bindings.vector_ensure_validity_writable(vector)
  bindings.copy_data_to_vector_validity(vector, 0, none, 0, none.byteLength)
}

/** Positions that follow each other, or none where nobody knows them. */
function fillPositions(bindings: Bindings, vector: Vector, { from, count }: ChunkRows, first: number | undefined): void {
  if (first === undefined) return fillNulls(bindings, vector, count)
  const positions = BigInt64Array.from({ length: count }, (_, row) => BigInt(first + from + row))
  bindings.copy_data_to_vector(vector, 0, positions.buffer, 0, positions.byteLength)
}

function fillTime(bindings: Bindings, vector: Vector, count: number, millis: number): void {
  const times = new BigInt64Array(count).fill(BigInt(millis) * 1000n)
  bindings.copy_data_to_vector(vector, 0, times.buffer, 0, times.byteLength)
}

function fillWire(bindings: Bindings, vector: Vector, { from, count }: ChunkRows, column: WireColumn): void {
  const { wire, cells, valid, bytes, starts, ends } = column
  if (bytes !== undefined && starts !== undefined && ends !== undefined)
    return fillCells(bindings, vector, { bytes, starts, ends, from, count }, column.isText === true)
  if (cells === undefined) throw new TypeError(`cells of ${wire} are missing`)
  const size = cellBytes[wire]
  bindings.copy_data_to_vector(vector, 0, cells.buffer, from * size, count * size)
  if (valid === undefined) return
  // Chunks begin where a byte of the bits does.
  bindings.vector_ensure_validity_writable(vector)
  bindings.copy_data_to_vector_validity(
    vector,
    0,
    valid.buffer,
    from >> 3,
    Math.min(Math.ceil(count / 64) * 8, valid.byteLength - (from >> 3)),
  )
}

const cellBytes: Readonly<Record<WireColumn['wire'], number>> = {
  boolean: 1,
  int32: 4,
  int64: 8,
  float: 4,
  double: 8,
  bytes: 0,
}
