import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { MillpondError, wrapError } from '../errors.ts'
import { scheduleKey } from './job-key.ts'
import type { JobStore } from './jobs.ts'
import { type PlanParts, planReplay } from './plan.ts'
import { queryOf } from './query-record.ts'
import type { ScheduleRows } from './schedule-rows.ts'
import {
  checkRule,
  chooseFire,
  fired,
  fireToMake,
  newSchedule,
  type ReplaySchedule,
  type ScheduleFire,
  type ScheduleRule,
  steered,
  troubled,
} from './schedule.ts'

/** What firing needs. */
export interface FiringParts extends Pick<PlanParts, 'index' | 'source'> {
  readonly jobs: JobStore
  readonly nowMs: () => number
  /** Brings the index up to what the store holds of a topic, or of all, so that nothing that was archived in time is missed. */
  readonly follow: (topic: string | undefined) => Promise<unknown>
  readonly onNews?: (news: ScheduleNews) => void
}

/** What happens to schedules. */
export type ScheduleNews =
  | { readonly kind: 'fired'; readonly schedule: ReplaySchedule; readonly fire: ScheduleFire; readonly job: string }
  /** A job could not be made, or the schedules could not be read; it is tried again. */
  | { readonly kind: 'trouble'; readonly schedule?: ReplaySchedule; readonly error: MillpondError }

/** A schedule to be made. */
export interface ScheduleOrder {
  readonly name: string
  readonly rule: ScheduleRule
  readonly request: ReplaySchedule['request']
  readonly note?: string
  readonly requestedBy: string
}

const MAX_SCHEDULES = 1000
/** Fires of one schedule that are made up for before others have their turn. */
const FIRES_A_TURN = 16
const TICK_MS = 1000
const MAX_TRIES = 100

/**
 * Stores a schedule, once it is known that its first job could be made as things are now.
 * @throws MillpondError `INPUT_INVALID`; `SCHEDULE_CONFLICT` where the name is taken; what `planReplay` throws.
 */
export async function addSchedule(
  order: ScheduleOrder,
  { jobs: { schedules }, index, source, nowMs }: Pick<FiringParts, 'jobs' | 'index' | 'source' | 'nowMs'>,
): Promise<ReplaySchedule> {
  const { name, rule, request, note = null, requestedBy } = order
  checkRule(name, rule, request)
  const id = randomBytes(6).toString('hex')
  const schedule = newSchedule({ id, name, rule, request, note, requestedBy }, nowMs())
  const now = schedule.createdMs
  await planFire(schedule, { fireMs: now, fromMs: now - 1, toMs: now }, { index, id, nowMs: now, ...(source && { source }) })
  if ((await schedules.list()).length >= MAX_SCHEDULES)
    throw new MillpondError('SCHEDULE_CONFLICT', `there are ${MAX_SCHEDULES} schedules already`)
  if (await schedules.insert(schedule)) return schedule
  throw new MillpondError('SCHEDULE_CONFLICT', `there is a schedule ${name} already`, { details: { name } })
}

/** All schedules, by name. */
export async function listSchedules(rows: ScheduleRows): Promise<readonly ReplaySchedule[]> {
  return [...(await rows.list())].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The schedule of this id or name. @throws MillpondError `SCHEDULE_UNKNOWN`. */
export async function findSchedule(rows: ScheduleRows, idOrName: string): Promise<ReplaySchedule> {
  const found = (await rows.get(idOrName)) ?? (await rows.list()).find(({ name }) => name === idOrName)
  if (found !== undefined) return found
  throw new MillpondError('SCHEDULE_UNKNOWN', `there is no schedule ${idOrName.slice(0, 100)}`)
}

/** Pauses a schedule, or lets it go on. @throws MillpondError `SCHEDULE_UNKNOWN`; `JOBS_UNAVAILABLE` where others are always ahead. */
export async function steerSchedule(rows: ScheduleRows, id: string, isPaused: boolean, nowMs: number): Promise<ReplaySchedule> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const schedule = await findSchedule(rows, id)
    const changed = steered(schedule, isPaused, nowMs)
    if (changed === schedule) return schedule
    if (await rows.replace(changed)) return { ...changed, version: changed.version + 1 }
  }
  throw new MillpondError('JOBS_UNAVAILABLE', `schedule ${id} is changed by others all the time`)
}

/**
 * Makes the jobs of all fires that are due. Any number of processes may do it at the same moment, and die in it: a fire is chosen by a change of the
 * schedule that only one can make, its job has a key of its own, and only then the fire is over.
 */
export async function fireDue(parts: FiringParts): Promise<void> {
  for (const schedule of await listSchedules(parts.jobs.schedules)) {
    let now: ReplaySchedule | undefined = schedule
    for (let fires = 0; now !== undefined && fires < FIRES_A_TURN; fires++) now = await fireOnce(parts, now)
  }
}

/** Gives the schedule as it is after a fire; undefined where nothing is due, it did not work, or others are at it. */
async function fireOnce(parts: FiringParts, known: ReplaySchedule): Promise<ReplaySchedule | undefined> {
  const rows = parts.jobs.schedules
  const nowMs = parts.nowMs()
  const chosen = chooseFire(known, nowMs)
  if (chosen !== undefined && !(await rows.replace(chosen))) return undefined
  const schedule = chosen === undefined ? known : { ...chosen, version: chosen.version + 1 }
  const fire = fireToMake(schedule, nowMs)
  if (fire === undefined) return undefined
  let after: ReplaySchedule
  try {
    const { id: job, isNew } = await makeJob(parts, schedule, fire)
    after = fired(schedule, job)
    if (isNew) parts.onNews?.({ kind: 'fired', schedule, fire, job })
  } catch (error) {
    const known = wrapError(error, 'INTERNAL', `schedule ${schedule.name}`)
    parts.onNews?.({ kind: 'trouble', schedule, error: known })
    await rows.replace(troubled(schedule, known, nowMs))
    return undefined
  }
  return (await rows.replace(after)) ? { ...after, version: after.version + 1 } : undefined
}

async function makeJob({ jobs, index, source, nowMs, follow }: FiringParts, schedule: ReplaySchedule, fire: ScheduleFire) {
  await follow(schedule.request.query.topic)
  const id = randomBytes(6).toString('hex')
  return jobs.create(await planFire(schedule, fire, { index, id, nowMs: nowMs(), ...(source && { source }) }))
}

function planFire(schedule: ReplaySchedule, { fireMs, fromMs, toMs }: ScheduleFire, parts: PlanParts) {
  const { id, name, request, note, requestedBy } = schedule
  const order = {
    query: { ...queryOf(request.query), timestamps: { from: fromMs, to: toMs } },
    target: request.target,
    options: request.options,
    isDetached: true,
    note: note ?? `schedule ${name}`,
    key: scheduleKey(id, fireMs),
    ...(requestedBy === null ? {} : { requestedBy }),
  }
  return planReplay(order, parts)
}

/** Fires what is due, as long as `signal` does not abort. */
export async function keepFiring(parts: FiringParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await fireDue(parts)
    } catch (error) {
      parts.onNews?.({ kind: 'trouble', error: wrapError(error, 'JOBS_UNAVAILABLE', 'schedules') })
    }
    await wait(TICK_MS, undefined, { signal }).catch(() => undefined)
  }
}
