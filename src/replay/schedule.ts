import { Cron } from 'croner'
import { MillpondError } from '../errors.ts'
import type { ReplayRequest } from './job.ts'
import type { JobError } from './part.ts'

/**
 * Which messages a fire is for, by their timestamps: those of so long before it, or those since the fire before. Both are half-open and end
 * at the fire.
 */
export type ScheduleWindow = { readonly kind: 'last'; readonly ms: number } | { readonly kind: 'since-last' }

/** What becomes of fires that nobody was there for: each is made up for, in order; or only the latest. */
export type MissedFires = 'all' | 'latest'

/** A fire and its window. */
export interface ScheduleFire {
  readonly fireMs: number
  readonly fromMs: number
  readonly toMs: number
}

/** When a schedule fires, and for which messages. */
export interface ScheduleRule {
  /** Five fields: minute, hour, day of the month, month, day of the week. */
  readonly cron: string
  /** A name of the IANA time zone database. */
  readonly zone: string
  readonly window: ScheduleWindow
  /** How long after a fire its job is made, so that messages that are archived late are in it. */
  readonly delayMs: number
  readonly missed: MissedFires
}

/** A replay that is made again and again. */
export interface ReplaySchedule extends ScheduleRule {
  readonly id: string
  /** For people; no two schedules have the same. */
  readonly name: string
  /** What each job is asked to do; the window sets the timestamps of the query. */
  readonly request: ReplayRequest
  readonly note: string | null
  readonly requestedBy: string | null
  readonly createdMs: number
  readonly isPaused: boolean
  /** The next fire that has not been chosen; null where there is none any more. */
  readonly nextFireMs: number | null
  /** Where `since-last` goes on. */
  readonly coveredMs: number
  /** The fire that was chosen and whose job is not known to be made: whoever looks makes it, and it is the same job for all. */
  readonly firing: ScheduleFire | null
  readonly lastFireMs: number | null
  readonly lastJob: string | null
  /** Why the job of `firing` could not be made yet, and when that is tried again. */
  readonly trouble: (JobError & { readonly retryMs: number }) | null
  /** Rises with every change: who changes a schedule names the version that is known. */
  readonly version: number
}

/** How long after a fire its job is made unless said otherwise: segments close within 10 minutes unless configured otherwise. */
export const DEFAULT_DELAY_MS = 15 * 60_000
const TROUBLE_REST_MS = 60_000
/** What schedules may be called. */
export const SCHEDULE_NAME = /^[\w][\w.-]{0,99}$/u
/** Five fields, or a word like @daily: what else croner takes (seconds, single moments) is none of ours. */
const CRON = /^(?:@[a-z]+|\S+(?:\s+\S+){4})$/iu

const invalid = (path: string, why: string): MillpondError =>
  new MillpondError('INPUT_INVALID', `${path}: ${why}`, { details: { path } })

/**
 * The first fire after a moment; undefined where there is none. A time of day that a change of the clocks leaves out fires when it would have come;
 * one that comes twice fires once, while minutes and hours that are repeated (`*`) go through both.
 * @throws MillpondError `INPUT_INVALID`.
 */
export function nextFire({ cron, zone }: Pick<ScheduleRule, 'cron' | 'zone'>, afterMs: number): number | undefined {
  return patternOf(cron, zone).nextRun(new Date(afterMs))?.getTime()
}

