import type { Logger } from 'pino'
import type { StoredCommit } from '../commit/commit.ts'
import { isMillpondError } from '../errors.ts'
import { followChainOf, followChains } from '../index/follow.ts'
import type { SegmentIndex } from '../index/segment-index.ts'
import type { Store } from '../store/store.ts'
import { startPeriodic } from './periodic.ts'
import type { Readiness } from './readiness.ts'

export interface IndexingParts {
  readonly store: Store
  readonly index: SegmentIndex
  readonly logger: Logger
  readonly readiness: Readiness
}

/** Keeps the index behind the commits. */
export interface Indexing {
  /** A commit of this process: it goes into the index at once. */
  add(commit: StoredCommit): void
  /** Resolves when `signal` has aborted and the last commits are in the index. */
  readonly done: Promise<void>
}

const PART = 'index'
/** How often the whole store is looked at for commits of other processes. */
const LOOK_MS = 60_000
/** How soon what failed is tried again. */
const RETRY_MS = 5000
/** Commits that wait for the index; past it they are left to the look at the store. */
const MAX_WAITING = 1000

/** Follows the commits until `signal` aborts. A failure is told, and looked after at the next look. */
export function startIndexing({ store, index, logger, readiness }: IndexingParts, signal: AbortSignal): Indexing {
  const waiting: StoredCommit[] = []
  let nextLookMs = -Infinity
  const look = async (): Promise<void> => {
    nextLookMs = performance.now() + LOOK_MS
    const { commits } = await followChains(store, index)
    if (commits > 0) logger.debug({ commits }, 'the index took commits that lay in the store')
  }
  const take = async (): Promise<void> => {
    try {
      for (let commit = waiting.shift(); commit !== undefined; commit = waiting.shift()) await addOne(store, index, commit)
      if (performance.now() >= nextLookMs) await look()
      readiness.tell(PART, { state: 'green', why: 'follows the archive' })
    } catch (error) {
      nextLookMs = -Infinity
      const why = isMillpondError(error) ? `${error.code}: ${error.message}` : String(error)
      readiness.tell(PART, { state: 'amber', why: `search may miss what is new: ${why}` })
      logger.error({ err: error }, 'the index could not follow; it is tried again')
    }
  }
  const periodic = startPeriodic(RETRY_MS, take, signal)
  return {
    add(commit) {
      if (waiting.length < MAX_WAITING) waiting.push(commit)
      else nextLookMs = -Infinity
      periodic.wake()
    },
    done: periodic.done.then(take),
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
