import { MillpondError } from '../../errors.ts'
import { JOB_OUTCOMES, type JobAudit } from '../../replay/job.ts'
import type { AuditPlace, JobStore } from '../../replay/jobs.ts'
import type { Caller } from '../access.ts'
import { maySee } from './access.ts'
import { limitOf, onceEach, type PageQuery, wordsOf } from './page-query.ts'
import { visiblePage } from './visible-page.ts'

/** A place in the history: when a job ended, how often it had before, and its id. */
export const HISTORY_CURSOR = /^([0-9]{1,15})\.([0-9]{1,9})\.(\S{1,100})$/u

/**
 * A page of the records that jobs left when they ended, the newest ending first, of topics that the caller may replay.
 * @throws MillpondError `INPUT_INVALID`.
 */
export async function listHistory(
  jobs: JobStore,
  caller: Caller,
  query: PageQuery,
): Promise<{ readonly history: readonly JobAudit[]; readonly next: string | null }> {
  const { job, outcome, cursor } = onceEach(query)
  const outcomes = wordsOf('outcome', outcome, JOB_OUTCOMES)
  const { rows, next } = await visiblePage<JobAudit, AuditPlace>({
    limit: limitOf(query),
    from: cursor === undefined ? undefined : placeOf(cursor),
    read: (limit, before) =>
      jobs.audits({
        limit,
        ...(before === undefined ? {} : { before }),
        ...(job === undefined ? {} : { job }),
        ...(outcomes === undefined ? {} : { outcomes }),
      }),
    placeOf: ({ endedMs, job: id, ending }) => ({ endedMs, job: id, ending }),
    isVisible: (audit) => maySee(caller, audit),
  })
  return { history: rows, next: next === undefined ? null : `${next.endedMs}.${next.ending}.${next.job}` }
}

function placeOf(cursor: string): AuditPlace {
  const [, endedMs, ending, job] = HISTORY_CURSOR.exec(cursor) ?? []
  if (job === undefined) throw new MillpondError('INPUT_INVALID', 'cursor must be what `next` of a page said')
  return { endedMs: Number(endedMs), ending: Number(ending), job }
}
