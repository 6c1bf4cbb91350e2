import { checkFolderPrefix } from '../../store/key.ts'
import { createObjectStore, type ObjectCalls, PART_BYTES } from '../../store/object-store.ts'
import type { Store } from '../../store/store.ts'
import { openGcsClient } from './client.ts'
import { listFolders, listObjects } from './listing.ts'
import { deleteObject, putObject, readObject, sizeOfObject } from './objects.ts'
import type { GcsPlace } from './objects.ts'
import type { GcsStoreOptions } from './options.ts'
import { openUpload, PART_UNIT_BYTES } from './upload.ts'

/**
 * A store in a bucket of Google Cloud Storage. Writes are conditional on the object's generation; each request is repeated after what
 * passes, and an answer that was lost is settled by a look at the object: the store needs no `withRetry`.
 * @throws MillpondError `DEPENDENCY_MISSING` without @google-cloud/storage; `STORE_REFUSED` for credentials that cannot be read; `KEY_INVALID`,
 * `CONFIG_INVALID` for options that cannot be.
 */
export async function openGcsStore(options: GcsStoreOptions): Promise<Store> {
  const { prefix = '', partBytes = PART_BYTES, storageClass, kmsKeyName, metadata } = options
  checkFolderPrefix(prefix)
  // Parts that are not the last have to be whole units.
  const wholeBytes = Math.max(1, Math.floor(partBytes / PART_UNIT_BYTES)) * PART_UNIT_BYTES
  const client = await openGcsClient(options)
  const settings = { storageClass, kmsKeyName, metadata }
  const parts = { ...options, prefix, partBytes: wholeBytes, takesPartsInOrder: true }
  return createObjectStore(gcsCalls({ client, settings }), parts)
}

function gcsCalls(place: GcsPlace): ObjectCalls {
  const { client } = place
  return {
    name: `gs://${client.bucket}`,
    put: (key, object, signal) => putObject(place, { key, object, ifAbsent: false }, signal),
    putIfAbsent: (key, object, signal) => putObject(place, { key, object, ifAbsent: true }, signal),
    openUpload: (key, signal) => openUpload(place, key, signal),
    read: (key, range, signal) => readObject(client, key, range, signal),
    size: (key, signal) => sizeOfObject(client, key, signal),
    list: (query, signal) => listObjects(client, query, signal),
    folders: (prefix, signal) => listFolders(client, prefix, signal),
    delete: (key, signal) => deleteObject(client, key, signal),
    close: () => client.close(),
  }
}
