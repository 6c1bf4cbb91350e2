import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { runArchive } from '../archive.ts'
import type { ArchiveEvent, ArchiveOptions, ArchiveParts } from '../archive/options.ts'
import type { StoredCommit } from '../commit/commit.ts'
import { isMillpondError } from '../errors.ts'
import { laneName } from '../source/lane.ts'
import type { Metrics } from './metrics.ts'
import type { Readiness } from './readiness.ts'

/** Who is told what the archive loop does. */
export interface ArchiveObservers {
  readonly logger: Logger
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly onCommit: (commit: StoredCommit) => void
}

const PART = 'archive'
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 30_000

const reasonOf = (error: unknown): string => (isMillpondError(error) ? `${error.code}: ${error.message}` : String(error))

/** Turns what happens in the archive loop into log lines, metrics and readiness. */
export function observeArchive({ logger, metrics, readiness, onCommit }: ArchiveObservers): (event: ArchiveEvent) => void {
  return (event) => {
    const lane = laneName(event.lane)
    const { topic } = event.lane
    switch (event.kind) {
      case 'lane-opened':
        readiness.settle(PART, lane)
        return logger.debug({ lane, position: event.position }, 'archiving lane')
      case 'lane-closed':
        readiness.settle(PART, lane)
        return logger.debug({ lane, position: event.position }, 'lane closed')
      case 'lane-given-up':
        readiness.settle(PART, lane)
        return logger.warn(
          { lane, code: event.error.code },
          `lane was taken away before its last messages were committed; they are left to who has it now: ${event.error.message}`,
        )
      case 'lane-retrying':
        metrics.retries.inc({ topic, code: event.error.code })
        readiness.tell(PART, { state: 'amber', why: `${lane} tries again: ${reasonOf(event.error)}` }, lane)
        return logger.warn(
          { lane, code: event.error.code, waitMs: Math.round(event.waitMs) },
          `lane tries again: ${event.error.message}`,
        )
      case 'lane-stopped':
        readiness.tell(PART, { state: 'red', why: `${lane} stopped: ${reasonOf(event.error)}` }, lane)
        return logger.error({ lane, err: event.error }, 'lane stopped for good; it starts again with the program')
      case 'committed':
        return tellCommit(event, { logger, metrics, readiness, onCommit })
      case 'race-lost':
        metrics.racesLost.inc({ topic })
        return logger.info({ lane, position: event.position }, 'another writer committed first; going on behind it')
      case 'expired':
        metrics.messagesExpired.inc({ topic }, event.gap.missing)
        return logger.error(
          { lane, gap: event.gap },
          'the source no longer had these positions; the commit records them as missing',
        )
      case 'dead-lettered':
        metrics.deadLetters.inc({ topic }, event.count)
        return logger.warn({ lane, count: event.count }, 'messages went to the dead letters')
      case 'acknowledge-failed':
        return logger.warn(
          { lane, err: event.error },
          'the source did not take an acknowledgement; the next commit tells it again',
        )
    }
  }
}

function tellCommit({ commit, cause, lane }: ArchiveEvent & { readonly kind: 'committed' }, observers: ArchiveObservers): void {
  const { topic } = lane
  const messages = commit.segments.reduce((sum, { count }) => sum + count, 0)
  const bytes = commit.segments.reduce((sum, segment) => sum + segment.bytes, 0)
  observers.metrics.commits.inc({ topic, cause })
  observers.metrics.messagesArchived.inc({ topic }, messages)
  observers.metrics.bytesArchived.inc({ topic }, bytes)
  observers.readiness.settle(PART, laneName(lane))
  observers.logger.debug({ lane: laneName(lane), messages, bytes, nextPosition: commit.nextPosition, cause }, 'committed')
  observers.onCommit(commit)
}

/** The parts of an archive run that this process gives itself. */
export const ownArchiveParts = (): Pick<ArchiveParts, 'nowMs' | 'monotonicMs' | 'random' | 'randomBytes'> => ({
  nowMs: Date.now,
  monotonicMs: () => performance.now(),
  random: Math.random,
  randomBytes: (count) => randomBytes(count),
})

/**
 * Archives until `signal` aborts. Where the whole loop fails for a reason that passes it starts again; where it does not pass, the
 * part stays red, and the rest of the program goes on.
 */
export async function keepArchiving(
  parts: Omit<ArchiveParts, 'onEvent'>,
  options: () => ArchiveOptions,
  observers: ArchiveObservers,
  signal: AbortSignal,
): Promise<void> {
  const { logger, readiness } = observers
  const onEvent = observeArchive(observers)
  for (let waitMs = FIRST_RETRY_MS; !signal.aborted; waitMs = Math.min(LONGEST_RETRY_MS, waitMs * 2)) {
    readiness.tell(PART, { state: 'green', why: 'archiving' })
    try {
      await runArchive({ ...parts, onEvent }, options(), signal)
      if (signal.aborted) return
    } catch (error) {
      const passes = isMillpondError(error) && error.retryable
      if (signal.aborted) throw error
      readiness.tell(PART, { state: passes ? 'amber' : 'red', why: reasonOf(error) })
      logger.error(
        { err: error },
        passes ? 'archiving failed and starts again' : 'archiving failed for good; it starts again with the program',
      )
      if (!passes) return
    }
    await wait(waitMs, undefined, { signal }).catch(() => undefined)
  }
}
