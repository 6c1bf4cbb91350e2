import { sliceBatch } from '../batch/batch.ts'
import { compactIfSparse } from '../batch/compact.ts'
import type { IndexedLane, SegmentIndex } from '../index/segment-index.ts'
import type { LaneId } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { type BlockTask, type OpenedBlock, type ReadBlock, readBlocks, readBlocksOrOpen } from './blocks.ts'
import type { ReadAhead, ReadContext, ReadCounters } from './context.ts'
import { createMatcher, isWithin } from './match.ts'
import { planSegments } from './plan.ts'
import { inPositionOrder } from './position-order.ts'
import type { BlockSelection, LaneBatch, LaneStored } from './position-order.ts'
import { matchesNothing, questionsOf } from './query.ts'
import type { MessageQuery } from './query.ts'
import type { SliceCache } from './slice-cache.ts'
import { inTimeOrder } from './time-order.ts'

/** What there is to read: the store that holds the messages, the index that says where. */
export interface Archive {
  readonly store: Store
  readonly index: SegmentIndex
  /** Keeps parts of look-up filters between searches, where there is one. */
  readonly slices?: SliceCache
}

/** Messages of one lane that were selected. Reading goes on at `nextPosition` after them. */
export type SelectedBatch = LaneBatch

/** A block that was selected whole, of which no columns were made. */
export type SelectedStored = LaneStored

/** What reading has cost so far, of how much; counters that go up while it goes on. */
export interface ReadStats extends ReadCounters {
  /** Bytes of all segments of the lanes that were asked for. */
  bytesTotal: number
  blocksTotal: number
}

/** Counters at zero. */
export const createReadStats = (): ReadStats => ({
  bytesRead: 0,
  bytesTotal: 0,
  blocksRead: 0,
  blocksTotal: 0,
  messagesRead: 0,
  messagesMatched: 0,
})

/** What every reading takes. */
export interface ReadOptions {
  readonly readAhead?: ReadAhead
  /** Counters to go on with; those of several readings may be added up in one. */
  readonly stats?: ReadStats
  readonly signal?: AbortSignal
}

export interface SearchOptions extends ReadOptions {
  /**
   * `lane` (default): lane after lane, in the order of the index, each by position. `time`: lanes merged by timestamp, equal ones
   * in the order of the lanes; within a lane positions keep their order, also where its timestamps go back.
   */
  readonly order?: 'lane' | 'time'
  /** Messages to give at the most. */
  readonly limit?: number
}

/** Enough for a decompression on every thread and a store that answers slowly. */
export const READ_AHEAD: ReadAhead = { blocks: 8, bytes: 16 * 1024 * 1024 }

/** Where few messages are wanted, what is read beyond them is waste. */
const FEW_MESSAGES = 10_000
const FEW_READ_AHEAD: ReadAhead = { blocks: 2, bytes: 512 * 1024 }

/** Shared by the lanes that are merged: each of them holds this much. */
const MERGED_READ_AHEAD: ReadAhead = { blocks: 1, bytes: 256 * 1024 }

/**
 * The messages of one lane that match, by position. Where all of a block is meant its batch is given on as it was decoded. The
 * query's own topic and lanes are not looked at.
 * @throws MillpondError `BLOCK_CORRUPT`, `SEGMENT_CORRUPT`, `COMMIT_CORRUPT`, `CHAIN_BROKEN`: nothing damaged is passed over.
 */
export function readLane(
  archive: Archive,
  lane: LaneId,
  query: MessageQuery = {},
  options: ReadOptions = {},
): AsyncIterable<SelectedBatch> {
  const laneQuery = ofLane(query, lane)
  return reading(archive, options, READ_AHEAD, async function* (context, stats) {
    const known = await archive.index.lane(lane)
    if (known === undefined) return
    addTotals(stats, [known])
    if (!matchesNothing(laneQuery)) yield* select(context, archive, laneQuery)
  })
}

/**
 * As `readLane`, but blocks whose messages are all meant are given without making columns of them, where that is less work: they are compared with
 * their checksums, and not decoded.
 * @throws MillpondError as `readLane`.
 */
export function readLaneStored(
  archive: Archive,
  lane: LaneId,
  query: MessageQuery = {},
  options: ReadOptions = {},
): AsyncIterable<SelectedBatch | SelectedStored> {
  const laneQuery = ofLane(query, lane)
  const byContent = questionsOf(laneQuery).length > 0
  const isKept = ({ block, isApart }: BlockTask) => isApart && !byContent && isWithin(block, laneQuery)
  return reading<SelectedBatch | SelectedStored>(archive, options, READ_AHEAD, async function* (context, stats) {
    const known = await archive.index.lane(lane)
    if (known === undefined) return
    addTotals(stats, [known])
    if (matchesNothing(laneQuery)) return
    const blocks = readBlocksOrOpen(context, planSegments(context, archive.index, laneQuery), isKept)
    yield* inPositionOrder(selections(context, laneQuery, blocks))
  })
}

/**
 * All messages that match, as batches of one lane each.
 * @throws MillpondError as `readLane`.
 */
