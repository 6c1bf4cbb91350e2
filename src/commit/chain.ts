import { MillpondError } from '../errors.ts'
import { type LaneId, laneName } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import type { Commit, CommitDraft, StoredCommit } from './commit.ts'
import { decodeCommit, encodeCommit } from './commit-codec.ts'
import {
  CHAINS_PREFIX,
  REWRITES_FOLDER,
  commitKey,
  genesisKey,
  isTopicFolder,
  laneFolder,
  parseCommitKey,
  remadeLaneFolder,
  segmentPosition,
} from './commit-names.ts'
import { brokenChain, checkLink, commitKeys, isSameLane, type Link, newestKey, putOurs, readIfThere } from './commit-objects.ts'

/** Commits read ahead of the one that is asked for. */
const READ_AHEAD = 4
const NO_BYTES = new Uint8Array(0)

/** What a writer opens a chain with. */
export interface ChainOptions {
  readonly store: Store
  readonly lane: LaneId
  /** Where the chain begins if it has no commit yet; otherwise it is ignored. */
  readonly startPosition: number
  /** Names this run of this writer and was never used before. */
  readonly writer: string
  /** The time, ms. It may go back: nothing is ordered by it. */
  readonly now: () => number
}

/** `lost`: another writer's commit has the place. The chain's head has moved to the newest commit; what it covers is to be dropped. */
export type AppendResult = { readonly outcome: 'committed'; readonly commit: StoredCommit } | { readonly outcome: 'lost' }

/** The chain of a lane, for one writer. It holds nothing but where the chain ends, so any number of writers may hold it at once. */
export interface Chain {
  readonly lane: LaneId
  /** What the keys of the lane's segments begin with. */
  readonly folder: string
  /** Where the next commit begins. */
  readonly nextPosition: number
  /** SHA-256 (hex) of the newest commit that is known. */
  readonly headSha256: string
  readonly genesis: StoredCommit
  /**
   * Makes the draft's segments, which must be durable, part of the archive. Not to be called while another call is under way.
   * An error of the store leaves open whether the commit was or will be made; the next call then finds out by itself, so that
   * the segments must not be deleted.
   * @throws MillpondError `POSITION_INVALID` where the draft does not account for every position from `nextPosition` on;
   * `CHAIN_BROKEN`, `COMMIT_CORRUPT` where the winner of a race does not follow the head.
   */
  append(draft: CommitDraft, signal?: AbortSignal): Promise<AppendResult>
  /**
   * Goes on to the newest commit, as after a lost race; true where there is one that was not known.
   * @throws MillpondError `CHAIN_BROKEN`, `COMMIT_CORRUPT` where it does not follow the head.
   */
  catchUp(signal?: AbortSignal): Promise<boolean>
}

/**
 * Opens the lane's chain at its newest commit, and begins it where there is none.
 * @throws MillpondError `CHAIN_BROKEN`, `COMMIT_CORRUPT` where the store holds something else than a chain.
 */
export async function openChain(options: ChainOptions, signal?: AbortSignal): Promise<Chain> {
  for (const folder of [laneFolder(options.lane), remadeLaneFolder(options.lane)]) {
    const ends = await openFolder(options, folder, signal)
    if (isSameLane(ends.genesis, options.lane)) return createChain(options, folder, ends)
  }
  throw brokenChain(
    genesisKey(remadeLaneFolder(options.lane)),
    `it is not the chain of ${laneName(options.lane)}, though named for it`,
  )
}

/** The first and the newest commit of a folder; the first is made where there is none. */
async function openFolder(
  options: ChainOptions,
  folder: string,
  signal?: AbortSignal,
): Promise<{ genesis: StoredCommit; head: StoredCommit }> {
  const { store } = options
  let newest = await newestKey(store, folder, signal)
  if (newest === undefined) {
    await beginChain(options, folder, signal)
    newest = await newestKey(store, folder, signal)
  }
  const genesis = await readIfThere(store, genesisKey(folder), signal)
  if (genesis === undefined || newest === undefined)
    throw brokenChain(genesisKey(folder), 'the commit that begins the chain is missing')
  if (newest === genesis.key) return { genesis, head: genesis }
  const head = decodeCommit(newest, await store.read(newest, undefined, signal))
  if (!isSameLane(head, genesis) || head.firstPosition < genesis.firstPosition)
    throw brokenChain(newest, 'it is not of this chain')
  return { genesis, head }
}

