import { describe, expect, it } from 'vitest'
import { readAhead } from '../../src/search/read-ahead.ts'

const unbounded = { count: 4, weight: Infinity, weightOf: () => 1 }

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i
}

/** Work whose ends the test decides. */
function gates() {
  const open = new Map<number, PromiseWithResolvers<number>>()
  return {
    open,
    start: (item: number) => {
      const gate = Promise.withResolvers<number>()
      open.set(item, gate)
      return gate.promise
    },
  }
}

/** Lets everything that can run do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('readAhead', () => {
  it('gives results in the order of the items, however they end', async () => {
    const { open, start } = gates()
    const results = Array.fromAsync(readAhead(numbers(4), start, unbounded))
    await settle()
    expect([...open.keys()]).toEqual([0, 1, 2, 3])
    for (const item of [3, 1, 2, 0]) open.get(item)!.resolve(item * 10)
    expect(await results).toEqual([0, 10, 20, 30])
  })

  it('has no more under way than its limits allow, and always one', async () => {
    let running = 0
    let most = 0
    const start = async (item: number) => {
      most = Math.max(most, ++running)
      await settle()
      running--
      return item
    }
    await Array.fromAsync(readAhead(numbers(50), start, { count: 100, weight: 10, weightOf: () => 4 }))
    expect(most).toBe(3)
    most = 0
    await Array.fromAsync(readAhead(numbers(50), start, { count: 2, weight: 10, weightOf: () => 0 }))
    expect(most).toBe(2)
    most = 0
    const heavy = await Array.fromAsync(readAhead(numbers(5), start, { count: 9, weight: 10, weightOf: () => 100 }))
    expect({ most, heavy }).toEqual({ most: 1, heavy: [0, 1, 2, 3, 4] })
  })

  it('gives what is ready while the source keeps it waiting', async () => {
    const late = Promise.withResolvers<void>()
    async function* slow() {
      yield 1
      await late.promise
      yield 2
    }
    const results = readAhead(slow(), async (item) => item, unbounded)
    expect(await results.next()).toEqual({ done: false, value: 1 })
    late.resolve()
    expect(await results.next()).toEqual({ done: false, value: 2 })
    expect((await results.next()).done).toBe(true)
  })

  it('throws a failure in its place, after what came before', async () => {
    const fail = async (item: number) => {
      if (item === 2) throw new Error('two')
      return item
    }
    const got: number[] = []
    const reading = async () => {
      for await (const item of readAhead(numbers(9), fail, unbounded)) got.push(item)
    }
    await expect(reading()).rejects.toThrow('two')
    expect(got).toEqual([0, 1])
  })

  it('throws the failure of its source after the results before it', async () => {
    async function* broken() {
      yield* numbers(3)
      throw new Error('source')
    }
    const got: number[] = []
    const reading = async () => {
      for await (const item of readAhead(broken(), async (item) => item, unbounded)) got.push(item)
    }
    await expect(reading()).rejects.toThrow('source')
    expect(got).toEqual([0, 1, 2])
  })

  it('closes its source when the consumer stops, and starts nothing more', async () => {
    let closed = false
    let started = 0
    async function* endless() {
      try {
        for (;;) yield 1
      } finally {
        closed = true
      }
    }
    const work = async (item: number) => {
      started++
      return item
    }
    for await (const item of readAhead(endless(), work, unbounded)) {
      expect(item).toBe(1)
      break
    }
    await settle()
    const before = started
    await settle()
    expect({ closed, more: started - before }).toEqual({ closed: true, more: 0 })
  })
})
