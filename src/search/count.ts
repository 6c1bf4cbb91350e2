import { laneName } from '../source/lane.ts'
import { readBlocks } from './blocks.ts'
import { planSegments } from './plan.ts'
import type { SegmentPlan } from './plan.ts'
import type { MessageQuery } from './query.ts'
import { addTotals, lanesOf, matchBlock, READ_AHEAD, reading } from './read.ts'
import type { Archive, ReadOptions } from './read.ts'
import { createSelection, type LaneSpan } from './selection.ts'

/** What of lanes is counted or weighed. */
export interface CountOptions extends ReadOptions {
  /** Only these parts of lanes. */
  readonly spans?: readonly LaneSpan[]
}

/**
 * How many messages match, exactly. By topic, lane, position and time only the blocks at the edges of the ranges are read; by key, id,
 * header or value all that may hold one.
 * @throws MillpondError as `readLane`.
 */
export async function countMessages(archive: Archive, query: MessageQuery, options: CountOptions = {}): Promise<number> {
  const selection = createSelection(query, options.spans)
  if (selection.isNothing) return 0
  let count = 0
  const counting = reading(archive, options, READ_AHEAD, async function* (context, stats) {
    addTotals(stats, await lanesOf(archive, query))
    for await (const read of readBlocks(context, edges(planSegments(context, archive.index, selection)))) {
      const matched = (await matchBlock(context, selection, read))?.count ?? 0
      context.counters.messagesMatched += matched
      yield matched
    }
  })
  async function* edges(plans: AsyncIterable<SegmentPlan>): AsyncGenerator<SegmentPlan> {
    for await (const { segment, blocks } of plans) {
      const lane = selection.of(segment.lane)!
      const atEdge = blocks.filter((block) => lane.verdict(block) !== 'all')
      for (const block of blocks) if (lane.verdict(block) === 'all') count += block.count
      if (atEdge.length > 0) yield { segment, blocks: atEdge }
    }
  }
  for await (const matched of counting) count += matched
  return count
}

/** What reading what a query means would take, without reading a block. */
export interface Estimate {
  readonly lanes: number
  readonly segments: number
  readonly blocks: number
  /** Of those blocks, as they lie in the store. */
  readonly bytes: number
  /** Not more than so many match. */
  readonly messages: number
  /** Exactly so many do. */
  readonly exact: boolean
}

/**
 * Weighs a query: by the index, and by the look-up filters where a key, an id or a header is asked for.
 * @throws MillpondError as `readLane`.
 */
export async function estimate(archive: Archive, query: MessageQuery, options: CountOptions = {}): Promise<Estimate> {
  const selection = createSelection(query, options.spans)
  let [segments, blocks, bytes, messages] = [0, 0, 0, 0]
  let exact = true
  const lanes = new Set<string>()
  const plans = reading(archive, options, READ_AHEAD, (context) => planSegments(context, archive.index, selection))
  for await (const plan of plans) {
    const lane = selection.of(plan.segment.lane)!
    lanes.add(laneName(plan.segment.lane))
    segments++
    for (const block of plan.blocks) {
      blocks++
      bytes += block.bytes
      messages += block.count
      exact &&= lane.verdict(block) === 'all'
    }
  }
  return { lanes: lanes.size, segments, blocks, bytes, messages, exact }
}
