import { isAscii } from 'node:buffer'
import type { MessageBatch } from '../batch/batch.ts'
import { batchOf } from '../batch/builder.ts'
import { MillpondError } from '../errors.ts'
import { columnsBytes, readColumns } from '../kernel/columns.ts'
import { checkResult, HEADERS_FULL } from '../kernel/fault.ts'
import { SLACK_BYTES, withKernel } from '../kernel/kernel.ts'
import type { RecordRows } from '../kernel/record-read.ts'
import { withRows } from '../kernel/rows.ts'
import type { AvroBlock, Codec, LookupField } from './block.ts'
import { compress, type CompressOptions, decompress, type LateBytes, MAX_RAW_BYTES } from './codec.ts'
import { Growing } from './growing.ts'
import { type RawBlock, RawBlockBuilder } from './raw-block.ts'
import { MAX_MESSAGE_BYTES } from './row-writer.ts'

/** How blocks are made. */
export interface EncodeOptions {
  readonly codec: Codec
  /** Effort of the codec: 1 is fast and the default; 1 to 22 for zstandard, 1 to 9 for deflate, of no meaning to the others. */
  readonly level?: number
  /** Fields that get filters, in the order of the filters. */
  readonly lookups: readonly LookupField[]
}

/** A message that no block can hold, and why. */
export interface UnencodableMessage {
  readonly row: number
  readonly reason: string
}

const MiB = 1024 * 1024

/** The least that a record takes: one byte for each field. */
const MIN_RECORD_BYTES = 6

/** Encodes and compresses the whole batch, which is not empty, as one block. */
export async function encodeBlock(batch: MessageBatch, options: EncodeOptions): Promise<AvroBlock> {
  if (batch.count === 0) throw new MillpondError('INTERNAL', 'a block holds one message at the least')
  const records = new Growing(new Uint8Array(0))
  const builder = new RawBlockBuilder(options.lookups, { blockBytes: Infinity, records })
  const taken = builder.append(batch, 0)
  if (taken < batch.count) {
    throw new MillpondError('MESSAGE_TOO_LARGE', `${batch.count} messages are more than one block can hold`, {
      details: { taken },
    })
  }
  return compressBlock(builder.seal(), records.filled, options)
}

/** The block of these records, of which `raw` is known; they must not change before it resolves. */
export async function compressBlock(
  raw: RawBlock,
  records: Uint8Array | LateBytes,
  options: EncodeOptions & CompressOptions,
): Promise<AvroBlock> {
  return {
    format: 'avro',
    codec: options.codec,
    bytes: await compress(options.codec, records, options),
    rawBytes: records.byteLength,
    count: raw.count,
    firstPosition: raw.firstPosition,
    lastPosition: raw.lastPosition,
    minTimestamp: raw.minTimestamp,
    maxTimestamp: raw.maxTimestamp,
    filters: raw.filters,
  }
}

/**
 * The messages of a block; their bytes are those of the block itself after decompression, for codec `null` the very `bytes` given.
 * @throws MillpondError `BLOCK_CORRUPT` for anything that is not `count` messages with rising positions, and for more than
 * `maxRawBytes` of them.
 */
export async function decodeBlock(block: {
  readonly codec: Codec
  readonly bytes: Uint8Array
  readonly count: number
  readonly maxRawBytes?: number
}): Promise<MessageBatch> {
  return readRecords(await decompress(block.codec, block.bytes, block.maxRawBytes ?? MAX_RAW_BYTES), block.count)
}

