import { describe, expect, it } from 'vitest'
import { createHeldShares } from '../../src/batch/held-shares.ts'
import { createMemoryBudget } from '../../src/batch/memory-budget.ts'

function openShares(limitBytes: number, count: number) {
  const budget = createMemoryBudget(() => limitBytes)
  const shares = createHeldShares(budget)
  return { budget, shares: Array.from({ length: count }, () => shares.open()) }
}

describe('createHeldShares', () => {
  it('counts what is held in the budget, as it changes', () => {
    const { budget, shares } = openShares(1000, 2)
    shares[0]!.hold(100)
    shares[1]!.hold(50)
    expect(budget.heldBytes).toBe(150)
    shares[0]!.hold(20)
    expect(budget.heldBytes).toBe(70)
    shares[1]!.hold(0)
    expect(budget.heldBytes).toBe(20)
  })

  it('finds no share too large up to half of the budget', () => {
    const { shares } = openShares(1000, 2)
    shares[0]!.hold(500)
    expect(shares.map(({ isTooLarge }) => isTooLarge)).toEqual([false, false])
  })

  it('finds those too large that are not below the average, once more than half is held', () => {
    const { shares } = openShares(1000, 4)
    const held = [100, 300, 150, 0]
    for (const [at, bytes] of held.entries()) shares[at]!.hold(bytes)
    expect(shares.map(({ isTooLarge }) => isTooLarge)).toEqual([false, true, false, false])
    shares[1]!.hold(0)
    expect(shares.map(({ isTooLarge }) => isTooLarge)).toEqual([false, false, false, false])
  })

  it('finds one of many equal shares too large, however small it is', () => {
    const { shares } = openShares(1000, 600)
    for (const share of shares) share.hold(1)
    expect(shares.every(({ isTooLarge }) => isTooLarge)).toBe(true)
  })
})
