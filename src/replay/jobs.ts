import type { LaneProgress, ReplayFailure, ReplayJob, ReplayState, ReplaySummary } from './job.ts'

/** What one run has to say since it last did. */
export interface ProgressUpdate {
  /** Lanes that moved, as they are now. */
  readonly lanes: readonly LaneProgress[]
  /** Messages refused since. */
  readonly failures: readonly ReplayFailure[]
}

/** Who runs a job, and until when nobody else may. */
export interface Lease {
  readonly owner: string
  readonly nowMs: number
  readonly leaseMs: number
}

/** How a run ended. */
export interface ReplayOutcome {
  readonly state: Exclude<ReplayState, 'queued' | 'running'>
  readonly endedMs: number
  readonly error: ReplaySummary['error']
}

/**
 * Replay jobs, kept. One process at a time runs a job: the one that holds its lease. A lease ends by itself when it is not renewed,
 * so that a job whose process was killed can be claimed again. Whatever a call has answered is durable.
 * @throws MillpondError `JOBS_UNAVAILABLE`, `JOBS_CORRUPT` from every call, `JOB_UNKNOWN` from every call that names a job but `get`.
 */
export interface JobStore extends AsyncDisposable {
  /** Text for people, without secrets. */
  readonly name: string
  /** @throws MillpondError `JOB_CONFLICT` where the id is taken. */
  create(job: ReplayJob): Promise<void>
  get(id: string): Promise<ReplayJob | undefined>
  /** Newest first. */
  list(options?: { readonly states?: readonly ReplayState[]; readonly limit?: number }): Promise<readonly ReplaySummary[]>
  /**
   * Makes the job `running` under this lease and gives it as it is.
   * @throws MillpondError `JOB_CONFLICT` where another's lease has not ended, or the job is done or cancelled.
   */
  claim(id: string, lease: Lease): Promise<ReplayJob>
  /**
   * Records progress, in one transaction, and renews the lease; says whether the job is to be cancelled.
   * @throws MillpondError `JOB_CONFLICT` where the lease is no longer the owner's.
   */
  progress(id: string, lease: Lease, update: ProgressUpdate): Promise<{ readonly cancelRequested: boolean }>
  /**
   * Records the last progress and how the run ended, and gives the lease back.
   * @throws MillpondError `JOB_CONFLICT` where the lease is no longer the owner's.
   */
  finish(id: string, owner: string, update: ProgressUpdate, outcome: ReplayOutcome): Promise<ReplayJob>
  /**
   * Cancels a job that nobody runs at once, and asks the one who runs it to stop. One that is done stays done.
   * @throws MillpondError `JOB_CONFLICT` where the job is done.
   */
  cancel(id: string, nowMs: number): Promise<ReplaySummary>
}
