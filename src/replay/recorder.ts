import type { LaneProgress, ReplayCounts, ReplayFailure, ReplayJob } from './job.ts'
import { addCounts, MAX_RECORDED_FAILURES } from './job.ts'
import type { JobStore, ProgressUpdate } from './jobs.ts'

/** What one step did to a lane. */
export interface LaneStep {
  readonly nextPosition: number
  readonly counts: ReplayCounts
  readonly failures: readonly ReplayFailure[]
  readonly done?: boolean
}

/** Keeps the progress of a run, and stores it from time to time. */
export interface Recorder {
  readonly counts: ReplayCounts
  readonly lanesDone: number
  /** Takes a step of the lane (its place in the job). What it tells must be durable at the target already. */
  step(lane: number, step: LaneStep): void
  lane(lane: number): LaneProgress
  /** Bytes dealt with since progress was last stored. */
  readonly unstoredBytes: number
  /** Stores what is new and renews the lease; says whether the job is to be cancelled. One call at a time goes on. */
  store(): Promise<{ readonly cancelRequested: boolean }>
  /** What is new, taken: for the last word of a run. */
  take(): ProgressUpdate
}

/** A recorder that goes on where the job is. */
export function createRecorder(
  job: ReplayJob,
  {
    jobs,
    owner,
    leaseMs,
    nowMs,
  }: { readonly jobs: JobStore; readonly owner: string; readonly leaseMs: number; readonly nowMs: () => number },
): Recorder {
  const lanes = [...job.lanes]
  const moved = new Set<number>()
  let counts = job.counts
  let lanesDone = lanes.filter(({ done }) => done).length
  let failures: ReplayFailure[] = []
  let failuresLeft = MAX_RECORDED_FAILURES - job.failures.length
  let unstoredBytes = 0
  let storing: Promise<unknown> = Promise.resolve()
  const take = (): ProgressUpdate => {
    const update = { lanes: [...moved].map((at) => lanes[at]!), failures }
    moved.clear()
    failures = []
    unstoredBytes = 0
    return update
  }
  const storeNow = () => jobs.progress(job.id, { owner, leaseMs, nowMs: nowMs() }, take())
  return {
    get counts() {
      return counts
    },
    get lanesDone() {
      return lanesDone
    },
    get unstoredBytes() {
      return unstoredBytes
    },
    lane: (at) => lanes[at]!,
    step(at, { nextPosition, counts: more, failures: newFailures, done = false }) {
      const lane = lanes[at]!
      lanes[at] = { ...lane, nextPosition, counts: addCounts(lane.counts, more), done }
      moved.add(at)
      counts = addCounts(counts, more)
      if (done && !lane.done) lanesDone++
      unstoredBytes += more.bytes
      const kept = newFailures.slice(0, failuresLeft)
      failuresLeft -= kept.length
      failures.push(...kept)
    },
    take,
    store() {
      const stored = storing.then(storeNow)
      storing = stored.catch(() => undefined)
      return stored
    },
  }
}
