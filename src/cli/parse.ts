import { parseDuration, parseSize } from '../config/units.ts'
import { MillpondError } from '../errors.ts'

const invalid = (option: string, text: string, wanted: string): MillpondError =>
  new MillpondError('USAGE', `${option} must be ${wanted}, not ${JSON.stringify(text.slice(0, 80))}`)

/** Reads an option that is a whole number. */
export const wholeNumber =
  (option: string, min: number, max: number = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^-?\d+$/u.test(text) ? Number(text) : Number.NaN
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value
    throw invalid(
      option,
      text,
      `a whole number ${max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`}`,
    )
  }

/** Reads an option that is a number of things, like `5000` or `3m`. */
export const sizeOf =
  (option: string) =>
  (text: string): number => {
    const value = parseSize(text)
    if (value !== undefined) return value
    throw invalid(option, text, 'a size like 256 MiB')
  }

/** Reads an option that is a duration; gives milliseconds. */
export const durationOf =
  (option: string) =>
  (text: string): number => {
    const value = parseDuration(text)
    if (value !== undefined) return value
    throw invalid(option, text, 'a duration like 500ms, 10s, 15m, 12h or 7d')
  }

/** Reads an option that is a moment: RFC 3339, milliseconds since 1970, or `-1h` for an hour before `nowMs`; gives milliseconds. */
export const timeOf =
  (option: string, nowMs: () => number) =>
  (text: string): number => {
    if (text === 'now') return nowMs()
    if (/^-?\d+$/u.test(text)) return Number(text)
    if (/^[+-]/u.test(text)) {
      const ms = parseDuration(text.slice(1))
      if (ms !== undefined) return text.startsWith('-') ? nowMs() - ms : nowMs() + ms
    }
    const time = /^\d{4}-\d\d-\d\d/u.test(text) ? Date.parse(text) : Number.NaN
    if (Number.isSafeInteger(time)) return time
    throw invalid(option, text, 'a time like 2026-11-21T08:00:00Z, 1795248000000 or -1h')
  }

/** Reads a half-open range of positions: `5..9`, `5..`, `..9`, or `5` alone. */
export function positionsOf(text: string): { readonly from?: number; readonly to?: number } {
  const match = /^(\d*)\.\.(\d*)$/u.exec(text)
  if (match === null) {
    const position = wholeNumber('--position', 0)(text)
    return { from: position, to: position + 1 }
  }
  const [, from, to] = match
  return {
    ...(from === '' ? {} : { from: wholeNumber('--position', 0)(from!) }),
    ...(to === '' ? {} : { to: wholeNumber('--position', 0)(to!) }),
  }
}

/** Reads an option that is one of some words; where it may be given several times, which `choices` of an option cannot. */
export const oneOf =
  <Word extends string>(option: string, words: readonly Word[]) =>
  (text: string): Word => {
    const word = words.find((known) => known === text)
    if (word !== undefined) return word
    throw invalid(option, text, `one of ${words.join(', ')}`)
  }

/** Collects an option that may be given several times. */
export const several =
  <T>(parse: (text: string) => T) =>
  (text: string, before: readonly T[] | undefined): readonly T[] => [...(before ?? []), parse(text)]
