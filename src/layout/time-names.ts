/** How long a name is: `Mon`, `Monday`, `M`. */
export type NameLength = 'short' | 'long' | 'narrow'

/** Names of a language, in the form that stands beside a day (`1 января`, not `январь`), as Java's formatters write them. */
export interface TimeNames {
  month(month: number, length: NameLength): string
  /** 1 is Monday. */
  dayOfWeek(day: number, length: NameLength): string
  halfDay(hour: number): string
  era(isBefore: boolean): string
  zone(utcMs: number, zoneId: string, length: 'short' | 'long'): string
}

// The 1st of January 2024 was a Monday.
const MONDAY = { year: 2024, month: 0, day: 1 }

/** Names of the language; undefined where there is no such locale. */
export function createTimeNames(locale: string): TimeNames | undefined {
  // Java writes `en_US`.
  const tag = locale.replaceAll('_', '-')
  try {
    if (Intl.DateTimeFormat.supportedLocalesOf(tag).length === 0 && tag.toLowerCase() !== 'root') return undefined
  } catch {
    return undefined
  }
  const language = tag.toLowerCase() === 'root' ? 'en' : tag
  const cache = new Map<string, string>()
  const part = (type: Intl.DateTimeFormatPartTypes, atMs: number, options: Intl.DateTimeFormatOptions): string => {
    const name = JSON.stringify([type, atMs, options])
    let text = cache.get(name)
    if (text === undefined) {
      const format = new Intl.DateTimeFormat(language, { timeZone: 'UTC', calendar: 'gregory', ...options })
      text = format.formatToParts(atMs).find((one) => one.type === type)?.value ?? ''
      cache.set(name, text)
    }
    return text
  }
  return {
    month: (month, length) => part('month', Date.UTC(2024, month - 1, 15), { day: 'numeric', month: length }),
    dayOfWeek: (day, length) =>
      part('weekday', Date.UTC(MONDAY.year, MONDAY.month, MONDAY.day + day - 1), { weekday: length, day: 'numeric' }),
    halfDay: (hour) => part('dayPeriod', Date.UTC(2024, 0, 1, hour < 12 ? 1 : 13), { hour: 'numeric', hour12: true }),
    era: (isBefore) => part('era', Date.UTC(isBefore ? -10 : 2024, 0, 15), { year: 'numeric', era: 'short' }),
    zone: (utcMs, zoneId, length) => part('timeZoneName', utcMs, { timeZone: zoneId, timeZoneName: length }),
  }
}
