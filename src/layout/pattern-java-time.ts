import {
  DAY_MS,
  dayOfWeekLetter,
  fraction,
  monthLetter,
  numberOf,
  offsetText,
  padded,
  type PatternLetters,
  textOf,
  timeLetter,
  twoDigits,
  yearOfEra,
  type ZonedTime,
  zoneLetters,
} from './pattern-letters.ts'

/** Letters that `DateTimeFormatter` takes only so often. */
const MAX_COUNT: Readonly<Record<string, number>> = {
  d: 2,
  H: 2,
  k: 2,
  K: 2,
  h: 2,
  m: 2,
  s: 2,
  a: 1,
  D: 3,
  S: 9,
  M: 5,
  L: 5,
  E: 5,
  G: 5,
  x: 5,
  X: 5,
  Z: 5,
  z: 4,
  Q: 3,
  q: 3,
}

/** What `count` times this letter writes in a pattern of `java.time.format.DateTimeFormatter`; undefined where it takes no such thing. */
export function javaTimeLetter(letter: string, count: number): PatternLetters | undefined {
  if (count > (MAX_COUNT[letter] ?? 19)) return undefined
  switch (letter) {
    case 'G':
      return textOf(({ names, year }) => names.era(year <= 0))
    case 'u':
      return yearLetter(({ year }) => year, count)
    case 'y':
      return yearLetter(yearOfEra, count)
    case 'Y':
      return yearLetter((time) => localWeek(time).year, count)
    case 'w':
      return count > 2 ? undefined : numberOf((time) => localWeek(time).week, count, DAY_MS)
    case 'Q':
    case 'q':
      return quarterLetter(count)
    case 'M':
    case 'L':
      return monthLetter(count)
    case 'E':
      return dayOfWeekLetter(count)
    case 'S':
      return fraction(count)
    case 'A':
      return numberOf(({ hour, minute, second, ms }) => ((hour * 60 + minute) * 60 + second) * 1000 + ms, count, 1)
    case 'n':
      return numberOf(({ ms }) => ms * 1_000_000, count, 1)
    case 'V':
      return count === 2 ? zoneLetters(({ zone }) => zone.id) : undefined
    case 'z':
      return zoneLetters(({ names, utcMs, zone }) => names.zone(utcMs, zone.id, count < 4 ? 'short' : 'long'))
    case 'X':
    case 'x':
    case 'Z':
      return offsetLetter(letter, count)
    default:
      return timeLetter(letter, count)
  }
}

// Beyond four digits a year has a sign.
function yearLetter(read: (time: ZonedTime) => number, count: number): PatternLetters {
  if (count === 2) return textOf((time) => twoDigits(read(time)))
  return textOf((time) => {
    const year = read(time)
    return count >= 4 && year >= 10 ** count ? `+${year}` : padded(year, count)
  })
}

function quarterLetter(count: number): PatternLetters {
  const quarter = ({ month }: ZonedTime): number => Math.ceil(month / 3)
  return count < 3 ? numberOf(quarter, count, DAY_MS) : textOf((time) => `Q${quarter(time)}`)
}

function offsetLetter(letter: string, count: number): PatternLetters {
  const zero = letter === 'X' || (letter === 'Z' && count === 5) ? 'Z' : undefined
  const separator = count === 3 || count === 5 ? ':' : ''
  const seconds = count > 3
  return zoneLetters(({ offsetMs }) => {
    if (letter === 'Z' && count === 4) return offsetMs === 0 ? 'GMT' : `GMT${offsetText(offsetMs, ':', { seconds })}`
    if (offsetMs === 0 && zero !== undefined) return zero
    return offsetText(offsetMs, letter === 'Z' && count < 4 ? '' : separator, {
      seconds,
      shortest: count === 1 && letter !== 'Z',
    })
  })
}

/** The region of a locale that counts weeks by ISO 8601; a language without a region counts as Java's root locale does. */
const ISO_WEEKS = /[-_](?!US$)[A-Z]{2}$/u

/** The week and its year by the rules of the locale: in the United States weeks begin on Sundays, and the first holds the 1st of January. */
function localWeek({ year, week, weekYear, dayOfYear, dayOfWeek, locale }: ZonedTime): { year: number; week: number } {
  if (ISO_WEEKS.test(locale)) return { year: weekYear, week }
  const daysOfYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 366 : 365
  const saturday = dayOfYear + ((13 - dayOfWeek) % 7)
  return saturday > daysOfYear ? { year: year + 1, week: 1 } : { year, week: Math.ceil(saturday / 7) }
}
