import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { QueryPart } from '../../query/parts.ts'
import type { FeedMessage } from './messages.ts'

/** Brings the messages of scans into a thread that may not await: DuckDB asks for rows and waits for the answer. */
export interface Feed {
  /**
   * The next messages of the scan; undefined at its end. Blocks the thread until they are there.
   * @throws Error where they cannot be read, or the query is to stop.
   */
  next(scan: number): QueryPart | undefined
}

/** What `wake` counts is told by its first number; the second is not zero when the query is to stop. */
export const STOPPED = 1

/** A feed that reads from `port`; `taken` is called for each batch that goes out. */
export function createFeed(port: MessagePort, wake: Int32Array, taken: (scan: number) => void): Feed {
  const waiting = new Map<number, FeedMessage[]>()
  const receive = (): boolean => {
    const received: { readonly message: FeedMessage } | undefined = receiveMessageOnPort(port)
    if (received === undefined) return false
    const { message } = received
    const queue = waiting.get(message.scan)
    if (queue === undefined) waiting.set(message.scan, [message])
    else queue.push(message)
    return true
  }
  const wait = (scan: number): FeedMessage => {
    for (;;) {
      const count = Atomics.load(wake, 0)
      if (Atomics.load(wake, STOPPED) !== 0) throw new Error('stopped')
      while (receive());
      const message = waiting.get(scan)?.shift()
      if (message !== undefined) return message
      Atomics.wait(wake, 0, count)
    }
  }
  return {
    next(scan) {
      const message = wait(scan)
      if (message.kind === 'failed') throw new Error(message.message)
      if (message.kind === 'end') return undefined
      taken(scan)
      return message.part
    },
  }
}
