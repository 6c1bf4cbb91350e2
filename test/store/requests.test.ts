import { describe, expect, it } from 'vitest'
import { isMillpondError, MillpondError } from '../../src/errors.ts'
import { createRequests, createRequestTotals } from '../../src/store/requests.ts'
import type { RequestObservation, RequestRules } from '../../src/store/requests.ts'
import { standardRetry } from '../../src/store/retry.ts'

const prices = { put: 5, begin: 5, part: 5, complete: 5, abort: 0, get: 1, head: 1, list: 5, delete: 0 }

/** Requests that are repeated at once, four times in all, with what was observed of them. */
function observed(rules: Partial<RequestRules> = {}) {
  const seen: RequestObservation[] = []
  const requests = createRequests({
    policy: { ...standardRetry, maxAttempts: 4, wait: async () => undefined },
    timeoutMs: 10_000,
    maxConcurrent: 10,
    explain: (error) => error,
    prices,
    observe: (observation) => seen.push(observation),
    ...rules,
  })
  return { requests, seen, outcomes: () => seen.map(({ kind, attempt, outcome }) => `${kind} ${attempt} ${outcome}`) }
}

const passing = () => new MillpondError('STORE_UNAVAILABLE', 'it passes')

/** Never answers; fails when its signal aborts, as a client does that closes its connection. */
const hang = (signal: AbortSignal): Promise<never> => {
  const { promise, reject } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => reject(new Error('closed')))
  return promise
}

describe('createRequests', () => {
  it('repeats what fails and passes, and tells of each attempt', async () => {
    const { requests, seen, outcomes } = observed()
    const answer = await requests.send({
      kind: 'get',
      key: 'a',
      act: async ({ number }) => {
        if (number < 3) throw passing()
        return 'content'
      },
      receivedBytes: (text) => text.length,
    })
    expect(answer).toBe('content')
    expect(outcomes()).toEqual(['get 1 STORE_UNAVAILABLE', 'get 2 STORE_UNAVAILABLE', 'get 3 ok'])
    expect(seen.map(({ receivedBytes, costUsd }) => [receivedBytes, costUsd])).toEqual([
      [0, 1],
      [0, 1],
      [7, 1],
    ])
  })

  it('gives up with the last error, in the terms of the store', async () => {
    const explain = (cause: unknown) => new MillpondError('STORE_UNAVAILABLE', 'explained', { cause })
    const { requests, outcomes } = observed({ explain })
    const failing = requests.send({ kind: 'put', key: 'a', act: () => Promise.reject(new Error('ECONNRESET')) })
    await expect(failing).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: 'explained',
      cause: { message: 'ECONNRESET' },
    })
    expect(outcomes()).toHaveLength(4)
  })

  it('does not repeat what will not pass', async () => {
    const { requests, outcomes } = observed()
    const refused = new MillpondError('STORE_REFUSED', 'no')
    await expect(requests.send({ kind: 'put', key: 'a', act: () => Promise.reject(refused) })).rejects.toBe(refused)
    const strange = new TypeError('a defect')
    await expect(requests.send({ kind: 'put', key: 'a', act: () => Promise.reject(strange) })).rejects.toBe(strange)
    expect(outcomes()).toEqual(['put 1 STORE_REFUSED', 'put 1 INTERNAL'])
  })

  it('gives up a request without progress, and repeats it', async () => {
    const { requests, outcomes } = observed({ timeoutMs: 20 })
    const act = async ({ number, signal }: { number: number; signal: AbortSignal }) => (number === 1 ? hang(signal) : 'late')
    expect(await requests.send({ kind: 'head', key: 'a', act })).toBe('late')
    expect(outcomes()).toEqual(['head 1 STORE_UNAVAILABLE', 'head 2 ok'])
  })

  it('says what did not answer, and for how long', async () => {
    const { requests } = observed({ timeoutMs: 20, policy: { ...standardRetry, maxAttempts: 1 } })
    const error: unknown = await requests
      .send({ kind: 'part', key: 'a/b', act: ({ signal }) => hang(signal) })
      .catch((e: unknown) => e)
    expect(isMillpondError(error, 'STORE_UNAVAILABLE')).toBe(true)
    expect(String(error)).toContain('20 ms (part "a/b")')
  })

  it('has more patience where a request says so', async () => {
    const { requests } = observed({ timeoutMs: 10, policy: { ...standardRetry, maxAttempts: 1 } })
    const error: unknown = await requests
      .send({ kind: 'complete', key: 'a', patience: 2.5, act: ({ signal }) => hang(signal) })
      .catch((e: unknown) => e)
    expect(String(error)).toContain('25 ms (complete "a")')
  })

  it('lets a request that makes progress take its time', async () => {
    const { requests, outcomes } = observed({ timeoutMs: 500 })
    await requests.send({
      kind: 'part',
      key: 'a',
      act: async ({ alive, signal }) => {
        for (let step = 0; step < 30; step++) {
          await new Promise((resolve) => {
            setTimeout(resolve, 20)
          })
          signal.throwIfAborted()
          alive()
        }
      },
    })
    expect(outcomes()).toEqual(['part 1 ok'])
  })

  it('stops with the reason of its caller', async () => {
    const { requests, outcomes } = observed()
    const stop = new AbortController()
    const stopped = requests.send({ kind: 'get', key: 'a', act: ({ signal }) => hang(signal) }, stop.signal)
    setImmediate(() => stop.abort(new Error('enough')))
    await expect(stopped).rejects.toThrow('enough')
    expect(outcomes()).toEqual(['get 1 STOPPED'])
    const never = requests.send({ kind: 'get', key: 'a', act: async () => 'sent' }, stop.signal)
    await expect(never).rejects.toThrow('enough')
    expect(outcomes()).toHaveLength(1)
  })

  it('has no more than so many under way', async () => {
    const { requests } = observed({ maxConcurrent: 3 })
    let now = 0
    let most = 0
    const act = async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      now--
    }
    await Promise.all(Array.from({ length: 20 }, () => requests.send({ kind: 'put', key: 'a', act })))
    expect(most).toBe(3)
  })
})

describe('createRequestTotals', () => {
  it('adds up what requests came to', async () => {
    const { observe, totals } = createRequestTotals()
    const { requests } = observed({ observe })
    await requests.send({
      kind: 'put',
      key: 'a',
      sentBytes: 100,
      act: async ({ number }) => {
        if (number === 1) throw passing()
      },
    })
    await requests.send({ kind: 'get', key: 'a', act: async () => 7, receivedBytes: (bytes) => bytes })
    const missing = new MillpondError('OBJECT_MISSING', 'not there')
    await expect(requests.send({ kind: 'get', key: 'b', act: () => Promise.reject(missing) })).rejects.toBe(missing)
    expect(totals()).toEqual({
      byKind: { put: 2, begin: 0, part: 0, complete: 0, abort: 0, get: 2, head: 0, list: 0, delete: 0 },
      failed: 1,
      repeated: 1,
      sentBytes: 200,
      receivedBytes: 7,
      costUsd: 12,
    })
  })
})
