import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createRequestTotals, type ObserveRequest } from '../../src/store/requests.ts'
import { type RetryPolicy, standardRetry } from '../../src/store/retry.ts'
import type { Store } from '../../src/store/store.ts'
import { until } from '../live/until.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../servers/fault-proxy.ts'
import type { Server } from '../servers/server.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const isEqual = (left: Uint8Array, right: Uint8Array) => Buffer.compare(left, right) === 0

/** Bytes of which no stretch is like another. */
export function bytesLike(seed: number, count: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(count / 4))
  let state = seed | 1
  for (let at = 0; at < words.length; at++) words[at] = state = Math.imul(state, 1_664_525) + 1_013_904_223
  return new Uint8Array(words.buffer, 0, count)
}

/** How a store behind the proxy is opened. */
export interface BehindOptions {
  /** The proxy's address. */
  readonly url: string
  readonly retry: RetryPolicy
  readonly observe: ObserveRequest
  readonly timeoutMs?: number
}

/** A store behind a network, and the server that it talks to. */
export interface NetworkStore<S extends Server> {
  readonly name: string
  readonly start: () => Promise<S>
  readonly startLimitMs: number
  readonly urlOf: (server: S) => string
  /** Makes a place for a store, and gives what opens stores on it. */
  readonly newPlace: (server: S) => Promise<(options: BehindOptions) => Promise<Store>>
  /** Whether a request writes an object whole. */
  readonly isPut: (method: string, path: string) => boolean
}

