import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMillpondError, wrapError } from '../errors.ts'
import type { ReadAhead } from '../search/context.ts'
import type { ReadStats } from '../search/read.ts'
import { createReadStats } from '../search/read.ts'
import type { Clock } from './deliver.ts'
import type { ReplayCounts, ReplayJob } from './job.ts'
import type { ReplayOutcome } from './jobs.ts'
import type { ReplayParts, Run } from './lane.ts'
import { runLane } from './lane.ts'
import { createPace } from './pace.ts'
import { queryOf } from './query-record.ts'
import { createRecorder } from './recorder.ts'

/** How a run ended. */
export interface ReplayReport {
  readonly job: ReplayJob
  /** Of this run. */
  readonly elapsedMs: number
  /** What reading cost in this run. */
  readonly stats: ReadStats
}

/** How often progress is stored and told. */
const TICK_MS = 200
/** How often the lease is renewed, and a wish to cancel looked for, where nothing moves. */
const HEARTBEAT_MS = 1000
const LEASE_MS = 5000
const CLAIM_AGAIN_MS = 100
const LANES_AT_ONCE = 8
/** What all lanes together read ahead; more costs memory and, where two cores do all the work, gains nothing. */
const READ_AHEAD: ReadAhead = { blocks: 4, bytes: 16 * 1024 * 1024 }

const systemClock: Clock = {
  nowMs: () => performance.now(),
  wait: (delayMs, signal) => sleep(delayMs, undefined, { signal }),
}

/**
 * The way out: runs a stored job until its selection is delivered, and gives its report. The order is kept in each lane, lanes go side by side.
 * A batch is delivered when the one before it is durable; the next ones are read meanwhile. A job that was interrupted or killed goes
 * on: exactly once where the sink can tell how far it got (`resumePosition`), otherwise at least once, from the progress that was
 * stored last. It ends `interrupted` when `signal` aborts or the target stays away, `failed` where the archive cannot be read.
 * @throws MillpondError `JOB_UNKNOWN`; `JOB_CONFLICT` where another process runs the job or took it over; `JOBS_UNAVAILABLE`.
 */
export async function runReplay(jobId: string, parts: ReplayParts, signal: AbortSignal): Promise<ReplayReport> {
  const { jobs, leaseMs = LEASE_MS, clock = systemClock } = parts
  const owner = randomUUID()
  const beganMs = clock.nowMs()
  const job = await claim(jobId, parts, { owner, leaseMs, clock }, signal)
  const recorder = createRecorder(job, { jobs, owner, leaseMs, nowMs: parts.nowMs })
  const ending = new AbortController()
  const rate = job.options.rateMessagesPerSecond
  const run: Run = {
    job,
    parts,
    query: queryOf(job.query),
    recorder,
    stats: createReadStats(),
    pace: rate === undefined ? undefined : createPace(rate),
    clock,
    signal: AbortSignal.any([signal, ending.signal]),
  }
  const watch = watchJob(run, ending)
  let error: unknown
  try {
    if (!job.cancelRequested) await runLanes(run, ending)
  } catch (caught) {
    error = caught
  }
  const { cancelRequested, lost } = await watch.close()
  if (lost !== undefined) throw wrapError(lost, 'JOBS_UNAVAILABLE', `job ${jobId}`)
  const isCancelled = job.cancelRequested || cancelRequested
  const outcome = outcomeOf(run, { isCancelled, isStopped: signal.aborted, error, endedMs: parts.nowMs() })
  const ended = await jobs.finish(jobId, owner, recorder.take(), outcome)
  tell(run)
  return { job: ended, elapsedMs: clock.nowMs() - beganMs, stats: run.stats }
}

