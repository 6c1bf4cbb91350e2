const DAY_MS = 86_400_000

/** What a bare integer of a logical type is as a field: a day as `2018-01-04`, an instant as whole milliseconds since 1970; else undefined. */
export function scaledTime(logical: string): ((value: number | bigint) => number | bigint | string) | undefined {
  switch (logical) {
    case 'date':
      return dayReader()
    case 'timestamp-micros':
    case 'local-timestamp-micros':
      return (value) => milliseconds(value, 1000)
    case 'timestamp-nanos':
    case 'local-timestamp-nanos':
      return (value) => milliseconds(value, 1_000_000)
    default:
      return undefined
  }
}

/** Rounds towards the past, so that a day keeps what belongs to it before 1970 too. */
export function milliseconds(value: number | bigint, perMillisecond: number): number {
  if (typeof value === 'number') return Math.floor(value / perMillisecond)
  const per = BigInt(perMillisecond)
  const whole = value / per
  return Number(value % per < 0n ? whole - 1n : whole)
}

function dayReader(): (value: number | bigint) => number | bigint | string {
  let last: number | bigint = NaN
  let text = ''
  return (value) => {
    if (value === last) return text
    const day = new Date(Number(value) * DAY_MS)
    // Years beyond what a date can show stay the number that they are.
    if (Number.isNaN(day.getTime())) return value
    last = value
    text = day.toISOString().split('T')[0]!
    return text
  }
}

/** A decimal as text: its two's complement, big end first, with `scale` digits behind the point. */
export function decimalText(bytes: Uint8Array, scale: number): string {
  if (bytes.byteLength === 0) return decimalOf(0n, scale)
  const unsigned = BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`)
  return decimalOf(BigInt.asIntN(8 * bytes.byteLength, unsigned), scale)
}

function decimalOf(unscaled: bigint, scale: number): string {
  if (scale === 0) return String(unscaled)
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
