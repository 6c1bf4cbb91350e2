import { MillpondError } from '../../errors.ts'
import { checkFolderPrefix, checkKey, checkPrefix } from '../../store/key.ts'
import { createLimiter } from '../../store/limiter.ts'
import type { Limiter } from '../../store/limiter.ts'
import { createPartWriter } from '../../store/part-writer.ts'
import type { Pieces } from '../../store/part-writer.ts'
import { withPrefix } from '../../store/prefix.ts'
import type { ListedObject, ObjectWriter, Store } from '../../store/store.ts'
import { openGcsClient } from './client.ts'
import { listFolders, listObjects } from './listing.ts'
import { deleteObject, putObject, readObject, sizeOfObject } from './objects.ts'
import type { GcsPlace } from './objects.ts'
import type { GcsStoreOptions } from './options.ts'
import { openUpload, PART_UNIT_BYTES } from './upload.ts'

const DEFAULT_PART_BYTES = 8 * 1024 * 1024
const DEFAULT_MAX_PARTS_IN_FLIGHT = 4

const piecesOf = (bytes: Uint8Array): Pieces => ({ pieces: [bytes], bytes: bytes.length })

interface PartRules {
  readonly partBytes: number
  readonly maxPartsInFlight: number
}

/**
 * A store in a bucket of Google Cloud Storage. Writes are conditional on the object's generation; each request is repeated after what
 * passes, and an answer that was lost is settled by a look at the object: the store needs no `withRetry`.
 * @throws MillpondError `DEPENDENCY_MISSING` without @google-cloud/storage; `STORE_REFUSED` for credentials that cannot be read; `KEY_INVALID`,
 * `CONFIG_INVALID` for options that cannot be.
 */
export async function openGcsStore(options: GcsStoreOptions): Promise<Store> {
  const { prefix = '', storageClass, kmsKeyName, metadata } = options
  const { partBytes = DEFAULT_PART_BYTES, maxPartsInFlight = DEFAULT_MAX_PARTS_IN_FLIGHT } = options
  checkFolderPrefix(prefix)
  // Parts that are not the last have to be whole units.
  const wholeBytes = Math.max(1, Math.floor(partBytes / PART_UNIT_BYTES)) * PART_UNIT_BYTES
  const client = await openGcsClient(options)
  const settings = { storageClass, kmsKeyName, metadata }
  return withPrefix(createGcsStore({ client, settings }, { partBytes: wholeBytes, maxPartsInFlight }), prefix)
}

function createGcsStore(place: GcsPlace, { partBytes, maxPartsInFlight }: PartRules): Store {
  const { client } = place
  const turns = createLimiter(maxPartsInFlight)
  const writers = new Set<ObjectWriter>()
  let disposed = false

  const ready = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted()
    if (disposed) throw new MillpondError('STORE_UNAVAILABLE', `the store in gs://${client.bucket} is closed`)
  }
  const begin = (key: string, signal: AbortSignal | undefined): void => {
    checkKey(key)
    ready(signal)
  }

  return {
    name: `gs://${client.bucket}`,

    async put(key, bytes, signal) {
      begin(key, signal)
      await putObject(place, { key, object: piecesOf(bytes), ifAbsent: false }, signal)
    },

    async putIfAbsent(key, bytes, signal) {
      begin(key, signal)
      return putObject(place, { key, object: piecesOf(bytes), ifAbsent: true }, signal)
    },

    async openWriter(key, signal) {
      begin(key, signal)
      const writer = createPartWriter({
        partBytes,
        turns: inOrder(turns),
        putWhole: (object, signal) => putObject(place, { key, object, ifAbsent: true }, signal),
        openUpload: (signal) => openUpload(place, key, signal),
        onClosed: () => writers.delete(writer),
        signal,
      })
      writers.add(writer)
      return writer
    },

    async read(key, range, signal) {
      begin(key, signal)
      return readObject(client, key, range, signal)
    },

    async size(key, signal) {
      begin(key, signal)
      return sizeOfObject(client, key, signal)
    },

    async *list(prefix, query = {}, signal): AsyncGenerator<ListedObject> {
      checkPrefix(prefix)
      ready(signal)
      yield* listObjects(client, { prefix, ...query }, signal)
    },

    async *folders(prefix, signal): AsyncGenerator<string> {
      checkFolderPrefix(prefix)
      ready(signal)
      yield* listFolders(client, prefix, signal)
    },

    async delete(key, signal) {
      begin(key, signal)
      await deleteObject(client, key, signal)
    },

    async [Symbol.asyncDispose]() {
      disposed = true
      await Promise.all([...writers].map((writer) => writer.abort()))
      client.close()
    },
  }
}

/** Turns of one upload, whose session takes one part after another; each is one of all uploads' turns too. */
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