/** Claims the job, waiting as long as the parts allow for a lease to end that a killed process may have left. */
async function claim(
  jobId: string,
  { jobs, nowMs, claimWithinMs = 0 }: ReplayParts,
  { owner, leaseMs, clock }: { readonly owner: string; readonly leaseMs: number; readonly clock: Clock },
  signal: AbortSignal,
): Promise<ReplayJob> {
  const untilMs = clock.nowMs() + claimWithinMs
  for (;;) {
    try {
      return await jobs.claim(jobId, { owner, nowMs: nowMs(), leaseMs })
    } catch (error) {
      const isHeld = isMillpondError(error, 'JOB_CONFLICT') && error.details['state'] === 'running'
      if (!isHeld || clock.nowMs() + CLAIM_AGAIN_MS > untilMs) throw error
      await clock.wait(CLAIM_AGAIN_MS, signal)
    }
  }
}

interface Ending {
  readonly isCancelled: boolean
  readonly isStopped: boolean
  readonly error: unknown
  readonly endedMs: number
}

function outcomeOf({ recorder, job }: Run, { isCancelled, isStopped, error, endedMs }: Ending): ReplayOutcome {
  if (recorder.lanesDone === job.lanes.length) return { state: 'done', endedMs, error: null }
  if (isCancelled) return { state: 'cancelled', endedMs, error: null }
  if (isStopped) return { state: 'interrupted', endedMs, error: null }
  const { code, message, retryable } = wrapError(error, 'INTERNAL', `job ${job.id}`)
  return { state: retryable ? 'interrupted' : 'failed', endedMs, error: { code, message } }
}

const tell = ({ recorder, job, parts }: Run) =>
  parts.onProgress?.({ counts: recorder.counts, planned: job.planned, lanes: job.lanes.length, lanesDone: recorder.lanesDone })

/** Stores and tells progress while the run goes on, and ends it when it is cancelled or the job is no longer ours. */
function watchJob(run: Run, ending: AbortController) {
  const { recorder, clock } = run
  const seen: { cancelRequested: boolean; lost: unknown } = { cancelRequested: false, lost: undefined }
  let storedMs = clock.nowMs()
  let toldCounts: ReplayCounts | undefined
  const look = async () => {
    const isNew = toldCounts !== recorder.counts
    if (isNew) tell(run)
    toldCounts = recorder.counts
    if (!isNew && clock.nowMs() - storedMs < HEARTBEAT_MS) return
    storedMs = clock.nowMs()
    try {
      if ((await recorder.store()).cancelRequested) seen.cancelRequested = true
    } catch (error) {
      seen.lost ??= error
    }
    if (seen.cancelRequested || seen.lost !== undefined) ending.abort()
  }
  let looking: Promise<void> | undefined
  const timer = setInterval(() => {
    looking ??= look().finally(() => (looking = undefined))
  }, TICK_MS)
  return {
    async close() {
      clearInterval(timer)
      await looking
      return seen
    },
  }
}

/** Runs every lane, some at once. The first one that fails ends the others. */
async function runLanes(run: Run, ending: AbortController): Promise<void> {
  const groups = groupsOf(run.job)
  if (groups.length === 0) return
  const lanesAtOnce = Math.min(groups.length, run.parts.lanesAtOnce ?? LANES_AT_ONCE)
  const readAhead = {
    blocks: Math.max(1, Math.floor(READ_AHEAD.blocks / lanesAtOnce)),
    bytes: Math.floor(READ_AHEAD.bytes / lanesAtOnce),
  }
  const work = async () => {
    for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
      for (const at of group) await runLane(run, at, readAhead)
    }
  }
  const workers = Array.from({ length: lanesAtOnce }, async () => {
    try {
      await work()
    } catch (error) {
      // Only the first failure counts: the other lanes fail because they are ended.
      ending.abort(error)
    }
  })
  await Promise.all(workers)
  if (ending.signal.aborted) throw ending.signal.reason
}

/** Lanes of one name go one after the other: a topic that was made again follows the one that was deleted. */
function groupsOf({ lanes }: ReplayJob): number[][] {
  const groups = new Map<string, number[]>()
  for (const [at, { lane, done }] of lanes.entries()) {
    const name = JSON.stringify([lane.topic, lane.lane])
    if (!done) groups.set(name, [...(groups.get(name) ?? []), at])
  }
  return [...groups.values()]
}
