import { MillpondError } from '../errors.ts'
import type { FieldValue } from '../values/values.ts'
import { parseIsoTime } from './iso-time.ts'
import { createTextTable, tableOf, type Term } from './term.ts'
import type { TimeFormat } from './time-pattern.ts'
import { MAX_TIME_MS, toUtcLeniently, type Zone } from './zone.ts'

/** Which time of a message counts: its timestamp, the wall clock, or a field of its value (ms since 1970, as a number or text, or ISO 8601 text). */
export type Clock =
  | { readonly source: 'record' | 'wallclock' }
  /** `zone` is that of text without an offset. */
  | { readonly source: 'field'; readonly field: string; readonly zone: Zone }

/** Text that is whole milliseconds, as Confluent's partitioners read it before they look for ISO 8601. */
const MILLISECONDS = /^-?\d{1,19}$/u

/** Two days less, so that no zone's local time is out of range. */
const MAX_MS = MAX_TIME_MS - 2 * 86_400_000

export interface TimeTermOptions {
  readonly clock: Clock
  readonly format: TimeFormat
  /** Times are cut to multiples of it, counted in local time from 1970 toward zero, as Confluent's partitioners do. */
  readonly durationMs?: number
  /** What the text is for the index, beside its parts of the form `name=value`. */
  readonly name?: string
}

/** The text of a message's time. */
export function timeTerm({ clock, format, durationMs, name }: TimeTermOptions): Term {
  const table = createTextTable()
  /** The number of a bucket's text by the bucket's own number. */
  const buckets = new Map<number, number>()
  /** The number of a text's text: of a field that holds ISO 8601. */
  const fieldTexts = new Map<string, number>()
  const stepMs = durationMs ?? format.stepMs
  const tellsZone = format.tellsZone && durationMs === undefined
  // Moments from `low` on and before `high` have the text of `current`.
  let low = 0
  let high = 0
  let current = -1
  const lookUp = (ms: number): number => {
    if (!(Math.abs(ms) <= MAX_MS)) return -1
    const { offsetMs, from, until } = format.zone.spanAt(ms)
    const steps = (ms + offsetMs) / stepMs
    // Without a minus before zero, which is another key.
    const bucket = (durationMs === undefined ? Math.floor(steps) : Math.trunc(steps)) + 0
    const start = bucket * stepMs
    let code = tellsZone ? undefined : buckets.get(bucket)
    if (code === undefined) {
      const text = format.text(durationMs === undefined ? ms : toUtcLeniently(start, format.zone))
      code = table.intern(text, () => timeValues(text, name))
      buckets.set(bucket, code)
    }
    // Cut toward zero, the bucket at zero is twice as long, and those before it end with their start.
    const cutsUp = durationMs !== undefined && bucket <= 0
    const first = cutsUp ? start - stepMs + 1 : start
    const next = cutsUp && bucket < 0 ? start + 1 : start + stepMs
    low = Math.max(from, first - offsetMs)
    high = Math.min(until, next - offsetMs)
    current = code
    return code
  }
  const codeOf = (ms: number): number => (ms >= low && ms < high ? current : lookUp(ms))
  const codeOfText = (text: string, zone: Zone): number => {
    let code = fieldTexts.get(text)
    if (code === undefined) {
      code = lookUp(MILLISECONDS.test(text) ? Number(text) : (parseIsoTime(text, zone) ?? Number.NaN))
      fieldTexts.set(text, code)
    }
    return code
  }
  return {
    ...tableOf(table),
    size: () => Math.max(table.texts.length, buckets.size, fieldTexts.size),
    clear() {
      table.clear()
      buckets.clear()
      fieldTexts.clear()
      high = low
    },
    open(batch, { nowMs, field, late }) {
      if (clock.source !== 'field') {
        const { timestamps } = batch
        const times =
          clock.source === 'record' ? late?.of(batch, { name: '', nowMs, timeOf: (row) => timestamps[row]! }) : undefined
        const read = clock.source === 'wallclock' ? () => nowMs : (row: number) => (times ?? timestamps)[row]!
        return { code: (row) => codeOf(read(row)), reason: (row) => whyNoTime(read(row)) }
      }
      if (field === undefined)
        throw new MillpondError('CONFIG_INVALID', 'the layout needs fields of the values, which nothing reads')
      const column = field(clock.field)
      const reason = (row: number) => whyNoField(clock.field, column(row))
      if (late !== undefined) {
        const timeOf = (row: number) => timeOfField(column(row), clock.zone)
        const times = late.of(batch, { name: `field ${clock.field}`, nowMs, timeOf })
        return { code: (row) => codeOf(times[row]!), reason }
      }
      return {
        code(row) {
          const value = column(row)
          return typeof value === 'string' ? codeOfText(value, clock.zone) : codeOf(momentOf(value))
        },
        reason,
      }
    },
  }
}

/** The moment that a field which is no text says, ms; NaN for none. */
function momentOf(value: FieldValue): number {
  if (typeof value === 'number') return Number.isInteger(value) ? value : Number.NaN
  return typeof value === 'bigint' ? Number(value) : Number.NaN
}

/** The same for any field, text among them. */
const timeOfField = (value: FieldValue, zone: Zone): number =>
  typeof value === 'string' ? (parseIsoTime(value, zone) ?? Number.NaN) : momentOf(value)

/** The parts of a text of the form `year=2018/month=01`, and all of it under `name`. */
function timeValues(text: string, name: string | undefined): Record<string, string> {
  const values: Record<string, string> = {}
  for (const part of text.split('/')) {
    const at = part.indexOf('=')
    if (at > 0) values[part.slice(0, at)] = part.slice(at + 1)
  }
  return name === undefined ? values : { ...values, [name]: text }
}

const whyNoTime = (ms: number): string => `${ms} ms since 1970 is no time that a calendar has`

function whyNoField(name: string, value: FieldValue): string {
  if (value === undefined) return `its value has no field ${name} that holds a time`
  const ms = typeof value === 'string' && MILLISECONDS.test(value) ? Number(value) : momentOf(value)
  if (!Number.isNaN(ms)) return whyNoTime(ms)
  const what =
    value === null
      ? 'null'
      : typeof value === 'string'
        ? 'text that is neither milliseconds nor a time of ISO 8601'
        : `a ${typeof value} that is no time`
  return `the field ${name} holds ${what}`
}
