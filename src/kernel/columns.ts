import type { MessageBatch } from '../batch/batch.ts'
import type { Kernel } from './kernel.ts'

/** Columns in the kernel's memory with room for so many messages and headers; `assembly/columns.ts` has the same order. */
export interface ColumnsPlace {
  /** Address of the first column, a multiple of 8. */
  readonly start: number
  readonly count: number
  readonly headers: number
}

/** Memory that columns with this room take, in bytes: a multiple of 8. */
export function columnsBytes(count: number, headers: number): number {
  return Math.ceil((count * 44 + 4 + headers * 16) / 8) * 8
}

/** Copies the columns of the messages `from` to `to - 1` to `start`; `headerFrom` and the spans keep the batch's own numbers. */
export function writeColumns(kernel: Kernel, start: number, batch: MessageBatch, from: number, to: number): ColumnsPlace {
  const count = to - from
  const firstHeader = batch.headerFrom[from]!
  const lastHeader = batch.headerFrom[to]!
  kernel.f64.set(batch.positions.subarray(from, to), start / 8)
  kernel.f64.set(batch.timestamps.subarray(from, to), start / 8 + count)
  let at = start / 4 + 4 * count
  for (const column of [batch.keyStart, batch.keyEnd, batch.valueStart, batch.valueEnd, batch.idStart, batch.idEnd]) {
    kernel.i32.set(column.subarray(from, to), at)
    at += count
  }
  kernel.i32.set(batch.headerFrom.subarray(from, to + 1), at)
  at += count + 1
  for (const column of [batch.headerNameStart, batch.headerNameEnd, batch.headerValueStart, batch.headerValueEnd]) {
    kernel.i32.set(column.subarray(firstHeader, lastHeader), at)
    at += lastHeader - firstHeader
  }
  return { start, count, headers: lastHeader - firstHeader }
}

/** Copies out the first `count` messages and `headers` headers of columns that may have room for more, as a batch over `bytes`. */
export function readColumns(
  kernel: Kernel,
  place: ColumnsPlace,
  filled: { count: number; headers: number },
  bytes: Uint8Array,
): MessageBatch {
  const { count, headers } = filled
  // One buffer for all columns: a batch of few messages would else pay for a dozen small ones.
  const { buffer } = Buffer.allocUnsafeSlow(columnsBytes(count, headers))
  const doubles = (column: number) => {
    const copy = new Float64Array(buffer, column * 8 * count, count)
    const start = place.start / 8 + column * place.count
    copy.set(kernel.f64.subarray(start, start + count))
    return copy
  }
  const ints = (offset: number, start: number, length: number) => {
    const copy = new Int32Array(buffer, offset * 4, length)
    copy.set(kernel.i32.subarray(start, start + length))
    return copy
  }
  const spans = (column: number) =>
    ints((4 + column) * count, place.start / 4 + (4 + column) * place.count, column === 6 ? count + 1 : count)
  const header = (column: number) =>
    ints(11 * count + 1 + column * headers, place.start / 4 + 11 * place.count + 1 + column * place.headers, headers)
  return {
    count,
    bytes,
    positions: doubles(0),
    timestamps: doubles(1),
    keyStart: spans(0),
    keyEnd: spans(1),
    valueStart: spans(2),
    valueEnd: spans(3),
    idStart: spans(4),
    idEnd: spans(5),
    headerFrom: spans(6),
    headerNameStart: header(0),
    headerNameEnd: header(1),
    headerValueStart: header(2),
    headerValueEnd: header(3),
  }
}
