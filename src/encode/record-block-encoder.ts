import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import { crc32c, joinCrc32c } from '../kernel/checksum.ts'
import type { EncodeOptions } from './avro-block.ts'
import type { RecordBlock, RecordSet } from './block.ts'
import type { BlockEncoder } from './block-encoder.ts'
import { BlockAccount, encodeRecordBlock, messageBytes } from './record-block.ts'
import { writeRecordBatch } from './record-batch.ts'
import { batchCrc32c, type RecordBatchInfo, readRecordBatches, unpackRecordBatches } from './record-set.ts'

/** An encoder that writes messages as record batches, in blocks of about `blockBytes` before compression. It keeps the batches it takes. */
export function createRecordBlockEncoder(options: EncodeOptions & { readonly blockBytes: number }): BlockEncoder<RecordBlock> {
  const { blockBytes } = options
  let pending: MessageBatch[] = []
  let pendingCount = 0
  let pendingBytes = 0
  let lastPosition = -Infinity

  const flush = () => {
    if (pendingCount === 0) return undefined
    const block = encodeRecordBlock(pending, options)
    pending = []
    pendingCount = 0
    pendingBytes = 0
    return block
  }
  return {
    get pendingCount() {
      return pendingCount
    },
    get pendingBytes() {
      return pendingBytes
    },
    add(batch) {
      const blocks: Promise<RecordBlock>[] = []
      let from = 0
      const take = (to: number) => {
        if (to === from) return
        pending.push(from === 0 && to === batch.count ? batch : sliceBatch(batch, from, to))
        pendingCount += to - from
        from = to
      }
      const close = (to: number) => {
        take(to)
        const block = flush()
        if (block !== undefined) blocks.push(block)
      }
      for (let row = 0; row < batch.count; row++) {
        const position = batch.positions[row]!
        if (position <= lastPosition) {
          throw new MillpondError('POSITION_INVALID', `position ${position} does not follow ${lastPosition}`)
        }
        lastPosition = position
        const bytes = messageBytes(batch, row)
        if (pendingBytes + bytes > blockBytes) close(row)
        pendingBytes += bytes
      }
      take(batch.count)
      if (pendingBytes >= blockBytes) close(batch.count)
      return blocks
    },
    flush,
  }
}

/** Gathers record batches of one lane, byte for byte, into blocks. */
export interface RecordSetGatherer {
  /** Messages that no block holds yet. */
  readonly pendingCount: number
  /** The position behind the last message that was taken. */
  readonly nextPosition: number
  /**
   * Takes the batches of the set; gives the blocks that became full, in order. All that blocks hold, and what it still holds afterwards, is copied.
   * @throws MillpondError `POSITION_INVALID` where a batch begins before the end of the one before it; `RECORD_SET_CORRUPT`.
   */
  add(set: RecordSet): AsyncGenerator<RecordBlock>
  /** Closes the block that is filling, if any. */
  flush(): RecordBlock | undefined
}

/** What a record batch is likely to take decompressed, while none of the lane was read. */
const FIRST_RATIO = 4
/** Batches are whole: a block may pass its size by this much before a large one gets a block of its own. */
const MOST_FILLED = 1.5

/**
 * A gatherer for blocks of about `blockBytes` before compression. Records of the first batch that lie before `position` are left out,
 * as a broker gives the whole batch that holds a position: that one batch is written anew.
 */
