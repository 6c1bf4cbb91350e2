import { type MessageBatch, payloadBytes, sliceBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import { columnsBytes, writeColumns } from '../kernel/columns.ts'
import { type Kernel, SLACK_BYTES, withKernel } from '../kernel/kernel.ts'

/** Where the messages of a batch are, as their lines say it. */
export interface JsonOrigin {
  readonly topic: string
  readonly lane: string
}

/** Rows that the kernel is given at once, the bytes that they may lie in, and the room for their lines. */
const PIECE_ROWS = 2048
const PIECE_BYTES = 512 * 1024
const OUT_BYTES = 4 * 1024 * 1024
/** Bytes of the words that describe a call (`src/kernel/assembly/json-write.ts`). */
const CALL_BYTES = 64

const encoder = new TextEncoder()
const align = (bytes: number): number => (bytes + 7) & ~7

/** Bytes of a batch from `start` to before `end`, and the rows that point nowhere else. */
interface Piece {
  readonly from: number
  readonly to: number
  readonly start: number
  readonly end: number
}

/**
 * A line for each message of the batch.
 * @throws MillpondError `MESSAGE_TOO_LARGE`.
 */
export function writeJson(batch: MessageBatch, origin: JsonOrigin): Uint8Array {
  const prefix = encoder.encode(`{"topic":${JSON.stringify(origin.topic)},"lane":${JSON.stringify(origin.lane)},"position":`)
  const chunks: Uint8Array[] = []
  for (let row = 0; row < batch.count;) {
    const piece = pieceFrom(batch, row)
    row = writePiece({ batch, piece, prefix, outBytes: OUT_BYTES, chunks })
    // The next line alone may be longer than the usual room.
    if (row === piece.from) row = writeLongLine(batch, row, prefix, chunks)
  }
  return chunks.length === 1 ? chunks[0]! : concat(chunks)
}

function writeLongLine(batch: MessageBatch, row: number, prefix: Uint8Array, chunks: Uint8Array[]): number {
  const one = sliceBatch(batch, row, row + 1)
  const outBytes = mostBytes(one) + prefix.byteLength
  const written = writePiece({ batch: one, piece: pieceFrom(one, 0), prefix, outBytes, chunks })
  if (written === 1) return row + 1
  throw new MillpondError('INTERNAL', `a line of the message at position ${one.positions[0]} does not fit into ${outBytes} bytes`)
}

/** The rows from `from` on that lie within PIECE_BYTES; one at least, wherever it lies. Hot: once for every message. */
function pieceFrom(batch: MessageBatch, from: number): Piece {
  const { keyStart, keyEnd, valueStart, valueEnd, idStart, idEnd, headerFrom } = batch
  const { headerNameStart, headerNameEnd, headerValueStart, headerValueEnd } = batch
  let start = batch.bytes.byteLength
  let end = 0
  let row = from
  for (const last = Math.min(batch.count, from + PIECE_ROWS); row < last; row++) {
    let low = start
    let high = end
    if (keyStart[row]! >= 0 && keyStart[row]! < low) low = keyStart[row]!
    if (valueStart[row]! >= 0 && valueStart[row]! < low) low = valueStart[row]!
    if (idStart[row]! >= 0 && idStart[row]! < low) low = idStart[row]!
    if (keyEnd[row]! > high) high = keyEnd[row]!
    if (valueEnd[row]! > high) high = valueEnd[row]!
    if (idEnd[row]! > high) high = idEnd[row]!
    for (let h = headerFrom[row]!; h < headerFrom[row + 1]!; h++) {
      if (headerNameStart[h]! < low) low = headerNameStart[h]!
      if (headerValueStart[h]! >= 0 && headerValueStart[h]! < low) low = headerValueStart[h]!
      if (headerNameEnd[h]! > high) high = headerNameEnd[h]!
      if (headerValueEnd[h]! > high) high = headerValueEnd[h]!
    }
    if (row > from && high - low > PIECE_BYTES) break
    start = low
    end = high
  }
  return { from, to: row, start: Math.min(start, end), end }
}

/** Writes the lines of the piece that fit, adds them to `chunks`, and gives the first row that is left. */
function writePiece(order: {
  batch: MessageBatch
  piece: Piece
  prefix: Uint8Array
  outBytes: number
  chunks: Uint8Array[]
}): number {
  const { batch, piece, prefix, outBytes, chunks } = order
  const headers = batch.headerFrom[piece.to]! - batch.headerFrom[piece.from]!
  const bytesAt = CALL_BYTES
  const columnsAt = align(bytesAt + piece.end - piece.start + SLACK_BYTES)
  const prefixAt = columnsAt + columnsBytes(piece.to - piece.from, headers)
  const outAt = align(prefixAt + prefix.byteLength + SLACK_BYTES)
  return withKernel(outAt + outBytes + SLACK_BYTES, (kernel) => {
    const base = kernel.arenaStart
    kernel.bytes.set(batch.bytes.subarray(piece.start, piece.end), base + bytesAt)
    kernel.bytes.set(prefix, base + prefixAt)
    const place = writeColumns(kernel, base + columnsAt, batch, piece.from, piece.to)
    const zero = base + bytesAt - piece.start
    kernel.i32.set(
      [zero, place.start, place.count, place.headers, 0, base + prefixAt, prefix.byteLength, base + outAt, outBytes],
      base >> 2,
    )
    kernel.exports.writeJson(base)
    const { rows, bytes } = outcomeOf(kernel)
    if (rows > 0) chunks.push(kernel.bytes.slice(base + outAt, base + outAt + bytes))
    return piece.from + rows
  })
}

function outcomeOf(kernel: Kernel): { rows: number; bytes: number } {
  const words = kernel.arenaStart >> 2
  return { rows: kernel.i32[words + 9]!, bytes: kernel.i32[words + 10]! >>> 0 }
}

/** The most bytes that the line of one message may take, but for its prefix; the kernel reckons with the same numbers. */
function mostBytes(one: MessageBatch): number {
  const lineBytes = 192
  const headerBytes = 48
  const growth = 6
  const headers = one.headerFrom[1]! - one.headerFrom[0]!
  return lineBytes + headers * headerBytes + growth * payloadBytes(one)
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
