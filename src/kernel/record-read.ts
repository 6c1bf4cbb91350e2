import type { MessageBatch } from '../batch/batch.ts'
import { MAX_BATCH_BYTES } from '../batch/builder.ts'
import { MillpondError } from '../errors.ts'
import { type ColumnsPlace, columnsBytes, readColumns } from './columns.ts'
import { checkResult, HEADERS_FULL, OUTPUT_FULL, TRUNCATED } from './fault.ts'
import { type Kernel, SLACK_BYTES, USUAL_ARENA_BYTES, withKernel } from './kernel.ts'

/** The records of one batch, as they lie in a record set or as they were decompressed. */
export interface RecordPart {
  readonly form: 'plain' | 'lz4' | 'snappy'
  readonly bytes: Uint8Array
  readonly count: number
  readonly baseOffset: number
  readonly lastOffset: number
  /** What the records' timestamps count from, or, with `isAppendTime`, the timestamp of all of them. */
  readonly timestamp: number
  readonly isAppendTime: boolean
}

/** Most bytes that the records of one batch may have when they are decompressed. */
export const MAX_RECORDS_BYTES = 1024 * 1024 * 1024

/** Batches are read together as long as their columns take no more than this: the rest of the arena is for bytes. */
const COLUMNS_AT_ONCE = 8 * 1024 * 1024
/** The least that a record takes, its length included. */
const MIN_RECORD_BYTES = 7
/** How many bytes one stored byte can stand for. */
const MAX_RATIO = { plain: 1, lz4: 255, snappy: 32 }
const CALL_BYTES = 128
const align = (address: number) => Math.ceil(address / 64) * 64

/** Room for headers is guessed, in headers a message: a topic's messages are alike, and too little means to begin anew. */
let likelyHeaders = 4

/** Messages that one visit to the kernel read, as columns in its memory. */
export interface RecordRows {
  readonly kernel: Kernel
  /** Columns with room for more than there is. */
  readonly columns: ColumnsPlace
  readonly count: number
  readonly headers: number
  /** Address that spans count from. */
  readonly bytesAt: number
  /** Length of all their records. */
  readonly bytes: number
  /** First free byte of the arena behind them, a multiple of 64. */
  readonly free: number
}

/** What is done with the rows of one visit; nothing of the kernel may be kept. */
interface RowsUse<T> {
  /** Bytes that it writes from `free` on. */
  readonly scratchBytes: (rows: RecordRows) => number
  readonly use: (rows: RecordRows) => T
}

interface Reading<T> {
  readonly value: T
  readonly nextPart: number
}

type Attempt<T> = Reading<T> | { readonly neededBytes: number } | 'more headers'

/**
 * The messages of all parts with offsets from `fromOffset` on, as columns over their decompressed bytes. Parts that are all `plain`
 * and lie in `shared` are not copied: then that is the batch's bytes. None may decompress to more than `maxBytes`.
 * @throws MillpondError `RECORD_SET_CORRUPT`; `MESSAGE_TOO_LARGE` where they have more than 2 GiB together.
 */
export function readRecordParts(
  parts: readonly RecordPart[],
  fromOffset: number,
  { shared, maxBytes = MAX_RECORDS_BYTES }: { shared?: Uint8Array | undefined; maxBytes?: number } = {},
): MessageBatch {
  const read: MessageBatch[] = []
  let usedBytes = 0
  const copyOut: RowsUse<MessageBatch> = {
    scratchBytes: () => 0,
    use: ({ kernel, columns, count, headers, bytesAt, bytes }) =>
      readColumns(kernel, columns, { count, headers }, shared ?? copyOf(kernel.bytes.subarray(bytesAt, bytesAt + bytes))),
  }
  for (let part = 0; part < parts.length;) {
    const { value, nextPart } = readSome(parts, part, { fromOffset, usedBytes, shared, maxBytes }, copyOut)
    part = nextPart
    read.push(value)
    usedBytes += value.bytes.byteLength
  }
  return read.length === 1 ? read[0]! : joinBatches(read, shared)
}

/** A copy in memory that is not cleared before: all of it is written. */
function copyOf(bytes: Uint8Array): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(bytes.byteLength)
  const copy = new Uint8Array(buffer, byteOffset, bytes.byteLength)
  copy.set(bytes)
  return copy
}

/** What is shown the rows that were read. */
export interface RecordVisitor {
  /** How much it writes from `free` on. */
  readonly scratchBytes: (rows: RecordRows) => number
  readonly use: (rows: RecordRows) => void
}

