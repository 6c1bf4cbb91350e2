const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']

/** Bytes for people, in powers of 1,000: `1.2 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]!}`
}

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** A count for people: `1,234,567`. */
export const formatCount = (count: number): string => grouped.format(count)

/** A count with its word: `1 message`, `2,000 messages`. */
export const formatMessages = (count: number): string => `${formatCount(count)} message${count === 1 ? '' : 's'}`

/** A span of time for people: `12 ms`, `3.4 s`, `2 min 5 s`, `3 h 20 min`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Rows as aligned columns; the first row is the heading. Numbers (all cells below the heading digits) stand at the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.length ?? 0
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => row[c]!.length)))
  const right = widths.map((_, c) => rows.length > 1 && rows.slice(1).every((row) => /^[\d,.]*( \S+)?$/.test(row[c]!)))
  const line = (row: readonly string[]): string =>
    row.map((cell, c) => (right[c]! ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!))).join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}

/** A timestamp for people and machines: RFC 3339 with milliseconds; the plain number where no date can say it. */
export function formatTime(timestampMs: number): string {
  const time = new Date(timestampMs)
  return Number.isNaN(time.getTime()) ? String(timestampMs) : time.toISOString()
}

/** A share for people: `0.4 %`. */
export const formatShare = (part: number, whole: number): string => `${whole === 0 ? '0' : ((part / whole) * 100).toFixed(1)} %`