/** What a store behind a network has to do when that is bad. */
export function badNetworkContract<S extends Server>(network: NetworkStore<S>): void {
  describe(`a bad network to ${network.name}`, { timeout: 60_000 }, () => {
    let server: S
    let proxy: FaultProxy
    let openBehind: (options?: Partial<BehindOptions>) => Promise<Store>
    let store: Store
    let totals: ReturnType<typeof createRequestTotals>

    beforeAll(async () => {
      server = await network.start()
      proxy = await startFaultProxy(network.urlOf(server))
    }, network.startLimitMs)
    afterAll(async () => {
      await proxy?.stop()
      await server?.stop()
    })
    beforeEach(async () => {
      proxy.setPlan(undefined)
      totals = createRequestTotals()
      const open = await network.newPlace(server)
      const retry = { ...standardRetry, maxAttempts: 20, firstDelayMs: 5, maxDelayMs: 20, budgetMs: 60_000 }
      openBehind = (options) => open({ url: proxy.url, retry, observe: (observation) => totals.observe(observation), ...options })
      store = await openBehind()
    })
    afterEach(() => store[Symbol.asyncDispose]())

    /** The fault befalls the first requests that this applies to, as many as `times`. */
    const planned = (fault: Fault, applies: (method: string, path: string) => boolean, times = 1): void => {
      let left = times
      proxy.setPlan({ share: 1, faults: [fault], applies: (method, path) => applies(method, path) && left-- > 0 })
    }

    describe('a conditional write', () => {
      it('whose answer was lost is known by what is there', async () => {
        planned('lost-answer', network.isPut)
        expect(await store.putIfAbsent('a', bytesOf('ours'))).toBe('created')
        expect(textOf(await store.read('a'))).toBe('ours')
        expect(totals.totals().byKind).toMatchObject({ put: 2, head: 1 })
      })

      it('whose answer was lost has lost where another had been first, even with the same bytes', async () => {
        await store.put('a', bytesOf('the same'))
        planned('lost-answer', network.isPut)
        expect(await store.putIfAbsent('a', bytesOf('the same'))).toBe('exists')
      })

      it.each<Fault>(['status-500', 'status-503', 'reset', 'lost-answer', 'cut-answer'])(
        'is made once whatever happens on the way: %s, three times',
        async (fault) => {
          planned(fault, network.isPut, 3)
          expect(await store.putIfAbsent('a', bytesOf('ours'))).toBe('created')
          expect(await store.putIfAbsent('a', bytesOf('theirs'))).toBe('exists')
          expect(textOf(await store.read('a'))).toBe('ours')
        },
      )

      it('that hangs is given up and repeated', async () => {
        await using impatient = await openBehind({ timeoutMs: 300 })
        planned('hang', network.isPut, 2)
        expect(await impatient.putIfAbsent('a', bytesOf('ours'))).toBe('created')
        expect(totals.totals()).toMatchObject({ failed: 2, repeated: 2 })
      })

      it('is won by one of 50 racing writers', async () => {
        proxy.setPlan({ share: 0.3, faults: ['status-503', 'reset', 'lost-answer', 'slow'], delayMs: 20 })
        for (let round = 0; round < 3; round++) {
          const key = `race/${round}`
          const writers = Array.from({ length: 50 }, (_, writer) => store.putIfAbsent(key, bytesOf(`writer ${writer}`)))
          const outcomes = await Promise.all(writers)
          const winners = outcomes.flatMap((outcome, writer) => (outcome === 'created' ? [`writer ${writer}`] : []))
          expect(winners).toHaveLength(1)
          expect(textOf(await store.read(key))).toBe(winners[0])
        }
      })
    })

    it('does not harm what is read and listed', async () => {
      const keys = Array.from({ length: 30 }, (_, at) => `some/${String(at).padStart(2, '0')}`)
      const contents = keys.map((_, at) => bytesLike(at, 150_000 + at))
      await Promise.all(keys.map((key, at) => store.put(key, contents[at]!)))
      proxy.setPlan({ share: 0.4, faults: ['status-500', 'status-503', 'reset', 'cut-answer', 'slow'], delayMs: 20 })
      const readAll = keys.map(async (key, at) => {
        expect(isEqual(await store.read(key), contents[at]!)).toBe(true)
        const range = { start: 70_000, end: 140_001 }
        expect(isEqual(await store.read(key, range), contents[at]!.subarray(range.start, range.end))).toBe(true)
        expect(await store.size(key)).toBe(150_000 + at)
      })
      await Promise.all(readAll)
      expect(await Array.fromAsync(store.list('some/'), ({ key }) => key)).toEqual(keys)
      expect(await Array.fromAsync(store.folders(''))).toEqual(['some'])
      await Promise.all(keys.map((key) => store.delete(key)))
      expect(await Array.fromAsync(store.list(''))).toEqual([])
      expect(totals.totals().repeated).toBeGreaterThan(0)
    })

    it('is told as such when it lasts', async () => {
      const retry = { ...standardRetry, maxAttempts: 3, firstDelayMs: 5 }
      await using hasty = await openBehind({ retry })
      planned('status-503', () => true, Infinity)
      const failed = { code: 'STORE_UNAVAILABLE', retryable: true }
      await expect(hasty.putIfAbsent('a', bytesOf('x'))).rejects.toMatchObject(failed)
      await expect(hasty.read('a')).rejects.toMatchObject(failed)
      await expect(Array.fromAsync(hasty.list(''))).rejects.toMatchObject(failed)
      expect(totals.totals()).toMatchObject({ failed: 9, repeated: 6 })
    })

    it('is left at once by who stops', async () => {
      planned('hang', () => true, Infinity)
      const stop = new AbortController()
      const reading = store.read('a', undefined, stop.signal)
      const writing = store.putIfAbsent('a', bytesOf('x'), stop.signal)
      stop.abort(new Error('enough'))
      await expect(reading).rejects.toThrow('enough')
      await expect(writing).rejects.toThrow('enough')
    })

    it('that was away is used again when it is back', async () => {
      const retry = { ...standardRetry, maxAttempts: Infinity, maxDelayMs: 50, budgetMs: 60_000 }
      await using patient = await openBehind({ retry, timeoutMs: 200 })
      server.pause()
      // What was sent meanwhile arrives when the server goes on, all of it.
      const writing = patient.putIfAbsent('a', bytesOf('ours'))
      await until(() => totals.totals().failed >= 3, 'three requests that were given up')
      server.resume()
      expect(await writing).toBe('created')
      expect(textOf(await store.read('a'))).toBe('ours')
    })
  })
}