function patternOf(cron: string, zone: string): Cron {
  if (!CRON.test(cron))
    throw invalid('cron', `must be five fields like "0 3 * * *" or a word like @daily, not ${JSON.stringify(cron.slice(0, 80))}`)
  try {
    return new Cron(cron, { timezone: zone, mode: '5-part', paused: true })
  } catch (error) {
    throw invalid('cron', `is none: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** The last fire that is not after `untilMs`, from one on that is not after it either. */
function latestFire(rule: ScheduleRule, fromMs: number, untilMs: number): number {
  const pattern = patternOf(rule.cron, rule.zone)
  const next = (afterMs: number) => pattern.nextRun(new Date(afterMs))?.getTime() ?? Infinity
  let latest = fromMs
  // From further and further back, so that years of minutes are not walked through.
  for (let backMs = 60_000; untilMs - backMs > fromMs; backMs *= 2) {
    const found = next(untilMs - backMs)
    if (found > untilMs) continue
    latest = found
    break
  }
  for (let found = next(latest); found <= untilMs; found = next(found)) latest = found
  return latest
}

/** Offsets are none: they would not follow the clocks of a place. */
function isZone(name: string): boolean {
  try {
    return /^[a-z]/iu.test(name) && new Intl.DateTimeFormat('en', { timeZone: name }).format(0) !== ''
  } catch {
    return false
  }
}

/** Checks what was asked for. @throws MillpondError `INPUT_INVALID` with the path of what is wrong. */
export function checkRule(name: string, rule: ScheduleRule, request: ReplayRequest): void {
  if (!SCHEDULE_NAME.test(name)) throw invalid('name', 'must be 1 to 100 letters, digits, dots, dashes or underscores')
  if (!isZone(rule.zone))
    throw invalid('zone', `must be a time zone like Europe/Berlin or UTC, not ${JSON.stringify(rule.zone.slice(0, 80))}`)
  if (nextFire(rule, 0) === undefined) throw invalid('cron', `${rule.cron} never comes`)
  if (rule.window.kind === 'last' && rule.window.ms < 1) throw invalid('window', 'must be longer than 0')
  if (request.target.kind === 'file') throw invalid('to', 'cannot be a file, which every job would write anew')
  if (request.query.timestamps !== undefined) throw invalid('window', 'says which times; the selection can have none')
}

/** A schedule that is to begin now. */
export function newSchedule(
  made: Pick<ReplaySchedule, 'id' | 'name' | 'request' | 'note' | 'requestedBy'> & { readonly rule: ScheduleRule },
  nowMs: number,
): ReplaySchedule {
  const { rule, ...named } = made
  return {
    ...named,
    ...rule,
    createdMs: nowMs,
    isPaused: false,
    nextFireMs: nextFire(rule, nowMs) ?? null,
    coveredMs: nowMs,
    firing: null,
    lastFireMs: null,
    lastJob: null,
    trouble: null,
    version: 0,
  }
}

function windowOf({ window, coveredMs }: Pick<ReplaySchedule, 'window' | 'coveredMs'>, fireMs: number): ScheduleFire {
  return { fireMs, fromMs: window.kind === 'last' ? fireMs - window.ms : coveredMs, toMs: fireMs }
}

/**
 * The schedule with the fire chosen that is due; undefined where none is, or one is chosen already. The choice is stored before its job is
 * made, so that all who look at the schedule, at whatever time, make the same job.
 */
export function chooseFire(schedule: ReplaySchedule, nowMs: number): ReplaySchedule | undefined {
  const { nextFireMs, delayMs, isPaused, firing } = schedule
  if (isPaused || firing !== null || nextFireMs === null || nextFireMs + delayMs > nowMs) return undefined
  const fireMs = schedule.missed === 'all' ? nextFireMs : latestFire(schedule, nextFireMs, nowMs - delayMs)
  return {
    ...schedule,
    firing: windowOf(schedule, fireMs),
    nextFireMs: nextFire(schedule, fireMs) ?? null,
    coveredMs: fireMs,
  }
}

/** The fire whose job is to be made now. */
export function fireToMake({ isPaused, firing, trouble }: ReplaySchedule, nowMs: number): ScheduleFire | undefined {
  return isPaused || firing === null || (trouble !== null && trouble.retryMs > nowMs) ? undefined : firing
}

/** The schedule when the job of its fire is there. */
export const fired = (schedule: ReplaySchedule, job: string): ReplaySchedule => ({
  ...schedule,
  firing: null,
  lastFireMs: schedule.firing?.fireMs ?? schedule.lastFireMs,
  lastJob: job,
  trouble: null,
})

/** The schedule when the job of its fire could not be made: nothing is passed over, it is tried again. */
export const troubled = (schedule: ReplaySchedule, { code, message }: JobError, nowMs: number): ReplaySchedule => ({
  ...schedule,
  trouble: { code, message, retryMs: nowMs + TROUBLE_REST_MS },
})

/** The schedule paused or going on. What fell into the pause counts as missed where all is made up for, and is left out otherwise. */
export function steered(schedule: ReplaySchedule, isPaused: boolean, nowMs: number): ReplaySchedule {
  if (schedule.isPaused === isPaused) return schedule
  if (isPaused || schedule.missed === 'all') return { ...schedule, isPaused }
  const { nextFireMs } = schedule
  const isPast = nextFireMs !== null && nextFireMs + schedule.delayMs <= nowMs
  return { ...schedule, isPaused, nextFireMs: isPast ? (nextFire(schedule, nowMs - schedule.delayMs) ?? null) : nextFireMs }
}

/** The next fires, the one that is under way included, given that each is made in time. */
export function upcoming(schedule: ReplaySchedule, count: number): readonly ScheduleFire[] {
  const fires = schedule.firing === null ? [] : [schedule.firing]
  let { nextFireMs, coveredMs } = schedule
  while (nextFireMs !== null && fires.length < count) {
    fires.push(windowOf({ window: schedule.window, coveredMs }, nextFireMs))
    coveredMs = nextFireMs
    nextFireMs = nextFire(schedule, nextFireMs) ?? null
  }
  return fires
}
