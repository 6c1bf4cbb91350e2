import type { MessageBatch } from '../batch/batch.ts'
import { BatchBuilder, MAX_BATCH_BYTES } from '../batch/builder.ts'
import { MillpondError } from '../errors.ts'
import { columnsBytes, readColumns } from '../kernel/columns.ts'
import { type Kernel, SLACK_BYTES, withKernel } from '../kernel/kernel.ts'
import { COLUMNS_FULL, jsonError } from './json-lines-errors.ts'

/** What lines are: messages as objects, or values as they are. */
type JsonLineMode = 'envelope' | 'value'

export interface JsonReadOptions {
  /** Timestamp of messages that bring none, ms. */
  readonly nowMs: number
  /** The most bytes that key, value, id and headers of a message may have together. */
  readonly maxMessageBytes: number
}

export interface JsonLinesOptions extends JsonReadOptions {
  readonly mode: JsonLineMode
  /** Number of the first line, for errors; 1 where it is left out. */
  readonly firstLine?: number
}

/** Input that the kernel reads at once: what fits the processor's cache together with its columns. */
const PIECE_BYTES = 256 * 1024
const MAX_ROOM = 1 << 20
/** Bytes of the words that describe a call (`src/kernel/assembly/json.ts`), and where they end. */
const CALL_BYTES = 128
const LINE_FEED = 10
const NO_BYTES = new Uint8Array(0)

const modes = { envelope: 0, value: 1, body: 2, stored: 3 } as const

/** One reading of one input, over as many calls as it takes. */
interface Reading extends JsonReadOptions {
  readonly mode: keyof typeof modes
  readonly firstLine: number
  readonly input: Uint8Array
  /** The input, but for what was decoded in place; the input itself as long as nothing was. */
  bytes: Uint8Array
  /** Where the next call begins, and how far a body is read there. */
  offset: number
  state: number
  /** Messages so far, by the calls that read them. */
  count: number
  readonly parts: MessageBatch[]
}

/**
 * The messages of the input, in one batch.
 * @throws MillpondError `JSON_INVALID`, `MESSAGE_TOO_LARGE`.
 */
export function readJson(input: Uint8Array, options: JsonReadOptions & Pick<Reading, 'mode' | 'firstLine'>): MessageBatch {
  if (input.byteLength > MAX_BATCH_BYTES) {
    throw new MillpondError('MESSAGE_TOO_LARGE', `${input.byteLength} bytes of JSON are more than a batch can hold`, {
      details: { bytes: input.byteLength, maxBytes: MAX_BATCH_BYTES },
    })
  }
  const { mode, firstLine, nowMs, maxMessageBytes } = options
  const reading: Reading = {
    mode,
    firstLine,
    nowMs,
    maxMessageBytes,
    input,
    bytes: input,
    offset: 0,
    state: 0,
    count: 0,
    parts: [],
  }
  // A body is read once even where it is empty: an empty text is no JSON.
  if (mode === 'body' || input.byteLength > 0) {
    do readPiece(reading)
    while (reading.offset < input.byteLength)
  }
  return join(reading)
}

/** Reads what is left up to a line's end, PIECE_BYTES of it or one longer line; or the whole rest of a body. */
function readPiece(reading: Reading): void {
  const end = reading.mode === 'body' ? reading.input.byteLength : pieceEnd(reading.input, reading.offset)
  const bytes = end - reading.offset
  const room = { count: Math.min(MAX_ROOM, (bytes >> 5) + 8), headers: Math.min(MAX_ROOM, (bytes >> 4) + 16) }
  if (call(reading, end, room)) return
  // One message has more headers than fit: the shortest, "":"", in an object has 5 bytes and a comma.
  if (!call(reading, end, { count: 8, headers: Math.ceil(bytes / 6) + 1 })) {
    throw new MillpondError('INTERNAL', `${bytes} bytes of JSON do not fit into columns made for them`)
  }
}

function pieceEnd(input: Uint8Array, from: number): number {
  if (input.byteLength - from <= PIECE_BYTES) return input.byteLength
  const lastBreak = input.lastIndexOf(LINE_FEED, from + PIECE_BYTES - 1)
  if (lastBreak >= from) return lastBreak + 1
  const nextBreak = input.indexOf(LINE_FEED, from + PIECE_BYTES)
  return nextBreak === -1 ? input.byteLength : nextBreak + 1
}

