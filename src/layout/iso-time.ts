import { localTime, weekDate } from './calendar.ts'
import { MAX_TIME_MS, toUtcLeniently, type Zone } from './zone.ts'

const DATE = /^(?:([+-]?\d{1,9})(?:-W(\d{1,2})(?:-(\d))?|-(\d{3})(?!\d)|-(\d{1,2})(?:-(\d{1,2}))?)?)?/u
const TIME = /^T(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?(?:[.,](\d{1,9}))?)?/u
const OFFSET = /^(?:Z|z|([+-])(\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d{1,3}))?)?)?)$/u

/**
 * The moment that ISO 8601 text says, ms since 1970, as Joda-Time's `ISODateTimeFormat.dateTimeParser()` reads it: dates of months,
 * weeks and days of the year, cut anywhere, with fractions of the smallest part of the time; undefined for anything else. Text
 * without an offset is local time of `zone`.
 */
export function parseIsoTime(text: string, zone: Zone): number | undefined {
  const date = DATE.exec(text)!
  const rest = text.slice(date[0].length)
  const time = TIME.exec(rest)
  if (time === null) return date[0] === '' || rest !== '' ? undefined : momentOf(date, 0, undefined, zone)
  const timeMs = timeOf(time)
  const tail = rest.slice(time[0].length)
  if (timeMs === undefined) return undefined
  if (tail === '') return momentOf(date, timeMs, undefined, zone)
  const offset = OFFSET.exec(tail)
  return offset === null ? undefined : momentOf(date, timeMs, offsetOf(offset), zone)
}

function timeOf([, hour = '0', minute, second, fraction]: RegExpExecArray): number | undefined {
  const [hours, minutes, seconds] = [Number(hour), Number(minute ?? 0), Number(second ?? 0)]
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined
  const unitMs = second !== undefined ? 1000 : minute !== undefined ? 60_000 : 3_600_000
  const fractionMs = fraction === undefined ? 0 : Math.floor((Number(fraction) * unitMs) / 10 ** fraction.length)
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + fractionMs
}

const offsetOf = ([, sign, hours = '0', minutes = '0', seconds = '0', fraction = '0']: RegExpExecArray): number => {
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(fraction.padEnd(3, '0'))
  return sign === '-' ? -ms : ms
}

function momentOf(date: RegExpExecArray, timeMs: number, offsetMs: number | undefined, zone: Zone): number | undefined {
  const localMs = localOf(date, timeMs)
  if (localMs === undefined || Math.abs(localMs) > MAX_TIME_MS - 2 * 86_400_000) return undefined
  return offsetMs === undefined ? toUtcLeniently(localMs, zone) : localMs - offsetMs
}

function localOf(
  [, year = '1970', week, dayOfWeek = '1', dayOfYear, month, day = '1']: RegExpExecArray,
  timeMs: number,
): number | undefined {
  if (week !== undefined) {
    const localMs = weekDate(Number(year), Number(week), Number(dayOfWeek), timeMs)
    const isThere = Number(week) > 0 && Number(dayOfWeek) > 0 && Number(dayOfWeek) < 8
    const isOfNextYear = Number(week) > 52 && localMs >= weekDate(Number(year) + 1, 1, 1, 0)
    return isThere && !isOfNextYear ? localMs : undefined
  }
  if (dayOfYear === undefined) return localTime(Number(year), Number(month ?? 1), Number(day), timeMs)
  const first = localTime(Number(year), 1, 1, timeMs)
  if (first === undefined || Number(dayOfYear) < 1) return undefined
  const localMs = first + (Number(dayOfYear) - 1) * 86_400_000
  return new Date(localMs).getUTCFullYear() === Number(year) ? localMs : undefined
}
