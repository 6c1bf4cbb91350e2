import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { withMetrics } from '../../src/store/metrics.ts'
import type { StoreObservation } from '../../src/store/metrics.ts'
import { storeContract } from '../contract/store.ts'
import { faultyStore } from './faulty-store.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

storeContract('a store with metrics', async () => withMetrics(createMemoryStore(), () => undefined))

/** A store whose observations are gathered, and whose clock goes on by 1 ms each time it is asked. */
function observed(inner = createMemoryStore()) {
  const seen: StoreObservation[] = []
  let clockMs = 0
  const store = withMetrics(
    inner,
    (observation) => seen.push(observation),
    () => clockMs++,
  )
  return { store, seen, pass: (milliseconds: number) => (clockMs += milliseconds) }
}

describe('withMetrics', () => {
  it('tells of each call what it did', async () => {
    const { store, seen } = observed()
    await store.put('a', bytesOf('12345'))
    await store.putIfAbsent('b', bytesOf('123'))
    await store.putIfAbsent('b', bytesOf('1234'))
    await store.read('a')
    await store.read('a', { start: 1, end: 3 })
    await store.size('a')
    await store.delete('a')
    expect(seen).toEqual([
      { operation: 'put', milliseconds: 1, bytes: 5, outcome: 'ok' },
      { operation: 'putIfAbsent', milliseconds: 1, bytes: 3, outcome: 'created' },
      { operation: 'putIfAbsent', milliseconds: 1, bytes: 0, outcome: 'exists' },
      { operation: 'read', milliseconds: 1, bytes: 5, outcome: 'ok' },
      { operation: 'read', milliseconds: 1, bytes: 2, outcome: 'ok' },
      { operation: 'size', milliseconds: 1, bytes: 0, outcome: 'ok' },
      { operation: 'delete', milliseconds: 1, bytes: 0, outcome: 'ok' },
    ])
  })

  it('tells why calls failed', async () => {
    const { store, seen } = observed(faultyStore(createMemoryStore(), { put: [{ code: 'STORE_FULL', when: 'before' }] }).store)
    await expect(store.read('none')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
    await expect(store.put('a', bytesOf('x'))).rejects.toMatchObject({ code: 'STORE_FULL' })
    await expect(store.delete('a', AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
    expect(seen.map(({ operation, outcome }) => `${operation} ${outcome}`)).toEqual([
      'read OBJECT_MISSING',
      'put STORE_FULL',
      'delete STOPPED',
    ])
  })

  it('counts a streamed write as one call, without the time of its caller', async () => {
    const { store, seen, pass } = observed()
    const writer = await store.openWriter('a')
    await writer.write(bytesOf('123'))
    pass(1000)
    await writer.write(bytesOf('45'))
    expect(seen).toEqual([])
    await writer.finish()
    await writer.abort()
    expect(seen).toEqual([{ operation: 'write', milliseconds: 4, bytes: 5, outcome: 'created' }])
  })

  it('tells of a streamed write that was given up', async () => {
    const { store, seen } = observed()
    const writer = await store.openWriter('a')
    await writer.write(bytesOf('123'))
    await writer.abort()
    expect(seen).toMatchObject([{ operation: 'write', bytes: 3, outcome: 'STOPPED' }])
  })

  it('counts a listing as one call, without the time of its reader, also where it is left early', async () => {
    const { store, seen, pass } = observed()
    for (const key of ['f/a', 'f/b', 'g/c']) await store.put(key, bytesOf(key))
    seen.length = 0
    for await (const object of store.list('')) {
      expect(object.bytes).toBe(3)
      pass(1000)
    }
    for await (const object of store.list('')) {
      expect(object.key).toBe('f/a')
      break
    }
    expect(await Array.fromAsync(store.folders(''))).toEqual(['f', 'g'])
    expect(seen).toEqual([
      { operation: 'list', milliseconds: 4, bytes: 0, outcome: 'ok' },
      { operation: 'list', milliseconds: 1, bytes: 0, outcome: 'ok' },
      { operation: 'folders', milliseconds: 3, bytes: 0, outcome: 'ok' },
    ])
  })

  it('tells why a listing failed', async () => {
    const { store, seen } = observed()
    await expect(Array.fromAsync(store.list('../'))).rejects.toMatchObject({ code: 'KEY_INVALID' })
    expect(seen).toMatchObject([{ operation: 'list', outcome: 'KEY_INVALID' }])
  })
})
