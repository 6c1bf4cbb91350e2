const DAY_MS = 86_400_000

/** The largest distance from 1970 that a calendar is asked about, ms: that of `Date`. */
export const MAX_TIME_MS = 8_640_000_000_000_000
/** Days whose offsets are remembered; a lane of ten years needs 3,652. */
const MAX_DAYS = 8192

/** A time zone with the rules of the IANA database, or a fixed distance to UTC. */
export interface Zone {
  readonly id: string
  /** What local time is ahead of UTC at this moment, ms; moments are ms since 1970, a day within what `Date` can hold. */
  offsetAt(utcMs: number): number
  /** Moments around this one, of the same day of UTC, that have the same offset: from `from` on, before `until`. */
  spanAt(utcMs: number): ZoneSpan
}

export interface ZoneSpan {
  readonly from: number
  readonly until: number
  readonly offsetMs: number
}

const FIXED = /^(?:UTC|UT|GMT|Z)?(?:([+-])(\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?)?$/u

/** The offset of names like `UTC`, `Z`, `+02:00`, `GMT-3`; undefined for names of places. */
function fixedOffsetMs(id: string): number | undefined {
  if (id === '') return undefined
  const match = FIXED.exec(id)
  if (match === null) return undefined
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = match
  if (Number(hours) > 18 || Number(minutes) > 59 || Number(seconds) > 59) return undefined
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000
  return sign === '-' ? -ms : ms
}

/** The zone of this name: of the IANA database, `UTC`, `Z`, or an offset like `+02:00`; undefined for any other text. */
export function createZone(id: string): Zone | undefined {
  const fixed = fixedOffsetMs(id)
  if (fixed !== undefined) {
    const span = { from: -Infinity, until: Infinity, offsetMs: fixed }
    return { id, offsetAt: () => fixed, spanAt: () => span }
  }
  const ask = openOffsets(id)
  return ask === undefined ? undefined : cachedZone(id, ask)
}

/** Asks the database of the runtime; one question costs about two microseconds. */
function openOffsets(id: string): ((utcMs: number) => number) | undefined {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: id,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch {
    return undefined
  }
  return (utcMs) => {
    const part: Record<string, string> = {}
    for (const { type, value } of format.formatToParts(utcMs)) part[type] = value
    const year = part['era'] === 'BC' || part['era'] === 'B' ? 1 - Number(part['year']) : Number(part['year'])
    const local = new Date(0)
    local.setUTCFullYear(year, Number(part['month']) - 1, Number(part['day']))
    local.setUTCHours(Number(part['hour']), Number(part['minute']), Number(part['second']))
    return local.getTime() - Math.floor(utcMs / 1000) * 1000
  }
}

/** Remembers the offset of each day asked for; a day on which it changes is searched for the moment. */
function cachedZone(id: string, ask: (utcMs: number) => number): Zone {
  const days = new Map<number, readonly ZoneSpan[]>()
  let last: ZoneSpan = { from: 0, until: 0, offsetMs: 0 }
  const spanAt = (utcMs: number): ZoneSpan => {
    if (utcMs >= last.from && utcMs < last.until) return last
    const day = Math.floor(utcMs / DAY_MS)
    let spans = days.get(day)
    if (spans === undefined) {
      if (days.size >= MAX_DAYS) days.clear()
      spans = spansOf(day * DAY_MS, ask)
      days.set(day, spans)
    }
    last = spans.find(({ until }) => utcMs < until)!
    return last
  }
  return { id, spanAt, offsetAt: (utcMs) => spanAt(utcMs).offsetMs }
}

function spansOf(dayMs: number, ask: (utcMs: number) => number): ZoneSpan[] {
  const end = dayMs + DAY_MS
  const spans: ZoneSpan[] = []
  let from = dayMs
  let offsetMs = ask(dayMs)
  // Two moments of a day are asked for, so that even two changes on one day would be seen.
  for (const until of [dayMs + DAY_MS / 2, end]) {
    const next = ask(Math.min(until, MAX_TIME_MS))
    if (next === offsetMs) continue
    let [low, high] = [Math.max(from, until - DAY_MS / 2), until]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (ask(middle) === offsetMs) low = middle
      else high = middle
    }
    spans.push({ from, until: high, offsetMs })
    from = high
    offsetMs = next
  }
  if (from < end) spans.push({ from, until: end, offsetMs })
  return spans
}

/**
 * The moment of a local time as Joda-Time finds it when it is not strict. A local time that occurs twice is the earlier one west of
 * Greenwich and the one that the later offset gives east of it; one that is left out is moved by the offset of one of its sides.
 * Source: the behaviour of `DateTimeZone.convertLocalToUTC`, Joda-Time 2.12, compared with the library itself.
 */
export function toUtcLeniently(localMs: number, zone: Zone): number {
  const guess = zone.offsetAt(localMs)
  const offset = zone.offsetAt(localMs - guess)
  if (guess === offset || guess >= 0) return localMs - offset
  // A change between the two readings: the local time does not exist.
  return localMs - (zone.offsetAt(localMs - offset) === offset ? offset : guess)
}
