import { MillpondError } from '../errors.ts'
import { publicJob, type ReplayJob, type ReplayRequest } from '../replay/job.ts'
import type { JobStore } from '../replay/jobs.ts'

/** What a job writes to, in words. */
export function targetText(job: ReplayRequest): string {
  const { kind, topic, path, url } = publicJob(job).target
  return [kind, topic ?? path ?? url].filter((part) => part !== undefined).join(' ')
}

/** Among how many of the newest jobs the beginning of an id is looked up. */
const MAX_JOBS = 10_000

/** The id that begins so. @throws MillpondError `JOB_UNKNOWN` where it is none or several. */
export async function fullId(jobs: JobStore, beginning: string): Promise<string> {
  if ((await jobs.get(beginning, Date.now())) !== undefined) return beginning
  const fitting = (await jobs.list(Date.now(), { limit: MAX_JOBS }))
    .filter(({ id }) => id.startsWith(beginning))
    .map(({ id }) => id)
  if (fitting.length === 1) return fitting[0]!
  const message = fitting.length === 0 ? `there is no job ${beginning}` : `${fitting.length} jobs begin with ${beginning}`
  throw new MillpondError('JOB_UNKNOWN', message, { details: { job: beginning } })
}

/** The job of this id. @throws MillpondError `JOB_UNKNOWN`. */
export async function knownJob(jobs: JobStore, id: string): Promise<ReplayJob> {
  const job = await jobs.get(id, Date.now())
  if (job === undefined) throw new MillpondError('JOB_UNKNOWN', `there is no job ${id}`, { details: { job: id } })
  return job
}
