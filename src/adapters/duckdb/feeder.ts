import type { MessagePort } from 'node:worker_threads'
import type { MessageBatch } from '../../batch/batch.ts'
import type { QueryPart } from '../../query/parts.ts'
import type { ValueRows } from '../../query/parts.ts'
import type { FeedMessage } from './messages.ts'

/** Batches of one scan on their way before the thread has taken one. */
const AHEAD = 4

/** Brings what is read to the thread of a query, and never much more than it takes. */
export interface Feeder {
  /** The first thing that could not be read. */
  readonly failure: unknown
  begin(scan: number, open: (signal: AbortSignal) => AsyncIterable<QueryPart>): void
  /** The thread took a batch of the scan. */
  taken(scan: number): void
}

interface Credit {
  left: number
  more: PromiseWithResolvers<void>
}

/** A feeder that ends with `signal`. */
export function createFeeder(port: MessagePort, wake: Int32Array, signal: AbortSignal): Feeder {
  const credits = new Map<number, Credit>()
  let failure: unknown
  const send = (message: FeedMessage, transfer: ArrayBuffer[] = []): void => {
    port.postMessage(message, transfer)
    Atomics.add(wake, 0, 1)
    Atomics.notify(wake, 0)
  }
  const feed = async (scan: number, credit: Credit, parts: AsyncIterable<QueryPart>): Promise<void> => {
    try {
      for await (const part of parts) {
        const { copied, buffers } = copyOf(part)
        send({ scan, kind: 'batch', part: copied }, buffers)
        credit.left--
        while (credit.left === 0 && !signal.aborted) await credit.more.promise
        if (signal.aborted) return
      }
      send({ scan, kind: 'end' })
    } catch (error) {
      failure ??= error
      send({ scan, kind: 'failed', message: error instanceof Error ? error.message : String(error) })
    }
  }
  signal.addEventListener('abort', () => {
    for (const { more } of credits.values()) more.resolve()
  })
  return {
    get failure() {
      return failure
    },
    begin(scan, open) {
      const credit = { left: AHEAD, more: Promise.withResolvers<void>() }
      credits.set(scan, credit)
      void feed(scan, credit, open(signal))
    },
    taken(scan) {
      const credit = credits.get(scan)
      if (credit === undefined) return
      credit.left++
      credit.more.resolve()
      credit.more = Promise.withResolvers()
    },
  }
}

/** A copy that can be given away: columns and bytes of a batch may be shared with others. */
function copyOf(part: QueryPart): { copied: QueryPart; buffers: ArrayBuffer[] } {
  const { lane, count, batch, values } = part
  if (values !== undefined) return { copied: part, buffers: buffersOf(values) }
  if (batch === undefined) return { copied: { lane, count }, buffers: [] }
  const buffers: ArrayBuffer[] = []
  const entries = Object.entries(batch as unknown as Record<string, unknown>).map(([name, column]) => {
    if (!ArrayBuffer.isView(column)) return [name, column] as const
    const bytes = new Uint8Array(column.buffer, column.byteOffset, column.byteLength).slice()
    buffers.push(bytes.buffer)
    return [name, as(column, bytes.buffer)] as const
  })
  return { copied: { lane, count, batch: Object.fromEntries(entries) as unknown as MessageBatch }, buffers }
}

/** Cells of values belong to the scan alone: their memory is given away. */
function buffersOf({ columns }: ValueRows): ArrayBuffer[] {
  const parts = Object.values(columns).flatMap(({ cells, valid, bytes, starts, ends }) => [cells, valid, bytes, starts, ends])
  return [...new Set(parts.flatMap((part) => (part === undefined ? [] : [part.buffer])))]
}

function as(column: ArrayBufferView, buffer: ArrayBuffer): ArrayBufferView {
  if (column instanceof Float64Array) return new Float64Array(buffer)
  return column instanceof Int32Array ? new Int32Array(buffer) : new Uint8Array(buffer)
}
