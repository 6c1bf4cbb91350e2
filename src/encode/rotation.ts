import type { MessageBatch } from '../batch/batch.ts'

/** When a segment closes; whichever comes first. `Infinity` switches a rule off. */
export interface RotationRules {
  readonly maxCount: number
  /** Where a lane's messages are looked at one by one: messages of one object, to the message; without it none are counted so. */
  readonly maxObjectCount?: number
  /** Bytes of the segment as it lies in the store. */
  readonly maxBytes: number
  /** Distance of the smallest and the largest timestamp in the segment, ms. */
  readonly maxSpanMs: number
  /** Time since the first message of the segment was read, ms. */
  readonly maxAgeMs: number
  /** Time since the last message was read, ms. */
  readonly idleMs: number
  /** Gives when segments close by the wall clock, ms, for a moment of it. */
  readonly schedule?: (nowMs: number) => number
}

/** What an open segment holds. */
export interface OpenSegment {
  readonly count: number
  readonly bytes: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
}

/** `objects`: too many are open; `schema`: what comes looks different. */
export type RotationCause = 'count' | 'bytes' | 'objects' | 'span' | 'age' | 'idle' | 'schedule' | 'memory' | 'schema' | 'stop'

/** Why a segment with this content must close now, or undefined. Blocks are whole: a segment may pass a bound by one block. */
export function rotationByContent(segment: OpenSegment, rules: RotationRules): 'count' | 'bytes' | 'span' | undefined {
  if (segment.count >= rules.maxCount) return 'count'
  if (segment.bytes >= rules.maxBytes) return 'bytes'
  if (segment.maxTimestamp - segment.minTimestamp >= rules.maxSpanMs) return 'span'
  return undefined
}

/** What was read since the last commit. */
export interface SinceCommit {
  readonly count: number
  /** Timestamp of the first message, ms; NaN where there is none yet. */
  readonly firstTimestamp: number
  readonly rules: RotationRules
}

/**
 * How many rows of the batch from `from` on may be read before a commit is due, and why it is then; exact to the row, so that the same messages give the
 * same objects. Only time that goes on counts for the span: a message that comes late closes nothing.
 */
export function rowsToRotation(
  { timestamps, count }: Pick<MessageBatch, 'timestamps' | 'count'>,
  from: number,
  since: SinceCommit,
): { readonly count: number; readonly cause: 'count' | 'span' | undefined } {
  const { maxCount, maxSpanMs } = since.rules
  const room = maxCount - since.count
  if (room <= 0) return { count: 0, cause: 'count' }
  const most = Math.min(count - from, room)
  const first = Number.isNaN(since.firstTimestamp) ? timestamps[from]! : since.firstTimestamp
  for (let row = from; row < from + most; row++) {
    if (timestamps[row]! - first >= maxSpanMs) return { count: row - from, cause: 'span' }
  }
  return { count: most, cause: most === room ? 'count' : undefined }
}

/** When what was read is to be committed, ms, and why; `scheduledMs` is when the schedule says so, Infinity without one. */
export function rotationByTime(
  {
    firstReadMs,
    lastReadMs,
    scheduledMs,
  }: { readonly firstReadMs: number; readonly lastReadMs: number; readonly scheduledMs: number },
  rules: RotationRules,
): { readonly deadlineMs: number; readonly cause: 'age' | 'idle' | 'schedule' } {
  const ageMs = firstReadMs + rules.maxAgeMs
  const idleMs = lastReadMs + rules.idleMs
  if (scheduledMs < ageMs && scheduledMs < idleMs) return { deadlineMs: scheduledMs, cause: 'schedule' }
  return ageMs <= idleMs ? { deadlineMs: ageMs, cause: 'age' } : { deadlineMs: idleMs, cause: 'idle' }
}

/** When the schedule says that what is read from now on closes, by the monotonic clock. */
export function scheduledFrom(rules: RotationRules, { nowMs, monotonicMs }: { nowMs: number; monotonicMs: number }): number {
  return rules.schedule === undefined ? Infinity : monotonicMs + rules.schedule(nowMs) - nowMs
}
