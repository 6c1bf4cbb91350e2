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
  const negative = load<u8>(p) == 0x2d
  if (negative) p++
  const first = p
  let value: i64 = 0
  while (isDigit(load<u8>(p)) && value <= MAX_SAFE) value = value * 10 + (load<u8>(p++) - 0x30)
  const c = <i32>load<u8>(p)
  const leadingZero = load<u8>(first) == 0x30 && p - first > 1
  const whole = c != 0x2e && (c | 0x20) != 0x65 && !isDigit(c)
  if (p == first || leadingZero || !whole || value > MAX_SAFE) return fail(TIMESTAMP_INVALID, at)
  timestampMs = <f64>(negative ? -value : value)
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
