import { createHeldShares } from './batch/held-shares.ts'
import { createMemoryBudget } from './batch/memory-budget.ts'
import { memoryShares } from './batch/memory-shares.ts'
import { acknowledge, endNow, hasBegun, type LaneRun } from './archive/lane-run.ts'
import type { ArchiveOptions, ArchiveParts } from './archive/options.ts'
import { type OpenLane, reclaim } from './archive/reclaim.ts'
import { archiveSplit } from './archive/split-lane.ts'
import { archiveWhole } from './archive/whole-lane.ts'
import { openChain } from './commit/chain.ts'
import { createBufferPool } from './encode/block-encoder.ts'
import { isMillpondError } from './errors.ts'

/** A source that says nothing for this long has given all lanes that it had; only asked where the run ends by itself. */
const SETTLE_MS = 500
/** The same where the source itself says that it has given its lanes. */
const JOINED_SETTLE_MS = 20
const FIRST_RETRY_MS = 200
const LONGEST_RETRY_MS = 15_000
/** A lane that ran this long has left its last trouble behind. */
const CALM_MS = 60_000

/**
 * The way in: archives every lane that the source assigns, side by side, until `signal` aborts. Then what was read is committed.
 * A lane that fails for a reason that passes starts again from its chain; one that fails for good stops alone, its error is told
 * and thrown when the others have ended.
 */
export async function runArchive(parts: ArchiveParts, options: ArchiveOptions, signal: AbortSignal): Promise<void> {
  const openLanes = new Set<OpenLane>()
  let isReclaiming = false
  // Asked for again and again while lanes wait, and not for nothing where they are thousands: once a turn of the event loop suffices.
  const reclaimSoon = () => {
    if (isReclaiming) return
    isReclaiming = true
    setImmediate(() => {
      isReclaiming = false
      reclaim(openLanes, budget)
    })
  }
  const { spareBuffers, messageBytes } = memoryShares(options.memoryBytes, options.blockBytes)
  const pool = createBufferPool(options.blockBytes, spareBuffers)
  const budget = createMemoryBudget(() => messageBytes(openLanes.size), reclaimSoon)
  const shares = createHeldShares(budget)
  const ending = new AbortController()
  const assigning = AbortSignal.any([signal, ending.signal])
  const running = new Map<string, Promise<void>>()
  const failures: unknown[] = []
  let open = 0
  let runs = 0
  const settleMs = parts.source.joined === undefined ? SETTLE_MS : JOINED_SETTLE_MS
  let hasJoined = false
  let settled: NodeJS.Timeout | undefined
  const settle = () => {
    clearTimeout(settled)
    if (options.untilCaughtUp && hasJoined && open === 0) settled = setTimeout(() => ending.abort(), settleMs)
  }
  const join = async () => {
    await parts.source.joined?.(assigning)
    hasJoined = true
    settle()
  }
  try {
    void join()
    for await (const lane of parts.source.lanes(assigning)) {
      clearTimeout(settled)
      const name = JSON.stringify([lane.topicId, lane.lane])
      const before = running.get(name)
      runs += 1
      open += 1
      const writer = `${options.writer}-${runs.toString(36)}`
      const run: LaneRun = { parts, options, budget, pool, openLanes, shares, lane, writer }
      const archiving = async () => {
        // A lane that comes back is taken up when its last run has ended.
        await before
        await keepArchiving(run, signal, failures)
        open -= 1
        settle()
      }
      running.set(name, archiving())
    }
  } finally {
    clearTimeout(settled)
    await Promise.all(running.values())
  }
  if (failures.length > 0) throw failures[0]
}

/** Archives a lane until it ends, again from its chain after what passes; tells and keeps what does not. */
async function keepArchiving(run: LaneRun, signal: AbortSignal, failures: unknown[]): Promise<void> {
  const { lane, parts } = run
  const stop = AbortSignal.any([signal, lane.revoked])
  let lastFailureMs = -Infinity
  let inARow = 0
  for (let attempt = 0; ; attempt++) {
    try {
      await archiveLane({ ...run, writer: attempt === 0 ? run.writer : `${run.writer}-${attempt}` }, stop)
      return
    } catch (error) {
      const passes = isMillpondError(error) && error.retryable
      if (passes && lane.revoked.aborted) {
        parts.onEvent?.({ kind: 'lane-given-up', lane, error })
        return
      }
      if (stop.aborted || !passes) {
        failures.push(error)
        parts.onEvent?.({ kind: 'lane-stopped', lane, error })
        return
      }
      inARow = parts.monotonicMs() - lastFailureMs > CALM_MS ? 0 : inARow + 1
      lastFailureMs = parts.monotonicMs()
      const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** inARow) * (0.5 + parts.random() / 2)
      parts.onEvent?.({ kind: 'lane-retrying', lane, error, waitMs })
      await waitOrStop(waitMs, stop)
    }
  }
}

/** One lane, from its chain's end on, until `stop` aborts or it has caught up. */
async function archiveLane(run: LaneRun, stop: AbortSignal): Promise<void> {
  const { parts, options, lane } = run
  const { layout } = options
  if (!(await hasBegun(run, stop))) return
  const chain = await openChain({
    store: parts.store,
    lane,
    startPosition: lane.startPosition,
    writer: run.writer,
    now: parts.nowMs,
  })
  const endPosition = options.untilCaughtUp ? await endNow(run, chain.nextPosition) : Infinity
  parts.onEvent?.({ kind: 'lane-opened', lane, position: chain.nextPosition })
  if (chain.nextPosition > lane.startPosition) await acknowledge(run, chain.nextPosition)
  while (!stop.aborted && chain.nextPosition < endPosition) {
    try {
      if (layout === undefined) await archiveWhole(run, chain, endPosition, stop)
      else await archiveSplit(run, layout, chain, endPosition, stop)
    } catch (error) {
      if (!isMillpondError(error, 'COMMIT_LOST_RACE')) throw error
      // What another writer committed is left out: reading starts again behind it.
      parts.onEvent?.({ kind: 'race-lost', lane, position: chain.nextPosition })
    }
  }
  parts.onEvent?.({ kind: 'lane-closed', lane, position: chain.nextPosition })
}

/** Resolves after the time, or at once when `stop` aborts. */
async function waitOrStop(milliseconds: number, stop: AbortSignal): Promise<void> {
  const waited = Promise.withResolvers<void>()
  const timer = setTimeout(waited.resolve, milliseconds)
  stop.addEventListener('abort', () => waited.resolve(), { once: true })
  await waited.promise
  clearTimeout(timer)
}
