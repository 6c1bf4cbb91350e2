import type { MessageBatch } from '../batch/batch.ts'
import type { RecordRows, RecordVisitor } from '../kernel/record-read.ts'
import { areEncodable, compressBlock, type EncodeOptions } from './avro-block.ts'
import type { AvroBlock, EncodedBlock } from './block.ts'
import { RawBlockBuilder } from './raw-block.ts'

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
  /** Length of what was shown, as records of Kafka. */
  readonly rawBytes: number
}

/** Room for the first block of a lane, of which nobody knows how large it will be. */
const FIRST_BYTES = 16 * 1024

/** Buffers kept for the next blocks; more are in use only while compression is behind. */
const MAX_SPARE_BUFFERS = 4

/** Buffers of one size that are used again: taking large ones from the system and giving them back costs more than filling them. */
export interface BufferPool {
  take(): Uint8Array
  giveBack(buffer: Uint8Array): void
}

/** A pool of buffers of `bytes`, of which it keeps at most `maxSpare`. */
export function createBufferPool(bytes: number, maxSpare: number): BufferPool {
  const spare: Uint8Array[] = []
  return {
    take: () => spare.pop() ?? new Uint8Array(bytes),
    giveBack(buffer) {
      if (spare.length < maxSpare) spare.push(buffer)
    },
  }
}

/** A block that is being filled, and where. */
interface Filling {
  readonly builder: RawBlockBuilder
  readonly buffer: Uint8Array
}

/**
 * An encoder of Avro blocks of about `blockBytes` before compression. What it took is copied: the batch may change or go at once. Encoders
 * that live for a moment share one `pool`.
 */
export function createBlockEncoder(
  options: EncodeOptions & { readonly blockBytes?: number; readonly pool?: BufferPool },
): BlockEncoder<AvroBlock> {
  const { lookups, blockBytes = DEFAULT_BLOCK_BYTES, pool = createBufferPool(blockBytes, MAX_SPARE_BUFFERS) } = options
  let filling: Filling | undefined
  let lastPosition = -Infinity
  let lastRatio: number | undefined
  let lastBytes = 0
  let lastCount = 0

  const open = (): Filling => {
    // Thousands of slow lanes must not have a whole buffer each: what is small at first grows where it is not.
    const isLarge = lastBytes >= blockBytes / 2
    const buffer = isLarge ? pool.take() : new Uint8Array(Math.min(blockBytes, Math.max(FIRST_BYTES, lastBytes)))
    return {
      builder: new RawBlockBuilder(lookups, { blockBytes, buffer, after: lastPosition, expectedCount: lastCount }),
      buffer,
    }
  }
  const close = async ({ builder, buffer }: Filling): Promise<AvroBlock> => {
    const raw = builder.seal()
    lastBytes = raw.bytes.byteLength
    lastCount = raw.count
    try {
      // Under `null` the records themselves are the block, and the buffer is wanted back.
      const own = options.codec === 'null' ? { ...raw, bytes: Uint8Array.from(raw.bytes) } : raw
      const block = await compressBlock(own, lastRatio === undefined ? options : { ...options, expectedRatio: lastRatio })
      lastRatio = block.bytes.byteLength / block.rawBytes
      return block
    } finally {
      if (buffer.byteLength === blockBytes) pool.giveBack(buffer)
    }
  }
  const flush = () => {
    if (filling === undefined || filling.builder.count === 0) return undefined
    const block = close(filling)
    filling = undefined
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
      const blocks: Promise<AvroBlock>[] = []
      for (let row = 0; row < batch.count;) {
        filling ??= open()
        row = filling.builder.append(batch, row)
        lastPosition = batch.positions[row - 1] ?? lastPosition
        if (row < batch.count || filling.builder.bytes >= blockBytes) blocks.push(flush()!)
      }
      return blocks
    },
    addRecords(visit) {
      // A block is closed by the kernel too, which is not to be had before the visit has ended.
      const full: Filling[] = []
      let isWhole = true
      let rawBytes = 0
      const use = (rows: RecordRows) => {
        rawBytes += rows.bytes
        isWhole &&= areEncodable(rows)
        for (let row = 0; isWhole && row < rows.count;) {
          filling ??= open()
          row = filling.builder.appendRecords(rows, row)
          lastPosition = filling.builder.lastPosition
          if (row === rows.count && filling.builder.bytes < blockBytes) break
          full.push(filling)
          // The next one is opened before this one is closed.
          lastBytes = filling.builder.bytes
          filling = undefined
        }
      }
      let failure: AddedRecords<AvroBlock>['failure']
      try {
        visit({ scratchBytes: (rows) => (filling ??= open()).builder.scratchBytes(rows), use })
      } catch (error) {
        failure = { error }
      }
      return { blocks: full.map((each) => close(each)), isWhole, failure, lastPosition, rawBytes }
    },
    flush,
  }
}
