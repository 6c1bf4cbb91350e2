/** Source of the text form of a size, for the schema: `256 MiB`, `1.5GB`, `1000`. */
export const SIZE_PATTERN = '^\\s*\\d+(\\.\\d+)?\\s*([kKMGT]i?)?[Bb]?\\s*$'

/** Source of the text form of a duration, for the schema: `10s`, `1h30m`, `500 ms`, `7 days`. */
export const DURATION_PATTERN =
  '^\\s*(\\d+(\\.\\d+)?\\s*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)\\s*)+$|^\\s*\\d+\\s*$'

const SIZE = new RegExp(SIZE_PATTERN, 'u')
const DURATION = new RegExp(DURATION_PATTERN, 'u')

const POWERS = ['k', 'm', 'g', 't']

/** Bytes of `256 MiB` (powers of 1,024), `256 MB` (powers of 1,000) or a plain number; undefined where the text is no size. */
export function parseSize(text: string | number): number | undefined {
  if (typeof text === 'number') return Number.isSafeInteger(text) && text >= 0 ? text : undefined
  if (!SIZE.test(text)) return undefined
  const unit = /[kmgt]/iu.exec(text)?.[0].toLowerCase()
  const base = /i/iu.test(text) ? 1024 : 1000
  const bytes = Math.round(Number.parseFloat(text) * base ** (unit === undefined ? 0 : POWERS.indexOf(unit) + 1))
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Milliseconds of `10s`, `1h30m`, `7 days` or a plain number of milliseconds; undefined where the text is no duration. */
export function parseDuration(text: string | number): number | undefined {
  if (typeof text === 'number') return Number.isSafeInteger(text) && text >= 0 ? text : undefined
  if (!DURATION.test(text)) return undefined
  let ms = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)\s*(ms|[a-z])?[a-z]*/gu)) {
    ms += Number(amount) * MS[unit ?? 'ms']!
  }
  return Number.isSafeInteger(Math.round(ms)) ? Math.round(ms) : undefined
}
