import { raise } from './raised.ts'

/** A time taken apart, in UTC, as `gmtime` gives it. Months from 0; the day of the week from Sunday, 0; the day of the year from 0. */
export interface TimeParts {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  weekday: number
  yearday: number
}

const DAY_MS = 86_400_000
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = 'January February March April May June July August September October November December'.split(' ')

const two = (value: number): string => String(Math.trunc(value)).padStart(2, '0')
const spaced = (value: number): string => String(Math.trunc(value)).padStart(2, ' ')
const twelve = (hour: number): number => hour % 12 || 12
const half = (hour: number): string => (hour < 12 ? 'AM' : 'PM')

/** Seconds since 1970 of a time in UTC; days, hours and so on may be out of their range. */
export function secondsOf({ year, month, day, hour, minute, second }: TimeParts): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  return Math.floor(date.getTime() / 1000) + hour * 3600 + minute * 60 + second
}

/** What the conversions of `strftime` in C's locale stand for. */
const conversions: Readonly<Record<string, (time: TimeParts) => string>> = {
  a: ({ weekday }) => DAYS[weekday]?.slice(0, 3) ?? '?',
  A: ({ weekday }) => DAYS[weekday] ?? '?',
  b: ({ month }) => MONTHS[month]?.slice(0, 3) ?? '?',
  B: ({ month }) => MONTHS[month] ?? '?',
  c: (time) => formatTime(time, '%a %b %e %H:%M:%S %Y'),
  C: ({ year }) => two(Math.floor(year / 100)),
  d: ({ day }) => two(day),
  D: (time) => formatTime(time, '%m/%d/%y'),
  e: ({ day }) => spaced(day),
  F: (time) => formatTime(time, '%Y-%m-%d'),
  g: (time) => two(weekYear(time).year % 100),
  G: (time) => String(weekYear(time).year),
  h: (time) => formatTime(time, '%b'),
  H: ({ hour }) => two(hour),
  I: ({ hour }) => two(twelve(hour)),
  j: ({ yearday }) => String(yearday + 1).padStart(3, '0'),
  k: ({ hour }) => spaced(hour),
  l: ({ hour }) => spaced(twelve(hour)),
  m: ({ month }) => two(month + 1),
  M: ({ minute }) => two(minute),
  n: () => '\n',
  p: ({ hour }) => half(hour),
  P: ({ hour }) => half(hour).toLowerCase(),
  r: (time) => formatTime(time, '%I:%M:%S %p'),
  R: (time) => formatTime(time, '%H:%M'),
  s: (time) => String(secondsOf(time)),
  S: ({ second }) => two(second),
  t: () => '\t',
  T: (time) => formatTime(time, '%H:%M:%S'),
  u: ({ weekday }) => String(weekday === 0 ? 7 : weekday),
  U: ({ yearday, weekday }) => two(Math.floor((yearday + 7 - weekday) / 7)),
  V: (time) => two(weekYear(time).week),
  w: ({ weekday }) => String(weekday),
  W: ({ yearday, weekday }) => two(Math.floor((yearday + 7 - ((weekday + 6) % 7)) / 7)),
  x: (time) => formatTime(time, '%m/%d/%y'),
  X: (time) => formatTime(time, '%H:%M:%S'),
  y: ({ year }) => two(((year % 100) + 100) % 100),
  Y: ({ year }) => String(year),
  z: () => '+0000',
  Z: () => 'UTC',
  '%': () => '%',
}

/** A time as text. Conversions that there are not stay as they are. */
export function formatTime(time: TimeParts, format: string): string {
  return format.replaceAll(/%[-_0^#]?[EO]?([a-zA-Z%])/gu, (text: string, sign: string) => {
    const made = Object.hasOwn(conversions, sign) ? conversions[sign]!(time) : text
    if (text[1] === '-') return made.replace(/^[0 ]+(?=.)/u, '')
    if (text[1] === '_') return made.replace(/^0+(?=.)/u, (zeros) => ' '.repeat(zeros.length))
    return text[1] === '^' ? made.toUpperCase() : made
  })
}

