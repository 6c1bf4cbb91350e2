import { spendText } from './budget.ts'
import { type Code, IDENTITY, single } from './code.ts'
import { mapped } from './compile-value.ts'
import { type CodeFunctions, type ValueFunction, valueCode } from './functions.ts'
import { raise } from './raised.ts'
import { type TimeParts, formatTime, parseTime, partsOf, secondsOf } from './time-text.ts'
import type { JqValue } from './value.ts'

const ISO = '%Y-%m-%dT%H:%M:%SZ'

/** Builtins over times. The local time zone is UTC. */
export const timeFunctions: CodeFunctions = {
  'now/0': (_args, { nowMs }) => single(() => nowMs() / 1000),
  'mktime/0': () => ofInput(mktime),
  'gmtime/0': () => ofInput((input) => brokenDown(input, 'gmtime')),
  'localtime/0': () => ofInput((input) => brokenDown(input, 'localtime')),
  'strftime/1': ([format]) => ofArgument((input, format) => strftime(input, format, 'strftime'), format!),
  'strflocaltime/1': ([format]) => ofArgument((input, format) => strftime(input, format, 'strflocaltime'), format!),
  'strptime/1': ([format]) => ofArgument(strptime, format!),
  ...Object.fromEntries(
    ['todate/0', 'todateiso8601/0', 'date/0'].map((name) => [name, () => ofInput((input) => strftime(input, ISO, 'strftime'))]),
  ),
  ...Object.fromEntries(
    ['fromdate/0', 'fromdateiso8601/0'].map((name) => [name, () => ofInput((input) => mktime(strptime(input, ISO)))]),
  ),
}

const ofInput = (change: (input: JqValue) => JqValue): Code => mapped(IDENTITY, change)
const ofArgument = (call: ValueFunction, argument: Code): Code => valueCode(call, [argument])

function listOf(time: TimeParts): number[] {
  return [time.year, time.month, time.day, time.hour, time.minute, time.second, time.weekday, time.yearday]
}

function timeOf(input: JqValue, refusal: string): TimeParts {
  if (!Array.isArray(input)) raise(refusal)
  const numbers = (input as readonly JqValue[]).slice(0, 8)
  if (numbers.length < 8 || numbers.some((value) => typeof value !== 'number')) raise(refusal)
  const [year, month, day, hour, minute, second, weekday, yearday] = numbers.map((value) => Math.trunc(value as number))
  return {
    year: year!,
    month: month!,
    day: day!,
    hour: hour!,
    minute: minute!,
    second: second!,
    weekday: weekday!,
    yearday: yearday!,
  }
}

function brokenDown(input: JqValue, name: string): JqValue {
  if (typeof input !== 'number') raise(`${name}() requires numeric inputs`)
  const list = listOf(partsOf(Math.trunc(input)))
  list[5]! += input - Math.floor(input)
  return list
}

function mktime(input: JqValue): number {
  if (!Array.isArray(input)) raise('mktime requires array inputs')
  const seconds = secondsOf(timeOf(input, 'mktime requires parsed datetime inputs'))
  return Number.isNaN(seconds) ? raise('invalid gmtime representation') : seconds
}

function strftime(input: JqValue, format: JqValue, name: string): string {
  const refusal = `${name}/1 requires parsed datetime inputs`
  const time = timeOf(typeof input === 'number' ? brokenDown(input, 'gmtime') : input, refusal)
  if (typeof format !== 'string') raise(`${name}/1 requires a string format`)
  const text = formatTime(time, format)
  spendText(text.length)
  return text
}

function strptime(input: JqValue, format: JqValue): JqValue {
  if (typeof input !== 'string' || typeof format !== 'string') raise('strptime/1 requires string inputs and arguments')
  const parsed = parseTime(input, format)
  if (parsed === undefined || !/^(?:\s|$)/u.test(parsed.rest)) raise(`date "${input}" does not match format "${format}"`)
  const list: JqValue[] = listOf(parsed.time)
  return parsed.rest === '' ? list : [...list, parsed.rest]
}
