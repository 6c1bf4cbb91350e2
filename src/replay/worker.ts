import { randomUUID } from 'node:crypto'
import { isMillpondError, wrapError } from '../errors.ts'
import type { MillpondError } from '../errors.ts'
import type { Sink } from '../sink/sink.ts'
import type { ReplaySummary } from './job.ts'
import type { PartOutcome, TakenPart } from './jobs.ts'
import type { ReplayParts } from './lane.ts'
import { LEASE_MS, readAheadOf, REST_MS, systemClock } from './replay.ts'
import type { Session } from './session.ts'
import { openSession } from './session.ts'

/** What a worker needs. */
export interface WorkerParts extends Omit<ReplayParts, 'sink' | 'lanesAtOnce' | 'claimWithinMs' | 'onProgress'> {
  /** Opens where a job goes; the worker closes it when it has no part of the job any more. */
  readonly openSink: (job: ReplaySummary) => Promise<Sink>
  /** Parts that are delivered side by side, at the most. */
  readonly partsAtOnce: number
  /** Ends when there is nothing left that it could take, and does not wait for more. */
  readonly isOnce?: boolean
  readonly onNews?: (news: WorkerNews) => void
}

/** What happens to a worker. */
export type WorkerNews =
  | { readonly kind: 'took'; readonly taken: TakenPart }
  /** How a part was given back; without an outcome it was lost to another worker. */
  | { readonly kind: 'left'; readonly taken: TakenPart; readonly outcome: PartOutcome | undefined }
  /** The job store is away; it is asked again. */
  | { readonly kind: 'trouble'; readonly error: MillpondError }

/** How often a worker without work looks for some. */
const LOOK_MS = 250
const TROUBLE_MS = 1000

/** A job that the worker has parts of. */
interface Open {
  readonly session: Session
  readonly sink: Promise<Sink>
  /** Parts that are run, or wait for the sink. */
  readonly under: Set<Promise<unknown>>
}

/**
 * A worker: takes parts of the jobs that are offered, the oldest job first, and delivers them, until `signal` aborts; then its parts are
 * given back as they are. Several workers share a job, and one that dies is followed by others when its leases end.
 */
export async function runWorker(parts: WorkerParts, signal: AbortSignal): Promise<void> {
  const { jobs, nowMs, leaseMs = LEASE_MS, clock = systemClock, tickMs = LOOK_MS } = parts
  let owner = randomUUID() as string
  const open = new Map<string, Open>()
  const rest = { untilMs: -Infinity }
  const under = new Set<Promise<void>>()
  const jobOf = createOpening(parts, {
    owner: () => owner,
    leaseMs,
    clock,
    open,
    onHandOver: () => (rest.untilMs = clock.nowMs() + REST_MS),
  })
  while (!signal.aborted) {
    const isLost = [...open.values()].some(({ session }) => session.ended?.why === 'lost')
    if (isLost && under.size === 0) {
      await closeIdle(open)
      // What it could not give back is taken as another's would be, once the lease ends.
      owner = randomUUID()
    }
    try {
      const mayTake = !isLost && under.size < parts.partsAtOnce && clock.nowMs() >= rest.untilMs
      const lease = { owner, leaseMs, nowMs: nowMs() }
      const taken = mayTake ? await jobs.take(lease, { isIdle: under.size === 0 }) : undefined
      if (taken !== undefined) {
        const work = start(await jobOf(taken.job, signal), taken, parts)
        under.add(work)
        void work.then(() => under.delete(work))
        continue
      }
      if (under.size === 0 && parts.isOnce === true && mayTake) break
    } catch (error) {
      parts.onNews?.({ kind: 'trouble', error: wrapError(error, 'JOBS_UNAVAILABLE', 'replay jobs') })
      if (!isMillpondError(error) || !error.retryable) break
      await clock.wait(TROUBLE_MS, signal).catch(() => undefined)
    }
    await closeIdle(open)
    await Promise.race([...under, clock.wait(tickMs, signal).catch(() => undefined)])
  }
  await Promise.all(under)
  await closeIdle(open)
}

async function start(job: Open, taken: TakenPart, { onNews }: WorkerParts): Promise<void> {
  onNews?.({ kind: 'took', taken })
  const work = job.session.run(taken.part)
  job.under.add(work)
  const outcome = await work
  job.under.delete(work)
  onNews?.({ kind: 'left', taken, outcome })
}

interface Opening {
  readonly owner: () => string
  readonly leaseMs: number
  readonly clock: NonNullable<ReplayParts['clock']>
  readonly open: Map<string, Open>
  readonly onHandOver: () => unknown
}

/** Gives the session of a job, with its sink being opened where there is none yet. */
function createOpening(parts: WorkerParts, { owner, leaseMs, clock, open, onHandOver }: Opening) {
  return async (job: ReplaySummary, signal: AbortSignal): Promise<Open> => {
    const there = open.get(job.id)
    if (there !== undefined && there.session.ended === undefined) return there
    // One that was paused, or failed, may be wanted again before its last part has ended here.
    if (there !== undefined) await close(open, job.id, there)
    const opening = parts.openSink(job)
    opening.catch(() => undefined)
    let sink: Sink | undefined
    const ofJob: ReplayParts = {
      ...parts,
      get sink(): Sink {
        return sink!
      },
    }
    const ready = async () => (sink = await opening)
    const readAhead = readAheadOf(parts.partsAtOnce)
    const session = openSession(
      job,
      { parts: ofJob, owner: owner(), leaseMs, clock, readAhead, endsTogether: false, ready, onHandOver },
      signal,
    )
    const opened = { session, sink: opening, under: new Set<Promise<unknown>>() }
    open.set(job.id, opened)
    return opened
  }
}

async function close(open: Map<string, Open>, id: string, { session, sink, under }: Open): Promise<void> {
  await Promise.all(under)
  open.delete(id)
  await session.close()
  await sink.then(
    (opened) => opened[Symbol.asyncDispose](),
    () => undefined,
  )
}

async function closeIdle(open: Map<string, Open>): Promise<void> {
  for (const [id, job] of open) if (job.under.size === 0) await close(open, id, job)
}
