import { describe, expect, it } from 'vitest'
import { createMemoryBudget } from '../../src/batch/memory-budget.ts'

const never = new AbortController().signal
const isPending = async (promise: Promise<void>): Promise<boolean> =>
  Promise.race([promise.then(() => false), new Promise<boolean>((resolve) => setImmediate(() => resolve(true)))])

describe('a memory budget', () => {
  it('lets in what fits and makes the rest wait until enough is given back', async () => {
    const budget = createMemoryBudget(() => 100)
    await budget.acquire(60, never)
    const second = budget.acquire(50, never)
    expect(await isPending(second)).toBe(true)
    budget.release(5)
    expect(await isPending(second)).toBe(true)
    budget.release(10)
    await second
    expect(budget.heldBytes).toBe(95)
  })

  it('keeps the order of asking, so that large ones are not passed over for ever', async () => {
    const budget = createMemoryBudget(() => 100)
    await budget.acquire(80, never)
    const large = budget.acquire(90, never)
    const small = budget.acquire(1, never)
    expect(await isPending(small)).toBe(true)
    budget.release(80)
    await large
    await small
    expect(budget.heldBytes).toBe(91)
  })

  it('lets one pass alone that is larger than all of it', async () => {
    const budget = createMemoryBudget(() => 100)
    await budget.acquire(1, never)
    const huge = budget.acquire(1000, never)
    expect(await isPending(huge)).toBe(true)
    budget.release(1)
    await huge
    expect(budget.heldBytes).toBe(1000)
  })

  it('counts what is held already without waiting', async () => {
    const budget = createMemoryBudget(() => 100)
    budget.hold(150)
    const next = budget.acquire(1, never)
    expect(await isPending(next)).toBe(true)
    budget.release(100)
    await next
    expect(budget.heldBytes).toBe(51)
  })

  it('goes by the limit that there is now', async () => {
    let limitBytes = 100
    const budget = createMemoryBudget(() => limitBytes)
    await budget.acquire(60, never)
    limitBytes = 50
    const next = budget.acquire(30, never)
    budget.release(20)
    expect(await isPending(next)).toBe(true)
    limitBytes = 100
    budget.release(1)
    await next
    expect(budget).toMatchObject({ limitBytes: 100, heldBytes: 69 })
  })

  it('forgets who stops waiting, and lets the next one in', async () => {
    const budget = createMemoryBudget(() => 100)
    const stop = new AbortController()
    await budget.acquire(60, never)
    const large = budget.acquire(80, stop.signal)
    const small = budget.acquire(40, never)
    stop.abort(new Error('stopped'))
    await expect(large).rejects.toThrow('stopped')
    await small
    expect(budget.heldBytes).toBe(100)
    await expect(budget.acquire(1, stop.signal)).rejects.toThrow('stopped')
  })

  it('asks for room when something has to wait, and again while what is given back does not suffice', async () => {
    let asked = 0
    const budget = createMemoryBudget(
      () => 100,
      () => asked++,
    )
    await budget.acquire(90, never)
    expect(asked).toBe(0)
    const first = budget.acquire(50, never)
    const second = budget.acquire(50, never)
    expect(asked).toBe(1)
    budget.release(10)
    expect(asked).toBe(2)
    budget.release(80)
    await Promise.all([first, second])
    expect(asked).toBe(2)
  })

  it('lets holders give back while they are asked', async () => {
    const budget = createMemoryBudget(
      () => 100,
      () => budget.release(60),
    )
    await budget.acquire(60, never)
    await budget.acquire(60, never)
    expect(budget.heldBytes).toBe(60)
  })
})
