import { MillpondError } from '../errors.ts'
import type { ByteRange } from './store.ts'

/**
 * The part of `range` that an object of `bytes` bytes has; the whole object without a range. Empty where the range begins behind it.
 * @throws MillpondError `INPUT_INVALID` for a range that runs backwards or has no whole numbers.
 */
export function cutRange(bytes: number, range?: ByteRange): ByteRange {
  if (range === undefined) return { start: 0, end: bytes }
  const { start, end } = range
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new MillpondError('INPUT_INVALID', `bytes ${start} to ${end} are no range`, { details: { start, end } })
  }
  return { start: Math.min(start, bytes), end: Math.min(end, bytes) }
}
