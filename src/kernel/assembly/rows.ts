import { headersOf, spansOf, timestampsOf } from './columns'
import { COLUMNS_INVALID, POSITION_NOT_RISING, UNSAFE_INTEGER } from './errors'

export const MAX_SAFE: f64 = 9007199254740991

// Spans seen so far by `measure`: module variables, for AssemblyScript returns one value only.
let low: u32 = 0
let high: u32 = 0

// @ts-ignore: decorator
@inline
function isSpan(start: i32, end: i32, bytesLength: u32): bool {
  // Lengths are below 2^31, so a negative end is a large unsigned one.
  return start <= end && <u32>end <= bytesLength
}

/** Takes a span into `low` and `high` and gives its length; 0 for null; -1 where it points outside. */
// @ts-ignore: decorator
@inline
function take(start: i32, end: i32, bytesLength: u32): i32 {
  if (start == -1) return 0
  if (start < 0 || !isSpan(start, end, bytesLength)) return -1
  if (<u32>start < low) low = start
  if (<u32>end > high) high = end
  return end - start
}

/**
 * Checks the columns of `n` messages over `bytesLength` bytes: positions are rising safe integers, timestamps safe integers, spans
 * and headers lie inside. Writes to `result` (16 bytes) the first and last byte they point at (u32, u32) and, as f64, an upper
 * bound of what `writeRows` makes of them. Gives 0 or an error.
 */
export function measureRows(columns: usize, n: u32, h: u32, bytesLength: u32, result: usize): i32 {
  low = u32.MAX_VALUE
  high = 0
  const timestamps = timestampsOf(columns, n)
  const keyStart = spansOf(columns, n, 0)
  const step = n << 2
  const headerFrom = spansOf(columns, n, 6)
  const firstHeader = load<i32>(headerFrom)
  const nameStart = headersOf(columns, n, h, 0)
  const headerStep = h << 2
  let total: u64 = 0
  let last: f64 = -MAX_SAFE - 1
  let header: u32 = 0
  for (let row: u32 = 0; row < n; row++) {
    const position = load<f64>(columns + (row << 3))
    // Written so that NaN fails too.
    if (!(position > last)) return POSITION_NOT_RISING
    if (!(position <= MAX_SAFE) || position != Math.floor(position)) return UNSAFE_INTEGER
    last = position
    const timestamp = load<f64>(timestamps + (row << 3))
    if (!(timestamp <= MAX_SAFE && timestamp >= -MAX_SAFE) || timestamp != Math.floor(timestamp)) return UNSAFE_INTEGER
    let spans = keyStart + (row << 2)
    const key = take(load<i32>(spans), load<i32>(spans + step), bytesLength)
    spans += step << 1
    const value = take(load<i32>(spans), load<i32>(spans + step), bytesLength)
    spans += step << 1
    const id = take(load<i32>(spans), load<i32>(spans + step), bytesLength)
    const end = <u32>(load<i32>(headerFrom + (row << 2) + 4) - firstHeader)
    if ((key | value | id) < 0 || end < header || end > h) return COLUMNS_INVALID
    total += 64 + <u64>key + <u64>value + <u64>id
    for (; header < end; header++) {
      spans = nameStart + (header << 2)
      const start = load<i32>(spans)
      const name = take(start, load<i32>(spans + headerStep), bytesLength)
      spans += headerStep << 1
      const content = take(load<i32>(spans), load<i32>(spans + headerStep), bytesLength)
      if (start == -1 || (name | content) < 0) return COLUMNS_INVALID
      total += 12 + <u64>name + <u64>content
    }
  }
  if (header != h) return COLUMNS_INVALID
  if (low > high) low = high
  store<u32>(result, low)
  store<u32>(result, high, 4)
  store<f64>(result, <f64>total, 8)
  return 0
}
