import type { MessageBatch } from '../batch/batch.ts'
import type { RecordRows, RecordVisitor } from '../kernel/record-read.ts'
import { areEncodable as areAvro, compressBlock as compressAvro, type EncodeOptions } from './avro-block.ts'
import type { AvroBlock, EncodedBlock } from './block.ts'
import type { CompressOptions, LateBytes } from './codec.ts'
import { Growing } from './growing.ts'
import { PIECE_BYTES, type PiecePool, Piecewise } from './piecewise.ts'
import { type RawBlock, RawBlockBuilder } from './raw-block.ts'
import { avroWriter, type RowWriter } from './row-writer.ts'

/** Uncompressed bytes of a block unless told otherwise. */
export const DEFAULT_BLOCK_BYTES = 1024 * 1024

/** Gathers the batches of one lane into blocks. */
export interface BlockEncoder<Block extends EncodedBlock = EncodedBlock> {
  /** Messages that no block holds yet. */
  readonly pendingCount: number
  /** Their bytes, encoded. */
  readonly pendingBytes: number
  /**
   * Takes the batch; gives the blocks that became full, in order, each resolving when it is compressed. A message larger than a
   * block gets one of its own.
   * @throws MillpondError `POSITION_INVALID` where positions do not rise, also across calls; `MESSAGE_TOO_LARGE`. Messages before
   * that one may have been taken, and blocks of them be lost: an encoder that threw must not be used again.
   */
  add(batch: MessageBatch): Promise<Block>[]
  /**
   * The same for messages that `visit` shows where they were unpacked, without columns of them being made; only formats that write messages
   * anew have it.
   */
  readonly addRecords?: (visit: (visitor: RecordVisitor) => void) => AddedRecords<Block>
  /** Closes the block that is filling, if any. */
  flush(): Promise<Block> | undefined
}

/** What became of records. */
export interface AddedRecords<Block extends EncodedBlock> {
  readonly blocks: Promise<Block>[]
  /** False where a message among them may be none that a block can hold: then what lies behind `lastPosition` was not taken. */
  readonly isWhole: boolean
  /** What ended the visit early, be it in itself or here (`POSITION_INVALID`); what lies behind `lastPosition` was not taken. */
  readonly failure: { readonly error: unknown } | undefined
  /** The position of the last message that was ever taken; -Infinity for none. */
  readonly lastPosition: number
  /** What is held of what was shown until its block is compressed: its length as records of Kafka, and hashes for look-ups. */
  readonly heldBytes: number
}

/** Records that need more room are written from columns, some at a time. */
const MAX_SCRATCH_BYTES = 1024 * 1024 * 1024

/** Bytes of a hash for a look-up. */
const HASH_BYTES = 8

/** Blocks shorter than such a share of a whole one are short. */
const SHORT_SHARE = 8

/** Buffers kept for the next blocks; more are in use only while compression is behind. */
const MAX_SPARE_BUFFERS = 4

/**
 * Buffers for one whole block each, and pieces of blocks, that are used again: taking large ones from the system and giving them back costs more
 * than filling them.
 */
export interface BufferPool extends PiecePool {
  /** Whether so few buffers are out that another may be had for a block that only begins. */
  readonly isPlenty: boolean
  /** What share was left of the last block that was compressed. */
  lastRatio: number | undefined
  take(): Uint8Array
  /** The same for a block that is short: at most an eighth of a whole one. */
  takeShort(): Uint8Array
  giveBack(buffer: Uint8Array): void
}

/** A pool of buffers of `bytes`, of which it keeps at most `maxSpare`, and twice as much of pieces; twice as many may be out for blocks that begin. */
export function createBufferPool(bytes: number, maxSpare: number): BufferPool {
  const spare: Uint8Array[] = []
  const shortBytes = Math.floor(bytes / SHORT_SHARE)
  const spareShort: Uint8Array[] = []
  const sparePieces: Uint8Array[] = []
  const maxSparePieces = Math.ceil((2 * maxSpare * bytes) / PIECE_BYTES)
  let out = 0
  return {
    lastRatio: undefined,
    get isPlenty() {
      return out < 2 * maxSpare
    },
    take() {
      out++
      return spare.pop() ?? new Uint8Array(bytes)
    },
    takeShort: () => spareShort.pop() ?? new Uint8Array(shortBytes),
    giveBack(buffer) {
      if (buffer.byteLength < bytes) {
        if (spareShort.length < SHORT_SHARE * maxSpare) spareShort.push(buffer)
        return
      }
      out--
      if (spare.length < maxSpare) spare.push(buffer)
    },
    takePiece: () => sparePieces.pop() ?? new Uint8Array(PIECE_BYTES),
    giveBackPieces(pieces) {
      sparePieces.push(...pieces.slice(0, maxSparePieces - sparePieces.length))
    },
  }
}

/** A block that is being filled, and where: in a buffer of the pool, or in pieces. */
interface Filling {
  readonly builder: RawBlockBuilder
  readonly records: Growing | Piecewise
  readonly buffer: Uint8Array | undefined
}