/**
 * Shows the messages of all parts with offsets from `fromOffset` on to the visitor where they were read, some at a time: nothing is copied out.
 * @throws MillpondError `RECORD_SET_CORRUPT`.
 */
export function visitRecordParts(parts: readonly RecordPart[], fromOffset: number, visitor: RecordVisitor): void {
  const context = { fromOffset, usedBytes: 0, shared: undefined, maxBytes: MAX_RECORDS_BYTES }
  for (let part = 0; part < parts.length;) part = readSome(parts, part, context, visitor).nextPart
}

interface ReadContext {
  readonly fromOffset: number
  /** Bytes of the parts before, which spans count too. */
  readonly usedBytes: number
  readonly shared: Uint8Array | undefined
  readonly maxBytes: number
}

function readSome<T>(parts: readonly RecordPart[], from: number, context: ReadContext, rowsUse: RowsUse<T>): Reading<T> {
  let rows = 0
  let to = from
  do rows += believableRows(parts[to++]!)
  while (to < parts.length && columnsBytes(rows + parts[to]!.count, rows * likelyHeaders) <= COLUMNS_AT_ONCE)
  const group = parts.slice(from, to)
  let headers = rows * likelyHeaders + 64
  let arenaBytes = USUAL_ARENA_BYTES
  for (;;) {
    const attempt = withKernel(arenaBytes, (kernel) => tryParts(kernel, group, { rows, headers, rowsUse }, context))
    if (attempt === 'more headers') headers *= 4
    else if ('neededBytes' in attempt) arenaBytes = attempt.neededBytes
    else return { value: attempt.value, nextPart: from + attempt.nextPart }
  }
}

/** The number of records, unless the bytes cannot hold them: room is taken for what it says. */
function believableRows(part: RecordPart): number {
  if (part.count * MIN_RECORD_BYTES > part.bytes.byteLength * MAX_RATIO[part.form]) failed(TRUNCATED, part)
  return part.count
}

function tryParts<T>(
  kernel: Kernel,
  parts: readonly RecordPart[],
  { rows, headers, rowsUse }: { readonly rows: number; readonly headers: number; readonly rowsUse: RowsUse<T> },
  { fromOffset, usedBytes, shared, maxBytes }: ReadContext,
): Attempt<T> {
  const call = kernel.arenaStart
  const columns = call + CALL_BYTES
  const firstByte = align(columns + columnsBytes(rows, headers))
  const place = { start: columns, count: rows, headers }
  let at = firstByte
  let filled = { count: 0, headers: 0 }
  let next = 0
  for (; next < parts.length; next++) {
    const part = parts[next]!
    const unpacked = unpackPart(kernel, part, { at, maxBytes })
    if ('neededBytes' in unpacked) {
      if (next > 0) break
      return { neededBytes: firstByte - kernel.arenaStart + unpacked.neededBytes }
    }
    const { length } = unpacked
    const isShared = shared !== undefined
    if (usedBytes + at - firstByte + length > MAX_BATCH_BYTES) throw tooLarge()
    const spanBase = isShared ? part.bytes.byteOffset - shared.byteOffset : usedBytes + at - firstByte
    const i32 = call / 4
    const f64 = call / 8
    kernel.i32.set([at, length, columns, rows, headers, spanBase, filled.count, filled.headers, part.count], i32)
    kernel.i32[i32 + 9] = part.isAppendTime ? 1 : 0
    kernel.f64.set([part.baseOffset, part.lastOffset, fromOffset, part.timestamp], f64 + 5)
    const result = kernel.exports.readRecords(call)
    if (result === HEADERS_FULL) return 'more headers'
    if (result < 0) failed(result, part, { record: kernel.i32[i32 + 18], at: kernel.i32[i32 + 19] })
    filled = { count: kernel.i32[i32 + 6]!, headers: kernel.i32[i32 + 7]! }
    if (!isShared) at += length
  }
  if (filled.count > 0) likelyHeaders = Math.ceil(filled.headers / filled.count) + 1
  const free = align(at + SLACK_BYTES)
  const rowsOf = { kernel, columns: place, ...filled, bytesAt: firstByte, bytes: at - firstByte, free }
  const scratchBytes = rowsUse.scratchBytes(rowsOf)
  const end = free + scratchBytes + SLACK_BYTES
  if (scratchBytes > 0 && end > kernel.arenaEnd) return { neededBytes: end - kernel.arenaStart }
  return { value: rowsUse.use(rowsOf), nextPart: next }
}

