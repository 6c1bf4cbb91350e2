import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import { parseIsoTime } from './iso-time.ts'
import type { BatchContext } from './layout.ts'
import { createTextTable, tableOf, type Term } from './term.ts'
import type { TimeFormat } from './time-pattern.ts'
import { MAX_TIME_MS, toUtcLeniently, type Zone } from './zone.ts'

/** Which time of a message counts: its timestamp, the wall clock, or a field of its value (ms since 1970, or ISO 8601 text). */
export type Clock =
  | { readonly source: 'record' | 'wallclock' }
  /** `zone` is that of text without an offset. */
  | { readonly source: 'field'; readonly field: string; readonly zone: Zone }

/** Two days less, so that no zone's local time is out of range. */
const MAX_MS = MAX_TIME_MS - 2 * 86_400_000
/** Texts whose moments are remembered. */
const MAX_READ_TEXTS = 65_536

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
  const buckets = new Map<number, number>()
  const readText = clock.source === 'field' ? textReader(clock.zone) : undefined
  const stepMs = durationMs ?? format.stepMs
  const tellsZone = format.tellsZone && durationMs === undefined
  // Without a minus before zero.
  const startOf = (localMs: number): number =>
    (durationMs === undefined ? Math.floor(localMs / stepMs) : Math.trunc(localMs / stepMs)) * stepMs + 0
  // Moments from `low` on and before `high` have the text of `current`.
  let low = 0
  let high = 0
  let current = -1
  const lookUp = (ms: number): number => {
    if (!(Math.abs(ms) <= MAX_MS)) return -1
    const { offsetMs, from, until } = format.zone.spanAt(ms)
    const start = startOf(ms + offsetMs)
    let code = tellsZone ? undefined : buckets.get(start)
    if (code === undefined) {
      const text = format.text(durationMs === undefined ? ms : toUtcLeniently(start, format.zone))
      code = table.intern(text, () => timeValues(text, name))
      buckets.set(start, code)
    }
    // Cut toward zero, the bucket at zero is twice as long, and those before it end with their start.
    const cutsUp = durationMs !== undefined && start <= 0
    const first = cutsUp ? start - durationMs + 1 : start
    const next = cutsUp && start < 0 ? start + 1 : start + stepMs
    low = Math.max(from, first - offsetMs)
    high = Math.min(until, next - offsetMs)
    current = code
    return code
  }
  return {
    ...tableOf(table),
    size: () => Math.max(table.texts.length, buckets.size),
    clear() {
      table.clear()
      buckets.clear()
      high = low
    },
    open(batch, context) {
      const read = openClock(clock, batch, context, readText)
      return {
        code(row) {
          const ms = read(row)
          return ms >= low && ms < high ? current : lookUp(ms)
        },
        reason: (row) => whyNot(clock, read(row), row, context),
      }
    },
  }
}

/** The parts of a text of the form `year=2018/month=01`, and all of it under `name`. */
function timeValues(text: string, name: string | undefined): Record<string, string> {
  const values: Record<string, string> = {}
  for (const part of text.split('/')) {
    const at = part.indexOf('=')
    if (at > 0) values[part.slice(0, at)] = part.slice(at + 1)
  }
  return name === undefined ? values : { ...values, [name]: text }
}

/** The moment of each row, ms; NaN where it has none. */
function openClock(
  clock: Clock,
  { timestamps }: MessageBatch,
  { nowMs, field }: BatchContext,
  readText: ((text: string) => number) | undefined,
): (row: number) => number {
  if (clock.source !== 'field') return clock.source === 'wallclock' ? () => nowMs : (row) => timestamps[row]!
  if (field === undefined) throw new MillpondError('CONFIG_INVALID', 'the layout needs fields of the values, which nothing reads')
  const column = field(clock.field)
  return (row) => {
    const value = column(row)
    if (typeof value === 'string') return readText!(value)
    if (typeof value === 'number') return Number.isInteger(value) ? value : Number.NaN
    return typeof value === 'bigint' ? Number(value) : Number.NaN
  }
}

function textReader(zone: Zone): (text: string) => number {
  const known = new Map<string, number>()
  return (text) => {
    let ms = known.get(text)
    if (ms === undefined) {
      if (known.size >= MAX_READ_TEXTS) known.clear()
      ms = parseIsoTime(text, zone) ?? Number.NaN
      known.set(text, ms)
    }
    return ms
  }
}

function whyNot(clock: Clock, ms: number, row: number, { field }: BatchContext): string {
  if (!Number.isNaN(ms)) return `${ms} ms since 1970 is no time that a calendar has`
  if (clock.source !== 'field') return 'it has no timestamp'
  const value = field?.(clock.field)(row)
  if (value === undefined) return `its value has no field ${clock.field} that holds a time`
  return `the field ${clock.field} holds ${value === null ? 'null' : typeof value === 'string' ? 'text that is no time of ISO 8601' : `a ${typeof value} that is no time`}`
}
