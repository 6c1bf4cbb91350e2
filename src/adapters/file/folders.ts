import { mkdir, open, realpath, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MillpondError } from '../../errors.ts'
import { errnoOf } from './errors.ts'

/** How many folders are remembered as checked and as durable. */
const MAX_KNOWN_FOLDERS = 16_384
/** How often a write begins again because folders were pruned under it, before it gives up. */
const MAX_PRUNE_RACES = 100

/** The folders below a root; each is named by its path from there, '' is the root itself. */
export interface Folders {
  /** Takes a folder that exists and lies, symbolic links followed, where its name says. */
  check(folder: string): Promise<void>
  /**
   * Makes the folder and those above it where they are missing, durably, and then calls `act`. Begins again where another writer pruned a
   * folder on the way.
   */
  within<T>(folder: string, act: () => Promise<T>): Promise<T>
  /** Makes durable which entries the folder has. Calls that come while one is under way share the next. */
  sync(folder: string): Promise<void>
  /** Removes the folder and those above it as far as they are empty; gives the first that stays. */
  prune(folder: string): Promise<string>
}

/** The folder that a key or a folder lies in; '' at the top. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** The folders below `root`, which is a real path. */
export function createFolders(root: string): Folders {
  const checked = createMemory()
  const durable = createMemory()
  const syncs = createSyncs((folder) => syncFolder(join(root, folder)))

  const check = async (folder: string): Promise<void> => {
    if (folder === '' || checked.has(folder)) return
    const path = join(root, folder)
    if ((await realpath(path)) !== path) {
      throw new MillpondError('KEY_INVALID', `"${folder}" in ${root} leads over a symbolic link, and those are not followed`, {
        details: { folder, root },
      })
    }
    checked.add(folder)
  }

  const ensure = async (folder: string): Promise<void> => {
    if (folder === '' || durable.has(folder)) return
    const parent = parentOf(folder)
    await ensure(parent)
    await mkdir(join(root, folder)).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error
    })
    await check(folder)
    // Also where it was there before: whoever made it may not have come to this yet.
    await syncs(parent)
    durable.add(folder)
  }

  const forget = (folder: string): void => {
    for (let rest = folder; rest !== ''; rest = parentOf(rest)) {
      checked.delete(rest)
      durable.delete(rest)
    }
  }

  const within = async <T>(folder: string, act: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        await ensure(folder)
        return await act()
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT' || attempt === MAX_PRUNE_RACES) throw error
        forget(folder)
      }
    }
  }

  const prune = async (folder: string): Promise<string> => {
    let rest = folder
    while (rest !== '') {
      try {
        // A key that leads over a symbolic link is refused, and what lies there is not ours to remove either.
        await check(rest)
        await rmdir(join(root, rest))
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') return rest
      }
      checked.delete(rest)
      durable.delete(rest)
      rest = parentOf(rest)
    }
    return rest
  }

  return { check, within, sync: syncs, prune }
}

/** A set that forgets its oldest members. */
function createMemory(): Pick<Set<string>, 'has' | 'add' | 'delete'> {
  const known = new Set<string>()
  return {
    has: (folder) => known.has(folder),
    delete: (folder) => known.delete(folder),
    add: (folder) => {
      const [oldest] = known.size >= MAX_KNOWN_FOLDERS ? known : []
      if (oldest !== undefined) known.delete(oldest)
      return known.add(folder)
    },
  }
}

/** Lets calls for one folder that come while it is being synced share one more sync, which begins after they came. */
function createSyncs(sync: (folder: string) => Promise<void>): (folder: string) => Promise<void> {
  const current = new Map<string, { running: Promise<void>; next?: Promise<void> }>()
  const start = (folder: string): Promise<void> => {
    const entry: { running: Promise<void>; next?: Promise<void> } = {
      running: sync(folder).finally(() => {
        if (entry.next === undefined) current.delete(folder)
      }),
    }
    current.set(folder, entry)
    return entry.running
  }
  return (folder) => {
    const entry = current.get(folder)
    if (entry === undefined) return start(folder)
    entry.next ??= entry.running.then(
      () => start(folder),
      () => start(folder),
    )
    return entry.next
  }
}

/** Makes the entries of a folder durable. One that is gone by now has none. */
export async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders; NTFS journals their entries itself.
  if (process.platform === 'win32') return
  try {
    await using folder = await open(path, 'r')
    await folder.sync()
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}