/** Year and week of ISO 8601: weeks begin on Monday, and belong to the year of their Thursday. */
function weekYear({ year, weekday, yearday }: TimeParts): { readonly year: number; readonly week: number } {
  const thursday = yearday - ((weekday + 6) % 7) + 3
  if (thursday < 0) return { year: year - 1, week: Math.floor((thursday + daysIn(year - 1)) / 7) + 1 }
  if (thursday >= daysIn(year)) return { year: year + 1, week: 1 }
  return { year, week: Math.floor(thursday / 7) + 1 }
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
const daysIn = (year: number): number => (isLeap(year) ? 366 : 365)

/** What is read of a text so far. */
interface Reading {
  text: string
  readonly time: TimeParts
  afternoon: boolean | undefined
  century: number | undefined
  hasWeekday: boolean
  hasYearday: boolean
  hasDate: boolean
}

/** Takes a time written in the form of `format` apart, as `strptime` does; undefined where it is not written so. */
export function parseTime(text: string, format: string): { readonly time: TimeParts; readonly rest: string } | undefined {
  const time = { year: 1900, month: 0, day: 0, hour: 0, minute: 0, second: 0, weekday: 0, yearday: 0 }
  const flags = { hasWeekday: false, hasYearday: false, hasDate: false }
  const reading: Reading = { text, time, afternoon: undefined, century: undefined, ...flags }
  if (!readFormat(reading, format)) return undefined
  if (reading.afternoon !== undefined) time.hour = (time.hour % 12) + (reading.afternoon ? 12 : 0)
  if (reading.hasDate && time.day !== 0) {
    const date = new Date(0)
    date.setUTCFullYear(time.year, time.month, time.day)
    if (!reading.hasWeekday) time.weekday = date.getUTCDay()
    date.setUTCFullYear(time.year, 0, 1)
    if (!reading.hasYearday) time.yearday = dayNumber(time.year, time.month, time.day) - dayNumber(time.year, 0, 1)
  }
  return { time, rest: reading.text }
}

function dayNumber(year: number, month: number, day: number): number {
  const date = new Date(0)
  return date.setUTCFullYear(year, month, day) / DAY_MS
}

function readFormat(reading: Reading, format: string): boolean {
  for (let at = 0; at < format.length; at++) {
    const char = format[at]!
    if (/\s/u.test(char)) {
      reading.text = reading.text.trimStart()
    } else if (char !== '%') {
      if (!reading.text.startsWith(char)) return false
      reading.text = reading.text.slice(1)
    } else {
      do at++
      while ('-_0^#EO'.includes(format[at] ?? ' '))
      if (!readConversion(reading, format[at] ?? '')) return false
    }
  }
  return true
}

const COMPOSED: Readonly<Record<string, string>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  x: '%m/%d/%y',
  F: '%Y-%m-%d',
  T: '%H:%M:%S',
  X: '%H:%M:%S',
  R: '%H:%M',
  r: '%I:%M:%S %p',
}

function readConversion(reading: Reading, sign: string): boolean {
  if (Object.hasOwn(COMPOSED, sign)) return readFormat(reading, COMPOSED[sign]!)
  if (Object.hasOwn(numbers, sign)) {
    const { digits, least, most, set } = numbers[sign]!
    const found = new RegExp(`^\\s*([+-]?\\d{1,${digits}})`, 'u').exec(reading.text)
    if (found === null || Number(found[1]) < least || Number(found[1]) > most) return false
    reading.text = reading.text.slice(found[0].length)
    set(reading, Number(found[1]))
    return true
  }
  switch (sign) {
    case 'a':
    case 'A':
      return readName(reading, DAYS, (at) => {
        reading.time.weekday = at
        reading.hasWeekday = true
      })
    case 'b':
    case 'B':
    case 'h':
      return readName(reading, MONTHS, (at) => {
        reading.time.month = at
        reading.hasDate = true
      })
    case 'p':
    case 'P':
      return readName(reading, ['AM', 'PM'], (at) => (reading.afternoon = at === 1))
    case 'Z':
      return readPattern(reading, /^[A-Za-z]*/u)
    case 'z':
      return readPattern(reading, /^\s*(?:Z|[+-]\d{2}(?::?\d{2})?)/u)
    case 'n':
    case 't':
      return readPattern(reading, /^\s*/u)
    case '%':
      return readPattern(reading, /^%/u)
    default:
      return raise(`strptime/1: %${sign} is not supported`)
  }
}

