import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { RecordRows } from '../kernel/record-read.ts'
import { type LoadedRows, withRows } from '../kernel/rows.ts'
import type { BlockFilter, LookupField } from './block.ts'
import { Growing } from './growing.ts'
import type { Piecewise } from './piecewise.ts'
import { type HashedRows, LookupHashes } from './lookup-hashes.ts'
import { avroWriter, MAX_MESSAGE_BYTES, type RowWriter } from './row-writer.ts'

/** What is known about the records of one block before compression. */
export interface RawBlock {
  readonly count: number
  readonly firstPosition: number
  readonly lastPosition: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
  readonly filters: readonly BlockFilter[]
}

const NO_BYTES = new Uint8Array(0)

/** What a record of Kafka's grows by at the most: position and timestamp of ten bytes each, three unions, and the headers' count and end. */
const RECORD_GROWTH_BYTES = 10 + 10 + 3 + 6

/** Upper bound of the Avro encoding of records that were read: lengths take the same bytes in both, each header's value one more. */
export const encodedRecordBytes = ({ bytes, count, headers }: Pick<RecordRows, 'bytes' | 'count' | 'headers'>): number =>
  bytes + count * RECORD_GROWTH_BYTES + headers

export interface RawBlockOptions {
  /** How records are written; as Avro where it is left out. */
  readonly writer?: RowWriter
  readonly blockBytes: number
  /** Where the records are written. */
  readonly records?: Growing | Piecewise
  readonly after?: number
  readonly expectedCount?: number
}

/** Writes messages as the records of one block. A class: it is the hot path of every archive, and its state changes with each call. */
export class RawBlockBuilder {
  readonly #writer: RowWriter
  readonly #blockBytes: number
  readonly #records: Growing | Piecewise
  readonly #hashes: LookupHashes
  #count = 0
  #firstPosition = NaN
  #lastPosition: number
  #minTimestamp = Infinity
  #maxTimestamp = -Infinity

  /**
   * A block of at most `blockBytes`, or of one message; positions are above `after`. About `expectedCount` messages will come.
   */
  constructor(lookups: readonly LookupField[], options: RawBlockOptions) {
    const { writer = avroWriter, blockBytes, records = new Growing(NO_BYTES), after = -Infinity, expectedCount } = options
    this.#writer = writer
    this.#blockBytes = Math.min(blockBytes, 0x7fff_ffff)
    this.#records = records
    this.#lastPosition = after
    this.#hashes = new LookupHashes(lookups, expectedCount)
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#records.used
  }

  /** The position of the last message, or what the block began behind. */
  get lastPosition(): number {
    return this.#lastPosition
  }

  /**
   * Copies in messages from row `from` on. Gives the row behind the last one taken: if that is not `batch.count`, the block is full.
   * @throws MillpondError `POSITION_INVALID`, `MESSAGE_TOO_LARGE`; the block may then hold a part of the batch.
   */
  append(batch: MessageBatch, from: number): number {
    let row = from
    while (row < batch.count) {
      if (batch.positions[row]! <= this.#lastPosition) {
        throw new MillpondError('POSITION_INVALID', `position ${batch.positions[row]} does not follow ${this.#lastPosition}`)
      }
      const loadedFrom = row
      const loaded = withRows(
        batch,
        row,
        (rows) => this.#scratchBytes(rows),
        (rows) => {
          this.#checkSize(rows)
          row = loadedFrom + this.#write(rows, 0, rows.columns.count)
          return rows.nextRow
        },
      )
      if (row > loadedFrom) {
        if (this.#count === 0) this.#firstPosition = batch.positions[loadedFrom]!
        this.#lastPosition = batch.positions[row - 1]!
        this.#count += row - loadedFrom
      }
      if (row < loaded) break
    }
    return row
  }

  /**
   * Takes messages that lie in the kernel, from row `from` on; as `append` otherwise. Behind `rows.free` there is what `scratchBytes` asks for.
   * @throws MillpondError `POSITION_INVALID`.
   */
  appendRecords(rows: RecordRows, from: number): number {
    const { kernel, columns, count } = rows
    const positions = kernel.f64.subarray(columns.start / 8, columns.start / 8 + count)
    for (let row = from, last = this.#lastPosition; row < count; row++) {
      const position = positions[row]!
      if (position <= last) throw new MillpondError('POSITION_INVALID', `position ${position} does not follow ${last}`)
      last = position
    }
    const taken = this.#write(rows, from, count)
    if (taken > 0) {
      if (this.#count === 0) this.#firstPosition = positions[from]!
      this.#lastPosition = positions[from + taken - 1]!
      this.#count += taken
    }
    return from + taken
  }

  /** Room behind rows of records that `appendRecords` needs. */
  scratchBytes(rows: RecordRows): number {
    const { kernel, columns } = rows
    const measured = { kernel, columns, encodedBytes: encodedRecordBytes(rows) }
    return Math.max(this.#writer.scratchBytes(measured), this.#hashes.scratchBytes(columns))
  }

  /** What is known of all that was appended; the builder must not be used afterwards. */
  seal(): RawBlock {
    return {
      count: this.#count,
      firstPosition: this.#firstPosition,
      lastPosition: this.#lastPosition,
      minTimestamp: this.#minTimestamp,
      maxTimestamp: this.#maxTimestamp,
      filters: this.#hashes.takeFilters(),
    }
  }

  /** Records, and then hashes, use the same place one after the other. */
  #scratchBytes(rows: LoadedRows): number {
    return Math.max(this.#writer.scratchBytes(rows), this.#hashes.scratchBytes(rows.columns))
  }

  #write(rows: HashedRows, from: number, to: number): number {
    const range = { from, to, pendingBytes: this.#records.used, blockBytes: this.#blockBytes }
    const { count, start, bytes, minTimestamp, maxTimestamp } = this.#writer.write(rows, range)
    if (count === 0) return 0
    this.#records.push(rows.kernel.bytes.subarray(start, start + bytes))
    this.#minTimestamp = Math.min(this.#minTimestamp, minTimestamp)
    this.#maxTimestamp = Math.max(this.#maxTimestamp, maxTimestamp)
    this.#hashes.collect(rows, from, from + count)
    return count
  }

  #checkSize(rows: LoadedRows): void {
    const { columns, encodedBytes } = rows
    if (columns.count > 1 || !this.#writer.isTooLarge(rows)) return
    throw new MillpondError('MESSAGE_TOO_LARGE', `a message of ${encodedBytes} bytes is larger than a block can hold`, {
      details: { bytes: encodedBytes, maxBytes: MAX_MESSAGE_BYTES },
    })
  }
}
