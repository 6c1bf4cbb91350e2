import type { CalendarTime } from './calendar.ts'
import type { NameLength, TimeNames } from './time-names.ts'
import type { Zone } from './zone.ts'

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** A moment, read by a calendar in a zone. */
export interface ZonedTime extends CalendarTime {
  readonly utcMs: number
  readonly offsetMs: number
  readonly zone: Zone
  readonly names: TimeNames
  readonly locale: string
}

/** What some letters of a pattern write. */
export interface PatternLetters {
  write(time: ZonedTime): string
  /** The text is the same within so many ms of local time. */
  readonly stepMs: number
  /** Whether the text also tells the zone or its offset. */
  readonly tellsZone?: boolean
}

/** A number with zeros before it, the sign outside. */
export const padded = (value: number, width: number): string =>
  value < 0 ? `-${String(-value).padStart(width, '0')}` : String(value).padStart(width, '0')

/** Letters that write a number. */
export const numberOf = (read: (time: ZonedTime) => number, width: number, stepMs: number): PatternLetters => ({
  write: (time) => padded(read(time), width),
  stepMs,
})

/** Letters that write a name. */
export const textOf = (write: (time: ZonedTime) => string, stepMs = DAY_MS): PatternLetters => ({ write, stepMs })

/** Letters that write the zone or its offset. */
export const zoneLetters = (write: (time: ZonedTime) => string): PatternLetters => ({ write, stepMs: DAY_MS, tellsZone: true })

/** The last two digits of a year. */
export const twoDigits = (year: number): string => String(Math.abs(year) % 100).padStart(2, '0')

/** The year within its era: 1 BC is 1. */
export const yearOfEra = ({ year }: CalendarTime): number => (year > 0 ? year : 1 - year)

/** Digits of the fraction of a second: cut, or filled up with zeros. */
export const fraction = (digits: number): PatternLetters => ({
  write: ({ ms }) => String(ms).padStart(3, '0').padEnd(digits, '0').slice(0, digits),
  stepMs: Math.max(1, 10 ** (3 - digits)),
})

/** Letters for parts of the time of day that both libraries write alike. */
export function timeLetter(letter: string, width: number): PatternLetters | undefined {
  switch (letter) {
    case 'H':
      return numberOf(({ hour }) => hour, width, HOUR_MS)
    case 'k':
      return numberOf(({ hour }) => (hour === 0 ? 24 : hour), width, HOUR_MS)
    case 'K':
      return numberOf(({ hour }) => hour % 12, width, HOUR_MS)
    case 'h':
      return numberOf(({ hour }) => hour % 12 || 12, width, HOUR_MS)
    case 'm':
      return numberOf(({ minute }) => minute, width, MINUTE_MS)
    case 's':
      return numberOf(({ second }) => second, width, 1000)
    case 'a':
      return textOf(({ names, hour }) => names.halfDay(hour), HOUR_MS)
    case 'd':
      return numberOf(({ day }) => day, width, DAY_MS)
    case 'D':
      return numberOf(({ dayOfYear }) => dayOfYear, width, DAY_MS)
    default:
      return undefined
  }
}

/** The month as a number or a name. */
export function monthLetter(width: number): PatternLetters {
  if (width < 3) return numberOf(({ month }) => month, width, DAY_MS)
  const length = nameLength(width)
  return textOf(({ names, month }) => names.month(month, length))
}

/** The name of the day of the week. */
export function dayOfWeekLetter(width: number): PatternLetters {
  const length = nameLength(width)
  return textOf(({ names, dayOfWeek }) => names.dayOfWeek(dayOfWeek, length))
}

const nameLength = (width: number): NameLength => (width < 4 ? 'short' : width === 4 ? 'long' : 'narrow')

/** An offset like `+0200` or `+02:00`; with seconds, where they count, only if asked for; `shortest` leaves out minutes that are none. */
export function offsetText(offsetMs: number, separator: '' | ':', { seconds = false, shortest = false } = {}): string {
  const total = Math.floor(Math.abs(offsetMs) / 1000)
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  let text = `${offsetMs < 0 ? '-' : '+'}${two(total / 3600)}`
  if (!shortest || total % 3600 >= 60) text += separator + two((total % 3600) / 60)
  if (seconds && total % 60 !== 0) text += separator + two(total % 60)
  return text
}
