import { type MessageBatch, heldBytes, selectRows } from '../batch/batch.ts'
import { giveAway } from '../batch/given-away.ts'
import type { MemoryBudget } from '../batch/memory-budget.ts'
import type { EncodeOptions } from '../encode/avro-block.ts'
import type { EncodedBlock, Format } from '../encode/block.ts'
import type { BlockEncoder, BufferPool } from '../encode/block-encoder.ts'
import { createRecordSetGatherer, type RecordSetGatherer } from '../encode/record-block-encoder.ts'
import { type RecordBatchInfo, unpackRecordBatches } from '../encode/record-set.ts'
import { isBeyondTime, readRecordsOfAnyTime } from '../encode/record-times.ts'
import type { FormatOptions } from '../encode/format-options.ts'
import { segmentFormat } from '../encode/formats.ts'
import { createBlockQueue, type Fed } from './block-queue.ts'
import type { Lane } from './lane.ts'
import { type BlockRequest, isPassed, positionBehind, type Source } from './source.ts'

/** One lane as blocks. Reading and compressing go on while a block is written, as far as the memory budget lets them. */
export interface BlockFeed {
  /** The position after the last one that was read or passed. */
  readonly readPosition: number
  /** When the oldest message that no block holds yet was read, ms; undefined where there is none. */
  readonly pendingSinceMs: number | undefined
  /** What is held of the memory budget until a block is full; `flush` lets go of it. */
  readonly pendingHeldBytes: number
  /** When the source last gave something, ms. */
  readonly lastReadMs: number
  /** True where nothing is queued or waits for its block to fill. */
  readonly drained: boolean
  /**
   * The next thing in order; `waiting` when `deadlineMs` passed or something was read that fills no block yet.
   * @throws what the source threw, after everything that came before it was given.
   */
  next(deadlineMs: number): Promise<Fed>
  /** Closes the block that is filling, so that `next` gives it. */
  flush(): void
  /** Lets `next` return, with `waiting` if with nothing else. */
  wake(): void
  /** Stops reading and gives back the memory of all that was not taken. */
  close(): Promise<void>
}

export interface FeedOptions extends EncodeOptions {
  readonly format: Format
  readonly blockBytes: number
  readonly budget: MemoryBudget
  /** Where blocks are made; shared by all lanes, so that one that waits costs little. */
  readonly pool?: BufferPool
  readonly nowMs: () => number
  readonly formatOptions?: FormatOptions | undefined
}

/** Held bytes of one lane that wait for the writer: some blocks keep every core compressing, more would only lie in memory. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024

/** Record batches come compressed: nothing is gained by having more of them than the one that is written and the next. */
const MAX_QUEUED_SET_BYTES = 512 * 1024

/** Records that are unpacked and written at a time: few enough to stay in the processor's cache. */
const GROUP_BYTES = 256 * 1024

type AddRecords = NonNullable<BlockEncoder['addRecords']>

