/** When a segment closes; whichever comes first. `Infinity` switches a rule off. */
export interface RotationRules {
  readonly maxCount: number
  /** Bytes of the segment as it lies in the store. */
  readonly maxBytes: number
  /** Distance of the smallest and the largest timestamp in the segment, ms. */
  readonly maxSpanMs: number
  /** Time since the first message of the segment was read, ms. */
  readonly maxAgeMs: number
  /** Time since the last message was read, ms. */
  readonly idleMs: number
}

/** What an open segment holds. */
export interface OpenSegment {
  readonly count: number
  readonly bytes: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
}

export type RotationCause = 'count' | 'bytes' | 'span' | 'age' | 'idle' | 'memory' | 'schema' | 'stop'

/** Why a segment with this content must close now, or undefined. Blocks are whole: a segment may pass a bound by one block. */
export function rotationByContent(segment: OpenSegment, rules: RotationRules): 'count' | 'bytes' | 'span' | undefined {
  if (segment.count >= rules.maxCount) return 'count'
  if (segment.bytes >= rules.maxBytes) return 'bytes'
  if (segment.maxTimestamp - segment.minTimestamp >= rules.maxSpanMs) return 'span'
  return undefined
}

/** When a segment whose first and last messages were read at these times must close, ms, and why. */
export function rotationByTime(
  firstReadMs: number,
  lastReadMs: number,
  rules: RotationRules,
): { readonly deadlineMs: number; readonly cause: 'age' | 'idle' } {
  const ageMs = firstReadMs + rules.maxAgeMs
  const idleMs = lastReadMs + rules.idleMs
  return ageMs <= idleMs ? { deadlineMs: ageMs, cause: 'age' } : { deadlineMs: idleMs, cause: 'idle' }
}
