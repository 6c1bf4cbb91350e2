import { readCommits, readGenesis, topicChains } from '../commit/chain.ts'
import type { StoredCommit } from '../commit/commit.ts'
import { CHAINS_PREFIX, chainPrefix } from '../commit/commit-names.ts'
import { readRewrites } from '../commit/rewrites.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import { laneName } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { REMEDY } from './segment-index.ts'
import type { IndexedLane, SegmentIndex } from './segment-index.ts'

/** Which chains are followed; all where nothing is given. */
export interface ChainFilter {
  readonly topic?: string
  readonly lane?: string
  /** Of these only those in the folders that it says yes to. */
  readonly isMine?: (folder: string) => boolean
}

/** Lanes followed side by side: a listing of a store far away takes a while. */
const LANES_AT_ONCE = 16

/** How often a lane is taken up again that another process cleared or rebuilt meanwhile. */
const ATTEMPTS = 5

/**
 * Adds to the index what the chains in the store have and it has not. Where nothing is new a lane costs one listing. A chain that is
 * damaged keeps no other one out: its error is thrown when the others are done.
 * @throws MillpondError `COMMIT_CORRUPT`; `CHAIN_BROKEN` where what is new does not follow what the index knows, `INDEX_CORRUPT` where
 * the index knows what the store no longer holds: it is the index of another archive, or the archive was changed. Rebuilding makes
 * it right again.
 */
export async function followChains(
  store: Store,
  index: SegmentIndex,
  filter: ChainFilter = {},
  signal?: AbortSignal,
): Promise<{ readonly commits: number }> {
  const lanes = (await index.lanes(filter.topic)).filter(({ lane }) => (filter.lane ?? lane) === lane)
  const known = new Map(lanes.map((lane) => [folderOf(lane), lane]))
  const rewritten = new Set<string>()
  const folders: string[] = []
  for await (const chains of topicChains(store, filter.topic, signal)) {
    folders.push(...chains.folders)
    if (chains.isRewritten) for (const folder of chains.folders) rewritten.add(folder)
  }
  refuseStrangers(known, folders, store)
  const failed = new AbortController()
  const ended = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal])
  const { isMine = () => true } = filter
  const waiting = folders.filter(isMine).values()
  const damages: unknown[] = []
  let commits = 0
  const follow = async (folder: string) => {
    const head = known.get(folder)
    if (head === undefined && !(await isWanted(store, folder, filter, ended))) return
    const added = await followChain({ store, index, folder, isRewritten: rewritten.has(folder) }, head, ended)
    commits += added
  }
  const worker = async () => {
    for (const folder of waiting) {
      ended.throwIfAborted()
      try {
        await follow(folder)
      } catch (error) {
        if (!isDamage(error)) throw error
        damages.push(error)
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: LANES_AT_ONCE }, worker))
  } finally {
    failed.abort()
  }
  if (damages.length > 0) throw damages[0]
  return { commits }
}

/** As `followChains`, for the chain of a commit alone: it asks for nothing of other lanes, however many there are. */
export async function followChainOf(
  store: Store,
  index: SegmentIndex,
  commit: StoredCommit,
  signal: AbortSignal = new AbortController().signal,
): Promise<{ readonly commits: number }> {
  const folder = folderOfKey(commit.key)
  // What others rewrite is seen when all chains are followed next.
  const following = { store, index, folder, isRewritten: false }
  return { commits: await followChain(following, await index.lane(commit), signal) }
}

/** True for what is wrong with one chain and says nothing of others. */
const isDamage = (error: unknown): boolean => isMillpondError(error, 'COMMIT_CORRUPT') || isMillpondError(error, 'CHAIN_BROKEN')

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
  readonly folder: string
  /** Whether there may be rewrites beside the chain. */
  readonly isRewritten: boolean
}

/** Whether a folder that the index does not know holds a chain that the filter names. */
async function isWanted(store: Store, folder: string, filter: ChainFilter, signal: AbortSignal): Promise<boolean> {
  const genesis = await readGenesis(store, folder, signal)
  if (genesis === undefined) return false
  return (filter.topic ?? genesis.topic) === genesis.topic && (filter.lane ?? genesis.lane) === genesis.lane
}

async function followChain(following: Following, head: IndexedLane | undefined, signal: AbortSignal): Promise<number> {
  let known = head
  for (let attempt = 1; ; attempt++) {
    try {
      const commits = await addNewer(following, known, signal)
      if (following.isRewritten) await addRewrites(following, known, signal)
      return commits
    } catch (error) {
      if (!isMillpondError(error, 'INDEX_GAP') || attempt === ATTEMPTS) throw error
      known = known && (await following.index.lane(known))
    }
  }
}

/** Applies the rewrites that the index has not. One that replaces commits made meanwhile is an `INDEX_GAP`. */
async function addRewrites(
  { store, index, folder }: Following,
  known: IndexedLane | undefined,
  signal: AbortSignal,
): Promise<void> {
  const id = known ?? (await readGenesis(store, folder, signal))
  const lane = id && (await index.lane(id))
  if (lane === undefined) return
  const head = { count: lane.rewrites, sha256: lane.rewriteSha256 }
  for await (const { rewrite } of readRewrites(store, folder, head, signal)) await index.replace(rewrite)
}

async function addNewer(
  { store, index, folder }: Following,
  known: IndexedLane | undefined,
  signal: AbortSignal,
): Promise<number> {
  if (known !== undefined && (await newestKey(store, folder, signal)) === known.headKey) return 0
  const after = known && { nextPosition: known.nextPosition, sha256: known.headSha256 }
  let commits = 0
  let seen = 0
  try {
    for await (const commit of readCommits(store, folder, { after }, signal)) {
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
  if (known !== undefined && seen === 0)
    throw strange(known, ` up to position ${known.nextPosition}, which ${store.name} does not`)
  return commits
}

/** The newest commit is the first of a listing. */
async function newestKey(store: Store, folder: string, signal: AbortSignal): Promise<string | undefined> {
  for await (const { key } of store.list(chainPrefix(folder), { limit: 1 }, signal)) return key
  return undefined
}

/** Lanes were listed in the index before the store was asked, so the store must have them all. */
function refuseStrangers(known: ReadonlyMap<string, IndexedLane>, folders: readonly string[], store: Store): void {
  const found = new Set(folders)
  for (const [folder, lane] of known) if (!found.has(folder)) throw strange(lane, `, which ${store.name} does not hold`)
}

/** The folder that a lane's commits lie in. */
const folderOf = ({ headKey }: IndexedLane): string => folderOfKey(headKey)

const folderOfKey = (commitKey: string): string => commitKey.slice(CHAINS_PREFIX.length, commitKey.lastIndexOf('/'))

function strange(known: IndexedLane, what: string): MillpondError {
  const { topic, topicId, lane, headKey } = known
  return new MillpondError('INDEX_CORRUPT', `the index knows lane ${laneName(known)}${what}; ${REMEDY}`, {
    details: { topic, topicId, lane, headKey },
  })
}
