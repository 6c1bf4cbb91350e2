import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MillpondError, wrapError } from '../errors.ts'
import type { ReadAhead } from '../search/context.ts'
import type { ReadStats } from '../search/read.ts'
import type { Clock } from './deliver.ts'
import type { ReplayJob, ReplayState, ReplaySummary } from './job.ts'
import type { ReplayParts } from './lane.ts'
import type { Session } from './session.ts'
import { openSession } from './session.ts'

/** How a run ended. */
export interface ReplayReport {
  readonly job: ReplayJob
  /** Of this run. */
  readonly elapsedMs: number
  /** What reading cost in this run. */
  readonly stats: ReadStats
}

/** How long a part stays a worker's own after it was last heard of. */
export const LEASE_MS = 5000
/** How long a worker takes no part after it gave some up. */
export const REST_MS = 2000
const LOOK_AGAIN_MS = 100
const LANES_AT_ONCE = 8
/** What all lanes together read ahead; more costs memory and, where two cores do all the work, gains nothing. */
const READ_AHEAD: ReadAhead = { blocks: 4, bytes: 16 * 1024 * 1024 }

/** The clock of this process. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wait: (delayMs, signal) => sleep(delayMs, undefined, { signal }),
}

/** What each of so many parts reads ahead. */
export const readAheadOf = (count: number): ReadAhead => ({
  blocks: Math.max(1, Math.floor(READ_AHEAD.blocks / count)),
  bytes: Math.floor(READ_AHEAD.bytes / count),
})

/**
 * The way out: runs a stored job until its selection is delivered, and gives its report. The order is kept in each part, parts go side by side.
 * A batch is delivered when the one before it is durable; the next ones are read meanwhile. A job that was interrupted or killed goes
 * on: exactly once where the sink can tell how far it got (`resumePosition`), otherwise at least once, from the progress that was
 * stored last. It ends `interrupted` when `signal` aborts or the target stays away, `failed` where the archive cannot be read. A job for many
 * workers is shared with those that work on it, and this ends when the job does.
 * @throws MillpondError `JOB_UNKNOWN`; `JOB_CONFLICT` where it has ended, or another process runs it or took it over; `JOBS_UNAVAILABLE`.
 */
export async function runReplay(jobId: string, parts: ReplayParts, signal: AbortSignal): Promise<ReplayReport> {
  const { jobs, leaseMs = LEASE_MS, clock = systemClock } = parts
  const owner = randomUUID()
  const beganMs = clock.nowMs()
  const job = await jobs.want(jobId, 'run', { nowMs: parts.nowMs() })
  const atOnce = Math.min(Math.max(1, job.partCount - job.partsDone), parts.lanesAtOnce ?? LANES_AT_ONCE)
  const rest = { untilMs: -Infinity }
  const onHandOver = () => (rest.untilMs = clock.nowMs() + REST_MS)
  const options = { parts, owner, leaseMs, clock, readAhead: readAheadOf(atOnce), endsTogether: true, onHandOver }
  const session = openSession(job, options, signal)
  try {
    await runParts(session, job, { ...parts, owner, leaseMs, clock, atOnce, rest }, signal)
  } finally {
    await session.close()
  }
  if (session.ended?.why === 'lost') throw lostError(jobId, session.ended.error)
  const ended = await jobs.get(jobId, parts.nowMs())
  if (ended === undefined) throw new MillpondError('JOB_UNKNOWN', `there is no job ${jobId}`)
  return { job: ended, elapsedMs: clock.nowMs() - beganMs, stats: session.stats }
}

const lostError = (jobId: string, error: unknown): MillpondError =>
  error === undefined
    ? new MillpondError('JOB_CONFLICT', `job ${jobId} is no longer run by this process`, { details: { id: jobId } })
    : wrapError(error, 'JOBS_UNAVAILABLE', `job ${jobId}`)

interface Running extends Pick<ReplayParts, 'jobs' | 'nowMs' | 'claimWithinMs'> {
  readonly owner: string
  readonly leaseMs: number
  readonly clock: Clock
  readonly atOnce: number
  /** Until when no part is taken, for others are to have what was handed over. */
  readonly rest: { untilMs: number }
}

const OVER: ReadonlySet<ReplayState> = new Set<ReplayState>(['done', 'failed', 'cancelled', 'paused'])

/** Takes parts and runs them, some at once, until there is none left or something ends the session. */
async function runParts(session: Session, job: ReplaySummary, running: Running, signal: AbortSignal): Promise<void> {
  const { jobs, nowMs, owner, leaseMs, clock, rest, claimWithinMs = 0 } = running
  const untilMs = clock.nowMs() + claimWithinMs
  const under = new Set<Promise<unknown>>()
  // What is empty is begun, and thereby done.
  if (job.partCount === 0) return session.begin()
  while (!signal.aborted && session.ended === undefined) {
    const mayTake = under.size < running.atOnce && clock.nowMs() >= rest.untilMs
    const taken = mayTake ? await jobs.take({ owner, leaseMs, nowMs: nowMs() }, { job: job.id }) : undefined
    if (taken !== undefined) {
      const work: Promise<unknown> = session.run(taken.part)
      under.add(work)
      void work.then(() => under.delete(work))
      continue
    }
    if (under.size > 0) {
      await Promise.race(under)
      continue
    }
    const now = await jobs.get(job.id, nowMs())
    if (now === undefined || OVER.has(now.state)) break
    if (job.workers === 'one' && clock.nowMs() + LOOK_AGAIN_MS > untilMs) throw heldError(now)
    await clock.wait(LOOK_AGAIN_MS, signal).catch(() => undefined)
  }
  await Promise.all(under)
}

const heldError = ({ id, state, leaseUntilMs }: ReplaySummary): MillpondError =>
  new MillpondError('JOB_CONFLICT', `job ${id} is being run by another process`, { details: { id, state, leaseUntilMs } })
