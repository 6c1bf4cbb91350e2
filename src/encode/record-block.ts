/**
 * Blocks of the format `kafka`: Kafka's record batches, one behind the other, whose offsets are the positions. A source that has the
 * broker's own batches gives them as they are; other sources' messages are written as batches.
 */
import type { MessageBatch } from '../batch/batch.ts'
import { joinBatches } from '../batch/join.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import type { RecordRows, RecordVisitor } from '../kernel/record-read.ts'
import { withRows } from '../kernel/rows.ts'
import type { EncodeOptions, UnencodableMessage } from './avro-block.ts'
import type { Codec, LookupField, RecordBlock, StoredCodec } from './block.ts'
import { LookupHashes } from './lookup-hashes.ts'
import { MAX_MESSAGE_BYTES } from './row-writer.ts'
import { rowsThatFit, writeRecordBatch } from './record-batch.ts'
import type { RecordCodec } from './record-header.ts'
import { readRecordBatches, scanRecordSet } from './record-set.ts'

/** Codecs of Kafka by their names in Avro. Kafka's `lz4` has none: such batches are archived as they come, and never written. */
const RECORD_CODECS: Readonly<Record<Codec, RecordCodec>> = {
  zstandard: 'zstd',
  deflate: 'gzip',
  gzip: 'gzip',
  snappy: 'snappy',
  null: 'none',
}

/** Records of a batch that is written here, before compression: within the size that brokers take unless told otherwise. */
const RECORD_BATCH_BYTES = 512 * 1024

/** Takes account of the messages of one block after the other. A class: it is on the hot path of every archive of record batches. */
export class BlockAccount {
  readonly #hashes: LookupHashes
  /** Shown record batches to take account of them. */
  readonly visitor: RecordVisitor
  #lastPosition: number
  #count = 0
  #rawBytes = 0
  #firstPosition = NaN
  #minTimestamp = Infinity
  #maxTimestamp = -Infinity

  /** An account of messages whose positions are above `after`. */
  constructor(lookups: readonly LookupField[], after: number) {
    this.#hashes = new LookupHashes(lookups)
    this.#lastPosition = after
    this.visitor = {
      scratchBytes: ({ columns }) => this.#hashes.scratchBytes(columns),
      use: (rows) => this.#addRows(rows),
    }
  }

  /** Messages of the block that is open. */
  get count(): number {
    return this.#count
  }

  /** Length of its records before compression. */
  get rawBytes(): number {
    return this.#rawBytes
  }

  /** The position of the last message, or what the account began behind. */
  get lastPosition(): number {
    return this.#lastPosition
  }

  /** @throws MillpondError `POSITION_INVALID` where positions do not rise; the account must not be used then. */
  add(batch: MessageBatch): void {
    this.#addColumns(batch.positions, batch.timestamps, batch.count)
    this.#rawBytes += batch.bytes.byteLength
    for (let row = 0; row < batch.count;) {
      row = withRows(
        batch,
        row,
        ({ columns }) => this.#hashes.scratchBytes(columns),
        (rows) => {
          this.#hashes.collect(rows, 0, rows.columns.count)
          return rows.nextRow
        },
      )
    }
  }

  /** The block of all that was added since the last one, whose records are `bytes`; with the CRC-32C of them where it is known. */
  seal(bytes: Uint8Array, codec: RecordBlock['codec'], crc32c?: number): RecordBlock {
    const block = {
      format: 'kafka' as const,
      codec,
      bytes,
      ...(crc32c === undefined ? {} : { crc32c }),
      rawBytes: this.#rawBytes,
      count: this.#count,
      firstPosition: this.#firstPosition,
      lastPosition: this.#lastPosition,
      minTimestamp: this.#minTimestamp,
      maxTimestamp: this.#maxTimestamp,
      filters: this.#hashes.takeFilters(),
    }
    this.#count = 0
    this.#rawBytes = 0
    this.#minTimestamp = Infinity
    this.#maxTimestamp = -Infinity
    return block
  }

