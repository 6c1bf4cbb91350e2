import { MillpondError } from '../errors.ts'
import type { JobRow, JobRows } from './job-rows.ts'
import { auditOf, endedAs, outcomeDue, summaryOf } from './job-rules.ts'
import type { ReplaySummary } from './job.ts'
import { publicJob } from './job.ts'
import type { PartFacts } from './part.ts'

/** How often a change is tried that others are ahead of. */
const MAX_TRIES = 100

const unknown = (id: string): MillpondError => new MillpondError('JOB_UNKNOWN', `there is no job ${id}`, { details: { id } })

/** The job's row. @throws MillpondError `JOB_UNKNOWN`. */
export async function rowOf(rows: JobRows, id: string): Promise<JobRow> {
  const row = await rows.job(id)
  if (row === undefined) throw unknown(id)
  return row
}

/** What the job's parts are together. */
export async function factsOf(rows: JobRows, id: string): Promise<PartFacts> {
  const [facts] = await rows.facts([id])
  return facts!
}

/**
 * Changes a job by what `change` makes of it as it is; again where others were ahead. Nothing is written where it gives the same row.
 * @throws MillpondError `JOB_UNKNOWN`; `JOBS_UNAVAILABLE` where others are always ahead.
 */
export async function changeJob(rows: JobRows, id: string, change: (row: JobRow) => JobRow): Promise<JobRow> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const row = await rowOf(rows, id)
    const changed = change(row)
    if (changed === row) return row
    if (await rows.replaceJob(changed)) return { ...changed, version: changed.version + 1 }
  }
  throw new MillpondError('JOBS_UNAVAILABLE', `job ${id} is changed by others all the time`, { details: { id } })
}

/** The job as it is, its outcome recorded where it has come to one. Who looks first records it. */
export async function settled(rows: JobRows, known: JobRow, nowMs: number): Promise<ReplaySummary> {
  let row: JobRow | undefined = known
  for (let tries = 0; tries < MAX_TRIES && row !== undefined; tries++) {
    const facts = await factsOf(rows, row.id)
    const outcome = outcomeDue(row, facts, nowMs)
    if (outcome === undefined) return summaryOf(row, facts, nowMs)
    // The record first: it is never missing, and is written anew where the job goes on after all and ends later.
    await rows.putAudit(publicJob(auditOf(row, facts, outcome, nowMs)))
    const ended = endedAs(row, outcome, nowMs)
    if (await rows.replaceJob(ended)) return summaryOf(ended, facts, nowMs)
    row = await rows.job(row.id)
  }
  throw unknown(known.id)
}
