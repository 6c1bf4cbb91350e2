import { matchesNothing } from '../search/selection.ts'
import { type Archive, addTotals, lanesOf, READ_AHEAD, type ReadOptions, reading, search } from '../search/read.ts'
import { areInIndex } from './columns.ts'
import type { Conditions } from './conditions.ts'
import type { QueryPart } from './parts.ts'
import { planTopic } from './value-read.ts'
import type { QueryTopic } from './topics.ts'

/** A batch that the index answers for may count as many messages as a lane has. */
const MAX_COUNT = 1 << 20

/**
 * The messages of a topic that may fulfil the conditions. Where no more than their lanes is wanted, nothing is read: the index knows how many
 * they are.
 * @throws MillpondError as `search`.
 */
export async function* readTopic(
  archive: Archive,
  topic: string,
  { conditions, columns }: { readonly conditions: Conditions; readonly columns: readonly string[] },
  options: ReadOptions,
): AsyncGenerator<QueryPart> {
  const query = { ...conditions, topic }
  if (areInIndex(columns)) {
    const lanes = await lanesOf(archive, query)
    if (options.stats !== undefined) addTotals(options.stats, lanes)
    for (const { lane, messages } of lanes) {
      for (let left = messages; left > 0; left -= MAX_COUNT) yield { lane, count: Math.min(left, MAX_COUNT) }
    }
    return
  }
  for await (const { lane, batch } of search(archive, query, options)) yield { lane: lane.lane, count: batch.count, batch }
}

/** How many blocks of the topic, and bytes in them, a query reads for these conditions, of how many. */
export interface ReadEstimate {
  readonly blocks: number
  readonly bytes: number
  readonly blocksTotal: number
  readonly bytesTotal: number
}

/** What a query would read of the topic; filters are asked as they would be. @throws MillpondError as `search`. */
export async function estimateRead(
  archive: Archive,
  { name: topic, values }: Pick<QueryTopic, 'name' | 'values'>,
  conditions: Conditions,
  signal: AbortSignal,
): Promise<ReadEstimate> {
  const query = { ...conditions, topic }
  const totals = { blocksTotal: 0, bytesTotal: 0 }
  let blocks = 0
  let bytes = 0
  const sizes = reading(archive, { signal }, READ_AHEAD, async function* (context, stats) {
    addTotals(stats, await lanesOf(archive, { topic }))
    Object.assign(totals, { blocksTotal: stats.blocksTotal, bytesTotal: stats.bytesTotal })
    if (matchesNothing(query)) return
    const names = values?.paths.map(({ name }) => name)
    for await (const plan of planTopic(context, archive.index, topic, conditions, names)) yield plan.blocks
  })
  for await (const planned of sizes) {
    blocks += planned.length
    for (const block of planned) bytes += block.bytes
  }
  return { blocks, bytes, ...totals }
}
