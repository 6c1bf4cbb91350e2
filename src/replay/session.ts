import { isMillpondError, wrapError } from '../errors.ts'
import type { ReadAhead } from '../search/context.ts'
import type { ReadStats } from '../search/read.ts'
import { createReadStats } from '../search/read.ts'
import type { Clock } from './deliver.ts'
import type { ReplayCounts, ReplaySummary } from './job.ts'
import type { Lease, PartOutcome, Wanted } from './jobs.ts'
import type { ReplayParts, Run } from './lane.ts'
import { runPart } from './lane.ts'
import { createPace } from './pace.ts'
import type { JobError, ReplayPart } from './part.ts'
import { queryOf } from './query-record.ts'
import { createRecorder } from './recorder.ts'
import { createSharedPace } from './shared-pace.ts'

/** A worker at work on one job: its parts share a sink, a pace, and the writing of progress. */
export interface Session {
  readonly stats: ReadStats
  /** Parts that are run now. */
  readonly running: number
  /** What ended it: the first failure of a part, or what was wanted; undefined while it goes on. */
  readonly ended: SessionEnd | undefined
  /** Runs a part that was taken until it is given back, and says how; undefined where it was lost. Never throws. */
  run(part: ReplayPart): Promise<PartOutcome | undefined>
  /** Says that the job was begun. Its first part does so too. */
  begin(): Promise<void>
  /** Tells progress for the last time, once nothing is run any more. */
  close(): Promise<void>
}

/** How a session ended. */
export interface SessionEnd {
  /** `lost` where parts or the job store are not this worker's any more. */
  readonly why: 'pause' | 'cancel' | 'halt' | 'part' | 'lost'
  readonly error?: unknown
}

export interface SessionOptions {
  /** Resolves when the sink can be used; at once unless given. Leases are renewed meanwhile. */
  readonly ready?: () => Promise<unknown>
  readonly parts: ReplayParts
  readonly owner: string
  readonly leaseMs: number
  readonly clock: Clock
  readonly readAhead: ReadAhead
  /** Whether a part that fails ends the others too. */
  readonly endsTogether: boolean
  /** Told when some parts are given up for workers that have none. */
  readonly onHandOver?: () => unknown
}

/** How often progress is stored and told. */
const TICK_MS = 200
/** How often leases are renewed, and wishes looked for, where nothing moves. */
const HEARTBEAT_MS = 1000
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

/** What runs now: a part, and how it is ended. */
interface Running {
  readonly ending: AbortController
  readonly over: Promise<void>
  isLeaving: boolean
}

