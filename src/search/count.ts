import { readBlocks } from './blocks.ts'
import { createMatcher, isWithin } from './match.ts'
import { planSegments } from './plan.ts'
import type { SegmentPlan } from './plan.ts'
import { matchesNothing, questionsOf } from './query.ts'
import type { MessageQuery } from './query.ts'
import { addTotals, lanesOf, READ_AHEAD, reading } from './read.ts'
import type { Archive, ReadOptions } from './read.ts'

/**
 * How many messages match, exactly. By topic, lane, position and time only the blocks at the edges of the ranges are read; by key, id
 * or header all that may hold one.
 * @throws MillpondError as `readLane`.
 */
export async function countMessages(archive: Archive, query: MessageQuery, options: ReadOptions = {}): Promise<number> {
  if (matchesNothing(query)) return 0
  let count = 0
  const byContent = questionsOf(query).length > 0
  const match = createMatcher(query)
  const counting = reading(archive, options, READ_AHEAD, async function* (context, stats) {
    addTotals(stats, await lanesOf(archive, query))
    const plans = planSegments(context, archive.index, query)
    for await (const { batch, block } of readBlocks(context, byContent ? plans : edges(plans))) {
      const matched = match(batch, block)?.count ?? 0
      context.counters.messagesMatched += matched
      yield matched
    }
  })
  async function* edges(plans: AsyncIterable<SegmentPlan>): AsyncGenerator<SegmentPlan> {
    for await (const { segment, blocks } of plans) {
      const atEdge = blocks.filter((block) => !isWithin(block, query))
      for (const block of blocks) if (isWithin(block, query)) count += block.count
      if (atEdge.length > 0) yield { segment, blocks: atEdge }
    }
  }
  for await (const matched of counting) count += matched
  return count
}