/** Of several writers that begin a chain one wins, and all go on from what it wrote. */
async function beginChain(
  { store, lane, startPosition, writer, now }: ChainOptions,
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  const { topic, topicId, lane: name } = lane
  const genesis: Commit = {
    kind: 'genesis',
    topic,
    topicId,
    lane: name,
    firstPosition: startPosition,
    nextPosition: startPosition,
    segments: [],
    gaps: [],
    deadLetters: [],
    writer,
    timeMs: now(),
    previousSha256: '',
  }
  const key = genesisKey(folder)
  try {
    await store.putIfAbsent(key, encodeCommit(genesis, NO_BYTES), signal)
  } catch (error) {
    // An answer that never came: what matters is that there is a genesis, not whose.
    if (signal?.aborted || (await store.size(key, signal)) === undefined) throw error
  }
}

function createChain(options: ChainOptions, folder: string, ends: { genesis: StoredCommit; head: StoredCommit }): Chain {
  const { store, writer } = options
  const { topic, topicId, lane } = options.lane
  let head: Link = { nextPosition: ends.head.nextPosition, sha256: ends.head.sha256 }
  const catchUp = async (signal?: AbortSignal): Promise<boolean> => {
    const { nextPosition } = head
    head = await newestAfter(store, { folder, link: head, lane: ends.genesis }, signal)
    return head.nextPosition > nextPosition
  }

  return {
    lane: { topic, topicId, lane },
    folder,
    genesis: ends.genesis,
    get nextPosition() {
      return head.nextPosition
    },
    get headSha256() {
      return head.sha256
    },
    async append(draft, signal) {
      const { nextPosition, segments, gaps, deadLetters } = draft
      const firstPosition = head.nextPosition
      checkNames(folder, draft, firstPosition)
      const covered = { firstPosition, nextPosition, segments, gaps, deadLetters }
      const commit: Commit = {
        kind: 'data',
        topic,
        topicId,
        lane,
        ...covered,
        writer,
        timeMs: options.now(),
        previousSha256: head.sha256,
      }
      const key = commitKey(folder, firstPosition)
      const bytes = encodeCommit(commit, draft.lookupBytes)
      // Nothing goes into the store that a reader would refuse.
      const stored = decodeCommit(key, bytes)
      if (await putOurs(store, stored, bytes, signal)) {
        head = stored
        return { outcome: 'committed', commit: stored }
      }
      await catchUp(signal)
      return { outcome: 'lost' }
    },
    catchUp,
  }
}

/**
 * A data object whose name begins with a position is only named by a commit that begins there or before. So once the chain is
 * past that position, nobody can name the object any more, and it may be removed without asking any clock.
 */
function checkNames(folder: string, draft: CommitDraft, firstPosition: number): void {
  for (const { key } of draft.segments) {
    const named = segmentPosition(folder, key)
    if (named !== undefined && named < firstPosition) {
      throw new MillpondError(
        'POSITION_INVALID',
        `segment ${key} is named for a position before its commit, which begins at ${firstPosition}`,
      )
    }
  }
}

/** Walks from a commit to the newest one by their names, checking every link. */
async function newestAfter(
  store: Store,
  from: { folder: string; link: Link; lane: LaneId },
  signal?: AbortSignal,
): Promise<Link> {
  let { link } = from
  for (;;) {
    const next = await readIfThere(store, commitKey(from.folder, link.nextPosition), signal)
    if (next === undefined) return link
    checkLink(link, next, from.lane)
    link = { nextPosition: next.nextPosition, sha256: next.sha256 }
  }
}

/** Chains in the store, by folder. With a filter only those of one topic (made again or not), of one lane. */
export async function* findChains(
  store: Store,
  filter: { readonly topic?: string; readonly lane?: string } = {},
  signal?: AbortSignal,
): AsyncGenerator<{ lane: LaneId; folder: string }> {
  for await (const folder of chainFolders(store, filter.topic, signal)) {
    const genesis = await readGenesis(store, folder, signal)
    if (genesis === undefined) continue
    const { topic, topicId, lane } = genesis
    if (filter.topic !== undefined && topic !== filter.topic) continue
    if (filter.lane !== undefined && lane !== filter.lane) continue
    yield { lane: { topic, topicId, lane }, folder }
  }
}

