import { findChains, readCommits } from '../commit/chain.ts'
import { chainPrefix } from '../commit/commit-names.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import { laneName } from '../source/lane.ts'
import type { LaneId } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { compareLanes } from './lane-order.ts'
import { REMEDY } from './segment-index.ts'
import type { IndexedLane, SegmentIndex } from './segment-index.ts'

/** Which chains are followed; all where nothing is given. */
export interface ChainFilter {
  readonly topic?: string
  readonly lane?: string
}

/** Lanes followed side by side: a listing of a store far away takes a while. */
const LANES_AT_ONCE = 16

/** How often a lane is taken up again that another process cleared or rebuilt meanwhile. */
const ATTEMPTS = 5

/**
 * Adds to the index what the chains in the store have and it has not. Where nothing is new a lane costs one listing.
 * @throws MillpondError `CHAIN_BROKEN` where what is new does not follow what the index knows, `INDEX_CORRUPT` where the index knows
 * what the store no longer holds: it is the index of another archive, or the archive was changed. Rebuilding makes it right again.
 */
export async function followChains(
  store: Store,
  index: SegmentIndex,
  filter: ChainFilter = {},
  signal?: AbortSignal,
): Promise<{ readonly commits: number }> {
  const lanes = await index.lanes(filter.topic)
  const known = new Map(lanes.filter(({ lane }) => (filter.lane ?? lane) === lane).map((lane) => [textOf(lane), lane]))
  const chains = await Array.fromAsync(findChains(store, filter, signal))
  chains.sort((a, b) => compareLanes(a.lane, b.lane))
  refuseStrangers(known, chains, store)
  const waiting = chains.values()
  const failed = new AbortController()
  const ended = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal])
  let commits = 0
  const worker = async () => {
    for (const { lane, folder } of waiting) {
      ended.throwIfAborted()
      const added = await followChain({ store, index, lane, folder }, known.get(textOf(lane)), ended)
      commits += added
    }
  }
  try {
    await Promise.all(Array.from({ length: LANES_AT_ONCE }, worker))
  } finally {
    failed.abort()
  }
  return { commits }
}

/** Makes the index anew from the store alone. Until it is done it holds less than the archive. */
export async function rebuildIndex(
  store: Store,
  index: SegmentIndex,
  signal?: AbortSignal,
): Promise<{ readonly commits: number }> {
  await index.clear()
  return followChains(store, index, {}, signal)
}

interface Following {
  readonly store: Store
  readonly index: SegmentIndex
  readonly lane: LaneId
  readonly folder: string
}

async function followChain(
  following: Following,
  head: IndexedLane | undefined,
  signal: AbortSignal | undefined,
): Promise<number> {
  let known = head
  for (let attempt = 1; ; attempt++) {
    try {
      return await addNewer(following, known, signal)
    } catch (error) {
      if (!isMillpondError(error, 'INDEX_GAP') || attempt === ATTEMPTS) throw error
      known = await following.index.lane(following.lane)
    }
  }
}

async function addNewer(
  { store, index, lane, folder }: Following,
  known: IndexedLane | undefined,
  signal?: AbortSignal,
): Promise<number> {
  if (known !== undefined && (await newestKey(store, folder, signal)) === known.headKey) return 0
  const after = known && { after: { nextPosition: known.nextPosition, sha256: known.headSha256 } }
  let commits = 0
  let seen = 0
  try {
    for await (const commit of readCommits(store, folder, after, signal)) {
      seen++
      if ((await index.add(commit)) === 'added') commits++
    }
  } catch (error) {
    if (known === undefined || !isMillpondError(error, 'CHAIN_BROKEN')) throw error
    throw new MillpondError('CHAIN_BROKEN', `${error.message}; if the archive is right, ${REMEDY}`, {
      cause: error,
      details: error.details,
    })
  }
  if (known !== undefined && seen === 0) {
    const position = `position ${known.nextPosition}`
    throw new MillpondError(
      'INDEX_CORRUPT',
      `the index knows lane ${laneName(lane)} up to ${position}, ${store.name} does not; ${REMEDY}`,
      {
        details: { ...lane, headKey: known.headKey },
      },
    )
  }
  return commits
}

/** The newest commit is the first of a listing. */
async function newestKey(store: Store, folder: string, signal?: AbortSignal): Promise<string | undefined> {
  for await (const { key } of store.list(chainPrefix(folder), { limit: 1 }, signal)) return key
  return undefined
}

/** Lanes were listed in the index before the store was asked, so the store must have them all. */
function refuseStrangers(
  known: ReadonlyMap<string, IndexedLane>,
  chains: readonly { readonly lane: LaneId }[],
  store: Store,
): void {
  const found = new Set(chains.map(({ lane }) => textOf(lane)))
  const strange = [...known.values()].find((lane) => !found.has(textOf(lane)))
  if (strange === undefined) return
  const { topic, topicId, lane } = strange
  throw new MillpondError(
    'INDEX_CORRUPT',
    `the index knows lane ${laneName(strange)}, which ${store.name} does not hold; ${REMEDY}`,
    {
      details: { topic, topicId, lane },
    },
  )
}

const textOf = ({ topic, topicId, lane }: LaneId): string => JSON.stringify([topic, topicId, lane])
