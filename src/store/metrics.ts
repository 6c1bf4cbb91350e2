import { isMillpondError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { ObjectWriter, PutOutcome, Store } from './store.ts'

export type StoreOperation = 'put' | 'putIfAbsent' | 'write' | 'read' | 'size' | 'list' | 'folders' | 'delete'

/** One call of a store that is over; a streamed write or a listing is one call, from its opening to its end. */
export interface StoreObservation {
  readonly operation: StoreOperation
  /** Time spent in the store; that in which its caller made or used the bytes does not count. */
  readonly milliseconds: number
  /** Bytes of objects that were written or read; 0 for a failed call, save for a streamed write. */
  readonly bytes: number
  /** An error that is not Millpond's counts as `STOPPED` under an aborted signal, otherwise as `INTERNAL`. */
  readonly outcome: 'ok' | PutOutcome | ErrorCode
}

export type ObserveStore = (observation: StoreObservation) => void

/** A store of which each call is observed. */
export function withMetrics(store: Store, observe: ObserveStore, nowMs: () => number = () => performance.now()): Store {
  const begin = (operation: StoreOperation, signal: AbortSignal | undefined) => createMeter({ operation, observe, nowMs, signal })

  return {
    ...store,
    async put(key, bytes, signal) {
      const meter = begin('put', signal)
      await meter.last(() => store.put(key, bytes, signal))
      meter.end('ok', bytes.length)
    },
    async putIfAbsent(key, bytes, signal) {
      const meter = begin('putIfAbsent', signal)
      const outcome = await meter.last(() => store.putIfAbsent(key, bytes, signal))
      meter.end(outcome, outcome === 'created' ? bytes.length : 0)
      return outcome
    },
    async openWriter(key, signal) {
      const meter = begin('write', signal)
      return observedWriter(await meter.last(() => store.openWriter(key, signal)), meter)
    },
    async read(key, range, signal) {
      const meter = begin('read', signal)
      const bytes = await meter.last(() => store.read(key, range, signal))
      meter.end('ok', bytes.length)
      return bytes
    },
    async size(key, signal) {
      const meter = begin('size', signal)
      const bytes = await meter.last(() => store.size(key, signal))
      meter.end('ok', 0)
      return bytes
    },
    list: (prefix, options, signal) => observedItems(store.list(prefix, options, signal), begin('list', signal)),
    folders: (prefix, signal) => observedItems(store.folders(prefix, signal), begin('folders', signal)),
    async delete(key, signal) {
      const meter = begin('delete', signal)
      await meter.last(() => store.delete(key, signal))
      meter.end('ok', 0)
    },
  }
}

/** The clock of one call. */
interface Meter {
  /** Adds the time that a part of the call takes. */
  part<T>(act: () => Promise<T>): Promise<T>
  /** As `part`; where it fails the call is over. */
  last<T>(act: () => Promise<T>): Promise<T>
  /** Tells how the call ended; only the first time. */
  end(outcome: StoreObservation['outcome'], bytes: number): void
  fail(error: unknown, bytes: number): void
}

interface MeterParts {
  readonly operation: StoreOperation
  readonly observe: ObserveStore
  readonly nowMs: () => number
  readonly signal: AbortSignal | undefined
}

function createMeter({ operation, observe, nowMs, signal }: MeterParts): Meter {
  let milliseconds = 0
  let ended = false
  const meter: Meter = {
    async part(act) {
      const beganMs = nowMs()
      try {
        return await act()
      } finally {
        milliseconds += nowMs() - beganMs
      }
    },
    async last(act) {
      try {
        return await meter.part(act)
      } catch (error) {
        meter.fail(error, 0)
        throw error
      }
    },
    end(outcome, bytes) {
      if (ended) return
      ended = true
      observe({ operation, milliseconds, bytes, outcome })
    },
    fail(error, bytes) {
      if (isMillpondError(error)) meter.end(error.code, bytes)
      else meter.end(signal?.aborted === true ? 'STOPPED' : 'INTERNAL', bytes)
    },
  }
  return meter
}

function observedWriter(writer: ObjectWriter, meter: Meter): ObjectWriter {
  let written = 0
  const failing = async <T>(act: () => Promise<T>): Promise<T> => {
    try {
      return await meter.part(act)
    } catch (error) {
      meter.fail(error, written)
      throw error
    }
  }
  return {
    get heldBytes() {
      return writer.heldBytes
    },
    async write(bytes, crc32c) {
      await failing(() => writer.write(bytes, crc32c))
      written += bytes.length
    },
    async finish() {
      const outcome = await failing(() => writer.finish())
      meter.end(outcome, written)
      return outcome
    },
    async abort() {
      await meter.part(() => writer.abort())
      meter.end('STOPPED', written)
    },
  }
}

async function* observedItems<T>(items: AsyncIterable<T>, meter: Meter): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await meter.last(() => iterator.next())
      if (next.done === true) return
      yield next.value
    }
  } finally {
    await iterator.return?.()
    meter.end('ok', 0)
  }
}