/** What blocks of records differ in. */
export interface RowFormat<Block extends EncodedBlock> {
  readonly writer: RowWriter
  /** Whether a block can hold every one of the messages; 4 bytes a row behind them are written to. */
  readonly areEncodable: (rows: RecordRows) => boolean
  /** The block of these records, of which `raw` is known; they do not change before it resolves. */
  readonly compressBlock: (raw: RawBlock, records: LateBytes, options: Pick<CompressOptions, 'expectedRatio'>) => Promise<Block>
}

/** How blocks are gathered. */
export interface GatherOptions extends EncodeOptions {
  readonly blockBytes?: number
  readonly pool?: BufferPool
}

/** An encoder of Avro blocks, of messages unless `writer` writes other records; see `createRowEncoder`. */
export const createBlockEncoder = (options: GatherOptions, writer = avroWriter): BlockEncoder<AvroBlock> =>
  createRowEncoder(
    {
      writer,
      areEncodable: areAvro,
      compressBlock: (raw, records, compression) => compressAvro(raw, records, { ...options, ...compression }),
    },
    options,
  )

/**
 * An encoder of blocks of about `blockBytes` before compression. What it took is copied: the batch may change or go at once. Encoders
 * that live for a moment share one `pool`.
 */
export function createRowEncoder<Block extends EncodedBlock>(
  { writer, areEncodable, compressBlock }: RowFormat<Block>,
  options: GatherOptions,
): BlockEncoder<Block> {
  const { lookups, blockBytes = DEFAULT_BLOCK_BYTES, pool = createBufferPool(blockBytes, MAX_SPARE_BUFFERS) } = options
  let filling: Filling | undefined
  let lastPosition = -Infinity
  let lastRatio: number | undefined
  let lastCount = 0
  let wasFull = false

  const open = (): Filling => {
    // Thousands of slow lanes must not have a whole buffer each.
    const buffer = wasFull && pool.isPlenty ? pool.take() : undefined
    const records = buffer === undefined ? new Piecewise(pool) : new Growing(buffer)
    const expectedCount = buffer === undefined ? 0 : lastCount
    return {
      builder: new RawBlockBuilder(lookups, { writer, blockBytes, records, after: lastPosition, expectedCount }),
      records,
      buffer,
    }
  }
  const close = async ({ builder, records, buffer }: Filling): Promise<Block> => {
    const raw = builder.seal()
    lastCount = raw.count
    let used = buffer
    const join = () => {
      if (records instanceof Growing) return records.filled
      if (records.used > blockBytes) return records.moveTo(new Uint8Array(records.used))
      used = records.used <= Math.floor(blockBytes / SHORT_SHARE) ? pool.takeShort() : pool.take()
      return records.moveTo(used)
    }
    // Under `null` the records themselves are the block, and the buffer is wanted back.
    const bytes = { byteLength: records.used, join: options.codec === 'null' ? () => Uint8Array.from(join()) : join }
    // Lanes of one archive are more alike than nothing.
    const expectedRatio = lastRatio ?? pool.lastRatio
    try {
      const block = await compressBlock(raw, bytes, expectedRatio === undefined ? {} : { expectedRatio })
      lastRatio = block.bytes.byteLength / block.rawBytes
      pool.lastRatio = lastRatio
      return block
    } finally {
      if (used !== undefined) pool.giveBack(used)
    }
  }
  const flush = (isFull: boolean) => {
    if (filling === undefined || filling.builder.count === 0) return undefined
    const block = close(filling)
    filling = undefined
    wasFull = isFull
    return block
  }

  return {
    get pendingCount() {
      return filling?.builder.count ?? 0
    },
    get pendingBytes() {
      return filling?.builder.bytes ?? 0
    },
    add(batch) {
      const blocks: Promise<Block>[] = []
      for (let row = 0; row < batch.count;) {
        filling ??= open()
        row = filling.builder.append(batch, row)
        lastPosition = batch.positions[row - 1] ?? lastPosition
        if (row < batch.count || filling.builder.bytes >= blockBytes) blocks.push(flush(true)!)
      }
      return blocks
    },
    addRecords(visit) {
      // A block is closed by the kernel too, which is not to be had before the visit has ended.
      const full: Filling[] = []
      let isWhole = true
      let heldBytes = 0
      let isBeyond = false
      const use = (rows: RecordRows) => {
        heldBytes += rows.bytes + rows.count * lookups.length * HASH_BYTES
        isWhole &&= !isBeyond && areEncodable(rows)
        for (let row = 0; isWhole && row < rows.count;) {
          filling ??= open()
          row = filling.builder.appendRecords(rows, row)
          lastPosition = filling.builder.lastPosition
          if (row === rows.count && filling.builder.bytes < blockBytes) break
          full.push(filling)
          filling = undefined
          wasFull = true
        }
      }
      let failure: AddedRecords<Block>['failure']
      try {
        visit({
          scratchBytes(rows) {
            const bytes = (filling ??= open()).builder.scratchBytes(rows)
            // Taken one by one they may be written yet, and one that is too large be told.
            isBeyond = bytes > MAX_SCRATCH_BYTES
            return isBeyond ? 4 * rows.count : bytes
          },
          use,
        })
      } catch (error) {
        failure = { error }
      }
      return { blocks: full.map((each) => close(each)), isWhole, failure, lastPosition, heldBytes }
    },
    flush: () => flush(false),
  }
}
