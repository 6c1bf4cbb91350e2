import { type MessageBatch, sliceBatch } from '../batch/batch.ts'
import { compactIfSparse } from '../batch/compact.ts'
import type { IndexedLane, SegmentIndex } from '../index/segment-index.ts'
import type { LaneId } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { type DecodedValues, jsonValues } from '../values/decoded.ts'
import { type BlockTask, type OpenedBlock, type ReadBlock, readBlocks, readBlocksOrOpen } from './blocks.ts'
import type { ReadAhead, ReadContext, ReadCounters } from './context.ts'
import { planSegments } from './plan.ts'
import { inPositionOrder } from './position-order.ts'
import type { BlockSelection, LaneBatch, LaneStored } from './position-order.ts'
import type { MessageQuery } from './query.ts'
import { createSelection, type LaneSpan, type Selection } from './selection.ts'
import type { SliceCache } from './slice-cache.ts'
import { inTimeOrder } from './time-order.ts'

/** What there is to read: the store that holds the messages, the index that says where. */
export interface Archive {
  readonly store: Store
  readonly index: SegmentIndex
  /** Keeps parts of look-up filters between searches, where there is one. */
  readonly slices?: SliceCache
  /** Reads the values that filters look into; where it is left out only those that are JSON. */
  readonly values?: DecodedValues
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
  /** Only these parts of lanes. */
  readonly spans?: readonly LaneSpan[]
  /** Told how far a lane was looked through: all that matches below `position` was given before. */
  readonly onExamined?: (lane: LaneId, position: number) => void
}

/** Enough for a decompression on every thread and a store that answers slowly. */
export const READ_AHEAD: ReadAhead = { blocks: 8, bytes: 16 * 1024 * 1024 }

/** Where few messages are wanted, what is read beyond them is waste. */
const FEW_MESSAGES = 10_000
const FEW_READ_AHEAD: ReadAhead = { blocks: 2, bytes: 512 * 1024 }
/** Filters leave few blocks, apart from each other, of which most hold one message or none. */
const LOOKUP_READ_AHEAD: ReadAhead = { blocks: 8, bytes: 4 * 1024 * 1024 }

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
  const selection = createSelection(ofLane(query, lane))
  return reading(archive, options, READ_AHEAD, async function* (context, stats) {
    const known = await archive.index.lane(lane)
    if (known === undefined) return
    addTotals(stats, [known])
    yield* select(context, archive, selection)
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
  const selection = createSelection(ofLane(query, lane))
  const isKept = ({ block, isApart }: BlockTask) => isApart && selection.of(lane)!.verdict(block) === 'all'
  return reading<SelectedBatch | SelectedStored>(archive, options, READ_AHEAD, async function* (context, stats) {
    const known = await archive.index.lane(lane)
    if (known === undefined) return
    addTotals(stats, [known])
    const blocks = readBlocksOrOpen(context, planSegments(context, archive.index, selection), isKept)
    yield* inPositionOrder(selections(context, selection, blocks))
  })
}

/**
 * All messages that match, as batches of one lane each.
 * @throws MillpondError as `readLane`.
 */
export function search(archive: Archive, query: MessageQuery, options: SearchOptions = {}): AsyncIterable<SelectedBatch> {
  const { order = 'lane', limit = Infinity } = options
  const selection = createSelection(query, options.spans)
  return reading(archive, options, readAheadOf(selection, limit), async function* (context, stats) {
    const named = await lanesOf(archive, query)
    addTotals(stats, named)
    if (selection.isNothing || limit <= 0) return
    const lanes = named.filter((lane) => selection.of(lane) !== undefined)
    const byLane = order === 'lane' || lanes.length < 2
    yield* upTo(
      limit,
      byLane ? select(context, archive, selection, options) : selectByTime(context, archive, { lanes, query, ...options }),
    )
  })
}

function readAheadOf({ asksLookups }: Selection, limit: number): ReadAhead {
  if (limit > FEW_MESSAGES) return READ_AHEAD
  return asksLookups ? LOOKUP_READ_AHEAD : FEW_READ_AHEAD
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

type Examined = Pick<SearchOptions, 'onExamined'>

/** What matches, lane after lane, by position. */
function select(
  context: ReadContext,
  { index }: Archive,
  selection: Selection,
  { onExamined }: Examined = {},
): AsyncGenerator<SelectedBatch> {
  return inPositionOrder(selections(context, selection, readBlocks(context, planSegments(context, index, selection))), onExamined)
}

function selections(context: ReadContext, selection: Selection, blocks: AsyncIterable<ReadBlock>): AsyncGenerator<BlockSelection>
function selections(
  context: ReadContext,
  selection: Selection,
  blocks: AsyncIterable<ReadBlock | OpenedBlock>,
): AsyncGenerator<BlockSelection | SelectedStored>
async function* selections(
  context: ReadContext,
  selection: Selection,
  blocks: AsyncIterable<ReadBlock | OpenedBlock>,
): AsyncGenerator<BlockSelection | SelectedStored> {
  const { counters } = context
  for await (const read of blocks) {
    const { lane } = read.segment
    const { count, lastPosition } = read.block
    if ('batch' in read) {
      const matched = await matchBlock(context, selection, read)
      if (matched !== undefined) counters.messagesMatched += matched.count
      const batch = matched === undefined || matched === read.batch ? matched : compactIfSparse(matched)
      yield { lane, batch, lastPosition, safeBefore: read.safeBefore }
    } else {
      counters.messagesMatched += count
      yield { lane, stored: [read.messages], count, nextPosition: lastPosition + 1 }
    }
  }
}

/** What of a block is meant; undefined where nothing is. */
export async function matchBlock(
  { values, signal }: ReadContext,
  selection: Selection,
  { segment: { lane }, block, batch }: ReadBlock,
): Promise<MessageBatch | undefined> {
  return selection.of(lane)?.match(batch, block, (part) => values.open(part, lane.topic, signal), signal)
}

interface ByTime extends Examined {
  readonly lanes: readonly IndexedLane[]
  readonly query: MessageQuery
  readonly spans?: readonly LaneSpan[]
}

function selectByTime(
  context: ReadContext,
  archive: Archive,
  { lanes, query, spans, onExamined }: ByTime,
): AsyncGenerator<SelectedBatch> {
  const merged = { ...context, readAhead: MERGED_READ_AHEAD }
  const filled = lanes.filter((lane) => lane.minTimestamp !== null)
  const options = onExamined === undefined ? {} : { onExamined }
  return inTimeOrder(
    filled.map((lane) => ({
      minTimestamp: Math.max(lane.minTimestamp ?? 0, query.timestamps?.from ?? -Infinity),
      open: () => select(merged, archive, createSelection(ofLane(query, lane), spans), options),
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
      const { store, slices, values = jsonValues } = archive
      const context = { store, slices, values, counters: stats, signal, readAhead: options.readAhead ?? readAhead }
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