  #addRows(rows: RecordRows): void {
    const { kernel, columns, count } = rows
    const start = columns.start / 8
    const positions = kernel.f64.subarray(start, start + count)
    this.#addColumns(positions, kernel.f64.subarray(start + columns.count, start + columns.count + count), count)
    this.#rawBytes += rows.bytes
    this.#hashes.collect(rows, 0, count)
  }

  #addColumns(positions: Float64Array, timestamps: Float64Array, count: number): void {
    let last = this.#lastPosition
    let min = this.#minTimestamp
    let max = this.#maxTimestamp
    for (let row = 0; row < count; row++) {
      const position = positions[row]!
      if (position <= last) throw new MillpondError('POSITION_INVALID', `position ${position} does not follow ${last}`)
      last = position
      const timestamp = timestamps[row]!
      if (timestamp < min) min = timestamp
      if (timestamp > max) max = timestamp
    }
    if (this.#count === 0 && count > 0) this.#firstPosition = positions[0]!
    this.#count += count
    this.#lastPosition = last
    this.#minTimestamp = min
    this.#maxTimestamp = max
  }
}

/**
 * The messages of a block of this format.
 * @throws MillpondError `BLOCK_CORRUPT` for anything but whole record batches with rising offsets, in `codec` where that is one.
 */
export async function readRecordBlock(bytes: Uint8Array, codec: StoredCodec): Promise<MessageBatch> {
  try {
    const { batches, restBytes } = scanRecordSet(bytes)
    if (restBytes > 0 || batches.length === 0) {
      throw new MillpondError('BLOCK_CORRUPT', `${restBytes} of its ${bytes.byteLength} bytes are no record batch`)
    }
    const back = batches.find(({ baseOffset }, i) => i > 0 && baseOffset <= batches[i - 1]!.lastOffset)
    if (back !== undefined) throw new MillpondError('BLOCK_CORRUPT', `the record batch at offset ${back.baseOffset} goes back`)
    const other = batches.find((batch) => codec !== 'mixed' && batch.codec !== codec)
    if (other !== undefined) throw new MillpondError('BLOCK_CORRUPT', `a record batch in ${other.codec}, not ${codec}`)
    return await readRecordBatches(bytes, batches, 0)
  } catch (error) {
    if (isMillpondError(error, 'RECORD_SET_CORRUPT')) {
      throw new MillpondError('BLOCK_CORRUPT', error.message, { cause: error, details: error.details })
    }
    throw error
  }
}

/** The block of these batches' messages, written as record batches. */
export async function encodeRecordBlock(batches: readonly MessageBatch[], options: EncodeOptions): Promise<RecordBlock> {
  const codec = RECORD_CODECS[options.codec]
  const batch = joinBatches(batches)
  const account = new BlockAccount(options.lookups, -Infinity)
  account.add(batch)
  const level = options.level === undefined ? {} : { level: options.level }
  const parts: Promise<Uint8Array>[] = []
  for (let from = 0; from < batch.count;) {
    const to = from + rowsThatFit(batch, from, RECORD_BATCH_BYTES)
    parts.push(writeRecordBatch(batch, from, to, { codec, keepOffsets: true, ...level }))
    from = to
  }
  const written = await Promise.all(parts)
  return account.seal(written.length === 1 ? written[0]! : Buffer.concat(written), codec)
}

/** Messages that no record batch can hold: Kafka's records have no id. One entry a message, rising by row. */
export function findNotRecords(batch: MessageBatch): UnencodableMessage[] {
  const found: UnencodableMessage[] = []
  const mayBeLarge = batch.bytes.byteLength > MAX_MESSAGE_BYTES
  for (let row = 0; row < batch.count; row++) {
    if (batch.idStart[row]! >= 0) found.push({ row, reason: 'records of the format kafka have no id' })
    else if (mayBeLarge && messageBytes(batch, row) > MAX_MESSAGE_BYTES) {
      found.push({ row, reason: `more than ${MAX_MESSAGE_BYTES} bytes` })
    }
  }
  return found
}

/** About what a message takes as a record. */
export function messageBytes(batch: MessageBatch, row: number): number {
  let bytes = 16 + batch.keyEnd[row]! - batch.keyStart[row]! + batch.valueEnd[row]! - batch.valueStart[row]!
  for (let h = batch.headerFrom[row]!, end = batch.headerFrom[row + 1]!; h < end; h++) {
    bytes += 4 + batch.headerNameEnd[h]! - batch.headerNameStart[h]! + batch.headerValueEnd[h]! - batch.headerValueStart[h]!
  }
  return bytes
}
