import { heldBytes, type MessageBatch } from '../batch/batch.ts'
import type { MemoryBudget } from '../batch/memory-budget.ts'
import type { Lane } from '../source/lane.ts'
import { isPassed, positionBehind, type Source } from '../source/source.ts'
import { waitUntil } from '../source/wait-until.ts'

/** What a lane gives next: a batch, word of positions without a message, that nothing came in time, that nothing will come any more. */
export type Read =
  | { readonly kind: 'batch'; readonly batch: MessageBatch; readonly heldBytes: number }
  | { readonly kind: 'passed'; readonly passedTo: number }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'ended' }

/** One lane as batches, read ahead as far as the memory budget lets it. Who takes a batch gives its bytes back to the budget. */
export interface BatchReader {
  /** The position after the last one that was read or passed. */
  readonly readPosition: number
  /** When the source last gave something, ms. */
  readonly lastReadMs: number
  /**
   * The next thing in order, or `waiting` when `deadlineMs` passed or `wake` was called.
   * @throws what the source threw, after everything that came before it was given.
   */
  next(deadlineMs: number): Promise<Read>
  wake(): void
  /** Stops reading and gives back the memory of all that was not taken. */
  close(): Promise<void>
}

export interface BatchReaderOptions {
  readonly budget: MemoryBudget
  readonly nowMs: () => number
}

/** Held bytes of one lane that wait to be taken: enough to read while what came before is written. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024

/** Reads `lane` from `position` on. */
export function openBatchReader(
  source: Source,
  lane: Lane,
  position: number,
  { budget, nowMs }: BatchReaderOptions,
  signal: AbortSignal,
): BatchReader {
  const stop = new AbortController()
  const reading = AbortSignal.any([signal, stop.signal])
  const queue: Exclude<Read, { kind: 'waiting' | 'ended' }>[] = []
  let queuedBytes = 0
  let readPosition = position
  let lastReadMs = nowMs()
  let changed = Promise.withResolvers<void>()
  let taken = Promise.withResolvers<void>()
  let end: { readonly failure: unknown } | undefined
  let isWoken = false

  const tell = () => changed.resolve()
  reading.addEventListener('abort', () => taken.resolve(), { once: true })
  const read = async () => {
    let failure: unknown
    try {
      for await (const item of source.read(lane, position, reading)) {
        const bytes = isPassed(item) ? 0 : heldBytes(item)
        if (bytes > 0) await budget.acquire(bytes, reading)
        lastReadMs = nowMs()
        readPosition = Math.max(readPosition, positionBehind(item))
        queuedBytes += bytes
        queue.push(
          isPassed(item) ? { kind: 'passed', passedTo: item.passedTo } : { kind: 'batch', batch: item, heldBytes: bytes },
        )
        tell()
        while (queuedBytes > MAX_QUEUED_BYTES && !reading.aborted) await taken.promise
      }
    } catch (error) {
      if (!reading.aborted) failure = error
    }
    end = { failure }
    tell()
  }
  const finished = read()

  return {
    get readPosition() {
      return readPosition
    },
    get lastReadMs() {
      return lastReadMs
    },
    async next(deadlineMs) {
      if (queue.length === 0 && end === undefined && !isWoken) await waitUntil(changed.promise, deadlineMs - nowMs())
      isWoken = false
      changed = Promise.withResolvers<void>()
      const item = queue.shift()
      if (item !== undefined) {
        if (item.kind === 'batch') queuedBytes -= item.heldBytes
        taken.resolve()
        taken = Promise.withResolvers<void>()
        return item
      }
      if (end === undefined) return { kind: 'waiting' }
      if (end.failure !== undefined) throw end.failure
      return { kind: 'ended' }
    },
    wake() {
      isWoken = true
      tell()
    },
    async close() {
      stop.abort()
      await finished
      for (const item of queue.splice(0)) if (item.kind === 'batch') budget.release(item.heldBytes)
    },
  }
}
