import type { MessageBatch } from '../batch/batch.ts'
import type { EncodedBlock } from '../encode/block.ts'
import { waitUntil } from './wait-until.ts'

/** Messages of a batch that no block can hold, with the reason for each. */
export interface Unencodable {
  readonly batch: MessageBatch
  readonly reasons: readonly string[]
}

/**
 * What a lane gives next: a block, messages for the dead-letter sink, or word of positions without a message, that nothing came in
 * time, that nothing will come any more. Dead letters and passed positions may lie behind blocks that are still to come.
 */
export type Fed =
  | { readonly kind: 'block'; readonly block: EncodedBlock; readonly heldBytes: number }
  | { readonly kind: 'unencodable'; readonly unencodable: Unencodable }
  | { readonly kind: 'passed'; readonly passedTo: number }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'ended' }

/** What waits to be taken, in order. A block's bytes are what it holds of the memory budget. */
export type Queued =
  | { readonly block: Promise<EncodedBlock>; readonly heldBytes: number }
  | { readonly unencodable: Unencodable }
  | { readonly passedTo: number }

/** Between who reads a lane and who writes what was read. */
export interface BlockQueue {
  readonly isEmpty: boolean
  push(item: Queued): void
  /** Waits until blocks that hold no more than so much are queued, or nothing, or reading is aborted. */
  room(maxBytes: number): Promise<void>
  /** Lets `next` return, with `waiting` if with nothing else. */
  readonly wake: () => void
  /** Nothing more will come; a failure is thrown behind all that came before. */
  finish(failure: unknown): void
  /** The next thing, or `waiting` where nothing comes before the deadline or `wake` is called. */
  next(deadlineMs: number): Promise<Fed>
  /** Takes everything out; gives what it held. */
  clear(): Promise<number>
}

/** An empty queue; `reading` ends all waiting for room. */
export function createBlockQueue(nowMs: () => number, reading: AbortSignal): BlockQueue {
  const queue: Queued[] = []
  let queuedBytes = 0
  let taken = Promise.withResolvers<void>()
  let wake = Promise.withResolvers<void>()
  let end: { readonly failure: unknown } | undefined
  reading.addEventListener('abort', () => taken.resolve(), { once: true })
  const isWaiting = () => queue.length === 0 && end === undefined
  return {
    get isEmpty() {
      return queue.length === 0
    },
    push(item) {
      const last = queue.at(-1)
      if ('block' in item) {
        queuedBytes += item.heldBytes
        // A rejection is seen when its turn comes; until then it must not count as unhandled.
        item.block.catch(() => undefined)
      } else if ('passedTo' in item && last !== undefined && 'passedTo' in last) {
        // A lane of nothing but aborted messages must not fill the queue.
        queue.pop()
      }
      queue.push(item)
      wake.resolve()
    },
    async room(maxBytes) {
      while (queuedBytes > maxBytes && queue.length > 0 && !reading.aborted) await taken.promise
    },
    wake: () => wake.resolve(),
    finish(failure) {
      end = { failure }
      wake.resolve()
    },
    async next(deadlineMs) {
      if (isWaiting()) {
        await waitUntil(wake.promise, deadlineMs - nowMs())
        if (isWaiting()) {
          wake = Promise.withResolvers<void>()
          return { kind: 'waiting' }
        }
      }
      const item = queue.shift()
      if (isWaiting()) wake = Promise.withResolvers<void>()
      if (item === undefined) {
        if (end?.failure !== undefined) throw end.failure
        return { kind: 'ended' }
      }
      if ('block' in item) queuedBytes -= item.heldBytes
      taken.resolve()
      taken = Promise.withResolvers<void>()
      if ('passedTo' in item) return { kind: 'passed', passedTo: item.passedTo }
      if ('unencodable' in item) return { kind: 'unencodable', unencodable: item.unencodable }
      return { kind: 'block', block: await item.block, heldBytes: item.heldBytes }
    },
    async clear() {
      let heldBytes = 0
      for (const item of queue.splice(0)) {
        if (!('block' in item)) continue
        await item.block.catch(() => undefined)
        heldBytes += item.heldBytes
      }
      return heldBytes
    },
  }
}
