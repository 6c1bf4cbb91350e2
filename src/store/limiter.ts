/** Lets a number of actions run at once; more wait for their turn, first come, first served. */
export interface Limiter {
  /** Waits for a turn and gives what ends it. Rejects with the signal's reason where that aborts first. */
  take(signal?: AbortSignal): Promise<() => void>
}

/** A limiter of `maxCount` turns at once. */
export function createLimiter(maxCount: number): Limiter {
  const waiting = new Set<() => void>()
  let free = maxCount

  const turn = (): (() => void) => {
    let ended = false
    return () => {
      if (ended) return
      ended = true
      const [next] = waiting
      if (next === undefined) free++
      else next()
    }
  }
  const wait = (signal: AbortSignal | undefined): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const stop = (): void => {
      waiting.delete(go)
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the reason is whatever the caller aborted with
      reject(signal?.reason)
    }
    const go = (): void => {
      waiting.delete(go)
      signal?.removeEventListener('abort', stop)
      resolve()
    }
    waiting.add(go)
    signal?.addEventListener('abort', stop, { once: true })
    return promise
  }

  return {
    async take(signal) {
      signal?.throwIfAborted()
      if (free > 0) free--
      else await wait(signal)
      return turn()
    },
  }
}