/** Reads `lane` from `position` on as blocks of `options`; takes the source's own blocks where they are in that format. */
export function openBlockFeed(
  source: Source,
  lane: Lane,
  position: number,
  options: FeedOptions,
  signal: AbortSignal,
): BlockFeed {
  const { budget, nowMs, format } = options
  const stop = new AbortController()
  const reading = AbortSignal.any([signal, stop.signal])
  const encoder = segmentFormat(format).createEncoder({ ...options, origin: lane })
  // There may be thousands of lanes, and most sources have no record batches.
  const gatherer = source.readRecordSets && format === 'kafka' ? createRecordSetGatherer(options, position) : undefined
  const queue = createBlockQueue(nowMs, reading)
  let readPosition = position
  let pendingSinceMs: number | undefined
  let lastReadMs = nowMs()
  let pendingHeldBytes = 0
  /** A record set is being taken apart. */
  let isAdding = false
  /** How much longer records are than they were stored. */
  let ratio = 1

  const pendingCount = () => encoder.pendingCount + (gatherer?.pendingCount ?? 0)
  /** The last of them holds what was read for all of them. */
  const pushBlocks = (blocks: readonly Promise<EncodedBlock>[]) => {
    if (blocks.length === 0) return
    const bytes = Math.max(0, pendingHeldBytes - encoder.pendingBytes)
    for (const [at, block] of blocks.entries())
      queue.push({ block: block.then(given), heldBytes: at === blocks.length - 1 ? bytes : 0 })
    pendingHeldBytes -= bytes
    pendingSinceMs = encoder.pendingCount > 0 ? nowMs() : undefined
  }
  const pass = (passedTo: number) => {
    lastReadMs = nowMs()
    readPosition = Math.max(readPosition, passedTo)
    queue.push({ passedTo: readPosition })
  }
  /** A block of record batches holds as much as it is long where the rest of its set is still to come. */
  const pushGathered = (block: EncodedBlock) => {
    const bytes = isAdding ? Math.min(pendingHeldBytes, block.bytes.byteLength) : pendingHeldBytes
    pendingHeldBytes -= bytes
    queue.push({ block: Promise.resolve(given(block)), heldBytes: bytes })
    pendingSinceMs = undefined
  }
  const flush = () => {
    const encoded = encoder.flush()
    if (encoded) pushBlocks([encoded])
    const gathered = gatherer?.flush()
    if (gathered) pushGathered(gathered)
  }

  const encode = (batch: MessageBatch) => {
    if (batch.count === 0) return
    pendingSinceMs ??= nowMs()
    pushBlocks(encoder.add(batch))
  }
  /** Splits off what cannot be encoded. It is given before the blocks around it, so that no commit covers it unrecorded. */
  const take = (batch: MessageBatch) => {
    const faults = segmentFormat(format).findUnencodable(batch, options.formatOptions)
    if (faults.length === 0) return encode(batch)
    const bad = new Set(faults.map(({ row }) => row))
    queue.push({
      unencodable: { batch: selectRows(batch, Int32Array.from(bad)), reasons: faults.map(({ reason }) => reason) },
    })
    encode(
      selectRows(
        batch,
        Int32Array.from({ length: batch.count }, (_, row) => row).filter((row) => !bad.has(row)),
      ),
    )
  }

  const releasePending = () => {
    budget.release(pendingHeldBytes)
    pendingHeldBytes = 0
  }
  const takeBatch = async (batch: MessageBatch) => {
    const bytes = heldBytes(batch)
    await budget.acquire(bytes, reading)
    pendingHeldBytes += bytes
    lastReadMs = nowMs()
    readPosition = positionBehind(batch)
    take(batch)
    // Nothing of it can be encoded.
    if (pendingCount() === 0) releasePending()
  }
  const readBatches = async () => {
    for await (const batch of source.read(lane, position, reading)) {
      if (isPassed(batch)) {
        pass(batch.passedTo)
        continue
      }
      await takeBatch(batch)
      queue.wake()
      await queue.room(MAX_QUEUED_BYTES)
    }
  }
  const readBlocks = async (request: BlockRequest) => {
    for await (const block of source.readBlocks!(lane, position, request, reading)) {
      if (isPassed(block)) {
        pass(block.passedTo)
        continue
      }
      const bytes = block.bytes.byteLength + block.filters.reduce((sum, filter) => sum + filter.bits.byteLength, 0)
      await budget.acquire(bytes, reading)
      lastReadMs = nowMs()
      readPosition = block.lastPosition + 1
      queue.push({ block: Promise.resolve(block), heldBytes: bytes })
      await queue.room(MAX_QUEUED_BYTES)
    }
  }
  /** Unpacks record batches and writes their messages anew, in one go where every block can hold them; gives whether nothing of the set is held. */
  const encodeRecords = async (set: Uint8Array, batches: readonly RecordBatchInfo[], addRecords: AddRecords) => {
    const visit = await unpackRecordBatches(set, batches, readPosition)
    const stored = storedBytes(batches)
    const expected = Math.ceil(stored * (batches.some(({ codec }) => codec !== 'none') ? ratio : 1))
    await budget.acquire(expected, reading)
    const { blocks, isWhole, failure, lastPosition, heldBytes } = addRecords(visit)
    if (heldBytes < expected) budget.release(expected - heldBytes)
    else budget.hold(heldBytes - expected)
    pendingHeldBytes += heldBytes
    ratio = Math.max(1, heldBytes / stored)
    pushBlocks(blocks)
    if (encoder.pendingCount > 0) pendingSinceMs ??= nowMs()
    else releasePending()
    readPosition = Math.max(readPosition, lastPosition + 1)
    if (failure && !isBeyondTime(failure.error)) throw failure.error
    if (!failure && isWhole) return true
    const rest = await readRecordsOfAnyTime(set, batches, readPosition)
    if (rest.count > 0) readPosition = positionBehind(rest)
    take(rest)
    return false
  }
  const readRecords = async (addRecords: AddRecords) => {
    for await (const set of source.readRecordSets!(lane, position, reading)) {
      if (isPassed(set)) {
        pass(set.passedTo)
        continue
      }
      if ('count' in set) {
        await takeBatch(set)
        queue.wake()
        await queue.room(MAX_QUEUED_BYTES)
        continue
      }
      let isFree = true
      for (const batches of groupsOf(set.batches, GROUP_BYTES / ratio)) {
        isFree = (await encodeRecords(set.bytes, batches, addRecords)) && isFree
        lastReadMs = nowMs()
        queue.wake()
        await queue.room(MAX_QUEUED_BYTES)
      }
      // Compaction may have removed the last records of a batch.
      const end = (set.batches.at(-1)?.lastOffset ?? -1) + 1
      if (end > readPosition) pass(end)
      if (isFree) set.release?.()
    }
  }
  /** Messages between record batches: a block by themselves. */
  const takeAlone = async (batch: MessageBatch) => {
    flush()
    releasePending()
    await takeBatch(batch)
    flush()
    releasePending()
    queue.wake()
    await queue.room(MAX_QUEUED_SET_BYTES)
  }
  const gatherRecordSets = async (gatherer: RecordSetGatherer) => {
    for await (const set of source.readRecordSets!(lane, position, reading)) {
      if (isPassed(set)) {
        pass(set.passedTo)
        continue
      }
      if ('count' in set) {
        await takeAlone(set)
        continue
      }
      const bytes = set.batches.reduce((sum, batch) => sum + batch.bytes, 0)
      await budget.acquire(bytes, reading)
      pendingHeldBytes += bytes
      isAdding = true
      for await (const block of gatherer.add(set)) {
        pushGathered(block)
        await queue.room(MAX_QUEUED_SET_BYTES)
      }
      isAdding = false
      set.release?.()
      if (gatherer.pendingCount > 0) pendingSinceMs ??= nowMs()
      else releasePending()
      lastReadMs = nowMs()
      readPosition = Math.max(readPosition, gatherer.nextPosition)
      // Compaction may have removed the last records of a batch.
      const end = (set.batches.at(-1)?.lastOffset ?? -1) + 1
      if (end > readPosition) pass(end)
      queue.wake()
      await queue.room(MAX_QUEUED_SET_BYTES)
    }
  }
  const produce = async () => {
    let failure: unknown
    try {
      const { codec, lookups } = options
      if (source.readBlocks && format === 'avro') await readBlocks({ codec, lookups })
      else if (gatherer) await gatherRecordSets(gatherer)
      else if (source.readRecordSets && encoder.addRecords) await readRecords(encoder.addRecords)
      else await readBatches()
    } catch (error) {
      if (!reading.aborted) failure = error
    }
    flush()
    queue.finish(failure)
  }
  const producing = produce()

  return {
    get readPosition() {
      return readPosition
    },
    get pendingSinceMs() {
      return pendingSinceMs
    },
    get pendingHeldBytes() {
      return pendingCount() > 0 ? pendingHeldBytes : 0
    },
    get lastReadMs() {
      return lastReadMs
    },
    get drained() {
      return queue.isEmpty && pendingCount() === 0
    },
    next: (deadlineMs) => queue.next(deadlineMs),
    flush,
    wake: queue.wake,
    async close() {
      stop.abort()
      await producing
      budget.release(await queue.clear())
      releasePending()
    },
  }
}

/** A block that was made here: nobody else has its bytes. */
function given<Block extends EncodedBlock>(block: Block): Block {
  giveAway(block.bytes)
  return block
}

const storedBytes = (batches: readonly RecordBatchInfo[]): number => batches.reduce((sum, { bytes }) => sum + bytes, 0)

/** The batches in groups of about `groupBytes`, of one at the least. */
function* groupsOf(batches: readonly RecordBatchInfo[], groupBytes: number): Generator<readonly RecordBatchInfo[]> {
  for (let from = 0, to = 0; from < batches.length; from = to) {
    for (let bytes = 0; to < batches.length && (to === from || bytes + batches[to]!.bytes <= groupBytes); to++) {
      bytes += batches[to]!.bytes
    }
    yield batches.slice(from, to)
  }
}
