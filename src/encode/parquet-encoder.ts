import { type MessageBatch, rowBytes, sliceBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { type LoadedRows, withRows } from '../kernel/rows.ts'
import type { ParquetBlock } from './block.ts'
import type { BlockEncoder } from './block-encoder.ts'
import { extend, type GroupExtent, extentOf, openExtent } from './group-extent.ts'
import { LookupHashes } from './lookup-hashes.ts'
import type { ColumnBuilder } from './parquet-column.ts'
import { envelopeLeaves, envelopeSchema, ID_COLUMN, KEY_COLUMN } from './parquet-envelope.ts'
import { createGroupWriter, groupBytes, takeFilters } from './parquet-group.ts'
import { MICROS_OF_MILLIS } from './parquet-micros.ts'
import { pageCodec } from './parquet-page.ts'
import { MAX_MESSAGE_BYTES } from './row-writer.ts'
import type { EncoderOptions } from './segment-format.ts'

/** Rows that are written at a time: few enough to stay in the processor's cache. */
const CHUNK_ROWS = 1024
const CHUNK_BYTES = 256 * 1024

/** Bytes of a message beside its content, as PLAIN has it: two numbers, and the lengths of what is there. */
const ROW_BYTES = 16
const LENGTH_BYTES = 4

/** A row group that is filling. */
interface Filling extends GroupExtent {
  readonly columns: readonly ColumnBuilder[]
  readonly hashes: LookupHashes
  bytes: number
}

/** An encoder of row groups of all that messages have. What it took is copied: the batch may change or go at once. */
export function createParquetEncoder(options: EncoderOptions): BlockEncoder<ParquetBlock> {
  const mostBytes = groupBytes(options.blockBytes)
  const chunkBytes = Math.min(CHUNK_BYTES, options.blockBytes)
  const writer = createGroupWriter(envelopeLeaves, options)
  let filling: Filling | undefined
  let lastPosition = -Infinity

  const open = (): Filling => ({
    columns: writer.open(),
    hashes: new LookupHashes(options.lookups),
    bytes: 0,
    ...openExtent(),
  })
  const close = async (full: Filling): Promise<ParquetBlock> => {
    const { columns, hashes } = full
    const { filters, columnFilters } = takeFilters(hashes, { key: KEY_COLUMN, id: ID_COLUMN })
    const { bytes, rawBytes, columns: summaries } = await writer.close(columns)
    const rowGroup = { schema: envelopeSchema, schemaId: 'envelope', columns: summaries, filters: columnFilters }
    return { ...extentOf(full), format: 'parquet', codec: pageCodec(options.codec), bytes, rawBytes, filters, rowGroup }
  }
  const flush = () => {
    if (filling === undefined || filling.count === 0) return undefined
    const block = close(filling)
    filling = undefined
    return block
  }

  return {
    get pendingCount() {
      return filling?.count ?? 0
    },
    get pendingBytes() {
      return filling?.bytes ?? 0
    },
    add(batch) {
      const blocks: Promise<ParquetBlock>[] = []
      for (let row = 0; row < batch.count;) {
        const chunk = nextChunk(batch, row, chunkBytes, lastPosition)
        if (filling !== undefined && filling.bytes + chunk.bytes > mostBytes) blocks.push(flush()!)
        filling ??= open()
        // Pages end before the kernel is called, for it is needed for them too.
        for (const column of filling.columns) column.beginRows(chunk.bytes)
        append(filling, sliceBatch(batch, row, chunk.to))
        filling.bytes += chunk.bytes
        row = chunk.to
        lastPosition = filling.lastPosition
      }
      if (filling !== undefined && filling.bytes >= mostBytes) blocks.push(flush()!)
      return blocks
    },
    flush,
  }
}

/** The rows from `from` on that are written together: one at the least. @throws MillpondError `POSITION_INVALID`, `MESSAGE_TOO_LARGE`. */
function nextChunk(batch: MessageBatch, from: number, chunkBytes: number, lastPosition: number): { to: number; bytes: number } {
  const position = batch.positions[from]!
  if (position <= lastPosition)
    throw new MillpondError('POSITION_INVALID', `position ${position} does not follow ${lastPosition}`)
  const end = Math.min(batch.count, from + CHUNK_ROWS)
  let to = from
  let bytes = 0
  for (; to < end; to++) {
    const more = plainBytes(batch, to)
    if (to > from && bytes + more > chunkBytes) break
    bytes += more
  }
  if (to === from + 1 && bytes > MAX_MESSAGE_BYTES) {
    throw new MillpondError('MESSAGE_TOO_LARGE', `a message of ${bytes} bytes is larger than a block can hold`, {
      details: { bytes, maxBytes: MAX_MESSAGE_BYTES },
    })
  }
  return { to, bytes }
}

/** Bytes of a message as PLAIN values, an upper bound. */
function plainBytes(batch: MessageBatch, row: number): number {
  const headers = batch.headerFrom[row + 1]! - batch.headerFrom[row]!
  return ROW_BYTES + (3 + 2 * headers) * LENGTH_BYTES + rowBytes(batch, row)
}

/** Writes all messages of `batch`, which is not empty, to the columns. */
function append(filling: Filling, batch: MessageBatch): void {
  for (let from = 0; from < batch.count;) {
    from = withRows(
      batch,
      from,
      (rows) => Math.max(rows.encodedBytes, filling.hashes.scratchBytes(rows.columns)),
      (rows) => {
        const { count } = rows.columns
        appendRows(filling.columns, rows)
        appendLevels(filling.columns, batch, from, from + count)
        filling.hashes.collect(rows, 0, count)
        return rows.nextRow
      },
    )
  }
  extend(filling, batch)
}

/** The values, from the kernel's columns to ours; levels follow. */
function appendRows(builders: readonly ColumnBuilder[], { kernel, columns, bytesAt, free }: LoadedRows): void {
  const { start, count, headers } = columns
  const [positions, timestamps, keys, values, names, headerValues, ids] = builders as Columns
  for (const [builder, at, scale] of [
    [positions, start, 1],
    [timestamps, start + 8 * count, MICROS_OF_MILLIS],
  ] as const) {
    kernel.exports.plainNumbers(at, count, scale, free)
    builder.push(kernel.bytes.subarray(free, free + 8 * count))
  }
  const spans = start + 16 * count
  const headerSpans = spans + 28 * count + 4
  const push = (builder: ColumnBuilder, at: number, length: number) => pushSpans(kernel, builder, { at, length, bytesAt, free })
  push(keys, spans, count)
  push(values, spans + 8 * count, count)
  push(ids, spans + 16 * count, count)
  push(names, headerSpans, headers)
  push(headerValues, headerSpans + 8 * headers, headers)
}

type Columns = [ColumnBuilder, ColumnBuilder, ColumnBuilder, ColumnBuilder, ColumnBuilder, ColumnBuilder, ColumnBuilder]

/** Columns of starts and ends in the kernel, `length` of each, one behind the other. */
interface SpansPlace {
  readonly at: number
  readonly length: number
  readonly bytesAt: number
  readonly free: number
}

function pushSpans(kernel: Kernel, builder: ColumnBuilder, { at, length, bytesAt, free }: SpansPlace): void {
  const bytes = kernel.exports.plainSpans(at, at + 4 * length, length, bytesAt, free)
  builder.push(kernel.bytes.subarray(free, free + bytes))
}

/** Tells which values are there, of the rows `from` to `to - 1`. */
function appendLevels(builders: readonly ColumnBuilder[], batch: MessageBatch, from: number, to: number): void {
  const [positions, timestamps, keys, values, names, headerValues, ids] = builders as Columns
  const count = to - from
  positions.addLevels(count, undefined, undefined)
  timestamps.addLevels(count, undefined, undefined)
  keys.addLevels(count, presence(batch.keyStart, from, to), undefined)
  values.addLevels(count, presence(batch.valueStart, from, to), undefined)
  ids.addLevels(count, presence(batch.idStart, from, to), undefined)
  const { headerFrom, headerValueStart } = batch
  const most = count + headerFrom[to]! - headerFrom[from]!
  const repetition = new Uint8Array(most)
  const hasName = new Uint8Array(most)
  const hasValue = new Uint8Array(most)
  let level = 0
  for (let row = from; row < to; row++) {
    const first = headerFrom[row]!
    const end = headerFrom[row + 1]!
    if (first === end) level++
    for (let header = first; header < end; header++, level++) {
      repetition[level] = header === first ? 0 : 1
      hasName[level] = 1
      hasValue[level] = headerValueStart[header] === -1 ? 1 : 2
    }
  }
  names.addLevels(level, hasName, repetition)
  headerValues.addLevels(level, hasValue, repetition)
}

/** 1 where a span is there, 0 where it is null. */
function presence(starts: Int32Array, from: number, to: number): Uint8Array {
  const levels = new Uint8Array(to - from)
  for (let row = from; row < to; row++) levels[row - from] = starts[row] === -1 ? 0 : 1
  return levels
}
