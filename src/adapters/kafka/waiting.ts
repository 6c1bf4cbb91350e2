const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2000

/** Pauses double up to their longest; each is cut at random, so that many clients do not come back at once. */
export function pauseAfter(failures: number, random: () => number = Math.random): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1)) * (0.5 + random() / 2)
}

/** The promise's outcome, or the signal's reason as soon as it aborts; the call itself goes on. */
export async function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  // It was begun: how it ends may be of interest to nobody any more.
  promise.catch(() => undefined)
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
