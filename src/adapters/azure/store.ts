import { createHash } from 'node:crypto'
import type { CpkInfo } from '@azure/storage-blob'
import { MillpondError } from '../../errors.ts'
import type { Secret } from '../../secret.ts'
import { checkFolderPrefix } from '../../store/key.ts'
import { createObjectStore, type ObjectCalls, PART_BYTES } from '../../store/object-store.ts'
import type { Store } from '../../store/store.ts'
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

/** No block is larger (learn.microsoft.com, "Put Block", read 2026-11). */
const MAX_PART_BYTES = 4000 * 1024 * 1024

type AzureStoreParts = AzurePlace & ListedContainer

/**
 * A store in a container of Azure Blob Storage. Writes are conditional on there being no object; each request is repeated after what passes,
 * and an answer that was lost is settled by a look at the object: the store needs no `withRetry`.
 * @throws MillpondError `DEPENDENCY_MISSING` without @azure/storage-blob (and @azure/identity, where no credentials are given); `STORE_REFUSED`
 * for credentials that cannot be read; `KEY_INVALID`, `CONFIG_INVALID` for options that cannot be.
 */
export async function openAzureStore(options: AzureStoreOptions): Promise<Store> {
  const { prefix = '', accessTier, encryptionScope, customerKey, metadata, tags } = options
  const { partBytes = PART_BYTES } = options
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
  return createObjectStore(azureCalls(parts), { ...options, prefix })
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

function azureCalls(parts: AzureStoreParts): ObjectCalls {
  return {
    name: parts.place,
    put: (key, object, signal) => putObject(parts, { key, object, ifAbsent: false }, signal),
    putIfAbsent: (key, object, signal) => putObject(parts, { key, object, ifAbsent: true }, signal),
    openUpload: async (key, signal) => createUpload(parts, key, signal),
    read: (key, range, signal) => readObject(parts, key, range, signal),
    size: (key, signal) => sizeOfObject(parts, key, signal),
    list: (query, signal) => listObjects(parts, query, signal),
    folders: (prefix, signal) => listFolders(parts, prefix, signal),
    delete: (key, signal) => deleteObject(parts, key, signal),
  }
}
