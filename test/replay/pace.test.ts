import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPace } from '../../src/replay/pace.ts'

/** Sends `count` messages as a lane would, whose deliveries take `writeMs` and whose timers are late by `lateMs`. */
function send(rate: number, count: number, { writeMs = 0, lateMs = 0 } = {}) {
  const pace = createPace(rate)
  const sent: { readonly atMs: number; readonly count: number }[] = []
  let nowMs = 5000
  for (let left = count; left > 0;) {
    const portion = pace.portion(left)
    const waitMs = pace.reserve(portion, nowMs)
    if (waitMs > 0) nowMs += waitMs + lateMs
    sent.push({ atMs: nowMs, count: portion })
    nowMs += writeMs
    left -= portion
  }
  return sent
}

describe('the pace of a replay', () => {
  it.each([
    { rate: 0.5, count: 4, takesMs: 6000 },
    { rate: 1, count: 10, takesMs: 9000 },
    { rate: 50, count: 100, takesMs: 1980 },
    { rate: 1000, count: 5000, takesMs: 4980 },
    { rate: 1_000_000, count: 3_000_000, takesMs: 2980 },
  ])('gives $count messages at $rate a second $takesMs ms, the first at once', ({ rate, count, takesMs }) => {
    const sent = send(rate, count)
    expect(sent[0]!.atMs).toBe(5000)
    expect(sent.at(-1)!.atMs - 5000).toBeCloseTo(takesMs, 3)
    expect(sent.reduce((sum, one) => sum + one.count, 0)).toBe(count)
  })

  it('flows steadily: no portion is more than 20 ms of messages, none is empty', () => {
    expect(send(10_000, 1000).map(({ count }) => count)).toEqual(Array.from({ length: 5 }, () => 200))
    expect(send(3, 5).map(({ count }) => count)).toEqual([1, 1, 1, 1, 1])
  })

  it('keeps its rate though timers are late', () => {
    const sent = send(1000, 10_000, { lateMs: 3 })
    expect(sent.at(-1)!.atMs - 5000).toBeLessThan(9990)
  })

  it('lets no more through in any time than the rate, the time it makes up for, and one portion', () => {
    const arbitrary = fc.record({
      rate: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1_000_000 })),
      delays: fc.array(fc.record({ writeMs: fc.nat(300), lateMs: fc.nat(50), want: fc.integer({ min: 1, max: 5000 }) }), {
        minLength: 1,
        maxLength: 60,
      }),
    })
    fc.assert(
      fc.property(arbitrary, ({ rate, delays }) => {
        const pace = createPace(rate)
        const laneMs = [0, 0, 0]
        const sent: { atMs: number; count: number }[] = []
        for (const { writeMs, lateMs, want } of delays) {
          // The lane that is ready first takes the next turn.
          const lane = laneMs.indexOf(Math.min(...laneMs))
          const nowMs = laneMs[lane]!
          const count = pace.portion(want)
          const waitMs = pace.reserve(count, nowMs)
          const atMs = nowMs + waitMs + (waitMs > 0 ? lateMs % 5 : 0)
          sent.push({ atMs, count })
          laneMs[lane] = atMs + writeMs
        }
        const portion = Math.max(...sent.map(({ count }) => count))
        for (const from of sent) {
          for (const to of sent) {
            if (to.atMs < from.atMs) continue
            const between = sent
              .filter(({ atMs }) => atMs >= from.atMs && atMs <= to.atMs)
              .reduce((sum, { count }) => sum + count, 0)
            expect(between).toBeLessThanOrEqual((rate * (to.atMs - from.atMs + 105)) / 1000 + portion * 2 + 1e-6)
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})
