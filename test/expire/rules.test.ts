import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Gap } from '../../src/commit/commit.ts'
import { gapsOf, withRemoved } from '../../src/expire/gaps.ts'
import { dueSegments, fitsPattern, policyText, retentionOf } from '../../src/expire/retention.ts'

const gap = (firstPosition: number, nextPosition: number, missing: number, reason: Gap['reason'] = 'removed'): Gap => ({
  firstPosition,
  nextPosition,
  missing,
  reason,
})

describe('withRemoved', () => {
  it('joins ranges that overlap, and neighbours of one reason, and counts all', () => {
    const before = [gap(0, 10, 4, 'skipped'), gap(20, 25, 5, 'skipped'), gap(40, 41, 1, 'expired')]
    const removed = [gap(5, 12, 6), gap(12, 15, 3), gap(25, 30, 5), gap(41, 50, 9)]
    expect(withRemoved(before, removed)).toEqual([
      gap(0, 15, 13),
      gap(20, 25, 5, 'skipped'),
      gap(25, 30, 5),
      gap(40, 41, 1, 'expired'),
      gap(41, 50, 9),
    ])
  })

  it('loses no position and gives ranges that lie apart, in order', () => {
    const positions = fc.uniqueArray(fc.nat(200))
    fc.assert(
      fc.property(positions, positions, (some, others) => {
        const mine = new Set(some)
        const joined = withRemoved(
          gapsOf(mine, 'skipped'),
          gapsOf(
            others.filter((position) => !mine.has(position)),
            'forgotten',
          ),
        )
        expect(joined.reduce((sum, { missing }) => sum + missing, 0)).toBe(new Set([...some, ...others]).size)
        for (const [i, one] of joined.entries()) {
          expect(one.missing).toBeLessThanOrEqual(one.nextPosition - one.firstPosition)
          expect(one.firstPosition).toBeGreaterThanOrEqual(joined[i - 1]?.nextPosition ?? 0)
        }
      }),
    )
  })
})

describe('dueSegments', () => {
  const segments = Array.from({ length: 5 }, (_, i) => ({
    key: `s${i}`,
    bytes: 100,
    maxTimestamp: i * 10,
    lastPosition: i * 20 + 19,
  }))
  it.each([
    { rules: {}, due: [], because: 'nothing is said' },
    { rules: { olderThanMs: 50 }, due: ['s0', 's1', 's2', 's3'], because: 'they are older, and the last is just as old' },
    { rules: { beforePosition: 40 }, due: ['s0', 's1'], because: 'they lie wholly before' },
    { rules: { beforePosition: 39 }, due: ['s0'], because: 'one reaches to the position' },
    { rules: { maxBytes: 250 }, due: ['s0', 's1', 's2'], because: 'the newest two fit' },
    { rules: { maxBytes: 500 }, due: [], because: 'all fit' },
    { rules: { maxBytes: 0 }, due: ['s0', 's1', 's2', 's3', 's4'], because: 'none fits' },
    { rules: { maxBytes: 300, beforePosition: 40 }, due: ['s0', 's1'], because: 'what is left fits' },
  ])('are $due: $because', ({ rules, due }) => {
    expect([...dueSegments(segments, rules, 90)].sort()).toEqual(due)
  })
})

describe('rules of topics', () => {
  it('are those of the first pattern that fits', () => {
    const rules = [
      { pattern: 'logs.audit', olderThanMs: 3 },
      { pattern: 'logs.*', olderThanMs: 2 },
      { pattern: 'o+*', olderThanMs: 1 },
    ]
    const found = ['logs.audit', 'logs.', 'logsx', 'o+o', 'ooo'].map((topic) => retentionOf(rules, topic)?.olderThanMs)
    expect(found).toEqual([3, 2, undefined, 1, undefined])
    expect([fitsPattern('a\nb', 'a*b'), fitsPattern('ab', '*'), fitsPattern('ab', 'a')]).toEqual([true, true, false])
  })

  it('are told in words', () => {
    expect(policyText({ olderThanMs: 90 * 86_400_000, maxBytes: 5, beforePosition: 0 })).toBe(
      'older than 90d or more than 5 bytes of the topic or before position 0',
    )
    expect([1500, 60_000, 1].map((olderThanMs) => policyText({ olderThanMs }))).toEqual([
      'older than 1500ms',
      'older than 1m',
      'older than 1ms',
    ])
  })
})
