import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import { type ColumnsPlace, columnsBytes, writeColumns } from './columns.ts'
import { checkResult } from './fault.ts'
import { type Kernel, SLACK_BYTES, USUAL_ARENA_BYTES, withKernel } from './kernel.ts'

/** Rows of a batch in the kernel's memory, checked by `measureRows`. */
export interface LoadedRows {
  readonly kernel: Kernel
  readonly columns: ColumnsPlace
  /** The first row of the batch that is not loaded. */
  readonly nextRow: number
  /** Address of what the columns count from, modulo 2^32; only what they point at is there. */
  readonly bytesAt: number
  /** Bytes of the batch that were copied in. */
  readonly loadedBytes: number
  /** Upper bound of the rows' Avro encoding. */
  readonly encodedBytes: number
  /** First free byte of the arena, a multiple of 64. */
  readonly free: number
}

/** Few enough that columns, bytes and output stay in the processor's cache, enough that the call's own cost is small. */
const ROWS_AT_ONCE = 1024
const RESULT_BYTES = 64
/** Rows whose bytes lie as far apart as this, beside what they need, are gathered piece by piece: messages often share bytes far away. */
const SPARSE_FACTOR = 2
const SPARSE_BYTES = 4096
const align = (address: number) => Math.ceil(address / 64) * 64

type Attempt<T> = { readonly value: T } | { readonly neededBytes: number }

/**
 * Copies rows from `from` on into a kernel, as many as suit it and one at the least, checks them, and calls `use`; behind
 * `rows.free` there are `scratchBytes(rows)` for output.
 * @throws MillpondError `POSITION_INVALID` for positions that do not rise and numbers that are no safe integers, `INTERNAL` for
 * columns that point outside of the batch's bytes, `MESSAGE_TOO_LARGE` for a message past the kernel's 4 GiB.
 */
export function withRows<T>(
  batch: MessageBatch,
  from: number,
  scratchBytes: (rows: LoadedRows) => number,
  use: (rows: LoadedRows) => T,
): T {
  let count = Math.min(batch.count - from, ROWS_AT_ONCE)
  let arenaBytes = USUAL_ARENA_BYTES
  for (;;) {
    const attempt: Attempt<T> = withKernel(arenaBytes, (kernel) =>
      tryRows(kernel, batch, { from, to: from + count }, scratchBytes, use),
    )
    if ('value' in attempt) return attempt.value
    if (count > 1) count >>= 2
    else arenaBytes = attempt.neededBytes
    count = Math.max(1, count)
  }
}

function tryRows<T>(
  kernel: Kernel,
  batch: MessageBatch,
  { from, to }: { from: number; to: number },
  scratchBytes: (rows: LoadedRows) => number,
  use: (rows: LoadedRows) => T,
): Attempt<T> {
  const headers = batch.headerFrom[to]! - batch.headerFrom[from]!
  if (!(headers >= 0)) throw new MillpondError('INTERNAL', 'a batch whose headers do not follow one another')
  const start = kernel.arenaStart + RESULT_BYTES
  const payloadAt = align(start + columnsBytes(to - from, headers))
  if (payloadAt > kernel.arenaEnd) return { neededBytes: 2 * (payloadAt - kernel.arenaStart) }
  const columns = writeColumns(kernel, start, batch, from, to)
  const bytesLength = Math.min(batch.bytes.byteLength, 0x7fff_ffff)
  const result = kernel.arenaStart
  const measured = kernel.exports.measureRows(start, to - from, headers, bytesLength, result)
  checkResult(measured, measured === -10 ? 'INTERNAL' : 'POSITION_INVALID', 'a batch cannot be encoded', {
    firstPosition: batch.positions[from],
  })
  const low = kernel.i32[result / 4]!
  const high = kernel.i32[result / 4 + 1]!
  const encodedBytes = kernel.f64[result / 8 + 1]!
  const isSparse = high - low > SPARSE_FACTOR * encodedBytes + SPARSE_BYTES
  const payload = isSparse ? gather(kernel, columns, payloadAt) : whole(low, high, payloadAt)
  if (payload === undefined) return { neededBytes: payloadAt + gatherBytes(columns) + SLACK_BYTES - kernel.arenaStart }
  const rows = {
    kernel,
    columns,
    nextRow: to,
    bytesAt: payload.bytesAt,
    loadedBytes: payload.bytes,
    encodedBytes,
    free: align(payload.at + payload.bytes + SLACK_BYTES),
  }
  const end = rows.free + scratchBytes(rows) + SLACK_BYTES
  if (end > kernel.arenaEnd) return { neededBytes: end - kernel.arenaStart + RESULT_BYTES }
  for (let i = 0; i < payload.pieces.length; i += 3) {
    const piece = batch.bytes.subarray(payload.pieces[i], payload.pieces[i + 1])
    kernel.bytes.set(piece, payload.at + payload.pieces[i + 2]!)
  }
  return { value: use(rows) }
}

/** Which of the batch's bytes are copied into the kernel: three numbers a piece, its first byte, its end, and where it goes behind `at`. */
interface Payload {
  readonly pieces: Int32Array
  readonly at: number
  readonly bytes: number
  readonly bytesAt: number
}

/** All bytes from the first to the last that the rows point at, in one piece. */
function whole(low: number, high: number, at: number): Payload {
  return { pieces: Int32Array.of(low, high, 0), at, bytes: high - low, bytesAt: (at - low) | 0 }
}

/** The pieces that the rows point at, of which the columns speak from now on; undefined where the arena is too small to find them. */
function gather(kernel: Kernel, columns: ColumnsPlace, table: number): Payload | undefined {
  const at = align(table + gatherBytes(columns))
  if (at > kernel.arenaEnd) return undefined
  const count = kernel.exports.gatherRows(columns.start, columns.count, columns.headers, table)
  const pieces = kernel.i32.subarray(table / 4, table / 4 + 3 * count)
  const bytes = count === 0 ? 0 : pieces.at(-1)! + pieces.at(-2)! - pieces.at(-3)!
  return { pieces, at, bytes, bytesAt: at }
}

/** Room that finding the pieces takes: 16 bytes for each span. */
const gatherBytes = ({ count, headers }: ColumnsPlace): number => 16 * (3 * count + 2 * headers)
