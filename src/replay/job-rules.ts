import type { JobRow } from './job-rows.ts'
import type { JobAudit, JobOutcome, ReplayState, ReplaySummary } from './job.ts'
import type { Lease, PartOutcome, Wanted } from './jobs.ts'
import type { PartFacts, ReplayPart } from './part.ts'

/** Whether somebody holds a part at that moment. */
const isHeld = ({ leaseUntilMs }: Pick<PartFacts, 'leaseUntilMs'>, nowMs: number): boolean =>
  leaseUntilMs !== null && leaseUntilMs > nowMs

/** Whether nothing of the job is left to do; one without parts is done once it was begun. */
const isDone = ({ startedMs }: JobRow, { parts, done }: PartFacts): boolean => done === parts && (parts > 0 || startedMs !== null)

/** The outcome that is still to be recorded of a job; undefined where it has one, or goes on, or can. */
export function outcomeDue(row: JobRow, facts: PartFacts, nowMs: number): JobOutcome | undefined {
  if (row.outcome !== null) return undefined
  if (isDone(row, facts)) return 'done'
  if (isHeld(facts, nowMs)) return undefined
  if (row.wish === 'cancel') return 'cancelled'
  return row.error !== null || facts.failed > 0 ? 'failed' : undefined
}

/** The state of a job: what it is recorded to be, or what follows from its parts and what is wanted of it. */
export function stateOf(row: JobRow, facts: PartFacts, nowMs: number): ReplayState {
  const ended = row.outcome ?? outcomeDue(row, facts, nowMs)
  if (ended !== undefined) return ended
  if (isHeld(facts, nowMs)) return 'running'
  if (row.wish === 'pause') return 'paused'
  return row.startedMs === null ? 'queued' : 'interrupted'
}

/** What a list shows of a job. */
export function summaryOf(row: JobRow, facts: PartFacts, nowMs: number): ReplaySummary {
  const { outcome: _, endings: __, seat: ___, hungryUntilMs: ____, dueMs: _____, version: ______, error, ...record } = row
  const { counts, parts, done, leaseUntilMs } = facts
  const state = stateOf(row, facts, nowMs)
  return {
    ...record,
    state,
    counts,
    error: error ?? (state === 'done' ? null : facts.error),
    partCount: parts,
    partsDone: done,
    leaseUntilMs,
  }
}

/** Whether parts of the job may be taken. */
export const mayTake = ({ wish, error, outcome }: JobRow): boolean => wish === 'run' && error === null && outcome === null

/** Whether a job has something for workers that name none. */
export const isOffering = (row: JobRow): boolean => row.offered && mayTake(row)

/** What those who work on the job are to do. */
export function wantedOf({ wish, error, hungryUntilMs }: JobRow, nowMs: number): Wanted {
  if (wish !== 'run') return wish
  if (error !== null) return 'halt'
  return hungryUntilMs !== null && hungryUntilMs > nowMs ? 'hand-over' : 'run'
}

/** Whether the worker may work on a job that one may at a time. */
export const isSeatFree = ({ seat }: JobRow, { owner, nowMs }: Lease): boolean =>
  seat === null || seat.owner === owner || seat.untilMs <= nowMs

/** Whether a seat that the worker has is to be renewed: not with every word of progress. */
export const isSeatOld = ({ seat }: JobRow, { owner, nowMs, leaseMs }: Lease): boolean =>
  seat === null || seat.owner !== owner || seat.untilMs < nowMs + leaseMs / 2

/** The job with the worker in its seat. */
export const seated = (row: JobRow, { owner, nowMs, leaseMs }: Lease): JobRow => ({
  ...row,
  seat: { owner, untilMs: nowMs + leaseMs },
})

/** The part in the hands of a worker. */
export const takenBy = (part: ReplayPart, { owner, nowMs, leaseMs }: Lease): ReplayPart => ({
  ...part,
  owner,
  leaseUntilMs: nowMs + leaseMs,
  attempts: part.attempts + 1,
  notBeforeMs: null,
  error: null,
})

/** The part, held for longer. */
export const renewedBy = (part: ReplayPart, { nowMs, leaseMs }: Lease): ReplayPart => ({
  ...part,
  leaseUntilMs: nowMs + leaseMs,
})

/** The part as its worker leaves it. */
export const released = (part: ReplayPart, { state, error, notBeforeMs }: PartOutcome): ReplayPart => ({
  ...part,
  state,
  error,
  owner: null,
  leaseUntilMs: null,
  notBeforeMs: notBeforeMs ?? null,
})

/** The job as it ends. */
export const endedAs = (row: JobRow, outcome: JobOutcome, endedMs: number): JobRow => ({
  ...row,
  outcome,
  endedMs,
  endings: row.endings + 1,
  seat: null,
  hungryUntilMs: null,
})

/** What remains of a job that ends so. */
export function auditOf(row: JobRow, facts: PartFacts, outcome: JobOutcome, endedMs: number): JobAudit {
  const { id, query, target, options, requestedBy, note, createdMs, startedMs, planned, endings } = row
  const error = row.error ?? (outcome === 'failed' ? facts.error : null)
  const asked = { query, target, options, requestedBy, note, createdMs, startedMs, planned }
  return { job: id, ending: endings, ...asked, endedMs, outcome, counts: facts.counts, error }
}