export function search(archive: Archive, query: MessageQuery, options: SearchOptions = {}): AsyncIterable<SelectedBatch> {
  const { order = 'lane', limit = Infinity } = options
  const readAhead = limit <= FEW_MESSAGES ? FEW_READ_AHEAD : READ_AHEAD
  return reading(archive, options, readAhead, async function* (context, stats) {
    const lanes = await lanesOf(archive, query)
    addTotals(stats, lanes)
    if (matchesNothing(query) || limit <= 0) return
    const byLane = order === 'lane' || lanes.length < 2
    yield* upTo(limit, byLane ? select(context, archive, query) : selectByTime(context, archive, lanes, query))
  })
}

/** The lanes of the archive that the query names. */
export async function lanesOf({ index }: Archive, query: MessageQuery): Promise<readonly IndexedLane[]> {
  const lanes = await index.lanes(query.topic)
  return lanes.filter(
    (lane) => (query.topicId ?? lane.topicId) === lane.topicId && (query.lanes === undefined || query.lanes.includes(lane.lane)),
  )
}

const ofLane = (query: MessageQuery, { topic, topicId, lane }: LaneId): MessageQuery => ({
  ...query,
  topic,
  topicId,
  lanes: [lane],
})

/** Adds the lanes to what there is to read. */
export function addTotals(stats: ReadStats, lanes: readonly IndexedLane[]): void {
  for (const lane of lanes) {
    stats.bytesTotal += lane.bytes
    stats.blocksTotal += lane.blocks
  }
}

/** What matches, lane after lane, by position. */
function select(context: ReadContext, { index }: Archive, query: MessageQuery): AsyncGenerator<SelectedBatch> {
  return inPositionOrder(matching(context, index, query))
}

async function* matching(context: ReadContext, index: SegmentIndex, query: MessageQuery): AsyncGenerator<BlockSelection> {
  const select = createSelection(context, query)
  for await (const block of readBlocks(context, planSegments(context, index, query))) yield select(block)
}

async function* selections(
  context: ReadContext,
  query: MessageQuery,
  blocks: AsyncIterable<ReadBlock | OpenedBlock>,
): AsyncGenerator<BlockSelection | SelectedStored> {
  const select = createSelection(context, query)
  for await (const block of blocks) {
    if ('batch' in block) yield select(block)
    else {
      const { count, lastPosition } = block.block
      context.counters.messagesMatched += count
      yield { lane: block.segment.lane, stored: [block.messages], count, nextPosition: lastPosition + 1 }
    }
  }
}

/** Gives what of a block is meant. */
function createSelection({ counters }: ReadContext, query: MessageQuery) {
  const match = createMatcher(query)
  return ({ segment, block, safeBefore, batch }: ReadBlock): BlockSelection => {
    const matched = match(batch, block)
    if (matched !== undefined) counters.messagesMatched += matched.count
    const kept = matched === undefined || matched === batch ? matched : compactIfSparse(matched)
    return { lane: segment.lane, batch: kept, lastPosition: block.lastPosition, safeBefore }
  }
}

function selectByTime(
  context: ReadContext,
  archive: Archive,
  lanes: readonly IndexedLane[],
  query: MessageQuery,
): AsyncGenerator<SelectedBatch> {
  const merged = { ...context, readAhead: MERGED_READ_AHEAD }
  const filled = lanes.filter((lane) => lane.minTimestamp !== null)
  return inTimeOrder(
    filled.map((lane) => ({
      minTimestamp: Math.max(lane.minTimestamp ?? 0, query.timestamps?.from ?? -Infinity),
      open: () => select(merged, archive, ofLane(query, lane)),
    })),
  )
}

/** The first `limit` messages; asks for nothing behind them. */
async function* upTo(limit: number, batches: AsyncIterable<SelectedBatch>): AsyncGenerator<SelectedBatch> {
  let left = limit
  for await (const selected of batches) {
    const { lane, batch } = selected
    if (batch.count > left) {
      yield { lane, batch: sliceBatch(batch, 0, left), nextPosition: batch.positions[left - 1]! + 1 }
      return
    }
    left -= batch.count
    yield selected
    if (left === 0) return
  }
}

/** Reads as long as somebody asks: whoever stops, fails or aborts ends what is under way. */
export function reading<T>(
  archive: Archive,
  options: ReadOptions,
  readAhead: ReadAhead,
  read: (context: ReadContext, stats: ReadStats) => AsyncGenerator<T>,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const ended = new AbortController()
      const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal])
      const stats = options.stats ?? createReadStats()
      const { store, slices } = archive
      const context = { store, slices, counters: stats, signal, readAhead: options.readAhead ?? readAhead }
      const steps = read(context, stats)
      return {
        async next() {
          try {
            options.signal?.throwIfAborted()
            return await steps.next()
          } catch (error) {
            ended.abort()
            await steps.return(undefined)
            throw error
          }
        },
        async return() {
          ended.abort()
          await steps.return(undefined)
          return { done: true, value: undefined }
        },
      }
    },
  }
}
