import { MillpondError } from '../errors.ts'
import { createZone, toUtcLeniently } from './zone.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * Gives the next moment that is so many intervals behind midnight in the zone, ms, for a moment of the wall clock. Each day is counted anew, as Kafka
 * Connect's `rotate.schedule.interval.ms` does; an interval of more than a day is counted from midnight of its first.
 * @throws MillpondError `CONFIG_INVALID` for a zone that is none.
 */
export function createSchedule(everyMs: number, timezone: string): (nowMs: number) => number {
  const zone = createZone(timezone)
  if (zone === undefined) throw new MillpondError('CONFIG_INVALID', `there is no time zone ${timezone}`)
  return (nowMs) => {
    const localMs = nowMs + zone.offsetAt(nowMs)
    const midnightMs = Math.floor(localMs / DAY_MS) * DAY_MS
    const nextMs = midnightMs + (Math.floor((localMs - midnightMs) / everyMs) + 1) * everyMs
    const within = everyMs < DAY_MS ? Math.min(nextMs, midnightMs + DAY_MS) : nextMs
    return toUtcLeniently(within, zone)
  }
}
