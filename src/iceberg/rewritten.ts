import { readCommits, topicChains } from '../commit/chain.ts'
import { headOf, readRewrites, type RewriteLink, withRewrites } from '../commit/rewrites.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import type { Store } from '../store/store.ts'
import type { Held } from './positions.ts'
import { mapAtOnce } from './tail.ts'

const CHAINS_AT_ONCE = 16

/** What is replaced in each chain of a topic, by folder; chains without rewrites are left out. */
export type ChainRewrites = Map<string, readonly RewriteLink[]>

/** Reads the rewrites of a topic's chains; of those that are known already only what is new. */
export async function readTopicRewrites(
  store: Store,
  topic: string,
  known: ChainRewrites,
  signal?: AbortSignal,
): Promise<ChainRewrites> {
  const folders: string[] = []
  for await (const chains of topicChains(store, topic, signal)) if (chains.isRewritten) folders.push(...chains.folders)
  const found = await mapAtOnce(folders, CHAINS_AT_ONCE, async (folder) => {
    const before = known.get(folder) ?? []
    const newer = await Array.fromAsync(readRewrites(store, folder, headOf(before), signal), ({ link }) => link)
    return [folder, [...before, ...newer]] as const
  })
  for (const [folder, links] of found) if (links.length > 0) known.set(folder, links)
  return known
}

/** What rewrites that a table does not have change of the chain that it holds. */
export interface ChainChange {
  readonly removed: readonly SegmentEntry[]
  readonly added: readonly SegmentEntry[]
  /** Where the table's hold of the chain ends then: a rewrite may reach beyond where it ended. */
  readonly position: number
  readonly lane: string
}

/** Compares what a table holds of a chain with what the chain's rewrites have made of that. */
export async function changeOf(
  {
    store,
    folder,
    links,
    signal,
  }: { store: Store; folder: string; links: readonly RewriteLink[]; signal: AbortSignal | undefined },
  { positions, rewrites }: Held,
): Promise<ChainChange> {
  const known = links.slice(0, rewrites[folder] ?? 0)
  const from = positions[folder]!
  const position = links.reduce(
    (end, { firstPosition, nextPosition }) => (firstPosition < end ? Math.max(end, nextPosition) : end),
    from,
  )
  const before = await segmentsTo({ store, folder, links: known, to: from, signal })
  const after = await segmentsTo({ store, folder, links, to: position, signal })
  return {
    removed: [...before.segments.values()].filter(({ key }) => !after.segments.has(key)),
    added: [...after.segments.values()].filter(({ key }) => !before.segments.has(key)),
    position,
    lane: after.lane,
  }
}

async function segmentsTo({
  store,
  folder,
  links,
  to,
  signal,
}: {
  readonly store: Store
  readonly folder: string
  readonly links: readonly RewriteLink[]
  readonly to: number
  readonly signal: AbortSignal | undefined
}): Promise<{ readonly segments: ReadonlyMap<string, SegmentEntry>; readonly lane: string }> {
  const segments = new Map<string, SegmentEntry>()
  let name = ''
  const within = links.filter(({ nextPosition }) => nextPosition <= to)
  for await (const { lane, segments: some } of withRewrites(store, commitsTo(store, folder, to, signal), within, signal)) {
    name = lane
    for (const segment of some) segments.set(segment.key, segment)
  }
  return { segments, lane: name }
}

async function* commitsTo(store: Store, folder: string, to: number, signal?: AbortSignal) {
  for await (const commit of readCommits(store, folder, {}, signal)) {
    if (commit.nextPosition > to) return
    yield commit
  }
}
