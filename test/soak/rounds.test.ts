import { describe, expect, it } from 'vitest'
import { createRandom } from '../live/random.ts'
import { createRounds } from './rounds.ts'

const ITEMS = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

describe('rounds', () => {
  it('take each item once before any comes again, in an order that changes', () => {
    const { take } = createRounds(ITEMS, createRandom(1))
    const rounds = Array.from({ length: 20 }, () => ITEMS.map(() => take(() => true)))
    for (const round of rounds) expect(new Set(round)).toEqual(new Set(ITEMS))
    expect(new Set(rounds.map((round) => round.join(''))).size).toBeGreaterThan(15)
  })

  it('are the same for the same seed', () => {
    const order = (seed: number) => {
      const { take } = createRounds(ITEMS, createRandom(seed))
      return ITEMS.map(() => take(() => true)).join('')
    }
    expect(order(3)).toBe(order(3))
    expect(order(3)).not.toBe(order(4))
  })

  it('put off what is not free, and wait for it at the end of the round', () => {
    const { take } = createRounds(['a', 'b'], createRandom(1))
    expect(take((item) => item !== 'a')).toBe('b')
    expect(take((item) => item !== 'a')).toBeUndefined()
    expect(take(() => true)).toBe('a')
  })
})
