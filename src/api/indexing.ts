import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { StoredCommit } from '../commit/commit.ts'
import { isMillpondError } from '../errors.ts'
import { followChainOf, followChains } from '../index/follow.ts'
import { joinFollowers } from '../index/followers.ts'
import type { SegmentIndex } from '../index/segment-index.ts'
import type { Store } from '../store/store.ts'
import { startPeriodic } from './periodic.ts'
import type { Readiness } from './readiness.ts'

export interface IndexingParts {
  readonly store: Store
  readonly index: SegmentIndex
  readonly logger: Logger
  readonly readiness: Readiness
  /** Readiness turns amber where a commit has waited longer than this for the index. */
  readonly maxLagMs: number
}

/** How far the index is behind the commits of this process. */
export interface IndexLag {
  readonly commits: number
  readonly positions: number
  /** Since when the oldest of them waits. */
  readonly milliseconds: number
}

/** Keeps the index behind the commits. */
export interface Indexing {
  /** A commit of this process: it goes into the index at once. */
  add(commit: StoredCommit): void
  lag(): IndexLag
  /** Resolves when `signal` has aborted and the last commits are in the index. */
  readonly done: Promise<void>
}

const PART = 'index'
/** What readiness is told about lag, beside how following goes. */
const LAG = 'lag'
/** How often the whole store is looked at for commits of other processes. */
const LOOK_MS = 60_000
/** How soon what failed is tried again. */
const RETRY_MS = 5000
/** Commits that wait for the index; past it they are left to the look at the store. */
const MAX_WAITING = 1000
/** A process that is gone is missed after two looks at the most. */
const LEASE_MS = 60_000

/** Follows the commits until `signal` aborts. A failure is told, and looked after at the next look; archiving never waits for it. */
export function startIndexing(parts: IndexingParts, signal: AbortSignal): Indexing {
  const { store, index, logger, readiness } = parts
  const waiting = createWaiting()
  const members = joinFollowers(index, { role: 'serve', id: randomUUID(), leaseMs: LEASE_MS })
  let nextLookMs = -Infinity
  const look = async (): Promise<void> => {
    nextLookMs = performance.now() + LOOK_MS
    const isMine = await members.share()
    const settle = waiting.isFull() ? waiting.mark() : undefined
    // What this process could not keep in mind is its own to look for, whosever the chain is.
    const { commits } = await followChains(store, index, settle === undefined ? { isMine } : {})
    settle?.()
    if (commits > 0) logger.debug({ commits }, 'the index took commits that lay in the store')
  }
  const take = async (): Promise<void> => {
    try {
      for (let commit = waiting.first(); commit !== undefined && !waiting.isFull(); commit = waiting.first()) {
        await addOne(store, index, commit)
        waiting.remove(commit)
      }
      if (waiting.isFull() || performance.now() >= nextLookMs) await look()
      readiness.tell(PART, { state: 'green', why: 'follows the archive' })
    } catch (error) {
      nextLookMs = -Infinity
      const why = isMillpondError(error) ? `${error.code}: ${error.message}` : String(error)
      readiness.tell(PART, { state: 'amber', why: `search may miss what is new (${lagText(waiting.lag())}): ${why}` })
      logger.error({ err: error }, 'the index could not follow; it is tried again')
    }
  }
  const periodic = startPeriodic(RETRY_MS, take, signal)
  const watch = startPeriodic(RETRY_MS, async () => tellLag(waiting.lag(), parts), signal)
  const end = async (): Promise<void> => {
    await take()
    await members[Symbol.asyncDispose]()
  }
  return {
    add(commit) {
      waiting.add(commit)
      periodic.wake()
    },
    lag: () => waiting.lag(),
    done: Promise.all([periodic.done, watch.done]).then(end),
  }
}

const lagText = ({ commits, positions, milliseconds }: IndexLag): string =>
  commits === 0
    ? 'nothing waits'
    : `${commits} commits of ${positions} positions wait, the oldest for ${Math.round(milliseconds / 1000)} s`

function tellLag(lag: IndexLag, { readiness, maxLagMs }: IndexingParts): void {
  if (lag.milliseconds <= maxLagMs) readiness.settle(PART, LAG)
  else readiness.tell(PART, { state: 'amber', why: `search misses what is new: ${lagText(lag)}` }, LAG)
}

/** The commits of this process that are not in the index yet, the oldest first; past `MAX_WAITING` they are counted only. */
function createWaiting() {
  const commits = new Map<StoredCommit, number>()
  let untold = { commits: 0, positions: 0, sinceMs: Infinity }
  const widthOf = ({ firstPosition, nextPosition }: StoredCommit): number => nextPosition - firstPosition
  return {
    add(commit: StoredCommit): void {
      const nowMs = performance.now()
      if (commits.size < MAX_WAITING) commits.set(commit, nowMs)
      else {
        const { sinceMs, positions } = untold
        untold = { commits: untold.commits + 1, positions: positions + widthOf(commit), sinceMs: Math.min(sinceMs, nowMs) }
      }
    },
    first: (): StoredCommit | undefined => commits.keys().next().value,
    remove: (commit: StoredCommit): void => void commits.delete(commit),
    /** Whether some are counted only. */
    isFull: (): boolean => untold.commits > 0,
    /** Gives what removes those that wait now. */
    mark(): () => void {
      const marked = [...commits.keys()]
      const counted = untold
      return () => {
        for (const commit of marked) commits.delete(commit)
        const [left, positions] = [untold.commits - counted.commits, untold.positions - counted.positions]
        untold = { commits: left, positions, sinceMs: left === 0 ? Infinity : performance.now() }
      }
    },
    lag(): IndexLag {
      const oldestMs = commits.values().next().value ?? untold.sinceMs
      let { positions } = untold
      for (const commit of commits.keys()) positions += widthOf(commit)
      const milliseconds = oldestMs === Infinity ? 0 : performance.now() - oldestMs
      return { commits: commits.size + untold.commits, positions, milliseconds }
    },
  }
}

/** Adds a commit; where some before it are not in the index, those of its lane that lie in the store. */
async function addOne(store: Store, index: SegmentIndex, commit: StoredCommit): Promise<void> {
  try {
    await index.add(commit)
  } catch (error) {
    if (!isMillpondError(error, 'INDEX_GAP')) throw error
    await followChainOf(store, index, commit)
  }
}
