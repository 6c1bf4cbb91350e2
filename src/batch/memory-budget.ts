/** A share of the process's memory: what is held is acquired before more is read, so that a slow store slows the reader. */
export interface MemoryBudget {
  /** It may change, and what is held may be more then. */
  readonly limitBytes: number
  readonly heldBytes: number
  /**
   * Waits until `bytes` fit, in the order of asking. More than the whole budget fits when nothing else is held, so that one
   * message larger than the budget passes alone.
   * @throws the signal's reason when it aborts first.
   */
  acquire(bytes: number, signal: AbortSignal): Promise<void>
  /** Counts what is held already, without waiting: the budget may be passed by it. */
  hold(bytes: number): void
  release(bytes: number): void
}

interface Waiter {
  readonly bytes: number
  readonly admit: () => void
}

/**
 * A budget of `limitBytes()`. `reclaim` is called when something has to wait, and when something was given back and that did not suffice: it
 * may see to it that others give back.
 */
export function createMemoryBudget(limitBytes: () => number, reclaim: () => void = () => undefined): MemoryBudget {
  let heldBytes = 0
  const waiters: Waiter[] = []
  const fits = (bytes: number) => heldBytes === 0 || heldBytes + bytes <= limitBytes()
  const admitWaiters = () => {
    while (waiters.length > 0 && fits(waiters[0]!.bytes)) {
      const waiter = waiters.shift()!
      heldBytes += waiter.bytes
      waiter.admit()
    }
  }
  return {
    get limitBytes() {
      return limitBytes()
    },
    get heldBytes() {
      return heldBytes
    },
    async acquire(bytes, signal) {
      signal.throwIfAborted()
      if (waiters.length === 0 && fits(bytes)) {
        heldBytes += bytes
        return
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiter: Waiter = { bytes, admit: resolve }
      const leave = () => {
        const place = waiters.indexOf(waiter)
        if (place < 0) return
        waiters.splice(place, 1)
        reject(signal.reason as Error)
        admitWaiters()
      }
      signal.addEventListener('abort', leave, { once: true })
      waiters.push(waiter)
      if (waiters.length === 1) reclaim()
      try {
        await promise
      } finally {
        signal.removeEventListener('abort', leave)
      }
    },
    hold(bytes) {
      heldBytes += bytes
    },
    release(bytes) {
      heldBytes = Math.max(0, heldBytes - bytes)
      admitWaiters()
      if (waiters.length > 0) reclaim()
    },
  }
}
