/** Timestamps: whole milliseconds, or RFC 3339 text. */
import { TIMESTAMP_INVALID } from './json-reasons'
import { fail, isDigit, QUOTE, readText, textEnd, textStart } from './json-scan'

/** The timestamp that was read last, in ms. */
export let timestampMs: f64 = 0

export function setTimestamp(ms: f64): void {
  timestampMs = ms
}

const MAX_SAFE: i64 = 9007199254740991
const MINUTE_MS: i64 = 60_000

export function readTimestamp(p: usize): usize {
  const at = p
  if (load<u8>(p) == QUOTE) {
    p = readText(p + 1)
    return p == 0 || readDate(textStart, textEnd) ? p : fail(TIMESTAMP_INVALID, at)
  }
  p = readWhole(p)
  if (p == 0) return fail(TIMESTAMP_INVALID, at)
  timestampMs = whole
  return p
}

/** The whole number that was read last. */
export let whole: f64 = 0

/** A whole number that is a safe integer; 0 where there is none. */
export function readWhole(p: usize): usize {
  const negative = load<u8>(p) == 0x2d
  if (negative) p++
  const first = p
  let value: i64 = 0
  while (isDigit(load<u8>(p)) && value <= MAX_SAFE) value = value * 10 + (load<u8>(p++) - 0x30)
  const c = <i32>load<u8>(p)
  const leadingZero = load<u8>(first) == 0x30 && p - first > 1
  const isWhole = c != 0x2e && (c | 0x20) != 0x65 && !isDigit(c)
  if (p == first || leadingZero || !isWhole || value > MAX_SAFE) return 0
  whole = <f64>(negative ? -value : value)
  return p
}

/** The number of two digits, 255 where they are none. */
function two(p: usize): i32 {
  const tens = <i32>load<u8>(p) - 0x30
  const ones = <i32>load<u8>(p, 1) - 0x30
  return <u32>tens < 10 && <u32>ones < 10 ? tens * 10 + ones : 255
}

/** `2026-11-21T08:03:59.125Z`; digits beyond milliseconds are cut off, leap seconds are refused. False for anything else. */
function readDate(p: usize, end: usize): bool {
  if (end - p < 20) return false
  const year = two(p) * 100 + two(p + 2)
  const month = two(p + 5)
  const day = two(p + 8)
  const hour = two(p + 11)
  const minute = two(p + 14)
  const second = two(p + 17)
  const dashes = load<u8>(p, 4) == 0x2d && load<u8>(p, 7) == 0x2d && (load<u8>(p, 10) | 0x20) == 0x74
  if (!dashes || load<u8>(p, 13) != 0x3a || load<u8>(p, 16) != 0x3a) return false
  if (two(p) == 255 || two(p + 2) == 255 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return false
  if (hour > 23 || minute > 59 || second > 59) return false
  p += 19
  let ms: i64 = 0
  if (load<u8>(p) == 0x2e) {
    const first = ++p
    for (let unit: i64 = 100; p < end && isDigit(load<u8>(p)); unit /= 10) ms += unit * (load<u8>(p++) - 0x30)
    if (p == first) return false
  }
  const zone = zoneMinutes(p, end)
  if (zone == i32.MAX_VALUE) return false
  const minutes = <i64>daysSince1970(year, month, day) * 1440 + <i64>(hour * 60 + minute - zone)
  timestampMs = <f64>(minutes * MINUTE_MS + <i64>second * 1000 + ms)
  return true
}

/** Minutes that the zone at `p` is before UTC; the largest i32 where it is none or more follows. */
function zoneMinutes(p: usize, end: usize): i32 {
  const sign = <i32>load<u8>(p)
  if ((sign | 0x20) == 0x7a && p + 1 == end) return 0
  if ((sign != 0x2b && sign != 0x2d) || p + 6 != end || load<u8>(p, 3) != 0x3a) return i32.MAX_VALUE
  const hours = two(p + 1)
  const minutes = two(p + 4)
  if (hours > 23 || minutes > 59) return i32.MAX_VALUE
  return sign == 0x2b ? hours * 60 + minutes : -(hours * 60 + minutes)
}

function daysOf(year: i32, month: i32): i32 {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31
}

/** Days from 1970-01-01 in the Gregorian calendar; years of 400 are one cycle, and a year begins in March. */
function daysSince1970(year: i32, month: i32, day: i32): i32 {
  const y = month <= 2 ? year - 1 + 400 : year + 400
  const era = y / 400
  const yearOfEra = y - era * 400
  const dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
  return (era - 1) * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}

/** Writes `width` decimal digits. */
// @ts-ignore: decorator
@inline
function putDigits(out: usize, number: u32, width: usize): usize {
  for (let p = out + width; p > out; number /= 10) store<u8>(--p, 0x30 + (number % 10))
  return out + width
}

/**
 * Writes a timestamp as RFC 3339 text in UTC, with milliseconds where there are some; years beyond 9999 have a sign and all their digits, those before
 * 1 a minus.
 */
export function writeIsoTime(out: usize, timestamp: f64): usize {
  const ms = <i64>timestamp
  let days = ms / 86_400_000
  let rest = ms % 86_400_000
  if (rest < 0) {
    rest += 86_400_000
    days--
  }
  // The reverse of `daysSince1970`.
  const shifted = days + 719_468
  const era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
  const dayOfEra = <i32>(shifted - era * 146_097)
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  const shiftedMonth = (5 * dayOfYear + 2) / 153
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  const year = <i32>(era * 400) + yearOfEra + (month <= 2 ? 1 : 0)
  if (year < 0 || year > 9999) store<u8>(out++, year < 0 ? 0x2d : 0x2b)
  const size = <u32>abs(year)
  out = putDigits(out, size, size > 99_999 ? 6 : size > 9999 ? 5 : 4)
  store<u8>(out++, 0x2d)
  out = putDigits(out, month, 2)
  store<u8>(out++, 0x2d)
  out = putDigits(out, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1, 2)
  const seconds = <u32>(rest / 1000)
  store<u8>(out++, 0x54)
  out = putDigits(out, seconds / 3600, 2)
  store<u8>(out++, 0x3a)
  out = putDigits(out, (seconds / 60) % 60, 2)
  store<u8>(out++, 0x3a)
  out = putDigits(out, seconds % 60, 2)
  const millis = <u32>(rest % 1000)
  if (millis != 0) {
    store<u8>(out++, 0x2e)
    out = putDigits(out, millis, 3)
  }
  store<u8>(out, 0x5a)
  return out + 1
}
