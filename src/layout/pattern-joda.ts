import {
  DAY_MS,
  dayOfWeekLetter,
  fraction,
  monthLetter,
  numberOf,
  offsetText,
  type PatternLetters,
  textOf,
  timeLetter,
  twoDigits,
  yearOfEra,
  zoneLetters,
} from './pattern-letters.ts'

/** What `count` times this letter writes in a pattern of Joda-Time's `DateTimeFormat` (2.12); undefined for a letter that it has not. */
export function jodaLetter(letter: string, count: number): PatternLetters | undefined {
  switch (letter) {
    case 'G':
      return textOf(({ names, year }) => names.era(year <= 0))
    case 'C':
      return numberOf(({ year }) => Math.floor(Math.abs(year) / 100), count, DAY_MS)
    case 'y':
      return count === 2 ? textOf(({ year }) => twoDigits(year)) : numberOf(({ year }) => year, count, DAY_MS)
    case 'Y':
      return count === 2 ? textOf(({ year }) => twoDigits(year)) : numberOf(yearOfEra, count, DAY_MS)
    case 'x':
      return count === 2 ? textOf(({ weekYear }) => twoDigits(weekYear)) : numberOf(({ weekYear }) => weekYear, count, DAY_MS)
    case 'w':
      return numberOf(({ week }) => week, count, DAY_MS)
    case 'e':
      return numberOf(({ dayOfWeek }) => dayOfWeek, count, DAY_MS)
    case 'E':
      return dayOfWeekLetter(Math.min(count, 4))
    case 'M':
      return monthLetter(Math.min(count, 4))
    case 'S':
      return fraction(count)
    case 'z':
      return zoneLetters(({ names, utcMs, zone }) => names.zone(utcMs, zone.id, count < 4 ? 'short' : 'long'))
    case 'Z':
      return zoneLetters(({ offsetMs, zone }) => (count > 2 ? zone.id : offsetText(offsetMs, count === 1 ? '' : ':')))
    default:
      return timeLetter(letter, count)
  }
}
