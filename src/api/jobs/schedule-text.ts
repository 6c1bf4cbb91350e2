import { parseDuration } from '../../config/units.ts'
import { publicJob, type ReplayRequest } from '../../replay/job.ts'
import { type ReplaySchedule, type ScheduleFire, type ScheduleWindow, upcoming } from '../../replay/schedule.ts'

/** Reads `since-last`, or `last:1d` with any duration; undefined where the text is neither. */
export function parseWindow(text: string): ScheduleWindow | undefined {
  if (text === 'since-last') return { kind: 'since-last' }
  const ms = text.startsWith('last:') ? parseDuration(text.slice('last:'.length)) : undefined
  return ms === undefined || ms === 0 ? undefined : { kind: 'last', ms }
}

/** A fire with the time at which its job is made. */
export interface PublicFire extends ScheduleFire {
  readonly dueMs: number
}

/** A schedule as callers see it. */
export interface PublicSchedule extends Omit<ReplaySchedule, 'request' | 'firing' | 'coveredMs' | 'nextFireMs'>, ReplayRequest {
  /** Whether a fire was chosen whose job is not made yet. */
  readonly isFiring: boolean
  readonly next: PublicFire | null
}

/** A schedule as callers see it: without what may be secret in its request, with the fire that comes next. */
export function publicSchedule(schedule: ReplaySchedule): PublicSchedule {
  const { request, firing, coveredMs: _, nextFireMs: __, ...shown } = schedule
  const { query, target, options } = publicJob(request)
  const [next] = upcoming(schedule, 1)
  return {
    ...shown,
    query,
    target,
    options,
    isFiring: firing !== null,
    next: next === undefined ? null : publicFire(schedule, next),
  }
}

/** A fire with the time at which its job is made. */
export function publicFire({ delayMs }: Pick<ReplaySchedule, 'delayMs'>, fire: ScheduleFire): PublicFire {
  return { ...fire, dueMs: fire.fireMs + delayMs }
}
