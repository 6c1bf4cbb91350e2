import { changeJob, rowOf, settled } from './job-change.ts'
import type { JobRow, JobRows } from './job-rows.ts'
import { isSeatFree, isSeatOld, mayTake, seated, summaryOf, takenBy } from './job-rules.ts'
import type { JobPlace, Lease, TakeOptions, TakenPart } from './jobs.ts'
import type { ReplayPart } from './part.ts'

const JOBS_PAGE = 20
const PARTS_PAGE = 20
/** How long a worker's wish for parts is heard; one that still has none says it again. */
const HUNGRY_MS = 2000

/** Takes a part for a worker, of the job that it names or of the oldest that has one. */
export async function takePart(rows: JobRows, lease: Lease, options: TakeOptions = {}): Promise<TakenPart | undefined> {
  if (options.job !== undefined) return takeOf(rows, await rowOf(rows, options.job), lease, options)
  let after: JobPlace | undefined
  for (;;) {
    const page = await rows.offering(JOBS_PAGE, after)
    for (const row of page) {
      const taken = await takeOf(rows, row, lease, options)
      if (taken !== undefined) return taken
    }
    const last = page.at(-1)
    if (last === undefined || page.length < JOBS_PAGE) return undefined
    after = { createdMs: last.createdMs, id: last.id }
  }
}

async function takeOf(rows: JobRows, known: JobRow, lease: Lease, options: TakeOptions): Promise<TakenPart | undefined> {
  const row = await sit(rows, known, lease)
  if (row === undefined) return undefined
  const [facts] = await rows.facts([row.id])
  const part = await takeFree(rows, row, lease, options)
  if (part !== undefined) return { job: summaryOf(row, facts!, lease.nowMs), part }
  if (facts!.parts > 0) await settled(rows, row, lease.nowMs)
  // A selection that was empty is done when somebody looks at it.
  else if (options.job === undefined) await settled(rows, { ...row, startedMs: row.startedMs ?? lease.nowMs }, lease.nowMs)
  const isHungry = options.isIdle === true && row.workers === 'many' && facts!.done < facts!.parts
  if (isHungry && (row.hungryUntilMs ?? 0) < lease.nowMs + HUNGRY_MS / 2) {
    await changeJob(rows, row.id, (now) => (mayTake(now) ? { ...now, hungryUntilMs: lease.nowMs + HUNGRY_MS } : now))
  }
  return undefined
}

/** The job where the worker may work on it, with the worker in its only seat where it has but one. */
async function sit(rows: JobRows, known: JobRow, lease: Lease): Promise<JobRow | undefined> {
  if (!mayTake(known)) return undefined
  if (known.workers === 'many') return known
  if (!isSeatFree(known, lease)) return undefined
  const row = await changeJob(rows, known.id, (now) => {
    if (!mayTake(now) || !isSeatFree(now, lease)) return now
    return isSeatOld(now, lease) ? seated(now, lease) : now
  })
  return row.seat?.owner === lease.owner && mayTake(row) ? row : undefined
}

async function takeFree(rows: JobRows, { id }: JobRow, lease: Lease, options: TakeOptions): Promise<ReplayPart | undefined> {
  const want = { nowMs: lease.nowMs, limit: PARTS_PAGE, isDue: options.job === undefined }
  for (let from = 0; ;) {
    const free = await rows.freeParts(id, { ...want, from })
    for (const part of free) {
      // What the worker holds itself is under way, whatever its clock says.
      if (part.owner === lease.owner) continue
      if (part.after.length > 0 && (await rows.countDone(id, part.after)) < part.after.length) continue
      const taken = takenBy(part, lease)
      // Another may have been first; then the next one.
      if ((await rows.replaceParts([taken]))[0] === true) return { ...taken, version: taken.version + 1 }
    }
    const last = free.at(-1)
    if (last === undefined || free.length < PARTS_PAGE) return undefined
    from = last.part + 1
  }
}