/** Calls the kernel for the input up to `end`; false where not even one message fits into the columns. */
function call(reading: Reading, end: number, room: { count: number; headers: number }): boolean {
  const { input, offset } = reading
  const bytes = end - offset
  const inputBytes = (CALL_BYTES + bytes + SLACK_BYTES + 7) & ~7
  return withKernel(inputBytes + columnsBytes(room.count, room.headers), (kernel) => {
    const words = kernel.arenaStart >> 2
    const inputStart = kernel.arenaStart + CALL_BYTES
    const place = { start: kernel.arenaStart + inputBytes, ...room }
    kernel.bytes.set(input.subarray(offset, end), inputStart)
    kernel.bytes.fill(0, inputStart + bytes, inputStart + bytes + SLACK_BYTES)
    const limit = Math.min(reading.maxMessageBytes, MAX_BATCH_BYTES)
    kernel.i32.set([inputStart, bytes, offset, modes[reading.mode], place.start, room.count, room.headers, limit], words)
    kernel.f64[(words >> 1) + 4] = reading.nowMs
    kernel.f64[(words >> 1) + 5] = reading.count
    kernel.i32[words + 12] = reading.state
    const reason = kernel.exports.readJson(kernel.arenaStart)
    if (reason !== 0 && reason !== COLUMNS_FULL) throw failure(reading, kernel, reason)
    const consumed = kernel.i32[words + 13]!
    if (reason === COLUMNS_FULL && consumed === 0) return false
    const filled = { count: kernel.i32[words + 14]!, headers: kernel.i32[words + 15]! }
    if (filled.count > 0) reading.parts.push(readColumns(kernel, place, filled, NO_BYTES))
    if (kernel.i32[words + 16] !== 0) keepDecoded(reading, kernel.bytes.subarray(inputStart, inputStart + consumed))
    reading.count += filled.count
    reading.state = kernel.i32[words + 12]!
    reading.offset += consumed
    return true
  })
}

function keepDecoded(reading: Reading, decoded: Uint8Array): void {
  // A new array, also where the input is a Buffer: its `slice` would share memory.
  if (reading.bytes === reading.input) reading.bytes = new Uint8Array(reading.input)
  reading.bytes.set(decoded, reading.offset)
}

const decoder = new TextDecoder()
const MAX_NAME_BYTES = 64

function failure(reading: Reading, kernel: Kernel, reason: number): MillpondError {
  const words = kernel.arenaStart >> 2
  const [rows, at, nameStart, nameBytes, messageBytes] = [14, 17, 18, 19, 20].map((word) => kernel.i32[words + word]!)
  return jsonError({
    reason,
    input: reading.input,
    offset: reading.offset + at!,
    firstLine: reading.firstLine,
    message: reading.mode === 'body' ? reading.count + rows! + 1 : undefined,
    name: decoder.decode(kernel.bytes.subarray(nameStart, nameStart! + Math.min(nameBytes!, MAX_NAME_BYTES))),
    messageBytes: messageBytes!,
    maxMessageBytes: reading.maxMessageBytes,
  })
}

/** One batch of what the calls gave. */
function join({ parts, bytes }: Reading): MessageBatch {
  if (parts.length === 0) return new BatchBuilder(0).build()
  if (parts.length === 1) return { ...parts[0]!, bytes }
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  const headers = parts.reduce((sum, part) => sum + part.headerNameStart.length, 0)
  const doubles = (column: (part: MessageBatch) => Float64Array) => concat(new Float64Array(count), parts.map(column))
  const spans = (column: (part: MessageBatch) => Int32Array) => concat(new Int32Array(count), parts.map(column))
  const headerSpans = (column: (part: MessageBatch) => Int32Array) => concat(new Int32Array(headers), parts.map(column))
  return {
    count,
    bytes,
    positions: doubles((part) => part.positions),
    timestamps: doubles((part) => part.timestamps),
    keyStart: spans((part) => part.keyStart),
    keyEnd: spans((part) => part.keyEnd),
    valueStart: spans((part) => part.valueStart),
    valueEnd: spans((part) => part.valueEnd),
    idStart: spans((part) => part.idStart),
    idEnd: spans((part) => part.idEnd),
    headerFrom: joinHeaderFrom(parts, count),
    headerNameStart: headerSpans((part) => part.headerNameStart),
    headerNameEnd: headerSpans((part) => part.headerNameEnd),
    headerValueStart: headerSpans((part) => part.headerValueStart),
    headerValueEnd: headerSpans((part) => part.headerValueEnd),
  }
}

function concat<T extends Float64Array | Int32Array>(whole: T, parts: readonly T[]): T {
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function joinHeaderFrom(parts: readonly MessageBatch[], count: number): Int32Array {
  const joined = new Int32Array(count + 1)
  let row = 0
  let headers = 0
  for (const part of parts) {
    for (let i = 0; i < part.count; i++) joined[row++] = headers + part.headerFrom[i]!
    headers += part.headerNameStart.length
  }
  joined[row] = headers
  return joined
}
