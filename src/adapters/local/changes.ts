import type { Reader } from './reader.ts'

/** Tells who waits for the log that something changed, in this process or another. */
export interface Changes {
  /** Resolves when the partition may have taken rows since it was last read, or `signal` aborts. Call it right after the read. */
  rows(partitionKey: number, signal: AbortSignal): Promise<void>
  /** Resolves when anything was committed since the call, or `signal` aborts. */
  any(signal: AbortSignal): Promise<void>
  /** Looks at once: this process has just written. */
  look(): void
  close(): void
}

/** How often a process looks for what others wrote, ms. */
const LOOK_MS = 25

/** Watches the log while somebody waits. */
export function createChanges(reader: Reader): Changes {
  const byPartition = new Map<number, Set<() => void>>()
  const general = new Set<() => void>()
  let version = reader.dataVersion()
  let lastBlockKey = reader.lastBlockKey()
  let timer: NodeJS.Timeout | undefined

  const wakeAll = (waiters: Set<() => void>) => {
    for (const wake of waiters) wake()
  }
  const look = () => {
    try {
      const current = reader.dataVersion()
      if (current === version) return
      version = current
      const changed = reader.changedSince(lastBlockKey)
      lastBlockKey = changed.lastBlockKey
      for (const partitionKey of changed.partitionKeys) wakeAll(byPartition.get(partitionKey) ?? new Set())
    } catch {
      // Whoever is woken reads the log and meets the same error, where it belongs to somebody.
      for (const waiters of byPartition.values()) wakeAll(waiters)
    }
    wakeAll(general)
  }
  const startOrStop = () => {
    if (byPartition.size === 0 && general.size === 0) {
      clearInterval(timer)
      timer = undefined
    } else {
      timer ??= setInterval(look, LOOK_MS)
    }
  }
  const wait = async (waiters: () => Set<() => void>, signal: AbortSignal, onEmpty: () => void) => {
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    waiters().add(wake)
    signal.addEventListener('abort', wake, { once: true })
    startOrStop()
    await promise
    signal.removeEventListener('abort', wake)
    waiters().delete(wake)
    if (waiters().size === 0) onEmpty()
    startOrStop()
  }
  const ofPartition = (partitionKey: number): Set<() => void> => {
    const known = byPartition.get(partitionKey)
    if (known) return known
    const made = new Set<() => void>()
    byPartition.set(partitionKey, made)
    return made
  }
  return {
    rows: (partitionKey, signal) =>
      wait(
        () => ofPartition(partitionKey),
        signal,
        () => byPartition.delete(partitionKey),
      ),
    any: (signal) =>
      wait(
        () => general,
        signal,
        () => undefined,
      ),
    look,
    close() {
      clearInterval(timer)
      for (const waiters of byPartition.values()) wakeAll(waiters)
      wakeAll(general)
    },
  }
}
