import { MillpondError } from '../errors.ts'
import { changeJob, factsOf, rowOf, settled } from './job-change.ts'
import type { JobRow, JobRows } from './job-rows.ts'
import { isSeatFree, isSeatOld, mayTake, outcomeDue, released, renewedBy, seated, summaryOf, wantedOf } from './job-rules.ts'
import type { JobOutcome, JobWish, NewJob, ReplayFailure, ReplayState, ReplaySummary } from './job.ts'
import { takePart } from './job-take.ts'
import type { JobListOptions, JobStore, Lease, PartOutcome, PartsAnswer, PartsUpdate } from './jobs.ts'
import { nextTurn } from './pace.ts'
import type { ReplayPart } from './part.ts'

const DEFAULT_LIMIT = 100
const PARTS_PAGE = 1000
/** Jobs over the rows that a database keeps. Closing it closes them. */
export function createJobStore(rows: JobRows): JobStore {
  return {
    name: rows.name,
    create: (job) => create(rows, job),
    get: async (id, nowMs) => {
      const row = await rows.job(id)
      if (row === undefined) return undefined
      const summary = await settled(rows, row, nowMs)
      const [parts, failures] = await Promise.all([allParts(rows, id), rows.failures(id)])
      return { ...summary, parts, failures }
    },
    list: (nowMs, options) => list(rows, nowMs, options),
    parts: (id, { from = 0, limit = PARTS_PAGE } = {}) => rows.parts(id, { from, limit }),
    take: (lease, options) => takePart(rows, lease, options),
    progress: (lease, update) => progress(rows, lease, update),
    release: (lease, part, outcome, failures = []) => release(rows, { lease, part, outcome, failures }),
    reserve: (id, count, nowMs) => reserve(rows, id, count, nowMs),
    want: (id, wish, options) => want(rows, id, wish, options),
    audits: ({ limit = DEFAULT_LIMIT, ...options } = {}) => rows.audits({ ...options, limit }),
    schedules: rows.schedules,
    [Symbol.asyncDispose]: () => rows[Symbol.asyncDispose](),
  }
}

async function create(rows: JobRows, { job, parts }: NewJob) {
  const first: JobRow = {
    ...job,
    outcome: null,
    endings: 0,
    error: null,
    seat: null,
    hungryUntilMs: null,
    dueMs: null,
    version: 0,
  }
  const made = async () => (job.key === null ? undefined : (await rows.jobByKey(job.key))?.id)
  const there = await made()
  if (there !== undefined) return { id: there, isNew: false }
  if (await rows.insert(first, parts)) return { id: job.id, isNew: true }
  const other = await made()
  if (other !== undefined) return { id: other, isNew: false }
  throw new MillpondError('JOB_CONFLICT', `a job ${job.id} exists already`, { details: { id: job.id } })
}

async function allParts(rows: JobRows, id: string): Promise<readonly ReplayPart[]> {
  const all: ReplayPart[] = []
  for (;;) {
    const page = await rows.parts(id, { from: all.length, limit: PARTS_PAGE })
    all.push(...page)
    if (page.length < PARTS_PAGE) return all
  }
}

const ENDED: ReadonlySet<ReplayState> = new Set<ReplayState>(['done', 'failed', 'cancelled'])

async function list(
  rows: JobRows,
  nowMs: number,
  { states, limit = DEFAULT_LIMIT, before }: JobListOptions = {},
): Promise<readonly ReplaySummary[]> {
  // A job without a recorded outcome may have come to one.
  const outcomes = states === undefined ? undefined : [null, ...states.filter((state): state is JobOutcome => ENDED.has(state))]
  const found: ReplaySummary[] = []
  let place = before
  for (;;) {
    const page = await rows.jobs({
      limit,
      ...(place === undefined ? {} : { before: place }),
      ...(outcomes === undefined ? {} : { outcomes }),
    })
    const facts = await rows.facts(page.map(({ id }) => id))
    for (const [i, row] of page.entries()) {
      const isDue = outcomeDue(row, facts[i]!, nowMs) !== undefined
      const summary = isDue ? await settled(rows, row, nowMs) : summaryOf(row, facts[i]!, nowMs)
      if (states?.includes(summary.state) ?? true) found.push(summary)
      if (found.length === limit) return found
    }
    const last = page.at(-1)
    if (last === undefined || page.length < limit) return found
    place = { createdMs: last.createdMs, id: last.id }
  }
}

