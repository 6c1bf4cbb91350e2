import { setTimeout as sleep } from 'node:timers/promises'
import { isMillpondError } from '../errors.ts'
import { compareKeys } from './key.ts'
import type { ListedObject, PutOutcome, Store } from './store.ts'

/** How often, how long and with which pauses a call that failed for a passing reason is repeated. */
export interface RetryPolicy {
  /** Calls in all, the first included. */
  readonly maxAttempts: number
  /** The longest pause after the first failure; each further one may be twice as long. */
  readonly firstDelayMs: number
  readonly maxDelayMs: number
  /** No pause ends later than this after the first call began. */
  readonly budgetMs: number
  /** From 0 to below 1: which part of its longest a pause takes, so that many callers do not come back at once. */
  readonly random: () => number
  readonly nowMs: () => number
  readonly wait: (delayMs: number, signal: AbortSignal | undefined) => Promise<void>
}

/** Some seconds in all: what takes longer is for the loops above, which can say so. */
export const standardRetry: RetryPolicy = {
  maxAttempts: 6,
  firstDelayMs: 100,
  maxDelayMs: 5000,
  budgetMs: 15_000,
  random: Math.random,
  nowMs: () => performance.now(),
  wait: (delayMs, signal) => sleep(delayMs, undefined, signal === undefined ? {} : { signal }),
}

/** Under which policy a call is repeated, and until when. */
export interface Retrying {
  readonly policy: RetryPolicy
  readonly signal: AbortSignal | undefined
}

/**
 * What to do after each failed attempt of one call: pauses and returns, or throws the error where it is to be given up. The budget counts from
 * the making.
 */
function createPauses({ policy, signal }: Retrying): (error: unknown) => Promise<void> {
  const beganMs = policy.nowMs()
  let failures = 0
  return async (failure) => {
    signal?.throwIfAborted()
    failures++
    if (!isMillpondError(failure) || !failure.retryable || failures >= policy.maxAttempts) throw failure
    const delayMs = policy.random() * Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (failures - 1))
    if (policy.nowMs() + delayMs - beganMs > policy.budgetMs) throw failure
    await policy.wait(delayMs, signal).catch((cause: unknown) => {
      signal?.throwIfAborted()
      throw cause
    })
  }
}

/** Calls until it succeeds, fails for a reason that does not pass, or the policy gives up; then throws the last error. */
export async function retry<T>(act: () => Promise<T>, retrying: Retrying): Promise<T> {
  const pause = createPauses(retrying)
  for (;;) {
    try {
      return await act()
    } catch (error) {
      await pause(error)
    }
  }
}

/**
 * A store that repeats what failed for a reason that passes. A put-if-absent whose answer never came is settled by reading. A streamed write
 * is not repeated, as its bytes are gone; its opening is.
 */
export function withRetry(store: Store, policy: RetryPolicy): Store {
  const again = <T>(act: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> => retry(act, { policy, signal })
  return {
    ...store,
    put: (key, bytes, signal) => again(() => store.put(key, bytes, signal), signal),
    putIfAbsent: (key, bytes, signal) => again(settling(store, { key, bytes, signal }), signal),
    openWriter: (key, signal) => again(() => store.openWriter(key, signal), signal),
    read: (key, range, signal) => again(() => store.read(key, range, signal), signal),
    size: (key, signal) => again(() => store.size(key, signal), signal),
    list: (prefix, options = {}, signal) =>
      resumed<ListedObject>({ policy, signal }, (given, last) => {
        const { limit = Infinity } = options
        return store.list(prefix, last === undefined ? options : { after: last.key, limit: limit - given }, signal)
      }),
    folders: (prefix, signal) =>
      resumed<string>({ policy, signal }, (_, last) => foldersBehind(store.folders(prefix, signal), last)),
    delete: (key, signal) => again(() => store.delete(key, signal), signal),
  }
}

/** Put-if-absent to be called until it answers: once a call failed, what is there decides what that call did. */
function settling(
  store: Store,
  { key, bytes, signal }: { key: string; bytes: Uint8Array; signal: AbortSignal | undefined },
): () => Promise<PutOutcome> {
  let inDoubt = false
  const settle = async (): Promise<PutOutcome | undefined> => {
    try {
      const there = await store.read(key, undefined, signal)
      return Buffer.compare(there, bytes) === 0 ? 'created' : 'exists'
    } catch (error) {
      if (isMillpondError(error, 'OBJECT_MISSING')) return undefined
      throw error
    }
  }
  return async () => {
    const settled = inDoubt ? await settle() : undefined
    if (settled !== undefined) return settled
    // A call that failed may still arrive while the next is under way, and be what that one finds.
    const wasInDoubt = inDoubt
    inDoubt = true
    const outcome = await store.putIfAbsent(key, bytes, signal)
    return outcome === 'exists' && wasInDoubt ? ((await settle()) ?? outcome) : outcome
  }
}

/** Items of a sequence that is opened anew, behind what was given, where it failed on the way. */
async function* resumed<T>(
  retrying: Retrying,
  open: (given: number, last: T | undefined) => AsyncIterable<T>,
): AsyncGenerator<T> {
  let pause: ReturnType<typeof createPauses> | undefined
  let given = 0
  let last: T | undefined
  for (;;) {
    const items = open(given, last)[Symbol.asyncIterator]()
    try {
      for (let next = await items.next(); next.done !== true; next = await items.next()) {
        // Whatever comes is progress, after which the attempts count anew.
        pause = undefined
        given++
        last = next.value
        yield next.value
      }
      return
    } catch (error) {
      pause ??= createPauses(retrying)
      await pause(error)
    } finally {
      await items.return?.()
    }
  }
}

async function* foldersBehind(folders: AsyncIterable<string>, last: string | undefined): AsyncGenerator<string> {
  for await (const folder of folders) if (last === undefined || compareKeys(`${folder}/`, `${last}/`) > 0) yield folder
}