/** Opens a session for a job; `signal` ends it, with its parts given back. */
export function openSession(job: ReplaySummary, options: SessionOptions, signal: AbortSignal): Session {
  const { parts, owner, leaseMs, clock, readAhead } = options
  const { jobs } = parts
  const running = new Map<number, Running>()
  const ending = new AbortController()
  let ended: SessionEnd | undefined
  const lease = (): Lease => ({ owner, leaseMs, nowMs: parts.nowMs() })
  const end = (why: SessionEnd['why'], error?: unknown): void => {
    ended ??= { why, ...(error === undefined ? {} : { error }) }
    ending.abort(error)
  }
  const recorder = createRecorder(job, { jobs, lease, onLost: (place) => running.get(place)?.ending.abort() })
  const run: Run = {
    job,
    parts,
    query: queryOf(job.query),
    recorder,
    stats: createReadStats(),
    pace: paceOf(job, parts),
    clock,
  }
  const heed = (wanted: Wanted): void => {
    if (wanted === 'hand-over') handOver()
    else if (wanted !== 'run') end(job.workers === 'one' && wanted === 'halt' && recorder.held === 0 ? 'lost' : wanted)
  }
  const handOver = (): void => {
    const staying = [...running.values()].filter(({ isLeaving }) => !isLeaving)
    if (staying.length < 2 || staying.length < running.size) return
    for (const part of staying.slice(Math.ceil(staying.length / 2))) part.isLeaving = true
    options.onHandOver?.()
  }
  const watch = watchSession(run, {
    leaseMs,
    tickMs: Math.min(parts.tickMs ?? TICK_MS, leaseMs / 3),
    tell: () => tell(run, parts),
    heed,
    onLost: (error) => end('lost', error),
  })
  const outcomeOf = (isDone: boolean, error: unknown, part: ReplayPart): PartOutcome => {
    if (isDone) return { state: 'done', error: null }
    if (error === undefined || signal.aborted || ending.signal.aborted) return { state: 'open', error: null }
    const known = jobErrorOf(error, job.id)
    // Another process got further with the part: the next one to take it asks the target where.
    if (!known.retryable && !isMillpondError(error, 'JOB_CONFLICT')) return { state: 'failed', error: known.error }
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(part.attempts, 10))
    return { state: 'open', error: known.error, notBeforeMs: parts.nowMs() + pauseMs }
  }
  let beginning: Promise<void> | undefined
  const begin = (): Promise<void> => {
    beginning ??= recorder.begin().then(heed)
    return beginning
  }
  return {
    stats: run.stats,
    get running() {
      return running.size
    },
    get ended() {
      return ended
    },
    begin,
    async run(part) {
      // Lost to another and taken again before that was noticed here.
      for (let before = running.get(part.part); before !== undefined; before = running.get(part.part)) {
        before.ending.abort()
        await before.over
      }
      const { promise: over, resolve } = Promise.withResolvers<void>()
      const own: Running = { ending: new AbortController(), over, isLeaving: false }
      running.set(part.part, own)
      recorder.add(part)
      const how = {
        readAhead,
        signal: AbortSignal.any([signal, ending.signal, own.ending.signal]),
        isLeaving: () => own.isLeaving,
      }
      let isDone = false
      let error: unknown
      try {
        await options.ready?.()
        await begin()
        isDone = await runPart(run, part.part, how)
      } catch (caught) {
        error = caught
      }
      let left: PartOutcome | undefined
      try {
        const outcome = outcomeOf(isDone, error, part)
        if (await recorder.release(part.part, outcome)) left = outcome
        if (outcome.error !== null && (options.endsTogether || outcome.state === 'failed')) end('part', error)
      } catch (failure) {
        end('lost', failure)
      }
      running.delete(part.part)
      resolve()
      return left
    },
    async close() {
      await watch.close()
      tell(run, parts)
    },
  }
}

/** An error as it is kept with a part. */
function jobErrorOf(error: unknown, job: string): { readonly error: JobError; readonly retryable: boolean } {
  const { code, message, retryable } = wrapError(error, 'INTERNAL', `job ${job}`)
  return { error: { code, message }, retryable }
}

function paceOf({ id, workers, options }: ReplaySummary, { jobs, nowMs }: ReplayParts): Run['pace'] {
  const rate = options.rateMessagesPerSecond
  if (rate === undefined) return undefined
  // Who works alone needs nobody's leave.
  return workers === 'one' ? createPace(rate) : createSharedPace(rate, (count) => jobs.reserve(id, count, nowMs()))
}

function tell({ recorder, job }: Run, { onProgress }: ReplayParts): void {
  onProgress?.({ counts: recorder.counts, planned: job.planned, lanes: job.partCount, lanesDone: recorder.partsDone })
}

interface Watching {
  readonly leaseMs: number
  readonly tickMs: number
  readonly tell: () => void
  readonly heed: (wanted: Wanted) => void
  readonly onLost: (error: unknown) => void
}

/** Stores and tells progress while the session goes on; a store that is away is asked again for as long as the leases hold. */
function watchSession({ recorder, clock }: Run, { leaseMs, tickMs, tell: tellNow, heed, onLost }: Watching) {
  let askedMs = clock.nowMs()
  let storedMs = askedMs
  let toldCounts: ReplayCounts | undefined
  const look = async (): Promise<void> => {
    const isNew = toldCounts !== recorder.counts
    if (isNew) tellNow()
    toldCounts = recorder.counts
    const isDue = clock.nowMs() - askedMs >= Math.min(HEARTBEAT_MS, leaseMs / 3)
    if (recorder.held === 0 || (!isNew && !isDue)) return
    askedMs = clock.nowMs()
    try {
      heed(await recorder.store())
      storedMs = clock.nowMs()
    } catch (error) {
      const isPassing = isMillpondError(error) && error.retryable && clock.nowMs() - storedMs < leaseMs
      if (!isPassing) onLost(error)
    }
  }
  let looking: Promise<void> | undefined
  const timer = setInterval(() => {
    looking ??= look().finally(() => (looking = undefined))
  }, tickMs)
  return {
    async close() {
      clearInterval(timer)
      await looking
    },
  }
}
