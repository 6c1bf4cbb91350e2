const DATE = String.raw`(?<year>\d{4})[-/](?<month>\d\d)[-/](?<day>\d\d)`
const CLOCK = String.raw`(?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:[.,](?<fraction>\d{1,9}))?)?`
// The plus of an offset that nobody escaped in a query string comes as a space.
const ZONE = String.raw`(?:\s?(?:Z|UTC|GMT)|\s?(?<sign>[+-]|(?<=\d)\s)(?<zoneHour>\d\d):?(?<zoneMinute>\d\d)?)?`
const TIME = new RegExp(`^${DATE}(?:(?:[T_]|\\s+)${CLOCK}${ZONE})?$`, 'iu')

/**
 * The time in ms, rounded down as BSON does: all that Dataphos' documentation and code write (`2006-01-02T15:04:05.99999999Z`,
 * `2023-02-05 19:20:55.342`, `0001/01/01 00:00:00.000000000 UTC`), RFC 3339 with any offset, a date alone. Without a zone it is UTC.
 */
export function parseTime(text: string): number | undefined {
  const found = TIME.exec(text.trim())?.groups
  if (found === undefined) return undefined
  const number = (name: string): number => Number(found[name] ?? 0)
  const [year, month, day] = [number('year'), number('month'), number('day')]
  const [hour, minute, second] = [number('hour'), number('minute'), number('second')]
  const [zoneHour, zoneMinute] = [number('zoneHour'), number('zoneMinute')]
  if (hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  const fractionMs = Math.floor(Number(`0.${found['fraction'] ?? '0'}`) * 1000 + 1e-7)
  const offsetMinutes = (zoneHour * 60 + zoneMinute) * (found['sign'] === '-' ? -1 : 1)
  return date.getTime() + ((hour * 60 + minute - offsetMinutes) * 60 + second) * 1000 + fractionMs
}

/** What Dataphos says of a text that is no time. */
export const noTime = (text: string): string =>
  `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05.99999999Z": cannot parse ${JSON.stringify(text)} as "2006"`
