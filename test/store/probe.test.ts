import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { probeStore } from '../../src/store/probe.ts'
import type { PutOutcome, Store } from '../../src/store/store.ts'
import { faultyStore } from './faulty-store.ts'

const keysOf = (store: Store) => Array.fromAsync(store.list(''), ({ key }) => key)

/** Ways in which a store that somebody calls S3-compatible is not. */
const unsafe: readonly { what: string; break: (store: Store) => Partial<Store>; fault: RegExp }[] = [
  {
    what: 'ignores the condition of put-if-absent',
    break: (store) => ({ putIfAbsent: async (key, bytes) => store.put(key, bytes).then((): PutOutcome => 'created') }),
    fault: /put-if-absent replaced an object/,
  },
  {
    what: 'says of every put-if-absent that it made the object',
    break: (store) => ({ putIfAbsent: async (...args) => store.putIfAbsent(...args).then((): PutOutcome => 'created') }),
    fault: /answered twice that it made/,
  },
  {
    what: 'says of every put-if-absent that the object is there',
    break: (store) => ({ putIfAbsent: async (...args) => store.putIfAbsent(...args).then((): PutOutcome => 'exists') }),
    fault: /new key answered that it exists/,
  },
  {
    what: 'looks first and writes then, so that racing writers all win',
    break: (store) => ({
      putIfAbsent: async (key, bytes) => {
        if ((await store.size(key)) !== undefined) return 'exists'
        await store.put(key, bytes)
        return 'created'
      },
    }),
    fault: /8 of 8 racing writers/,
  },
  {
    what: 'lets streamed writes replace what is there',
    break: (store) => ({
      openWriter: async (key, signal) => {
        await store.delete(key)
        return store.openWriter(key, signal)
      },
    }),
    fault: /a streamed write .* was there/,
  },
  {
    what: 'shows streamed writes before they are finished',
    break: (store) => ({ size: async (key) => (await store.size(key)) ?? 0 }),
    fault: /seen before it was finished/,
  },
  {
    what: 'ignores ranges',
    break: (store) => ({ read: (key, _, signal) => store.read(key, undefined, signal) }),
    fault: /ranged read/,
  },
  {
    what: 'lists in another order',
    break: (store) => ({
      async *list(...args) {
        yield* (await Array.fromAsync(store.list(...args))).toReversed()
      },
    }),
    fault: /listing right after the writes was "b\/once b-race a\/streamed"/,
  },
  {
    what: 'lists late',
    break: () => ({
      async *list() {
        // Nothing yet.
      },
    }),
    fault: /listing right after the writes was ""/,
  },
  {
    what: 'ignores where a listing begins',
    break: (store) => ({ list: (prefix, options, signal) => store.list(prefix, { limit: options?.limit ?? 99 }, signal) }),
    fault: /listing of one object after another was "a\/streamed"/,
  },
  {
    what: 'reads what was deleted',
    break: (store) => {
      const cache = new Map<string, Uint8Array>()
      return {
        read: async (key, range) => {
          const id = `${key} ${range?.start} ${range?.end}`
          const bytes = cache.get(id) ?? (await store.read(key, range))
          cache.set(id, bytes)
          return bytes
        },
      }
    },
    fault: /deleted object was read/,
  },
]

describe('probeStore', () => {
  it('takes a store that keeps its promises, and leaves nothing', async () => {
    const store = createMemoryStore()
    await store.put('other', new Uint8Array(1))
    await probeStore(store, { random: 'r1' })
    await probeStore(store, { random: 'r1' })
    expect(await keysOf(store)).toEqual(['other'])
  })

  it('may run many times at once', async () => {
    const store = createMemoryStore()
    await Promise.all(Array.from({ length: 10 }, (_, at) => probeStore(store, { random: `r${at}` })))
    expect(await keysOf(store)).toEqual([])
  })

  it.each(unsafe)('refuses a store that $what', async ({ break: breakStore, fault }) => {
    const memory = createMemoryStore()
    const store = { ...memory, ...breakStore(memory) }
    await expect(probeStore(store, { random: 'r' })).rejects.toMatchObject({
      code: 'STORE_UNSAFE',
      message: expect.stringMatching(fault),
    })
  })

  it('cleans up behind a store that it refuses', async () => {
    const memory = createMemoryStore()
    const store: Store = { ...memory, read: (key, _, signal) => memory.read(key, undefined, signal) }
    await expect(probeStore(store, { random: 'r' })).rejects.toMatchObject({ code: 'STORE_UNSAFE' })
    expect(await keysOf(memory)).toEqual([])
  })

  it('tells a store that is away from one that is unsafe', async () => {
    const { store } = faultyStore(createMemoryStore(), { putIfAbsent: [undefined, { when: 'before' }] })
    await expect(probeStore(store, { random: 'r' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await keysOf(store)).toEqual([])
  })
})
