import type { JobAudit, JobOutcome, JobRecord, ReplayFailure } from './job.ts'
import type { AuditListOptions, JobPlace } from './jobs.ts'
import type { JobError, PartFacts, ReplayPart } from './part.ts'
import type { ScheduleRows } from './schedule-rows.ts'

/** A job as a database keeps it, as one row or document. */
export interface JobRow extends JobRecord {
  /** How it ended; null where it goes on, or can. */
  readonly outcome: JobOutcome | null
  /** How often it ended. */
  readonly endings: number
  /** Whether a part failed, so that nobody takes another; and why. */
  readonly error: JobError | null
  /** Where one worker at a time is allowed: who it is, and until when. */
  readonly seat: { readonly owner: string; readonly untilMs: number } | null
  /** Until when a worker that has nothing to do waits for parts of this job. */
  readonly hungryUntilMs: number | null
  /** When the next message is due, under a rate. */
  readonly dueMs: number | null
  /** Rises with every change: who changes a row names the version that is known. */
  readonly version: number
}

/** A page of jobs, the newest first (`createdMs`, then `id`, both falling). */
export interface JobPage {
  readonly limit: number
  readonly before?: JobPlace
  /** Only those with one of these outcomes; null is for those that go on. */
  readonly outcomes?: readonly (JobOutcome | null)[]
}

/** A page of parts that can be taken. */
export interface FreePartsPage {
  readonly nowMs: number
  /** Their smallest place. */
  readonly from: number
  readonly limit: number
  readonly isDue: boolean
}

/**
 * What a database has to do so that jobs can be kept in it. Every call that writes changes single rows, each atomically and durably; none needs a
 * transaction over several. All rules stand above it, in `createJobStore`.
 * @throws MillpondError `JOBS_UNAVAILABLE`, `JOBS_CORRUPT`.
 */
export interface JobRows extends AsyncDisposable {
  /** Text for people, without secrets. */
  readonly name: string
  /**
   * Stores the parts, then the job, so that a job that is seen has all of its parts. False where its id or key is taken: then nothing of it remains, and
   * the parts of the job that has the id are untouched.
   */
  insert(job: JobRow, parts: readonly ReplayPart[]): Promise<boolean>
  job(id: string): Promise<JobRow | undefined>
  jobByKey(key: string): Promise<JobRow | undefined>
  jobs(page: JobPage): Promise<readonly JobRow[]>
  /**
   * Jobs that may have work for anybody, the oldest first (`createdMs`, then `id`), behind a place: offered, wanted to run, without an outcome,
   * without an error.
   */
  offering(limit: number, after?: JobPlace): Promise<readonly JobRow[]>
  /** Puts the row in the place of the one that has its id and `version`, with a version one higher; false where there is none. */
  replaceJob(job: JobRow): Promise<boolean>
  /** Parts of a job by their place, from `from` on. */
  parts(job: string, page: { readonly from: number; readonly limit: number }): Promise<readonly ReplayPart[]>
  /**
   * Parts in the state `open` whose lease has ended at `nowMs` (`leaseUntilMs` is null or not above it), by their place; where `isDue` is said, only those
   * whose `notBeforeMs` is null or not above it either.
   */
  freeParts(job: string, page: FreePartsPage): Promise<readonly ReplayPart[]>
  /** How many of these parts are done. */
  countDone(job: string, parts: readonly number[]): Promise<number>
  /** As `replaceJob`, for each part by itself; says of each whether it was replaced. */
  replaceParts(parts: readonly ReplayPart[]): Promise<readonly boolean[]>
  /** What the parts of each job are together, in the order of the ids. */
  facts(jobs: readonly string[]): Promise<readonly PartFacts[]>
  /** Adds failures behind those that are there, each position of a lane once; past `MAX_RECORDED_FAILURES` of the job none has to be kept. */
  addFailures(job: string, failures: readonly ReplayFailure[]): Promise<void>
  /** In the order in which they were added, `MAX_RECORDED_FAILURES` at the most. */
  failures(job: string): Promise<readonly ReplayFailure[]>
  /** Stores the record, in the place of the one of the same job and ending. */
  putAudit(audit: JobAudit): Promise<void>
  /** By `endedMs`, then `job`, then `ending`, all falling. */
  audits(page: AuditListOptions & { readonly limit: number }): Promise<readonly JobAudit[]>
  /** What makes jobs again and again. */
  readonly schedules: ScheduleRows
}
