import type { JobAudit, JobOutcome, JobWish, NewJob, ReplayFailure, ReplayJob, ReplayState, ReplaySummary } from './job.ts'
import type { JobError, ReplayPart } from './part.ts'
import type { ScheduleRows } from './schedule-rows.ts'

/** Who works, and until when nobody else may. */
export interface Lease {
  readonly owner: string
  readonly nowMs: number
  readonly leaseMs: number
}

/** What a worker asks for. */
export interface TakeOptions {
  /** A part of this job, whether it is offered or not, and though its target was away a moment ago; otherwise of any that is offered. */
  readonly job?: string
  /** The worker has nothing else: those that hold several parts of a job are asked to hand some over. */
  readonly isIdle?: boolean
}

/** A part in the hands of a worker, and the job as it was before. */
export interface TakenPart {
  readonly job: ReplaySummary
  readonly part: ReplayPart
}

/** What a worker has to say of its parts of one job since it last did. */
export interface PartsUpdate {
  readonly job: string
  /** Parts that it holds, as they are now. Those that did not move are renewed. */
  readonly parts: readonly ReplayPart[]
  /** Messages refused since. */
  readonly failures: readonly ReplayFailure[]
  /** The target is still being opened: leases are renewed, the job has not started. */
  readonly isOpening?: boolean
}

/**
 * What a worker is to do: go on; finish its batch and give up some of its parts to workers that have none; stop, because the job is
 * paused, cancelled, or failed elsewhere.
 */
export type Wanted = 'run' | 'hand-over' | 'pause' | 'cancel' | 'halt'

/** What became of an update. */
export interface PartsAnswer {
  readonly wanted: Wanted
  /** The parts that the worker still holds, as they are stored now; what is missing is no longer its own. */
  readonly held: readonly ReplayPart[]
}

/** How a worker leaves a part. */
export interface PartOutcome {
  /** `open` where it is to go on, by whoever takes it next. */
  readonly state: ReplayPart['state']
  readonly error: JobError | null
  /** Workers that look for work leave the part alone until then. */
  readonly notBeforeMs?: number
}

/** Where a page of a list begins: behind this job. */
export interface JobPlace {
  readonly createdMs: number
  readonly id: string
}

/** Which jobs a list shows. */
export interface JobListOptions {
  readonly states?: readonly ReplayState[]
  /** 100 unless given. */
  readonly limit?: number
  readonly before?: JobPlace
}

/** Where a page of audit records begins: behind this ending. */
export interface AuditPlace {
  readonly endedMs: number
  readonly job: string
  readonly ending: number
}

/** Which audit records a list shows: the newest endings first. */
export interface AuditListOptions {
  readonly job?: string
  readonly outcomes?: readonly JobOutcome[]
  readonly limit?: number
  readonly before?: AuditPlace
}

/**
 * Replay jobs, kept, and shared by the workers that do them. A worker takes parts, each under a lease that ends by itself when it is not renewed, so
 * that the parts of a worker that was killed are taken by others. Whatever a call has answered is durable. Built once over the rows
 * that a database keeps (`createJobStore`); times are those of the callers, whose clocks have to agree within less than a lease.
 * @throws MillpondError `JOBS_UNAVAILABLE`, `JOBS_CORRUPT` from every call, `JOB_UNKNOWN` from every call that names a job but `get` and `create`.
 */
export interface JobStore extends AsyncDisposable {
  /** Text for people, without secrets. */
  readonly name: string
  /**
   * Stores a job, which is seen only whole. Where one was made with the same key, that one is given and nothing is stored.
   * @throws MillpondError `JOB_CONFLICT` where the id is taken.
   */
  create(job: NewJob): Promise<{ readonly id: string; readonly isNew: boolean }>
  get(id: string, nowMs: number): Promise<ReplayJob | undefined>
  /** Newest first. */
  list(nowMs: number, options?: JobListOptions): Promise<readonly ReplaySummary[]>
  /** Parts of a job in their order, from a place on. */
  parts(id: string, options?: { readonly from?: number; readonly limit?: number }): Promise<readonly ReplayPart[]>
  /** Takes a part that nobody holds, of a job that is wanted to run, the oldest first. Undefined where there is none. */
  take(lease: Lease, options?: TakeOptions): Promise<TakenPart | undefined>
  /**
   * Records progress and renews the leases of these parts, each by itself; says what is wanted. The first update that is not of one who is
   * still opening the target says that the job has started, so it comes before the first delivery.
   */
  progress(lease: Lease, update: PartsUpdate): Promise<PartsAnswer>
  /** Records the last progress of a part and gives it back. False where the owner does not hold it any more, and then nothing is recorded. */
  release(lease: Lease, part: ReplayPart, outcome: PartOutcome, failures?: readonly ReplayFailure[]): Promise<boolean>
  /** Takes a turn for `count` messages under the job's rate, over all of its workers; gives how long to wait for it, ms. */
  reserve(id: string, count: number, nowMs: number): Promise<number>
  /**
   * Says what is wanted of a job. `run` lets one that failed go on too; `isOffered` offers it to all workers. One that ends so keeps what it
   * delivered.
   * @throws MillpondError `JOB_CONFLICT` where it is done, or is cancelled and something else is wanted.
   */
  want(id: string, wish: JobWish, options: { readonly nowMs: number; readonly isOffered?: boolean }): Promise<ReplaySummary>
  /** Records of jobs that ended; they are kept. */
  audits(options?: AuditListOptions): Promise<readonly JobAudit[]>
  /** What makes jobs again and again; `schedules.ts` has the rules. */
  readonly schedules: ScheduleRows
}
