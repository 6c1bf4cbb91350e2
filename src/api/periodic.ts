import { setTimeout as wait } from 'node:timers/promises'

/** Calls `act` again and again, `everyMs` after the last call ended or as soon as `wake` is called, until `signal` aborts. */
export interface Periodic {
  wake(): void
  /** Resolves when the last call has ended. */
  readonly done: Promise<void>
}

/** Starts the calls, the first one at once. `act` must not throw. */
export function startPeriodic(everyMs: number, act: () => Promise<void>, signal: AbortSignal): Periodic {
  let woken = new AbortController()
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      woken = new AbortController()
      await act()
      await wait(everyMs, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined)
    }
  }
  return { wake: () => woken.abort(), done: run() }
}

/** Resolves when all of these have ended, in whatever way, or so much time has passed. */
export async function settledWithin(milliseconds: number, acts: readonly Promise<unknown>[]): Promise<void> {
  const limit = new AbortController()
  const late = wait(milliseconds, undefined, { signal: limit.signal }).catch(() => undefined)
  await Promise.race([Promise.allSettled(acts), late])
  limit.abort()
}
