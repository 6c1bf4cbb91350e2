import { isAscii, isUtf8 } from 'node:buffer'
import type { MessageBatch } from '../../batch/batch.ts'
import { bytesText } from '../../query/cell-text.ts'
import type { ScanColumn } from '../../query/columns.ts'
import type { QueryPart } from '../../query/parts.ts'
import type { Bindings, Vector } from './bindings.ts'

/** Rows of a part that go into one chunk. */
export interface ChunkRows {
  readonly topic: string
  readonly part: QueryPart
  readonly from: number
  readonly count: number
}

const TWO_32 = 2 ** 32

/** Fills one column of a chunk. */
export function fillColumn(bindings: Bindings, vector: Vector, column: ScanColumn, rows: ChunkRows): void {
  const { topic, part } = rows
  if (column === 'topic') return constant(bindings, vector, topic)
  if (column === 'lane') return constant(bindings, vector, part.lane)
  if (part.batch === undefined) throw new TypeError(`nothing was read that ${column} could be made of`)
  switch (column) {
    case 'position':
      return fillNumbers(bindings, vector, rows, part.batch.positions, 1)
    case 'timestamp':
      return fillNumbers(bindings, vector, rows, part.batch.timestamps, 1000)
    case 'headers':
    case 'header_bytes':
      return fillHeaders(bindings, vector, part.batch, rows, column === 'headers')
    case 'key':
    case 'key_bytes':
    case 'value':
    case 'value_bytes':
    case 'id':
      return fillBytes(bindings, vector, part.batch, rows, column)
    default:
      throw new TypeError(`no column ${String(column satisfies never)}`)
  }
}

/** The same text in all rows. */
export function constant(bindings: Bindings, vector: Vector, text: string): void {
  bindings.vector_reference_value(vector, bindings.create_varchar(text))
}

/** 64-bit numbers, `factor` times as large, as halves: a BigInt for each would take several times as long. */
function fillNumbers(
  bindings: Bindings,
  vector: Vector,
  { from, count }: ChunkRows,
  numbers: Float64Array,
  factor: number,
): void {
  const wide = new BigInt64Array(count)
  const halves = new Uint32Array(wide.buffer)
  for (let row = 0; row < count; row++) {
    const number = numbers[from + row]!
    const product = number * factor
    if (Number.isSafeInteger(product)) {
      const high = Math.floor(product / TWO_32)
      halves[2 * row] = product - high * TWO_32
      halves[2 * row + 1] = high
    } else wide[row] = BigInt(number) * BigInt(factor)
  }
  bindings.copy_data_to_vector(vector, 0, wide.buffer, 0, wide.byteLength)
}

const spans = {
  key: ['keyStart', 'keyEnd'],
  key_bytes: ['keyStart', 'keyEnd'],
  value: ['valueStart', 'valueEnd'],
  value_bytes: ['valueStart', 'valueEnd'],
  id: ['idStart', 'idEnd'],
} as const

function fillBytes(bindings: Bindings, vector: Vector, batch: MessageBatch, rows: ChunkRows, column: keyof typeof spans): void {
  const [start, end] = spans[column]
  const isText = !column.endsWith('_bytes')
  const cells = { bytes: batch.bytes, starts: batch[start], ends: batch[end], from: rows.from, count: rows.count }
  fillCells(bindings, vector, cells, isText)
}

/** Where cells of bytes lie. */
export interface Cells {
  readonly bytes: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly from: number
  readonly count: number
}

/** Null where a start is negative. */
export function fillCells(
  bindings: Bindings,
  vector: Vector,
  { bytes, starts, ends, from, count }: Cells,
  isText: boolean,
): void {
  const isPlain = !isText || isAsciiOnce(bytes)
  const valid = new Uint8Array(Math.ceil(count / 64) * 8).fill(0xff)
  let hasNulls = false
  for (let row = 0; row < count; row++) {
    const start = starts[from + row]!
    if (start < 0) {
      valid[row >> 3]! &= ~(1 << (row & 7))
      hasNulls = true
    } else {
      const cell = bytes.subarray(start, ends[from + row])
      bindings.vector_assign_string_element_len(vector, row, isPlain || isUtf8(cell) ? cell : escaped(cell))
    }
  }
  if (!hasNulls) return
  bindings.vector_ensure_validity_writable(vector)
  bindings.copy_data_to_vector_validity(vector, 0, valid.buffer, 0, valid.byteLength)
}

const knownAscii = new WeakMap<Uint8Array, boolean>()

/** Chunks share the bytes of a batch or column, which are looked through once. */
function isAsciiOnce(bytes: Uint8Array): boolean {
  let known = knownAscii.get(bytes)
  if (known === undefined) {
    known = isAscii(bytes)
    knownAscii.set(bytes, known)
  }
  return known
}

/** Bytes that are no text as SQL writes them, so that `::BLOB` gives them back. */
const escaped = (bytes: Uint8Array): Uint8Array => Buffer.from(bytesText(bytes))

function fillHeaders(bindings: Bindings, vector: Vector, batch: MessageBatch, { from, count }: ChunkRows, isText: boolean): void {
  const first = batch.headerFrom[from]!
  const total = batch.headerFrom[from + count]! - first
  // For each row two numbers of 64 bits: where its headers begin, and how many they are.
  const entries = new Uint32Array(count * 4)
  for (let row = 0; row < count; row++) {
    const start = batch.headerFrom[from + row]!
    entries[4 * row] = start - first
    entries[4 * row + 2] = batch.headerFrom[from + row + 1]! - start
  }
  bindings.list_vector_reserve(vector, total)
  bindings.list_vector_set_size(vector, total)
  const child = bindings.list_vector_get_child(vector)
  const { bytes, headerNameStart, headerNameEnd, headerValueStart, headerValueEnd } = batch
  const names = { bytes, starts: headerNameStart, ends: headerNameEnd, from: first, count: total }
  const values = { bytes, starts: headerValueStart, ends: headerValueEnd, from: first, count: total }
  fillCells(bindings, bindings.struct_vector_get_child(child, 0), names, true)
  fillCells(bindings, bindings.struct_vector_get_child(child, 1), values, isText)
  bindings.copy_data_to_vector(vector, 0, entries.buffer, 0, entries.byteLength)
}