/** Folders that chains lie in, by name; nothing in them is read. With a topic those that a chain of it may lie in. */
export async function* chainFolders(store: Store, topic?: string, signal?: AbortSignal): AsyncGenerator<string> {
  for await (const { folders } of topicChains(store, topic, signal)) yield* folders
}

/** The same by topic, and whether any chain of the topic was ever rewritten. */
export async function* topicChains(
  store: Store,
  topic?: string,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly folders: readonly string[]; readonly isRewritten: boolean }> {
  for await (const topicFolder of store.folders(CHAINS_PREFIX, signal)) {
    // What begins so is no topic's, but what is known of a broker beside its messages.
    if (topicFolder.startsWith('_') || (topic !== undefined && !isTopicFolder(topicFolder, topic))) continue
    const names = await Array.fromAsync(store.folders(`${CHAINS_PREFIX}${topicFolder}/`, signal))
    // And here what is known of the topic beside its messages, as its schemas, and rewrites of its chains.
    const folders = names.filter((name) => !name.startsWith('_')).map((lane) => `${topicFolder}/${lane}`)
    yield { folders, isRewritten: names.includes(REWRITES_FOLDER) }
  }
}

/**
 * The commit that begins the chain of a folder; undefined where the folder holds no commit at all.
 * @throws MillpondError `CHAIN_BROKEN` where the folder holds other commits, or belongs to another lane; `COMMIT_CORRUPT`.
 */
export async function readGenesis(store: Store, folder: string, signal?: AbortSignal): Promise<StoredCommit | undefined> {
  const genesis = await readIfThere(store, genesisKey(folder), signal)
  if (genesis === undefined) {
    if ((await newestKey(store, folder, signal)) === undefined) return undefined
    throw brokenChain(genesisKey(folder), 'the commit that begins the chain is missing')
  }
  if (folder !== laneFolder(genesis) && folder !== remadeLaneFolder(genesis)) {
    throw brokenChain(genesis.key, `it begins the chain of ${laneName(genesis)}, which does not lie here`)
  }
  return genesis
}

/**
 * The commits of a folder, oldest first and genesis included, each checked to follow the one before; those after a known commit only
 * where one is given. Commits that are made meanwhile may be left out.
 * @throws MillpondError `CHAIN_BROKEN` where a commit does not follow the one before; `COMMIT_CORRUPT`.
 */
export async function* readCommits(
  store: Store,
  folder: string,
  options: { readonly after?: Link | undefined } = {},
  signal?: AbortSignal,
): AsyncGenerator<StoredCommit> {
  const { after } = options
  const keys = await keysAfter(store, folder, after, signal)
  let link = after
  let lane: LaneId | undefined
  for await (const commit of readAhead(store, keys, signal)) {
    if (link !== undefined) checkLink(link, commit, lane ?? commit)
    else if (commit.kind !== 'genesis') throw brokenChain(genesisKey(folder), 'the commit that begins the chain is missing')
    lane = commit
    link = commit
    yield commit
  }
}

/** Keys of the commits after a known one, oldest first. */
async function keysAfter(store: Store, folder: string, after: Link | undefined, signal?: AbortSignal): Promise<string[]> {
  const isKnown = (key: string) => {
    const named = parseCommitKey(key)
    return after !== undefined && (named === 'genesis' || (named ?? 0) < after.nextPosition)
  }
  // Mostly there is nothing new, and one short listing says so.
  if (after !== undefined) {
    const newest = await newestKey(store, folder, signal)
    if (newest === undefined || isKnown(newest)) return []
  }
  const keys: string[] = []
  for await (const key of commitKeys(store, folder, signal)) {
    if (isKnown(key)) break
    keys.push(key)
  }
  return keys.reverse()
}

async function* readAhead(store: Store, keys: readonly string[], signal?: AbortSignal): AsyncGenerator<StoredCommit> {
  const reading: Promise<StoredCommit>[] = []
  for (let next = 0; next < keys.length || reading.length > 0;) {
    for (; next < keys.length && reading.length < READ_AHEAD; next++) {
      const key = keys[next]!
      const read = store.read(key, undefined, signal).then((bytes) => decodeCommit(key, bytes))
      // Thrown where it is awaited; a reader that stops before has no use for it.
      read.catch(() => undefined)
      reading.push(read)
    }
    yield await reading.shift()!
  }
}
