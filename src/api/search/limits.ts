import { MillpondError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'

/** Bounds of searches. */
export interface SearchLimits {
  /** Bytes that one request reads of the store. */
  readonly maxBytes: number
  /** Messages that one request gives as lines. */
  readonly maxMessages: number
  /** Messages of one page. */
  readonly maxPageMessages: number
  readonly maxTimeMs: number
  /** Requests under way of all callers. */
  readonly maxSearches: number
  readonly maxSearchesPerCaller: number
}

/** Lets requests in while there is room. */
export interface SearchGate {
  /**
   * Takes a place, until it is disposed of.
   * @throws MillpondError `TOO_BUSY`.
   */
  enter(caller: string): Disposable
}

/** A gate for all requests of a server. */
export function createSearchGate({ maxSearches, maxSearchesPerCaller }: SearchLimits): SearchGate {
  const callers = new Map<string, number>()
  let underWay = 0
  return {
    enter(caller) {
      const own = callers.get(caller) ?? 0
      if (underWay >= maxSearches) {
        throw new MillpondError('TOO_BUSY', `${maxSearches} searches are under way (search.maxSearches); ask again in a moment`)
      }
      if (own >= maxSearchesPerCaller) {
        const message = `${own} searches of ${caller} are under way (search.maxSearchesPerCaller); ask again in a moment`
        throw new MillpondError('TOO_BUSY', message)
      }
      underWay++
      callers.set(caller, own + 1)
      return {
        [Symbol.dispose]() {
          underWay--
          const left = callers.get(caller)! - 1
          if (left === 0) callers.delete(caller)
          else callers.set(caller, left)
        },
      }
    },
  }
}

/** Why a search ended before it had given all. */
export type Stop = 'limit' | 'bytes' | 'time'

/** What one request may use up, and whether that is done. */
export interface Budget extends Disposable {
  /** Aborts when the caller is gone, when time is up, and when far more was read than may be. */
  readonly signal: AbortSignal
  /** Why it is to end at the next place where it can go on later. */
  readonly stop: Exclude<Stop, 'limit'> | undefined
  readonly bytesRead: number
  /** The store, with what is read of it counted. */
  limit(store: Store): Store
}

/** A budget that begins now. */
export function createBudget({ maxBytes, maxTimeMs }: SearchLimits, gone: AbortSignal): Budget {
  const ended = new AbortController()
  let stop: Budget['stop']
  let bytesRead = 0
  const timer = setTimeout(() => {
    stop ??= 'time'
    ended.abort()
  }, maxTimeMs)
  const count = (bytes: number): void => {
    bytesRead += bytes
    if (bytesRead > maxBytes) stop ??= 'bytes'
    // A block that lies far from the next place to stop, or filters without end.
    if (bytesRead > 2 * maxBytes + SLACK_BYTES) ended.abort()
  }
  return {
    signal: AbortSignal.any([gone, ended.signal]),
    get stop() {
      return stop
    },
    get bytesRead() {
      return bytesRead
    },
    limit: (store) => ({
      ...store,
      async read(key, range, signal) {
        const bytes = await store.read(key, range, signal)
        count(bytes.byteLength)
        return bytes
      },
    }),
    [Symbol.dispose]() {
      clearTimeout(timer)
    },
  }
}

/** What may be under way when a budget is used up. */
const SLACK_BYTES = 64 * 1024 * 1024

/** @throws MillpondError `SEARCH_TOO_LARGE` where the budget was used up before there was anything to give. */
export function tooLarge(stop: Exclude<Stop, 'limit'>, { maxBytes, maxTimeMs }: SearchLimits): MillpondError {
  const bound = stop === 'bytes' ? `${maxBytes} bytes (search.maxBytes)` : `${maxTimeMs} ms (search.maxTime)`
  return new MillpondError('SEARCH_TOO_LARGE', `the search takes more than ${bound}; narrow it by topic, time or position`, {
    details: { stop },
  })
}
