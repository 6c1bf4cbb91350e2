import { spend, spendText } from './budget.ts'
import { formatOf } from './formats.ts'
import type { ValueFunctions } from './functions.ts'
import { described, jsonText, textOf } from './json-text.ts'
import { itemsOf } from './items.ts'
import { add, splitText } from './operators.ts'
import { raise } from './raised.ts'
import { codePoints } from './text.ts'
import { type JqValue, isTruthy } from './value.ts'

/** Builtins over texts. */
export const textFunctions: ValueFunctions = {
  'tojson/0': jsonText,
  'fromjson/0': fromJson,
  'tostring/0': textOf,
  'tonumber/0': toNumber,
  'ascii_downcase/0': (input) => mappedText(input, /[A-Z]+/gu, (part) => part.toLowerCase()),
  'ascii_upcase/0': (input) => mappedText(input, /[a-z]+/gu, (part) => part.toUpperCase()),
  'explode/0': (input) => {
    if (typeof input !== 'string') raise('explode input must be a string')
    spend(input.length)
    return Array.from(input, (char) => char.codePointAt(0)!)
  },
  'implode/0': implode,
  'ascii/0': (input) => implode([input]),
  'utf8bytelength/0': (input) =>
    typeof input === 'string' ? Buffer.byteLength(input) : raise(`${described(input)} only strings have UTF-8 byte length`),
  'startswith/1': (input, start) => bothTexts('startswith', input, start) && (input as string).startsWith(start as string),
  'endswith/1': (input, end) => bothTexts('endswith', input, end) && (input as string).endsWith(end as string),
  'ltrimstr/1': (input, start) =>
    typeof input === 'string' && typeof start === 'string' && input.startsWith(start) ? input.slice(start.length) : input,
  'rtrimstr/1': (input, end) =>
    typeof input === 'string' && typeof end === 'string' && input.endsWith(end)
      ? input.slice(0, input.length - end.length)
      : input,
  'trim/0': (input) => trimmed(input, (text) => text.trim()),
  'ltrim/0': (input) => trimmed(input, (text) => text.trimStart()),
  'rtrim/0': (input) => trimmed(input, (text) => text.trimEnd()),
  'split/1': (input, separator) =>
    typeof input === 'string' && typeof separator === 'string'
      ? splitText(input, separator)
      : raise('split input and separator must be strings'),
  'join/1': join,
  'format/1': (input, name) => {
    if (typeof name !== 'string') raise(`${described(name)} is not a valid format`)
    return (formatOf(name) ?? raise(`${name} is not a valid format`))(input)
  },
}

/** Where a text stands in another one, in code points; places may overlap. */
export function textIndexes(text: string, wanted: string): readonly number[] {
  const found: number[] = []
  if (wanted === '') return found
  spend(1 + text.length / 8)
  let [points, counted] = [0, 0]
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    points += codePoints(text.slice(counted, at))
    counted = at
    found.push(points)
  }
  return found
}

function bothTexts(name: string, input: JqValue, other: JqValue): boolean {
  return (typeof input === 'string' && typeof other === 'string') || raise(`${name}() requires string inputs`)
}

function trimmed(input: JqValue, trim: (text: string) => string): string {
  return typeof input === 'string' ? trim(input) : raise(`${described(input)} cannot be trimmed`)
}

function mappedText(input: JqValue, pattern: RegExp, change: (part: string) => string): string {
  if (typeof input !== 'string') raise('explode input must be a string')
  spendText(input.length)
  return input.replaceAll(pattern, change)
}

function fromJson(input: JqValue): JqValue {
  if (typeof input !== 'string') raise(`${described(input)} only strings can be parsed`)
  spend(1 + input.length / 8)
  try {
    return JSON.parse(input) as JqValue
  } catch (error) {
    if (/^\s*nan\s*$/u.test(input)) return Number.NaN
    return raise(`${error instanceof SyntaxError ? error.message : 'Invalid JSON'} (while parsing '${input}')`)
  }
}

function toNumber(input: JqValue): JqValue {
  if (typeof input === 'number') return input
  if (typeof input !== 'string') raise(`${described(input)} cannot be parsed as a number`)
  if (/^\s*-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*$/u.test(input)) return Number(input)
  if (/^\s*nan\s*$/u.test(input)) return Number.NaN
  return raise(`${described(input)} cannot be parsed as a number`)
}

const LAST_CODE_POINT = 0x10_ff_ff
const REPLACEMENT = 0xff_fd

function implode(input: JqValue): string {
  if (!Array.isArray(input)) raise('implode input must be an array')
  spend(input.length)
  return (input as readonly JqValue[])
    .map((point) => {
      if (typeof point !== 'number') raise('Unicode codepoint must be numeric')
      const whole = Math.trunc(point)
      const isChar = whole >= 0 && whole <= LAST_CODE_POINT && !(whole >= 0xd8_00 && whole <= 0xdf_ff)
      return String.fromCodePoint(isChar ? whole : REPLACEMENT)
    })
    .join('')
}

function join(input: JqValue, separator: JqValue): JqValue {
  const items = itemsOf(input)
  const texts = items.map((item) => (isTruthy(item) || item === false ? item : ''))
  if (typeof separator !== 'string' || texts.some((item) => typeof item === 'object')) {
    const joined = texts.reduce<JqValue>((text, item) => add(text === null ? '' : add(text, separator), scalarText(item)), null)
    return isTruthy(joined) ? joined : ''
  }
  const parts = texts.map((item) => textOf(item))
  spendText(parts.reduce((chars, part) => chars + part.length + separator.length, 0))
  return parts.join(separator)
}

const scalarText = (item: JqValue): JqValue => (typeof item === 'object' ? item : textOf(item))
