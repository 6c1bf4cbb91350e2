import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { MillpondError } from '../../src/errors.ts'
import { standardRetry, withRetry } from '../../src/store/retry.ts'
import type { RetryPolicy } from '../../src/store/retry.ts'
import type { Store } from '../../src/store/store.ts'
import { storeContract } from '../contract/store.ts'
import { faultyStore } from './faulty-store.ts'
import type { Fault } from './faulty-store.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const before: Fault = { when: 'before' }
const after: Fault = { when: 'after' }

/** A policy whose clock only its pauses move. */
function testPolicy(overrides: Partial<RetryPolicy> = {}) {
  const pauses: number[] = []
  let clockMs = 0
  const policy: RetryPolicy = {
    maxAttempts: 4,
    firstDelayMs: 100,
    maxDelayMs: 300,
    budgetMs: 10_000,
    random: () => 0.5,
    nowMs: () => clockMs,
    wait: async (delayMs) => {
      pauses.push(delayMs)
      clockMs += delayMs
    },
    ...overrides,
  }
  return { policy, pauses }
}

storeContract('a store with retry', async () => withRetry(createMemoryStore(), standardRetry))

describe('withRetry', () => {
  it('repeats with pauses that grow up to the longest and are cut by chance', async () => {
    const { store, calls } = faultyStore(createMemoryStore(), { put: [before, before, before] })
    const { policy, pauses } = testPolicy()
    await withRetry(store, policy).put('a', bytesOf('x'))
    expect(calls).toEqual(['put', 'put', 'put', 'put'])
    expect(pauses).toEqual([50, 100, 150])
  })

  it('gives up after its attempts, with the last error', async () => {
    const { store, calls } = faultyStore(createMemoryStore(), {
      size: [before, before, before, { code: 'STORE_FULL', when: 'before' }],
    })
    await expect(withRetry(store, testPolicy().policy).size('a')).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(calls).toHaveLength(4)
  })

  it('gives up where a pause would end behind its budget', async () => {
    const { store, calls } = faultyStore(createMemoryStore(), { delete: Array.from({ length: 99 }, () => before) })
    const { policy, pauses } = testPolicy({ maxAttempts: 99, budgetMs: 500 })
    await expect(withRetry(store, policy).delete('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(pauses).toEqual([50, 100, 150, 150])
    expect(calls).toHaveLength(5)
  })

  it('does not repeat what will not pass', async () => {
    const { store, calls } = faultyStore(createMemoryStore(), { put: [{ code: 'STORE_READ_ONLY', when: 'before' }] })
    await expect(withRetry(store, testPolicy().policy).put('a', bytesOf('x'))).rejects.toMatchObject({ code: 'STORE_READ_ONLY' })
    await expect(withRetry(store, testPolicy().policy).read('a')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
    expect(calls).toEqual(['put', 'read'])
  })

  it('stops pausing when its signal aborts', async () => {
    const { store, calls } = faultyStore(createMemoryStore(), { read: [before, before, before] })
    const stop = new AbortController()
    const { policy } = testPolicy({
      wait: async (delayMs, signal) => {
        stop.abort(new Error('enough'))
        await standardRetry.wait(delayMs, signal)
      },
    })
    await expect(withRetry(store, policy).read('a', undefined, stop.signal)).rejects.toThrow('enough')
    expect(calls).toEqual(['read'])
  })

  it('repeats reads and openings', async () => {
    const memory = createMemoryStore()
    await memory.put('a', bytesOf('12345'))
    const { store } = faultyStore(memory, { read: [before, after], size: [before], openWriter: [before], delete: [after] })
    const retrying = withRetry(store, testPolicy().policy)
    expect(textOf(await retrying.read('a', { start: 1, end: 3 }))).toBe('23')
    expect(await retrying.size('a')).toBe(5)
    const writer = await retrying.openWriter('b')
    await writer.write(bytesOf('y'))
    expect(await writer.finish()).toBe('created')
    await retrying.delete('a')
    expect(await memory.size('a')).toBeUndefined()
  })

  describe('put-if-absent', () => {
    const settle = async (plan: Parameters<typeof faultyStore>[1], there?: string) => {
      const memory = createMemoryStore()
      if (there !== undefined) await memory.put('a', bytesOf(there))
      const { store, calls } = faultyStore(memory, plan)
      const outcome = await withRetry(store, testPolicy().policy).putIfAbsent('a', bytesOf('ours'))
      return { outcome, held: textOf(await memory.read('a')), calls: calls.join(' ') }
    }

    it.each([
      { plan: {}, there: undefined, outcome: 'created', calls: 'putIfAbsent', because: 'nothing failed' },
      { plan: {}, there: 'theirs', outcome: 'exists', calls: 'putIfAbsent', because: 'nothing failed' },
      { plan: {}, there: 'ours', outcome: 'exists', calls: 'putIfAbsent', because: 'nothing failed, so another wrote the same' },
      {
        plan: { putIfAbsent: [after] },
        there: undefined,
        outcome: 'created',
        calls: 'putIfAbsent read',
        because: 'the lost answer was yes',
      },
      {
        plan: { putIfAbsent: [after] },
        there: 'theirs',
        outcome: 'exists',
        calls: 'putIfAbsent read',
        because: 'the lost answer was no',
      },
      {
        plan: { putIfAbsent: [before] },
        there: undefined,
        outcome: 'created',
        calls: 'putIfAbsent read putIfAbsent',
        because: 'it never arrived',
      },
      {
        plan: { putIfAbsent: [before] },
        there: 'theirs',
        outcome: 'exists',
        calls: 'putIfAbsent read',
        because: 'it never arrived, and another did',
      },
      {
        plan: { putIfAbsent: [after], read: [before, before] },
        there: undefined,
        outcome: 'created',
        calls: 'putIfAbsent read read read',
        because: 'it reads until it knows',
      },
      {
        plan: { putIfAbsent: [before, after] },
        there: undefined,
        outcome: 'created',
        calls: 'putIfAbsent read putIfAbsent read',
        because: 'the second answer was lost',
      },
    ])('is $outcome for $plan where $there is there: $because', async ({ plan, there, outcome, calls }) => {
      expect(await settle(plan, there)).toEqual({ outcome, calls, held: there ?? 'ours' })
    })

    it('knows its own bytes that arrive late, while it is repeated', async () => {
      const memory = createMemoryStore()
      let calls = 0
      const store: Store = {
        ...memory,
        putIfAbsent: async (...args) => {
          calls++
          if (calls === 1) throw new MillpondError('STORE_UNAVAILABLE', 'no answer came')
          // The first call, held up on its way, gets there just before the second.
          await memory.putIfAbsent(...args)
          return memory.putIfAbsent(...args)
        },
      }
      expect(await withRetry(store, testPolicy().policy).putIfAbsent('a', bytesOf('ours'))).toBe('created')
      expect(calls).toBe(2)
    })
  })

  describe('sequences', () => {
    const filled = async () => {
      const memory = createMemoryStore()
      for (const key of ['t/a-b/1', 't/a/1', 't/b/1', 't/c/1', 't/d/1', 't/e/1', 't/f/1']) await memory.put(key, bytesOf(key))
      return memory
    }
    const all = ['t/a-b/1', 't/a/1', 't/b/1', 't/c/1', 't/d/1', 't/e/1', 't/f/1']

    it('go on behind what they gave', async () => {
      const { store, calls } = faultyStore(await filled(), { list: [before, after, before, after] })
      const { policy, pauses } = testPolicy()
      const listed = await Array.fromAsync(withRetry(store, policy).list('t/', { limit: 6 }), ({ key }) => key)
      expect(listed).toEqual(all.slice(0, 6))
      expect(calls).toHaveLength(5)
      // Each item was progress, after which the pauses are short again.
      expect(pauses).toEqual([50, 50, 100, 50])
    })

    it('keep where they were to begin', async () => {
      const { store } = faultyStore(await filled(), { list: [before] })
      const listed = await Array.fromAsync(withRetry(store, testPolicy().policy).list('t/', { after: 't/c/1' }), ({ key }) => key)
      expect(listed).toEqual(all.slice(4))
    })

    it('give each folder once, even where new ones appear meanwhile', async () => {
      const memory = await filled()
      const { store } = faultyStore(memory, { folders: [after] })
      const folders: string[] = []
      for await (const folder of withRetry(store, testPolicy().policy).folders('t/')) {
        folders.push(folder)
        if (folders.length === 1) await memory.put('t/A/1', bytesOf('new'))
      }
      expect(folders).toEqual(['a-b', 'a', 'b', 'c', 'd', 'e', 'f'])
    })

    it('give up where nothing comes any more', async () => {
      const { store, calls } = faultyStore(await filled(), { list: [after, before, before, before, before, before] })
      const listed: string[] = []
      const reading = async () => {
        for await (const { key } of withRetry(store, testPolicy().policy).list('t/')) listed.push(key)
      }
      await expect(reading()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      expect(listed).toEqual(all.slice(0, 2))
      expect(calls).toHaveLength(4)
    })
  })
})
