/** How values that are no text are written as text that SQL reads again. */

const pad = (number: number, digits: number): string => String(number).padStart(digits, '0')

/** Bytes as SQL writes them: printable ASCII, and `\xFF` for any other byte. */
export function bytesText(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c
    text += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

/** A decimal from its unscaled value, whose bytes come with the highest first. */
export function decimalText(bytes: Uint8Array, scale: number): string {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return scaledText(BigInt.asIntN(8 * bytes.byteLength, value), scale)
}

/** A decimal from its unscaled value. */
export function scaledText(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  return `${value < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(digits.length - scale)}`}`
}

/** A UUID from its 16 bytes. */
export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** A date from days since 1970. */
export function dateText(days: number): string {
  const { date, isBefore } = dateOf(BigInt(days) * 86_400n)
  return `${date}${isBefore ? ' (BC)' : ''}`
}

/** A time of the day from microseconds. */
export function timeText(micros: bigint): string {
  const seconds = Number(micros / 1_000_000n)
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((part) => pad(part, 2)).join(':')
  return `${clock}.${pad(Number(micros % 1_000_000n), 6)}`
}

/** A moment from units since 1970, of which a second has `perSecond`: 1,000, a million or a billion. */
export function timestampText(units: bigint, perSecond: bigint): string {
  const fraction = ((units % perSecond) + perSecond) % perSecond
  const seconds = (units - fraction) / perSecond
  const { date, isBefore } = dateOf(seconds)
  const clock = timeText((((seconds % 86_400n) + 86_400n) % 86_400n) * 1_000_000n).slice(0, 8)
  const digits = String(perSecond).length - 1
  return `${date} ${clock}.${String(fraction).padStart(digits, '0')}${isBefore ? ' (BC)' : ''}`
}

const DAYS_TO_1970 = 719_468n
const ERA_DAYS = 146_097n

/** The day of a second since 1970 in the Gregorian calendar, which may lie beyond what a Date can be. By Howard Hinnant's `civil_from_days`. */
function dateOf(seconds: bigint): { readonly date: string; readonly isBefore: boolean } {
  const days = floorDivide(seconds, 86_400n) + DAYS_TO_1970
  const era = floorDivide(days, ERA_DAYS)
  const dayOfEra = Number(days - era * ERA_DAYS)
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  const year = Number(era) * 400 + yearOfEra + (month <= 2 ? 1 : 0)
  const isBefore = year < 1
  return { date: `${pad(isBefore ? 1 - year : year, 4)}-${pad(month, 2)}-${pad(day, 2)}`, isBefore }
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b
  return a % b < 0n ? quotient - 1n : quotient
}

/** A number as JSON; what JSON does not have as text. */
export const numberJson = (value: number): string =>
  Number.isFinite(value) ? (Object.is(value, -0) ? '-0.0' : String(value)) : `"${String(value)}"`
