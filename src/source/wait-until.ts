/** Resolves with the promise or after `milliseconds`, whichever is first; an endless wait sets no timer. */
export async function waitUntil(promise: Promise<void>, milliseconds: number): Promise<void> {
  if (milliseconds <= 0) return
  if (milliseconds === Infinity) return promise
  const timeout = Promise.withResolvers<void>()
  // Timers count 31 bits; a longer wait is cut and asked for again.
  const timer = setTimeout(timeout.resolve, Math.min(milliseconds, 0x7fff_ffff))
  await Promise.race([promise, timeout.promise])
  clearTimeout(timer)
}
