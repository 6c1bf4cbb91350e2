import { lstat, mkdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { checkFolderPrefix, checkKey, checkPrefix } from '../../store/key.ts'
import { cutRange } from '../../store/range.ts'
import type { ListedObject, ObjectWriter, Store } from '../../store/store.ts'
import { errnoOf, fileStoreError } from './errors.ts'
import { createFolders, parentOf, syncFolder } from './folders.ts'
import type { Folders } from './folders.ts'
import { listFolders, listObjects } from './listing.ts'
import { createObjectWriter } from './object-writer.ts'
import { deleteObject, linkObject, openObject, readRange, replaceObject } from './objects.ts'
import type { Place } from './objects.ts'
import { createOpenFiles } from './open-files.ts'
import { discardTempFile, openTempFile, removeStaleTempFiles, TEMP_FOLDER, writeChunks } from './temp-files.ts'
import type { TempFile } from './temp-files.ts'

export interface FileStoreOptions {
  /** The folder that holds the store. */
  readonly path: string
  /** Makes the folder where it is missing; otherwise that is an error. */
  readonly create?: boolean
}

/** A look-up of a billion messages reads of some hundred objects, again and again of the same. */
const MAX_OPEN_FILES = 512
const IDLE_FILE_MS = 10_000

/**
 * A store in a folder of a file system: each object is a file, its key the path. Any number of processes may use one folder.
 * An object is written under a hidden name, made durable, and then linked to its key, which the file system does for one writer only.
 * @throws MillpondError `STORE_UNAVAILABLE`, `STORE_READ_ONLY` or `STORE_FULL` where the folder cannot be used.
 */
export async function openFileStore(options: FileStoreOptions): Promise<Store> {
  const root = await openRoot(resolve(options.path), options.create === true)
  await removeStaleTempFiles(root, Date.now())
  return createFileStore(root, createFolders(root))
}

async function openRoot(path: string, create: boolean): Promise<string> {
  try {
    if (create) await makeRoot(path)
    if (!(await stat(path)).isDirectory()) throw new MillpondError('STORE_UNAVAILABLE', `${path} is not a folder`)
    return await realpath(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new MillpondError('STORE_UNAVAILABLE', `the store's folder ${path} does not exist`, { cause: error })
    }
    throw fileStoreError(error, { doing: create ? 'write' : 'open', key: '', root: path })
  }
}

/** Makes the folder and those above it, durably. (`mkdir` with `recursive` says ENOENT where the truth is EROFS.) */
async function makeRoot(path: string): Promise<void> {
  const above = dirname(path)
  try {
    await stat(path)
    return
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || above === path) throw error
  }
  await makeRoot(above)
  await mkdir(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error
  })
  await syncFolder(above)
}

function createFileStore(root: string, folders: Folders): Store {
  const place = { root, folders }
  const writers = new Set<ObjectWriter>()
  const files = createOpenFiles({
    maxCount: MAX_OPEN_FILES,
    idleMs: IDLE_FILE_MS,
    open: (key) => openObject(place, key),
  })
  const listing = { root, hidden: TEMP_FOLDER }
  let disposed = false

  const ready = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted()
    if (disposed) throw new MillpondError('STORE_UNAVAILABLE', `the store in ${root} is closed`)
  }
  const begin = (key: string, signal: AbortSignal | undefined): void => {
    checkKey(key)
    checkNotHidden(key)
    ready(signal)
  }

  const writeWhole = async <T>(bytes: Uint8Array, name: (temp: TempFile) => Promise<T>): Promise<T> => {
    const temp = await openTempFile(root, folders)
    try {
      await writeChunks(temp.file, [bytes])
      return await name(temp)
    } finally {
      await discardTempFile(temp)
    }
  }

  return {
    name: pathToFileURL(root).href,

    async put(key, bytes, signal) {
      begin(key, signal)
      await writeWhole(bytes, (temp) => replaceObject(place, temp, key)).catch(tellFailedWrite(place, key))
      files.forget(key)
    },

    async putIfAbsent(key, bytes, signal) {
      begin(key, signal)
      return writeWhole(bytes, (temp) => linkObject(place, temp, key)).catch(tellFailedWrite(place, key))
    },

    async openWriter(key, signal) {
      begin(key, signal)
      const temp = await openTempFile(root, folders).catch(tellFailedWrite(place, key))
      const writer = createObjectWriter({
        temp,
        publish: (temp) => linkObject(place, temp, key).catch(tellFailedWrite(place, key)),
        explain: (error) => fileStoreError(error, { doing: 'write', key, root }),
        onClosed: () => writers.delete(writer),
        signal,
      })
      writers.add(writer)
      return writer
    },

    async read(key, range, signal) {
      begin(key, signal)
      try {
        return await files.use(key, (file, bytes) => readRange(file, cutRange(bytes, range), signal))
      } catch (error) {
        throw fileStoreError(error, { doing: 'read', key, root })
      }
    },

    async size(key, signal) {
      begin(key, signal)
      try {
        await folders.check(parentOf(key))
        const found = await lstat(join(root, key))
        return found.isFile() ? found.size : undefined
      } catch (error) {
        const told = fileStoreError(error, { doing: 'read', key, root })
        if (isMillpondError(told, 'OBJECT_MISSING')) return undefined
        throw told
      }
    },

    async *list(prefix, query = {}, signal): AsyncGenerator<ListedObject> {
      checkPrefix(prefix)
      checkNotHidden(prefix)
      ready(signal)
      try {
        await checkIfThere(folders, parentOf(prefix))
        yield* listObjects(listing, { prefix, ...query }, signal)
      } catch (error) {
        throw fileStoreError(error, { doing: 'list', key: prefix, root })
      }
    },

    async *folders(prefix, signal): AsyncGenerator<string> {
      checkFolderPrefix(prefix)
      checkNotHidden(prefix)
      ready(signal)
      try {
        await checkIfThere(folders, parentOf(prefix))
        yield* listFolders(listing, prefix, signal)
      } catch (error) {
        throw fileStoreError(error, { doing: 'list', key: prefix, root })
      }
    },

    async delete(key, signal) {
      begin(key, signal)
      try {
        files.forget(key)
        await deleteObject(place, key)
      } catch (error) {
        throw fileStoreError(error, { doing: 'delete', key, root })
      }
    },

    async [Symbol.asyncDispose]() {
      disposed = true
      await Promise.all([...writers].map((writer) => writer.abort()))
      await files.close()
    },
  }
}

function checkNotHidden(key: string): void {
  const [first = ''] = key.split('/', 1)
  // File systems that do not tell case apart would lead there too.
  if (first.toLowerCase() !== TEMP_FOLDER) return
  throw new MillpondError('KEY_INVALID', `key "${key}" lies in the folder that the store keeps for itself`, { details: { key } })
}

/** A folder that is not there holds nothing, which is no error. */
async function checkIfThere(folders: Folders, folder: string): Promise<void> {
  try {
    await folders.check(folder)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR') throw error
  }
}

/** What a failed write ends in: takes away the folders made for the object, as far as they are empty, and throws in the store's terms. */
function tellFailedWrite({ root, folders }: Place, key: string): (error: unknown) => Promise<never> {
  return async (error) => {
    await folders.prune(parentOf(key))
    throw fileStoreError(error, { doing: 'write', key, root })
  }
}
