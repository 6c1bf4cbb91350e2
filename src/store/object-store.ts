import { MillpondError } from '../errors.ts'
import { checkFolderPrefix, checkKey, checkPrefix } from './key.ts'
import { createLimiter, type Limiter } from './limiter.ts'
import { createPartRoom } from './part-room.ts'
import { createPartWriter, type PartUpload, type Pieces } from './part-writer.ts'
import { withPrefix } from './prefix.ts'
import type { ByteRange, ListedObject, ObjectWriter, PutOutcome, Store } from './store.ts'

/** What one service makes of each call, for keys that were checked; requests are limited and repeated behind it. */
export interface ObjectCalls {
  /** Text for people, without secrets. */
  readonly name: string
  put(key: string, object: Pieces, signal?: AbortSignal): Promise<unknown>
  putIfAbsent(key: string, object: Pieces, signal?: AbortSignal): Promise<PutOutcome>
  openUpload(key: string, signal: AbortSignal): Promise<PartUpload>
  read(key: string, range: ByteRange | undefined, signal?: AbortSignal): Promise<Uint8Array>
  size(key: string, signal?: AbortSignal): Promise<number | undefined>
  list(
    query: { readonly prefix: string; readonly after?: string; readonly limit?: number },
    signal?: AbortSignal,
  ): AsyncIterable<ListedObject>
  folders(prefix: string, signal?: AbortSignal): AsyncIterable<string>
  delete(key: string, signal?: AbortSignal): Promise<unknown>
  /** Ends the connections, once no writer is left. */
  close?(): void
}

/** How objects are sent. */
export interface PartOptions {
  /** Objects of up to this many bytes are sent whole, larger ones in parts of as many where there is no room for them. 5 MiB unless given. */
  readonly partBytes?: number
  /** What all writers of the store together hold back before the largest of them sends parts; without it each sends what is more than a part. */
  readonly holdBytes?: number
  /** Parts on their way at once, of all writers; 4 unless given. */
  readonly maxPartsInFlight?: number
}

/** Parts of the least size that every service takes: each lane may hold one, and more are on their way. */
export const PART_BYTES = 5 * 1024 * 1024
/** No service takes much more in one request (Amazon S3 5 GiB, Azure 5,000 MiB, 2026-11), and one that fails is sent again as a whole. */
const MAX_HOLD_BYTES = 1024 * 1024 * 1024
const MAX_PARTS_IN_FLIGHT = 4

interface ObjectStoreOptions extends PartOptions {
  /** The folder of the service's place that is the whole store; empty, or ending in `/`. */
  readonly prefix: string
  /** The service takes the parts of one upload one after another. */
  readonly takesPartsInOrder?: boolean
}

const piecesOf = (bytes: Uint8Array): Pieces => ({ pieces: [bytes], bytes: bytes.length })

/** A store on a service of objects: checks keys, sends what is large in parts, and is closed once. */
export function createObjectStore(calls: ObjectCalls, options: ObjectStoreOptions): Store {
  const { partBytes = PART_BYTES, holdBytes, maxPartsInFlight = MAX_PARTS_IN_FLIGHT } = options
  const turns = createLimiter(maxPartsInFlight)
  const room = holdBytes === undefined ? undefined : createPartRoom(Math.min(holdBytes, MAX_HOLD_BYTES))
  const writers = new Set<ObjectWriter>()
  let disposed = false

  const ready = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted()
    if (disposed) throw new MillpondError('STORE_UNAVAILABLE', `the store ${calls.name} is closed`)
  }
  const begin = (key: string, signal: AbortSignal | undefined): void => {
    checkKey(key)
    ready(signal)
  }
  const store: Store = {
    name: calls.name,
    async put(key, bytes, signal) {
      begin(key, signal)
      await calls.put(key, piecesOf(bytes), signal)
    },
    async putIfAbsent(key, bytes, signal) {
      begin(key, signal)
      return calls.putIfAbsent(key, piecesOf(bytes), signal)
    },
    async openWriter(key, signal) {
      begin(key, signal)
      const writer = createPartWriter({
        partBytes,
        ...(room === undefined ? {} : { room }),
        turns: options.takesPartsInOrder === true ? inOrder(turns) : turns,
        putWhole: (object, signal) => calls.putIfAbsent(key, object, signal),
        openUpload: (signal) => calls.openUpload(key, signal),
        onClosed: () => writers.delete(writer),
        signal,
      })
      writers.add(writer)
      return writer
    },
    async read(key, range, signal) {
      begin(key, signal)
      return calls.read(key, range, signal)
    },
    async size(key, signal) {
      begin(key, signal)
      return calls.size(key, signal)
    },
    async *list(prefix, query = {}, signal) {
      checkPrefix(prefix)
      ready(signal)
      yield* calls.list({ prefix, ...query }, signal)
    },
    async *folders(prefix, signal) {
      checkFolderPrefix(prefix)
      ready(signal)
      yield* calls.folders(prefix, signal)
    },
    async delete(key, signal) {
      begin(key, signal)
      await calls.delete(key, signal)
    },
    async [Symbol.asyncDispose]() {
      if (disposed) return
      disposed = true
      await Promise.all([...writers].map((writer) => writer.abort()))
      calls.close?.()
    },
  }
  return withPrefix(store, options.prefix)
}

/** Turns of one upload, which takes one part after another; each is one of all uploads' turns too. */
function inOrder(turns: Limiter): Limiter {
  const own = createLimiter(1)
  return {
    async take(signal) {
      const endOwn = await own.take(signal)
      try {
        const end = await turns.take(signal)
        return () => {
          end()
          endOwn()
        }
      } catch (error) {
        endOwn()
        throw error
      }
    },
  }
}