function readPattern(reading: Reading, pattern: RegExp): boolean {
  const found = pattern.exec(reading.text)
  reading.text = reading.text.slice(found?.[0].length ?? 0)
  return found !== null
}

function readName(reading: Reading, names: readonly string[], set: (at: number) => void): boolean {
  const text = reading.text.trimStart().toLowerCase()
  const at = names.findIndex((name) => text.startsWith(name.toLowerCase().slice(0, 3)))
  if (at < 0) return false
  const name = names[at]!
  const chars = text.startsWith(name.toLowerCase()) ? name.length : 3
  reading.text = reading.text.trimStart().slice(chars)
  set(at)
  return true
}

interface NumberConversion {
  readonly digits: number
  readonly least: number
  readonly most: number
  readonly set: (reading: Reading, value: number) => void
}

const number = (digits: number, least: number, most: number, set: NumberConversion['set']): NumberConversion => ({
  digits,
  least,
  most,
  set,
})
const ofDate =
  (set: (time: TimeParts, value: number) => void): NumberConversion['set'] =>
  (reading, value) => {
    set(reading.time, value)
    reading.hasDate = true
  }

const numbers: Readonly<Record<string, NumberConversion>> = {
  Y: number(
    4,
    -9999,
    9999,
    ofDate((time, value) => (time.year = value)),
  ),
  y: number(
    2,
    0,
    99,
    ofDate((time, value) => (time.year = value + (value < 69 ? 2000 : 1900))),
  ),
  C: number(2, 0, 99, (reading, value) => (reading.century = value)),
  m: number(
    2,
    1,
    12,
    ofDate((time, value) => (time.month = value - 1)),
  ),
  d: number(
    2,
    1,
    31,
    ofDate((time, value) => (time.day = value)),
  ),
  e: number(
    2,
    1,
    31,
    ofDate((time, value) => (time.day = value)),
  ),
  H: number(2, 0, 23, ({ time }, value) => (time.hour = value)),
  k: number(2, 0, 23, ({ time }, value) => (time.hour = value)),
  I: number(2, 1, 12, ({ time }, value) => (time.hour = value % 12)),
  l: number(2, 1, 12, ({ time }, value) => (time.hour = value % 12)),
  M: number(2, 0, 59, ({ time }, value) => (time.minute = value)),
  S: number(2, 0, 61, ({ time }, value) => (time.second = value)),
  j: number(3, 1, 366, (reading, value) => {
    reading.time.yearday = value - 1
    reading.hasYearday = true
  }),
  u: number(1, 1, 7, (reading, value) => {
    reading.time.weekday = value % 7
    reading.hasWeekday = true
  }),
  w: number(1, 0, 6, (reading, value) => {
    reading.time.weekday = value
    reading.hasWeekday = true
  }),
  U: number(2, 0, 53, () => undefined),
  W: number(2, 0, 53, () => undefined),
  V: number(2, 0, 53, () => undefined),
  s: number(15, 0, Number.MAX_SAFE_INTEGER, (reading, value) => Object.assign(reading.time, partsOf(value))),
}

/** A time in seconds since 1970 taken apart. */
export function partsOf(seconds: number): TimeParts {
  const date = new Date(Math.floor(seconds) * 1000)
  if (Number.isNaN(date.getTime())) raise('error converting number of seconds since epoch to datetime')
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  const clock = { hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds() }
  const yearday = dayNumber(year, month, day) - dayNumber(year, 0, 1)
  return { year, month, day, weekday: date.getUTCDay(), yearday, ...clock }
}