async function progress(rows: JobRows, lease: Lease, update: PartsUpdate): Promise<PartsAnswer> {
  const { job, parts, failures, isOpening = false } = update
  const row = await changeJob(rows, job, (now) => {
    const begun = now.startedMs === null && !isOpening ? { ...now, startedMs: lease.nowMs } : now
    if (begun.workers === 'many' || parts.length === 0 || !isSeatFree(begun, lease)) return begun
    return isSeatOld(begun, lease) ? seated(begun, lease) : begun
  })
  if (row.workers === 'one' && !isSeatFree(row, lease)) return { wanted: 'halt', held: [] }
  if (failures.length > 0) await rows.addFailures(job, failures)
  const held = await replaceOwn(
    rows,
    lease,
    parts.map((part) => renewedBy(part, lease)),
  )
  return { wanted: wantedOf(row, lease.nowMs), held }
}

/** Puts parts in place that are still the owner's; gives those that were, with their versions. */
async function replaceOwn(rows: JobRows, { owner }: Lease, parts: readonly ReplayPart[]): Promise<ReplayPart[]> {
  if (parts.length === 0) return []
  const replaced = await rows.replaceParts(parts)
  const held: ReplayPart[] = []
  for (const [i, part] of parts.entries()) {
    if (replaced[i] === true) held.push({ ...part, version: part.version + 1 })
    else held.push(...(await replaceAgain(rows, owner, part)))
  }
  return held
}

/** An answer that never came may have been a success: then the part has another version and is still the owner's. */
async function replaceAgain(rows: JobRows, owner: string, part: ReplayPart): Promise<ReplayPart[]> {
  const [stored] = await rows.parts(part.job, { from: part.part, limit: 1 })
  if (stored?.part !== part.part || stored.owner !== owner || stored.attempts !== part.attempts) return []
  const again = { ...part, version: stored.version }
  const [replaced] = await rows.replaceParts([again])
  return replaced === true ? [{ ...again, version: again.version + 1 }] : []
}

interface Release {
  readonly lease: Lease
  readonly part: ReplayPart
  readonly outcome: PartOutcome
  readonly failures: readonly ReplayFailure[]
}

async function release(rows: JobRows, { lease, part, outcome, failures }: Release): Promise<boolean> {
  if (failures.length > 0) await rows.addFailures(part.job, failures)
  const [left] = await replaceOwn(rows, lease, [released(part, outcome)])
  if (left === undefined) {
    await rowOf(rows, part.job)
    return false
  }
  const { leaseUntilMs } = await factsOf(rows, part.job)
  const row = await changeJob(rows, part.job, (now) => {
    const told = outcome.state === 'failed' && now.error === null ? { ...now, error: outcome.error } : now
    const isLeft = leaseUntilMs === null && told.seat?.owner === lease.owner
    return isLeft ? { ...told, seat: null } : told
  })
  await settled(rows, row, lease.nowMs)
  return true
}

async function reserve(rows: JobRows, id: string, count: number, nowMs: number): Promise<number> {
  let waitMs = 0
  await changeJob(rows, id, (row) => {
    const rate = row.options.rateMessagesPerSecond
    if (rate === undefined) return row
    const turn = nextTurn(row.dueMs, count, rate / 1000, nowMs)
    waitMs = turn.waitMs
    return { ...row, dueMs: turn.dueMs }
  })
  return waitMs
}

async function want(
  rows: JobRows,
  id: string,
  wish: JobWish,
  { nowMs, isOffered }: { readonly nowMs: number; readonly isOffered?: boolean },
): Promise<ReplaySummary> {
  const { state } = await settled(rows, await rowOf(rows, id), nowMs)
  const row = await changeJob(rows, id, (now) => {
    if (now.outcome === 'done' || (now.wish === 'cancel' && wish !== 'cancel')) {
      const ended = now.outcome === 'done' ? 'done' : 'cancelled'
      const message = `job ${id} is ${ended}${wish === 'cancel' ? '' : '; make a new one to replay again'}`
      throw new MillpondError('JOB_CONFLICT', message, { details: { id, state: ended } })
    }
    if (now.outcome === 'cancelled' || (now.outcome === 'failed' && wish === 'pause')) return now
    const offered = isOffered ?? now.offered
    const onward = wish === 'run' ? { error: null } : {}
    const changed = { ...now, ...onward, wish, offered, outcome: null, endedMs: null }
    const isSame = now.wish === wish && now.offered === offered && now.outcome === null && (wish !== 'run' || now.error === null)
    return isSame ? now : changed
  })
  if (wish === 'run' && (state === 'failed' || mayTake(row))) await reopen(rows, id)
  return settled(rows, row, nowMs)
}

/** Opens the parts that failed, so that they can be taken again. */
async function reopen(rows: JobRows, id: string): Promise<void> {
  if ((await factsOf(rows, id)).failed === 0) return
  const failed = (await allParts(rows, id)).filter(({ state }) => state === 'failed')
  await rows.replaceParts(failed.map((part) => ({ ...part, state: 'open', error: null })))
}
