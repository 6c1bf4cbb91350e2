const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,18}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d)))?$/u

/** The largest time that JavaScript's dates have. */
const MAX_MS = 8_640_000_000_000_000

/**
 * Milliseconds since 1970 of a time: RFC 3339 with any offset (a day alone is its midnight in UTC; seconds may be left out), or milliseconds as digits.
 * A fraction of a millisecond stays. Undefined for other texts, and for days that there are not.
 */
export function parseInstant(text: string): number | undefined {
  if (/^-?\d{1,16}$/u.test(text)) return within(Number(text))
  const match = RFC_3339.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', , sign, offsetHour, offsetMinute] = match
  const isClock = Number(hour) < 24 && Number(minute) < 60 && Number(second) <= 60
  const isOffset = sign === undefined || (Number(offsetHour) < 24 && Number(offsetMinute) < 60)
  const dayMs = Date.parse(`${year}-${month}-${day}T00:00:00Z`)
  // Dates that there are not, like the 30th of February, become others.
  if (!isClock || !isOffset || Number.isNaN(dayMs) || new Date(dayMs).getUTCDate() !== Number(day)) return undefined
  const clockMs = (Number(hour) * 3600 + Number(minute) * 60 + Number(second)) * 1000
  const offsetMs = sign === undefined ? 0 : (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -60_000 : 60_000)
  return within(dayMs + clockMs - offsetMs + (fraction === '' ? 0 : Number(`0.${fraction}`) * 1000))
}

const within = (ms: number): number | undefined => (Math.abs(ms) <= MAX_MS ? ms : undefined)
