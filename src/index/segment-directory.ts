import { NumberReader, NumberWriter } from './numbers.ts'
import type { SegmentQuery } from './segment-index.ts'

/** What positions and times messages lie in, both ends included: all that is needed to leave a segment or block out of a query. */
export interface SegmentRange {
  readonly firstPosition: number
  readonly lastPosition: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
}

/** A segment of the directory: where it lies, and which rewrite made it, counted from 1; 0 for a commit. */
export interface DirectoryEntry extends SegmentRange {
  readonly rewrite: number
}

/** Ranges of a lane's consecutive segments as compact bytes, about 8 a segment. */
export function encodeRanges(ranges: readonly DirectoryEntry[]): Uint8Array {
  const out = new NumberWriter()
  out.unsigned(ranges.length)
  let position = 0
  let timestamp = 0
  let rewrite = 0
  for (const range of ranges) {
    out.relative(range.firstPosition, position)
    out.relative(range.lastPosition, range.firstPosition)
    out.relative(range.minTimestamp, timestamp)
    out.relative(range.maxTimestamp, range.minTimestamp)
    out.relative(range.rewrite, rewrite)
    rewrite = range.rewrite
    position = range.lastPosition + 1
    timestamp = range.maxTimestamp
  }
  return out.finish()
}

/**
 * What `encodeRanges` was given.
 * @throws RangeError where the bytes are not that.
 */
export function decodeRanges(bytes: Uint8Array): DirectoryEntry[] {
  const from = new NumberReader(bytes)
  const ranges: DirectoryEntry[] = []
  let position = 0
  let timestamp = 0
  let rewrite = 0
  for (let left = from.count(); left > 0; left--) {
    const firstPosition = from.relative(position)
    const lastPosition = from.relative(firstPosition)
    const minTimestamp = from.relative(timestamp)
    const maxTimestamp = from.relative(minTimestamp)
    rewrite = from.relative(rewrite)
    ranges.push({ firstPosition, lastPosition, minTimestamp, maxTimestamp, rewrite })
    position = lastPosition + 1
    timestamp = maxTimestamp
  }
  if (!from.ended) throw new RangeError('bytes follow the ranges')
  return ranges
}

/** Whether the ranges of positions and times touch those that are asked for. */
export function rangeMayHold(range: SegmentRange, { positions = {}, timestamps = {} }: SegmentQuery): boolean {
  return (
    range.lastPosition >= (positions.from ?? -Infinity) &&
    range.firstPosition < (positions.to ?? Infinity) &&
    range.maxTimestamp >= (timestamps.from ?? -Infinity) &&
    range.minTimestamp < (timestamps.to ?? Infinity)
  )
}
