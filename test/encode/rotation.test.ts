import { describe, expect, it } from 'vitest'
import { rotationByContent, rotationByTime, type RotationRules } from '../../src/encode/rotation.ts'

const rules: RotationRules = { maxCount: 100, maxBytes: 1000, maxSpanMs: 60_000, maxAgeMs: 600, idleMs: 100 }
const segment = { count: 1, bytes: 10, minTimestamp: 0, maxTimestamp: 0 }

describe('rotation by content', () => {
  it.each([
    { change: {}, cause: undefined, because: 'nothing is full' },
    { change: { count: 99 }, cause: undefined, because: 'one more message fits' },
    { change: { count: 100 }, cause: 'count', because: 'the last message was taken' },
    { change: { bytes: 1000 }, cause: 'bytes', because: 'it is as large as it may be' },
    { change: { maxTimestamp: 59_999 }, cause: undefined, because: 'the span is not full' },
    { change: { minTimestamp: -1, maxTimestamp: 59_999 }, cause: 'span', because: 'timestamps before 1970 count too' },
    { change: { count: 100, bytes: 1000 }, cause: 'count', because: 'the first rule that holds names it' },
  ])('is $cause: $because', ({ change, cause }) => {
    expect(rotationByContent({ ...segment, ...change }, rules)).toBe(cause)
  })
})

describe('rotation by time', () => {
  it.each([
    { firstReadMs: 0, lastReadMs: 0, deadlineMs: 100, cause: 'idle' },
    { firstReadMs: 0, lastReadMs: 499, deadlineMs: 599, cause: 'idle' },
    { firstReadMs: 0, lastReadMs: 500, deadlineMs: 600, cause: 'age' },
    { firstReadMs: 0, lastReadMs: 599, deadlineMs: 600, cause: 'age' },
  ])(
    'is $cause at $deadlineMs for messages from $firstReadMs to $lastReadMs',
    ({ firstReadMs, lastReadMs, deadlineMs, cause }) => {
      expect(rotationByTime({ firstReadMs, lastReadMs, scheduledMs: Infinity }, rules)).toEqual({ deadlineMs, cause })
    },
  )

  it('never comes where both rules are off', () => {
    expect(
      rotationByTime({ firstReadMs: 0, lastReadMs: 0, scheduledMs: Infinity }, { ...rules, maxAgeMs: Infinity, idleMs: Infinity })
        .deadlineMs,
    ).toBe(Infinity)
  })
})
