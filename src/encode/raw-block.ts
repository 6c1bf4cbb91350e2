import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import { checkResult } from '../kernel/fault.ts'
import type { RecordRows } from '../kernel/record-read.ts'
import { type LoadedRows, withRows } from '../kernel/rows.ts'
import type { BlockFilter, LookupField } from './block.ts'
import { Growing } from './growing.ts'
import type { Piecewise } from './piecewise.ts'
import { type HashedRows, LookupHashes } from './lookup-hashes.ts'

/** What is known about the records of one block before compression. */
export interface RawBlock {
  readonly count: number
  readonly firstPosition: number
  readonly lastPosition: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
  readonly filters: readonly BlockFilter[]
}

/** Largest message that a block can hold, in bytes of its encoding. */
export const MAX_MESSAGE_BYTES = 1024 * 1024 * 1024

const NO_BYTES = new Uint8Array(0)

/** What a record of Kafka's grows by at the most: position and timestamp of ten bytes each, three unions, and the headers' count and end. */
const RECORD_GROWTH_BYTES = 10 + 10 + 3 + 6

/** Upper bound of the Avro encoding of records that were read: lengths take the same bytes in both, each header's value one more. */
export const encodedRecordBytes = ({ bytes, count, headers }: Pick<RecordRows, 'bytes' | 'count' | 'headers'>): number =>
  bytes + count * RECORD_GROWTH_BYTES + headers

/** What the kernel writes of rows: as `writeRows` does, and with the same result, or values alone. */
export type WriteRows = (
  rows: HashedRows,
  place: { readonly from: number; readonly to: number; readonly pendingBytes: number; readonly blockBytes: number },
) => number

/** Whole messages, as Avro records. */
const writeMessages: WriteRows = ({ kernel, columns, bytesAt, free }, { from, to, pendingBytes, blockBytes }) => {
  const { start, count, headers } = columns
  return kernel.exports.writeRows(start, count, headers, from, to, bytesAt, free, pendingBytes, blockBytes, kernel.arenaStart)
}

export interface RawBlockOptions {
  readonly blockBytes: number
  /** Messages as Avro records unless given. */
  readonly write?: WriteRows
  /** Where the records are written. */
  readonly records?: Growing | Piecewise
  readonly after?: number
  readonly expectedCount?: number
}

/** Writes messages as the records of one block. A class: it is the hot path of every archive, and its state changes with each call. */
export class RawBlockBuilder {
  readonly #blockBytes: number
  readonly #records: Growing | Piecewise
  readonly #hashes: LookupHashes
  readonly #writeRows: WriteRows
  #count = 0
  #firstPosition = NaN
  #lastPosition: number
  #minTimestamp = Infinity
  #maxTimestamp = -Infinity

  /**
   * A block of at most `blockBytes`, or of one message; positions are above `after`. About `expectedCount` messages will come.
   */
  constructor(lookups: readonly LookupField[], options: RawBlockOptions) {
    const { blockBytes, records = new Growing(NO_BYTES), after = -Infinity, expectedCount, write = writeMessages } = options
    this.#blockBytes = Math.min(blockBytes, 0x7fff_ffff)
    this.#records = records
    this.#lastPosition = after
    this.#hashes = new LookupHashes(lookups, expectedCount)
    this.#writeRows = write
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
          checkSize(rows)
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
    return Math.max(encodedRecordBytes(rows), this.#hashes.scratchBytes(rows.columns))
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
    return Math.max(rows.encodedBytes, this.#hashes.scratchBytes(rows.columns))
  }

  #write(rows: HashedRows, from: number, to: number): number {
    const { kernel, free } = rows
    const result = kernel.arenaStart
    const taken = this.#writeRows(rows, { from, to, pendingBytes: this.#records.used, blockBytes: this.#blockBytes })
    if (checkResult(taken, 'INTERNAL', 'messages cannot be written') === 0) return 0
    const length = kernel.i32[result / 4]!
    this.#records.push(kernel.bytes.subarray(free, free + length))
    this.#minTimestamp = Math.min(this.#minTimestamp, kernel.f64[result / 8 + 1]!)
    this.#maxTimestamp = Math.max(this.#maxTimestamp, kernel.f64[result / 8 + 2]!)
    this.#hashes.collect(rows, from, from + taken)
    return taken
  }
}

function checkSize({ columns, encodedBytes }: LoadedRows): void {
  if (encodedBytes <= MAX_MESSAGE_BYTES || columns.count > 1) return
  throw new MillpondError('MESSAGE_TOO_LARGE', `a message of ${encodedBytes} bytes is larger than a block can hold`, {
    details: { bytes: encodedBytes, maxBytes: MAX_MESSAGE_BYTES },
  })
}
