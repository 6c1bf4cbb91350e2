import { MillpondError } from '../errors.ts'
import { calendarTime } from './calendar.ts'
import { javaTimeLetter } from './pattern-java-time.ts'
import { jodaLetter } from './pattern-joda.ts'
import { DAY_MS, type PatternLetters } from './pattern-letters.ts'
import { createTimeNames } from './time-names.ts'
import type { Zone } from './zone.ts'

/** Whose pattern letters: `joda` is Joda-Time's `DateTimeFormat`, `java` is `java.time.format.DateTimeFormatter`. */
export type PatternFlavour = 'joda' | 'java'

/** Writes moments by a pattern. */
export interface TimeFormat {
  readonly pattern: string
  readonly zone: Zone
  /** The text is the same for all moments of one offset whose local times lie in one step, counted from 1970, ms. */
  readonly stepMs: number
  readonly tellsZone: boolean
  /** `utcMs` within what `Date` can hold. */
  text(utcMs: number): string
}

/**
 * A Java date pattern, compiled.
 * @throws MillpondError `CONFIG_INVALID` for what is no pattern, or no locale.
 */
export function createTimeFormat(
  pattern: string,
  { zone, locale, flavour }: { readonly zone: Zone; readonly locale: string; readonly flavour: PatternFlavour },
): TimeFormat {
  const names = createTimeNames(locale)
  if (names === undefined) throw new MillpondError('CONFIG_INVALID', `there is no locale ${JSON.stringify(locale)}`)
  const letters = splitPattern(pattern).map((run) => compileRun(run, pattern, flavour))
  return {
    pattern,
    zone,
    stepMs: letters.reduce((step, one) => Math.min(step, one.stepMs), DAY_MS),
    tellsZone: letters.some(({ tellsZone }) => tellsZone === true),
    text(utcMs) {
      const offsetMs = zone.offsetAt(utcMs)
      const time = { ...calendarTime(utcMs + offsetMs), utcMs, offsetMs, zone, names, locale }
      let text = ''
      for (const one of letters) text += one.write(time)
      return text
    },
  }
}

interface Run {
  readonly kind: 'letters' | 'literal'
  readonly text: string
}

/** Runs of one letter, and the text between them; quotes are resolved. */
function splitPattern(pattern: string): Run[] {
  const runs: Run[] = []
  const invalid = (why: string) => new MillpondError('CONFIG_INVALID', `the date pattern ${JSON.stringify(pattern)} ${why}`)
  for (let at = 0; at < pattern.length;) {
    const character = pattern[at]!
    if (/[A-Za-z]/u.test(character)) {
      let end = at + 1
      while (pattern[end] === character) end += 1
      runs.push({ kind: 'letters', text: pattern.slice(at, end) })
      at = end
    } else if (character === "'") {
      const { text, end } = quoted(pattern, at)
      if (end < 0) throw invalid('has a quote that is not closed')
      runs.push({ kind: 'literal', text })
      at = end
    } else {
      runs.push({ kind: 'literal', text: character })
      at += 1
    }
  }
  if (!runs.some(({ kind }) => kind === 'letters')) throw invalid('has no letter that stands for a part of a time')
  return runs
}

/** The quoted text that begins at `from`, and where it ends; two quotes are one, within quotes and without. */
function quoted(pattern: string, from: number): { text: string; end: number } {
  if (pattern[from + 1] === "'") return { text: "'", end: from + 2 }
  let text = ''
  for (let at = from + 1; at < pattern.length; at++) {
    if (pattern[at] !== "'") text += pattern[at]!
    else if (pattern[at + 1] === "'") {
      text += "'"
      at += 1
    } else return { text, end: at + 1 }
  }
  return { text, end: -1 }
}

function compileRun({ kind, text }: Run, pattern: string, flavour: PatternFlavour): PatternLetters {
  if (kind === 'literal') {
    if (flavour === 'java' && /[{}#]/u.test(text)) {
      throw new MillpondError(
        'CONFIG_INVALID',
        `the date pattern ${JSON.stringify(pattern)} has ${text}, which Java keeps for itself: put it in single quotes`,
      )
    }
    // Brackets enclose what is optional, and all of it is there.
    const shown = flavour === 'java' && (text === '[' || text === ']') ? '' : text
    return { write: () => shown, stepMs: DAY_MS }
  }
  const letters = flavour === 'joda' ? jodaLetter(text[0]!, text.length) : javaTimeLetter(text[0]!, text.length)
  if (letters !== undefined) return letters
  throw new MillpondError(
    'CONFIG_INVALID',
    `the date pattern ${JSON.stringify(pattern)} has ${JSON.stringify(text)}, which stands for nothing: put text in single quotes, like 'year'=YYYY`,
  )
}