function failed(result: number, part: RecordPart, details: Record<string, unknown> = {}): void {
  checkResult(result, 'RECORD_SET_CORRUPT', `the records of the batch at offset ${part.baseOffset} cannot be read`, {
    ...details,
    baseOffset: part.baseOffset,
    count: part.count,
  })
}

const tooLarge = () =>
  new MillpondError('MESSAGE_TOO_LARGE', `record batches of more than ${MAX_BATCH_BYTES} bytes cannot be read together`)

/** Puts the records of a part to `at`; gives how many bytes they are, or how many behind the first would be needed. */
function unpackPart(
  kernel: Kernel,
  part: RecordPart,
  { at, maxBytes }: { at: number; maxBytes: number },
): { length: number } | { neededBytes: number } {
  const stored = part.bytes.byteLength
  if (part.form === 'plain') {
    if (at + stored + SLACK_BYTES > kernel.arenaEnd) return { neededBytes: stored + 2 * SLACK_BYTES }
    kernel.bytes.set(part.bytes, at)
    return { length: stored }
  }
  // What is compressed lies at the end, so that what comes out has all the room before it.
  const source = Math.floor((kernel.arenaEnd - stored) / 64) * 64 - SLACK_BYTES
  if (source < at) return { neededBytes: 2 * stored + 4 * SLACK_BYTES }
  kernel.bytes.set(part.bytes, source)
  const { exports } = kernel
  const bound = part.form === 'lz4' ? exports.lz4Bound(source, stored) : exports.xerialBound(source, stored)
  if (bound < 0) failed(bound, part)
  const room = Math.min(bound, maxBytes)
  if (at + room + SLACK_BYTES > source) return { neededBytes: room + stored + 4 * SLACK_BYTES }
  const length =
    part.form === 'lz4' ? exports.lz4Decompress(source, stored, at, room) : exports.xerialDecompress(source, stored, at, room)
  if (length === OUTPUT_FULL) {
    throw new MillpondError(
      'RECORD_SET_CORRUPT',
      `the batch at offset ${part.baseOffset} decompresses to more than ${maxBytes} bytes`,
      { details: { baseOffset: part.baseOffset, storedBytes: stored, maxBytes } },
    )
  }
  if (length < 0) failed(length, part)
  return { length }
}

/** One batch of several whose spans already count from the first one's first byte. */
function joinBatches(batches: readonly MessageBatch[], shared: Uint8Array | undefined): MessageBatch {
  const join = <T extends Float64Array | Int32Array>(columns: readonly T[], joined: T): T => {
    let at = 0
    for (const column of columns) {
      joined.set(column, at)
      at += column.length
    }
    return joined
  }
  const count = batches.reduce((sum, batch) => sum + batch.count, 0)
  const headers = batches.reduce((sum, batch) => sum + batch.headerNameStart.length, 0)
  type Doubles = 'positions' | 'timestamps'
  type Ints = Exclude<keyof MessageBatch, Doubles | 'count' | 'bytes' | 'headerFrom'>
  const doubles = (name: Doubles) =>
    join(
      batches.map((batch) => batch[name]),
      new Float64Array(count),
    )
  const ints = (name: Ints, length: number) =>
    join(
      batches.map((batch) => batch[name]),
      new Int32Array(length),
    )
  const headerFrom = new Int32Array(count + 1)
  let row = 0
  let firstHeader = 0
  for (const batch of batches) {
    for (let i = 0; i <= batch.count; i++) headerFrom[row + i] = firstHeader + batch.headerFrom[i]!
    row += batch.count
    firstHeader += batch.headerNameStart.length
  }
  return {
    count,
    bytes: shared ?? new Uint8Array(Buffer.concat(batches.map(({ bytes }) => bytes))),
    positions: doubles('positions'),
    timestamps: doubles('timestamps'),
    keyStart: ints('keyStart', count),
    keyEnd: ints('keyEnd', count),
    valueStart: ints('valueStart', count),
    valueEnd: ints('valueEnd', count),
    idStart: ints('idStart', count),
    idEnd: ints('idEnd', count),
    headerFrom,
    headerNameStart: ints('headerNameStart', headers),
    headerNameEnd: ints('headerNameEnd', headers),
    headerValueStart: ints('headerValueStart', headers),
    headerValueEnd: ints('headerValueEnd', headers),
  }
}