/** The messages of `count` Avro records, which must be all that `raw` holds. @throws MillpondError `BLOCK_CORRUPT`. */
export function readRecords(raw: Uint8Array, count: number): MessageBatch {
  if (
    !Number.isSafeInteger(count) ||
    count < 0 ||
    count * MIN_RECORD_BYTES > raw.byteLength ||
    (count === 0 && raw.byteLength > 0)
  ) {
    throw new MillpondError('BLOCK_CORRUPT', `${raw.byteLength} bytes cannot hold ${count} messages`, { details: { count } })
  }
  if (count === 0) return batchOf([])
  // Two bytes are the least that a header takes. Room for all that could be there is rarely needed.
  const mostHeaders = raw.byteLength >> 1
  let headers = Math.min(mostHeaders, Math.max(1024, count * 16))
  for (;;) {
    const batch = tryRecords(raw, count, headers)
    if (batch !== undefined) return batch
    headers = Math.min(mostHeaders, headers * 8)
  }
}

function tryRecords(raw: Uint8Array, count: number, headers: number): MessageBatch | undefined {
  const columns = columnsBytes(count, headers)
  return withKernel(64 + columns + raw.byteLength + 2 * SLACK_BYTES, (kernel) => {
    const result = kernel.arenaStart
    const start = result + 64
    const source = start + columns
    kernel.bytes.set(raw, source)
    const found = kernel.exports.readRows(source, raw.byteLength, start, count, headers, result)
    if (found === HEADERS_FULL) return undefined
    const at = { row: kernel.i32[result / 4], offset: kernel.i32[result / 4 + 1] }
    checkResult(found, 'BLOCK_CORRUPT', `a block of ${count} messages cannot be read`, found < 0 ? at : {})
    return readColumns(kernel, { start, count, headers }, { count, headers: found }, raw)
  })
}

/**
 * Messages that no block can hold: an id or a header's name that is not UTF-8, or more bytes than a block takes. One entry a message,
 * rising by row; it costs next to nothing where all bytes are ASCII.
 */
export function findUnencodable(batch: MessageBatch): UnencodableMessage[] {
  const found: UnencodableMessage[] = []
  // A slice of a large batch shares all its bytes; looking through them for every slice would take far too long.
  if (
    batch.bytes.byteLength <= Math.max(MiB, batch.count * 4096) &&
    batch.bytes.byteLength < MAX_MESSAGE_BYTES / 2 &&
    isAscii(batch.bytes)
  ) {
    return found
  }
  for (let row = 0; row < batch.count;) row = findUnencodableFrom(batch, row, found)
  return found
}

/** Larger records are looked at one by one: a message may be too large. */
const MAX_RECORDS_BYTES = 64 * MiB

/** Whether a block can hold every one of the messages, as they lie in the kernel; 4 bytes a row behind them are written to. */
export function areEncodable({ kernel, columns, count, bytesAt, bytes, free }: RecordRows): boolean {
  if (bytes > MAX_RECORDS_BYTES) return false
  if (isAscii(kernel.bytes.subarray(bytesAt, bytesAt + bytes))) return true
  return kernel.exports.findNotUtf8(columns.start, columns.count, columns.headers, count, bytesAt, free) === 0
}

/** Looks at some rows from `from` on; gives the first that it did not look at. */
function findUnencodableFrom(batch: MessageBatch, from: number, found: UnencodableMessage[]): number {
  return withRows(
    batch,
    from,
    ({ columns }) => 4 * columns.count,
    ({ kernel, columns, bytesAt, free, nextRow, encodedBytes }) => {
      if (columns.count === 1 && encodedBytes > MAX_MESSAGE_BYTES) {
        found.push({ row: from, reason: `more than ${MAX_MESSAGE_BYTES} bytes` })
        return nextRow
      }
      const faults = kernel.exports.findNotUtf8(columns.start, columns.count, columns.headers, columns.count, bytesAt, free)
      for (let i = 0; i < faults; i++) {
        const fault = kernel.i32[free / 4 + i]!
        const reasons = [fault & 1 ? 'the id is not UTF-8' : '', fault & 2 ? 'a header name is not UTF-8' : '']
        found.push({ row: from + (fault >> 2), reason: reasons.filter((reason) => reason !== '').join(' and ') })
      }
      return nextRow
    },
  )
}
