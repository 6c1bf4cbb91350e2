import { createHash } from 'node:crypto'
import type { CpkInfo } from '@azure/storage-blob'
import { MillpondError } from '../../errors.ts'
import type { Secret } from '../../secret.ts'
import { checkFolderPrefix, checkKey, checkPrefix } from '../../store/key.ts'
import { createLimiter } from '../../store/limiter.ts'
import { createPartWriter } from '../../store/part-writer.ts'
import type { Pieces } from '../../store/part-writer.ts'
import { withPrefix } from '../../store/prefix.ts'
import type { ListedObject, ObjectWriter, Store } from '../../store/store.ts'
import type { RequestAttempt } from '../../store/requests.ts'
import { openAzureClient } from './client.ts'
import type { AzureClient } from './client.ts'
import { refusalOf } from './errors.ts'
import { listFolders, listObjects, MAX_PAGE_COUNT } from './listing.ts'
import type { ListedContainer } from './listing.ts'
import { deleteObject, putObject, readObject, sizeOfObject } from './objects.ts'
import type { AzurePlace } from './objects.ts'
import type { AzureStoreOptions } from './options.ts'
import { createUpload } from './upload.ts'

const DEFAULT_PART_BYTES = 8 * 1024 * 1024
/** No block is larger (learn.microsoft.com, "Put Block", read 2026-11). */
const MAX_PART_BYTES = 4000 * 1024 * 1024
const DEFAULT_MAX_PARTS_IN_FLIGHT = 4

type AzureStoreParts = AzurePlace & ListedContainer

const piecesOf = (bytes: Uint8Array): Pieces => ({ pieces: [bytes], bytes: bytes.length })

interface PartRules {
  readonly partBytes: number
  readonly maxPartsInFlight: number
}

/**
 * A store in a container of Azure Blob Storage. Writes are conditional on there being no object; each request is repeated after what passes,
 * and an answer that was lost is settled by a look at the object: the store needs no `withRetry`.
 * @throws MillpondError `DEPENDENCY_MISSING` without @azure/storage-blob (and @azure/identity, where no credentials are given); `STORE_REFUSED`
 * for credentials that cannot be read; `KEY_INVALID`, `CONFIG_INVALID` for options that cannot be.
 */
export async function openAzureStore(options: AzureStoreOptions): Promise<Store> {
  const { prefix = '', accessTier, encryptionScope, customerKey, metadata, tags } = options
  const { partBytes = DEFAULT_PART_BYTES, maxPartsInFlight = DEFAULT_MAX_PARTS_IN_FLIGHT } = options
  checkFolderPrefix(prefix)
  if (!Number.isSafeInteger(partBytes) || partBytes <= 0 || partBytes > MAX_PART_BYTES) {
    throw new MillpondError('CONFIG_INVALID', `parts have 1 to ${MAX_PART_BYTES} bytes, not ${partBytes}`)
  }
  const client = await openAzureClient(options)
  if (customerKey !== undefined && !client.place.startsWith('https:')) {
    throw new MillpondError('CONFIG_INVALID', `a key of the customer's own is sent by https alone, not to ${client.place}`)
  }
  const settings = { accessTier, encryptionScope, customerKey: customerKey && keyInfo(customerKey), metadata, tags }
  const parts = { ...client, settings, hasFolders: createFolderCheck(client), pageCount: MAX_PAGE_COUNT }
  return withPrefix(createAzureStore(parts, { partBytes, maxPartsInFlight }), prefix)
}

function keyInfo(customerKey: Secret): CpkInfo {
  const encryptionKey = customerKey.reveal()
  const encryptionKeySha256 = createHash('sha256').update(encryptionKey, 'base64').digest('base64')
  return { encryptionKey, encryptionKeySha256, encryptionAlgorithm: 'AES256' }
}

/** Asks once whether the account has a hierarchical namespace; one that may not be asked is taken for one without. */
function createFolderCheck({ container, requests }: AzureClient): ListedContainer['hasFolders'] {
  let known: boolean | undefined
  const act = async ({ signal }: RequestAttempt): Promise<boolean> => {
    try {
      return (await container.getAccountInfo({ abortSignal: signal })).isHierarchicalNamespaceEnabled === true
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal !== undefined && refusal.status < 500) return false
      throw error
    }
  }
  return async (signal) => (known ??= await requests.send({ kind: 'head', key: '', act }, signal))
}

function createAzureStore(parts: AzureStoreParts, { partBytes, maxPartsInFlight }: PartRules): Store {
  const turns = createLimiter(maxPartsInFlight)
  const writers = new Set<ObjectWriter>()
  let disposed = false

  const ready = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted()
    if (disposed) throw new MillpondError('STORE_UNAVAILABLE', `the store in ${parts.place} is closed`)
  }
  const begin = (key: string, signal: AbortSignal | undefined): void => {
    checkKey(key)
    ready(signal)
  }

  return {
    name: parts.place,

    async put(key, bytes, signal) {
      begin(key, signal)
      await putObject(parts, { key, object: piecesOf(bytes), ifAbsent: false }, signal)
    },

    async putIfAbsent(key, bytes, signal) {
      begin(key, signal)
      return putObject(parts, { key, object: piecesOf(bytes), ifAbsent: true }, signal)
    },

    async openWriter(key, signal) {
      begin(key, signal)
      const writer = createPartWriter({
        partBytes,
        turns,
        putWhole: (object, signal) => putObject(parts, { key, object, ifAbsent: true }, signal),
        openUpload: async (signal) => createUpload(parts, key, signal),
        onClosed: () => writers.delete(writer),
        signal,
      })
      writers.add(writer)
      return writer
    },

    async read(key, range, signal) {
      begin(key, signal)
      return readObject(parts, key, range, signal)
    },

    async size(key, signal) {
      begin(key, signal)
      return sizeOfObject(parts, key, signal)
    },

    async *list(prefix, query = {}, signal): AsyncGenerator<ListedObject> {
      checkPrefix(prefix)
      ready(signal)
      yield* listObjects(parts, { prefix, ...query }, signal)
    },

    async *folders(prefix, signal): AsyncGenerator<string> {
      checkFolderPrefix(prefix)
      ready(signal)
      yield* listFolders(parts, prefix, signal)
    },

    async delete(key, signal) {
      begin(key, signal)
      await deleteObject(parts, key, signal)
    },

    async [Symbol.asyncDispose]() {
      disposed = true
      await Promise.all([...writers].map((writer) => writer.abort()))
    },
  }
}