export function createRecordSetGatherer(
  { lookups, blockBytes }: Pick<EncodeOptions, 'lookups'> & { readonly blockBytes: number },
  position: number,
): RecordSetGatherer {
  const account = new BlockAccount(lookups, position - 1)
  let chunks: Uint8Array[] = []
  /** Of the chunks, how many are no part of a set. */
  let owned = 0
  let codec: RecordBlock['codec'] | undefined
  let crc = 0
  let ratio = FIRST_RATIO
  let isBegun = false
  /** The account may hold more than the chunks do. */
  let isBroken = false

  const expectedBytes = (info: RecordBatchInfo) => info.bytes * (info.codec === 'none' ? 1 : ratio)
  const flush = (): RecordBlock | undefined => {
    if (account.count === 0 || isBroken) return undefined
    const bytes = joined(chunks)
    const block = account.seal(bytes, codec!, crc)
    chunks = []
    crc = 0
    owned = 0
    codec = undefined
    return block
  }
  const push = ({ chunks: stored, crc: added, bytes }: Stored, batches: readonly RecordBatchInfo[]) => {
    chunks.push(...stored)
    crc = joinCrc32c(crc, added, bytes)
    for (const info of batches) codec = codec === undefined || codec === info.codec ? info.codec : 'mixed'
  }
  /** From here to its end nothing is awaited: a block may be closed at any time between, and account and chunks must agree. */
  const accountFor = (add: () => void, stored: Stored, batches: readonly RecordBatchInfo[]) => {
    isBroken = true
    add()
    push(stored, batches)
    isBroken = false
  }
  const take = async (set: Uint8Array, batches: readonly RecordBatchInfo[]) => {
    const visit = await unpackRecordBatches(set, batches, 0)
    const before = account.rawBytes
    accountFor(() => visit(account.visitor), spansOf(set, batches), batches)
    const compressed = batches.filter((info) => info.codec !== 'none')
    if (compressed.length === batches.length)
      ratio = (account.rawBytes - before) / batches.reduce((sum, { bytes }) => sum + bytes, 0)
  }
  /** Takes the batch that the position lies in, without the records before it. */
  const takeRest = async (set: Uint8Array, info: RecordBatchInfo) => {
    const batch = await readRecordBatches(set, [info], position)
    if (batch.count === 0) return
    const stored = batch.count < info.count ? await trimmed(batch, info) : spansOf(set, [info])
    accountFor(() => account.add(batch), stored, [info])
  }
  return {
    get pendingCount() {
      return account.count
    },
    get nextPosition() {
      return account.lastPosition + 1
    },
    async *add({ bytes: set, batches }) {
      for (let from = 0; from < batches.length;) {
        const info = batches[from]!
        if (!isBegun && info.baseOffset < position) {
          await takeRest(set, info)
          from++
          continue
        }
        isBegun = true
        let expected = account.rawBytes + expectedBytes(info)
        if (account.count > 0 && expected > blockBytes * MOST_FILLED) {
          yield flush()!
          continue
        }
        let to = from + 1
        while (to < batches.length && expected < blockBytes) expected += expectedBytes(batches[to++]!)
        await take(set, batches.slice(from, to))
        from = to
        if (account.rawBytes >= blockBytes) yield flush()!
      }
      // What is left may wait for long, and the set it came in may be much larger.
      for (; owned < chunks.length; owned++) chunks[owned] = new Uint8Array(chunks[owned]!)
    },
    flush,
  }
}

/** A copy of the chunks, in memory of its own. */
function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

/** Record batches one behind the other, in pieces. */
interface Stored {
  readonly chunks: readonly Uint8Array[]
  readonly crc: number
  readonly bytes: number
}

/** The batches as they lie in the set, neighbours in one piece. Their checksums are put together from those that they bring. */
function spansOf(set: Uint8Array, batches: readonly RecordBatchInfo[]): Stored {
  const spans: Uint8Array[] = []
  for (let i = 0; i < batches.length;) {
    const { start } = batches[i]!
    let end = start
    while (i < batches.length && batches[i]!.start === end) end += batches[i++]!.bytes
    spans.push(set.subarray(start, end))
  }
  return {
    chunks: spans,
    crc: batches.reduce((crc, info) => joinCrc32c(crc, batchCrc32c(set, info), info.bytes), 0),
    bytes: batches.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/** A batch of the records that are left of one. */
async function trimmed(batch: MessageBatch, info: RecordBatchInfo): Promise<Stored> {
  const { codec, producerId: id, producerEpoch: epoch, baseSequence, isTransactional } = info
  const producer =
    id < 0n ? {} : { producer: { id, epoch, baseSequence: sequenceBehind(baseSequence, batch.positions[0]! - info.baseOffset) } }
  const written = await writeRecordBatch(batch, 0, batch.count, { codec, keepOffsets: true, isTransactional, ...producer })
  return { chunks: [written], crc: crc32c(written), bytes: written.byteLength }
}

/** Sequence numbers wrap behind 2^31 - 1. Source: Apache Kafka 4.3, `DefaultRecordBatch.incrementSequence`. */
const sequenceBehind = (sequence: number, count: number): number => (sequence + count) % 2 ** 31
