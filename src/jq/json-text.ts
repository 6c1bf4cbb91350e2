import { spend, spendText } from './budget.ts'
import { raise } from './raised.ts'
import { type JqValue, kindOf } from './value.ts'

/** How deeply arrays and objects can stand in each other in a text: jq's own limit for parsing. */
const MAX_TEXT_DEPTH = 10_000

/** A number as jq writes it: the shortest digits that give it back, with an exponent below 1e-4 and past 15 zeros; infinities as the largest number. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return 'null'
  if (value === Infinity) return '1.7976931348623157e+308'
  if (value === -Infinity) return '-1.7976931348623157e+308'
  if (Object.is(value, -0)) return '-0'
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value)
  const [digitsText, exponentText] = Math.abs(value).toExponential().split('e') as [string, string]
  const digits = digitsText.replace('.', '')
  const sign = value < 0 ? '-' : ''
  // Where the decimal point stands, counted from before the first digit.
  const point = Number(exponentText) + 1
  if (point <= -4 || point > digits.length + 15) {
    const exponent = point - 1
    const exponentDigits = String(Math.abs(exponent)).padStart(2, '0')
    return `${sign}${digits[0]!}${digits.length > 1 ? `.${digits.slice(1)}` : ''}e${exponent < 0 ? '-' : '+'}${exponentDigits}`
  }
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  if (point >= digits.length) return sign + digits + '0'.repeat(point - digits.length)
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}

/** A value as JSON in the form of `tojson`. */
export function jsonText(value: JqValue): string {
  const text = partText(value, 0)
  spendText(text.length)
  return text
}

function partText(value: JqValue, depth: number): string {
  spend(1)
  if (value === null) return 'null'
  if (typeof value === 'string') return spentText(quoted(value))
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'boolean') return String(value)
  if (depth > MAX_TEXT_DEPTH) raise('Exceeds depth limit for parsing')
  let text = ''
  if (Array.isArray(value)) {
    for (const item of value as readonly JqValue[]) {
      text += (text === '' ? '' : ',') + partText(item, depth + 1)
    }
    return `[${text}]`
  }
  for (const [key, item] of Object.entries(value)) {
    text += `${text === '' ? '' : ','}${spentText(quoted(key))}:${partText(item, depth + 1)}`
  }
  return `{${text}}`
}

function spentText(text: string): string {
  spendText(text.length)
  return text
}

/** As JSON.stringify writes it, but for the delete character, which jq escapes. */
const quoted = (text: string): string => JSON.stringify(text).replaceAll('\u007F', String.raw`\u007f`)

/** A value as `tostring` gives it: texts as they are, all else as JSON. */
export const textOf = (value: JqValue): string => (typeof value === 'string' ? value : jsonText(value))

/** Kind and shortened JSON of a value, as messages of errors show it. */
export function described(value: JqValue): string {
  return `${kindOf(value)} (${shortened(value, SHOWN_BYTES)})`
}

const SHOWN_BYTES = 14

/** The beginning of a value's JSON, as messages of errors show it. */
export function shortened(value: JqValue, maxBytes: number): string {
  const text = briefText(value, maxBytes + 1)
  const bytes = Buffer.from(text)
  return bytes.length > maxBytes ? `${bytes.subarray(0, maxBytes - 3).toString()}...` : text
}

/** The beginning of a value's JSON, at least `chars` long where there is as much. */
function briefText(value: JqValue, chars: number): string {
  if (typeof value === 'string') return quoted(value.slice(0, chars))
  if (value === null || typeof value !== 'object') return partText(value, 0)
  const isList = Array.isArray(value)
  let text = isList ? '[' : '{'
  for (const [key, item] of Object.entries(value)) {
    if (text.length > 1) text += ','
    text += (isList ? '' : `${quoted(key)}:`) + briefText(item, chars - text.length)
    if (text.length >= chars) return text
  }
  return text + (isList ? ']' : '}')
}
