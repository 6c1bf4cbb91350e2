import { lstat, opendir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compareKeys, segmentFault, sortKeys } from '../../store/key.ts'
import type { ListedObject } from '../../store/store.ts'
import { errnoOf } from './errors.ts'
import { parentOf } from './folders.ts'

/** How many objects are looked at side by side, at most. */
const MAX_WINDOW = 32

export interface Listing {
  /** The store's root folder. */
  readonly root: string
  /** An entry of the root that is no part of the store. */
  readonly hidden: string
}

export interface ListQuery {
  readonly prefix: string
  readonly after?: string | undefined
  readonly limit?: number | undefined
}

const gone = (error: unknown): boolean => errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'

/** The entries of a folder, in the order of the keys below them; folders end in `/`, which decides their place. */
async function entries(listing: Listing, folder: string): Promise<string[]> {
  try {
    const found = await readdir(join(listing.root, folder), { withFileTypes: true })
    const names: string[] = []
    for (const entry of found) {
      const { name } = entry
      if (segmentFault(name) !== undefined || (folder === '' && name === listing.hidden)) continue
      if (entry.isFile()) names.push(name)
      else if (entry.isDirectory()) names.push(`${name}/`)
    }
    return sortKeys(names)
  } catch (error) {
    if (gone(error)) return []
    throw error
  }
}

/** Keys below `folder` (empty or ending in `/`), in order. One folder is read at a time, when its turn comes. */
async function* keysBelow(listing: Listing, folder: string, query: ListQuery): AsyncGenerator<string> {
  const { prefix, after } = query
  for (const name of await entries(listing, folder)) {
    const key = folder + name
    if (name.endsWith('/')) {
      const wanted = key.startsWith(prefix) || prefix.startsWith(key)
      const ahead = after === undefined || after.startsWith(key) || compareKeys(key, after) > 0
      if (wanted && ahead) yield* keysBelow(listing, key, query)
    } else if (key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0)) {
      yield key
    }
  }
}

async function lookAt(listing: Listing, key: string): Promise<ListedObject | undefined> {
  try {
    const found = await lstat(join(listing.root, key))
    return found.isFile() ? { key, bytes: found.size, modifiedMs: Math.floor(found.mtimeMs) } : undefined
  } catch (error) {
    if (gone(error)) return undefined
    throw error
  }
}

/** Objects in the order of their keys. Only those that are given are looked at, in windows that grow as the reader goes on. */
export async function* listObjects(listing: Listing, query: ListQuery, signal?: AbortSignal): AsyncGenerator<ListedObject> {
  const { prefix, limit = Infinity } = query
  const keys = keysBelow(listing, prefix.slice(0, prefix.lastIndexOf('/') + 1), query)
  let given = 0
  for (let window = 1; given < limit; window = Math.min(window * 2, MAX_WINDOW)) {
    signal?.throwIfAborted()
    const page: string[] = []
    const wanted = Math.min(window, limit - given)
    for (let next = await keys.next(); ; next = await keys.next()) {
      if (next.done) break
      page.push(next.value)
      if (page.length === wanted) break
    }
    if (page.length === 0) return
    for (const object of await Promise.all(page.map((key) => lookAt(listing, key)))) {
      if (object === undefined) continue
      given++
      yield object
    }
  }
}

/** Whether there is any object below the folder: what a crashed writer left empty is no folder of the store. */
async function holdsObject(root: string, folder: string): Promise<boolean> {
  try {
    const below: string[] = []
    for await (const entry of await opendir(join(root, folder))) {
      if (segmentFault(entry.name) !== undefined) continue
      if (entry.isFile()) return true
      if (entry.isDirectory()) below.push(`${folder}${entry.name}/`)
    }
    for (const inner of below) if (await holdsObject(root, inner)) return true
    return false
  } catch (error) {
    if (gone(error)) return false
    throw error
  }
}

/** The folders right below `prefix` that hold objects. */
export async function* listFolders(listing: Listing, prefix: string, signal?: AbortSignal): AsyncGenerator<string> {
  for (const name of await entries(listing, prefix)) {
    signal?.throwIfAborted()
    if (name.endsWith('/') && (await holdsObject(listing.root, prefix + name))) yield parentOf(name)
  }
}
