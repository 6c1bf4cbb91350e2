import { describe, expect, it } from 'vitest'
import { createBuckets, createLimits, type LimitedCaller } from '../../../src/api/auth/limits.ts'

const LIMITS = { rate: undefined, burst: undefined, concurrent: undefined, refusedPerMinute: 2, callers: [] }
const [a, b] = ['a', 'b'].map((name) => ({ via: 'key' as const, name })) as [LimitedCaller, LimitedCaller]
const refused = (act: () => void): unknown => {
  try {
    act()
    return undefined
  } catch (error) {
    return error
  }
}

describe('buckets', () => {
  it('give a burst, then so much a second, and never more than the burst', () => {
    let nowMs = 0
    const buckets = createBuckets({ perSecond: 2, burst: 3 }, () => nowMs)
    const granted = (count: number) => Array.from({ length: count }, () => buckets.take('a').isGranted)
    expect(granted(4)).toEqual([true, true, true, false])
    expect(buckets.take('a')).toEqual({ isGranted: false, remaining: 0, waitMs: 500 })
    nowMs = 500
    expect(granted(2)).toEqual([true, false])
    nowMs = 3_600_000
    expect(granted(4)).toEqual([true, true, true, false])
  })

  it('give nothing for a clock that goes back', () => {
    let nowMs = 1000
    const buckets = createBuckets({ perSecond: 1, burst: 1 }, () => nowMs)
    buckets.take('a')
    nowMs = 0
    expect(buckets.take('a').isGranted).toBe(false)
  })

  it('remember no more names than they may, those that asked last', () => {
    const buckets = createBuckets({ perSecond: 1, burst: 1 }, () => 0, 100)
    for (let i = 0; i < 100_000; i++) {
      buckets.take('asks again and again')
      buckets.take(`address ${i}`)
    }
    expect(buckets.size).toBe(100)
    expect(buckets.look('asks again and again').isGranted).toBe(false)
  })
})

describe('limits', () => {
  it('stop looking at an address that had too many requests refused, and at no other', () => {
    let nowMs = 0
    const limits = createLimits(LIMITS, () => nowMs)
    const blocked = (address: string) => refused(() => limits.checkAddress(address)) !== undefined
    limits.refused('192.0.2.1')
    expect(blocked('192.0.2.1')).toBe(false)
    limits.refused('192.0.2.1')
    expect([blocked('192.0.2.1'), blocked('192.0.2.2')]).toEqual([true, false])
    expect(refused(() => limits.checkAddress('192.0.2.1'))).toMatchObject({
      code: 'TOO_MANY_REQUESTS',
      details: { retryAfterSeconds: 30 },
    })
    nowMs = 30_000
    expect(blocked('192.0.2.1')).toBe(false)
  })

  it.each([
    { one: '2001:db8:1:2::1', other: '2001:db8:1:2:ffff::9', are: 'one' },
    { one: '2001:db8:1:2::1', other: '2001:db8:1:3::1', are: 'two' },
    { one: '2001:0db8:1:2::1', other: '2001:db8:1:2::2', are: 'one' },
    { one: '2001::1', other: '2001:0:0:0:5::', are: 'one' },
    { one: '192.0.2.1', other: '192.0.2.2', are: 'two' },
  ])('count $one and $other as $are', ({ one, other, are }) => {
    const limits = createLimits({ ...LIMITS, refusedPerMinute: 1 }, () => 0)
    limits.refused(one)
    expect(refused(() => limits.checkAddress(other)) !== undefined).toBe(are === 'one')
  })

  it('tell a caller what is left, and when it may ask again', () => {
    const limits = createLimits({ ...LIMITS, rate: 10, burst: 2 }, () => 0)
    const told: unknown[] = []
    const begin = () => limits.begin(a, (headers) => told.push(headers['ratelimit-remaining']))
    begin()
    begin()
    expect(refused(begin)).toMatchObject({ code: 'TOO_MANY_REQUESTS', httpStatus: 429, details: { retryAfterSeconds: 1 } })
    expect(told).toEqual(['1', '0', '0'])
    expect(refused(() => limits.begin(b, () => undefined))).toBeUndefined()
  })

  it('count what is under way', () => {
    const limits = createLimits({ ...LIMITS, concurrent: 2 }, () => 0)
    const begin = () => limits.begin(a, () => undefined)
    begin()
    begin()
    expect(refused(begin)).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    limits.end(a)
    begin()
    expect(refused(begin)).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
  })
  it('hold for callers of some names instead of those of others, and for each by itself', () => {
    const callers = [{ name: 'a', rate: 1, burst: 3, concurrent: 5 }]
    const limits = createLimits({ ...LIMITS, rate: 1, burst: 1, callers }, () => 0)
    const granted = (caller: LimitedCaller, count: number) =>
      Array.from({ length: count }, () => refused(() => limits.begin(caller, () => undefined)) === undefined)
    expect(granted(a, 4)).toEqual([true, true, true, false])
    expect(granted({ via: 'token', name: 'a' }, 4)).toEqual([true, true, true, false])
    expect(granted(b, 2)).toEqual([true, false])
    expect([limits.countsOpen(a), limits.countsOpen(b)]).toEqual([true, false])
  })
})
