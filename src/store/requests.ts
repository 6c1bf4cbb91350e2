import { isMillpondError, MillpondError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { createLimiter } from './limiter.ts'
import { retry } from './retry.ts'
import type { RetryPolicy } from './retry.ts'

/** What a request asks of a store behind a network; `begin`, `part`, `complete` and `abort` are steps of one multipart upload. */
export type RequestKind = 'put' | 'begin' | 'part' | 'complete' | 'abort' | 'get' | 'head' | 'list' | 'delete'

/** What a request of each kind is about to do to a key, for messages. */
export const requestWords: Readonly<Record<RequestKind, string>> = {
  put: 'write',
  begin: 'begin to write',
  part: 'write a part of',
  complete: 'complete',
  abort: 'give up',
  get: 'read',
  head: 'look up',
  list: 'list',
  delete: 'delete',
}

/** What a request of each kind costs, US dollars. */
export type RequestPrices = Readonly<Record<RequestKind, number>>

/** One request that is over; one that is repeated is several. */
export interface RequestObservation {
  readonly kind: RequestKind
  /** 1 for the first of its call, 2 for its first repetition. */
  readonly attempt: number
  /** From the moment it had its turn. */
  readonly milliseconds: number
  /** Bytes of objects that it carried. */
  readonly sentBytes: number
  /** Bytes of objects that came back; 0 for a failed one. */
  readonly receivedBytes: number
  /** An error that is not Millpond's counts as `STOPPED` under an aborted signal, otherwise as `INTERNAL`. */
  readonly outcome: 'ok' | ErrorCode
  /** By list prices; an estimate, as nobody is billed for every failed one. */
  readonly costUsd: number
}

export type ObserveRequest = (observation: RequestObservation) => void

/** How requests of one store are made. */
export interface RequestRules {
  readonly policy: RetryPolicy
  /** A request without any progress for this long is given up. */
  readonly timeoutMs: number
  /** Requests under way at once; more wait, which does not count as their time. */
  readonly maxConcurrent: number
  /** The error in Millpond's terms, as far as it is not one yet. */
  readonly explain: (error: unknown, request: RequestTerms) => unknown
  readonly prices: RequestPrices
  readonly observe?: ObserveRequest | undefined
}

/** What a request does, to which key. */
export interface RequestTerms {
  readonly kind: RequestKind
  /** For messages. */
  readonly key: string
}

export interface StoreRequest<T> extends RequestTerms {
  /** Bytes of objects that it carries. */
  readonly sentBytes?: number
  /** How many of the usual time limits it may take; 1 unless given. */
  readonly patience?: number
  /** Makes the request once; called again for each repetition. Calls `alive` whenever bytes move. */
  readonly act: (attempt: RequestAttempt) => Promise<T>
  /** Bytes of objects that came back with the answer. */
  readonly receivedBytes?: (answer: T) => number
}

export interface RequestAttempt {
  /** 1 for the first. */
  readonly number: number
  /** Aborts when the request takes too long or its caller gives up. */
  readonly signal: AbortSignal
  /** Says that the request makes progress. */
  readonly alive: () => void
}

/** Requests to one store: each has a time limit, is repeated after what passes, and is observed. */
export interface Requests {
  send<T>(request: StoreRequest<T>, signal?: AbortSignal): Promise<T>
}

export function createRequests(rules: RequestRules): Requests {
  const limiter = createLimiter(rules.maxConcurrent)
  return {
    send(request, signal) {
      let attempts = 0
      const once = async () => {
        const endTurn = await limiter.take(signal)
        try {
          return await attempt(rules, request, ++attempts, signal)
        } finally {
          endTurn()
        }
      }
      return retry(once, { policy: rules.policy, signal })
    },
  }
}

async function attempt<T>(rules: RequestRules, request: StoreRequest<T>, number: number, signal?: AbortSignal): Promise<T> {
  const { kind, key, sentBytes = 0 } = request
  const beganMs = rules.policy.nowMs()
  const observe = (outcome: RequestObservation['outcome'], receivedBytes: number): void => {
    const milliseconds = rules.policy.nowMs() - beganMs
    rules.observe?.({ kind, attempt: number, milliseconds, sentBytes, receivedBytes, outcome, costUsd: rules.prices[kind] })
  }
  const timeoutMs = rules.timeoutMs * (request.patience ?? 1)
  const limit = startTimeLimit(timeoutMs, signal)
  try {
    const answer = await request.act({ number, signal: limit.signal, alive: limit.alive })
    observe('ok', request.receivedBytes?.(answer) ?? 0)
    return answer
  } catch (error) {
    if (signal?.aborted === true) {
      observe('STOPPED', 0)
      throw signal.reason
    }
    const told = limit.expired() ? timeoutError(timeoutMs, request, error) : rules.explain(error, { kind, key })
    observe(isMillpondError(told) ? told.code : 'INTERNAL', 0)
    throw told
  } finally {
    limit.end()
  }
}

const timeoutError = (timeoutMs: number, { kind, key }: RequestTerms, cause: unknown): MillpondError =>
  new MillpondError('STORE_UNAVAILABLE', `the store did not answer within ${timeoutMs} ms (${kind} "${key}")`, {
    cause,
    details: { kind, key, timeoutMs },
  })

interface TimeLimit {
  /** Aborts when the limit has passed or the caller's signal aborts. */
  readonly signal: AbortSignal
  readonly alive: () => void
  readonly expired: () => boolean
  readonly end: () => void
}

/** Time runs out when `alive` was not called for `limitMs`. */
function startTimeLimit(limitMs: number, outer: AbortSignal | undefined): TimeLimit {
  const stop = new AbortController()
  let expired = false
  let aliveMs = performance.now()
  const look = (): void => {
    const leftMs = aliveMs + limitMs - performance.now()
    if (leftMs > 0) {
      timer = setTimeout(look, leftMs)
      return
    }
    expired = true
    stop.abort()
  }
  let timer = setTimeout(look, limitMs)
  const onOuter = (): void => stop.abort(outer?.reason)
  if (outer?.aborted === true) onOuter()
  else outer?.addEventListener('abort', onOuter, { once: true })
  return {
    signal: stop.signal,
    alive() {
      aliveMs = performance.now()
    },
    expired: () => expired,
    end() {
      clearTimeout(timer)
      outer?.removeEventListener('abort', onOuter)
    },
  }
}

/** What the requests of a store came to. */
export interface RequestTotals {
  readonly byKind: Readonly<Record<RequestKind, number>>
  readonly failed: number
  readonly repeated: number
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly costUsd: number
}

/** Adds up observations. */
export function createRequestTotals(): { readonly observe: ObserveRequest; readonly totals: () => RequestTotals } {
  const byKind: Record<RequestKind, number> = {
    put: 0,
    begin: 0,
    part: 0,
    complete: 0,
    abort: 0,
    get: 0,
    head: 0,
    list: 0,
    delete: 0,
  }
  const sums = { failed: 0, repeated: 0, sentBytes: 0, receivedBytes: 0, costUsd: 0 }
  return {
    observe({ kind, attempt, outcome, sentBytes, receivedBytes, costUsd }) {
      byKind[kind]++
      if (outcome !== 'ok' && outcome !== 'OBJECT_MISSING') sums.failed++
      if (attempt > 1) sums.repeated++
      sums.sentBytes += sentBytes
      sums.receivedBytes += receivedBytes
      sums.costUsd += costUsd
    },
    totals: () => ({ byKind: { ...byKind }, ...sums }),
  }
}
