const DAY_MS = 86_400_000

/** A local time in the proleptic Gregorian calendar. */
export interface CalendarTime {
  /** Year 0 is 1 BC. */
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly ms: number
  /** 1 is Monday. */
  readonly dayOfWeek: number
  readonly dayOfYear: number
  /** Year and week by ISO 8601. */
  readonly weekYear: number
  readonly week: number
}

const dayNumber = (year: number, month: number, day: number): number => {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return Math.floor(date.getTime() / DAY_MS)
}

/** The Monday of the week that holds the 4th of January. */
function firstWeekDay(year: number): number {
  const fourth = dayNumber(year, 1, 4)
  return fourth - ((((fourth + 3) % 7) + 7) % 7)
}

/** The calendar's reading of a local time, ms since 1970 as if it were UTC. */
export function calendarTime(localMs: number): CalendarTime {
  const date = new Date(localMs)
  const year = date.getUTCFullYear()
  const days = Math.floor(localMs / DAY_MS)
  let weekYear = year
  if (days >= firstWeekDay(year + 1)) weekYear = year + 1
  else if (days < firstWeekDay(year)) weekYear = year - 1
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    ms: date.getUTCMilliseconds(),
    dayOfWeek: ((((days + 3) % 7) + 7) % 7) + 1,
    dayOfYear: days - dayNumber(year, 1, 1) + 1,
    weekYear,
    week: Math.floor((days - firstWeekDay(weekYear)) / 7) + 1,
  }
}

/** The local time of a day and a time of it, ms; undefined where the calendar has no such day. */
export function localTime(year: number, month: number, day: number, timeMs: number): number | undefined {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  const localMs = date.getTime() + timeMs
  return Number.isNaN(localMs) ? undefined : localMs
}

/** The local time of a day of an ISO week, ms. */
export const weekDate = (weekYear: number, week: number, dayOfWeek: number, timeMs: number): number =>
  (firstWeekDay(weekYear) + (week - 1) * 7 + dayOfWeek - 1) * DAY_MS + timeMs
