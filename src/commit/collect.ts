import type { ListedObject, Store } from '../store/store.ts'
import { findChains, readCommits } from './chain.ts'
import { clockNotePosition, clockPrefix, segmentPosition } from './commit-names.ts'

export interface CollectOptions {
  readonly topic?: string
  readonly lane?: string
  /** Objects that the store wrote later than this before `nowMs` are left alone. */
  readonly olderThanMs: number
  readonly nowMs: number
  /** Counts, but removes nothing. */
  readonly dryRun?: boolean
}

/** Objects and their bytes. */
export interface ObjectCount {
  readonly objects: number
  readonly bytes: number
}

/** What was removed, and what no commit names but was left: it is young, has a name of others, or may still be committed. */
export interface CollectReport {
  readonly removed: ObjectCount
  readonly left: ObjectCount
}

/**
 * Removes data objects that a crash left before their commit.
 *
 * No clock makes this safe, for a writer may sleep longer than any age and then commit. What does is that a commit names no object
 * whose name begins with a position before its own first one, and that commits only come behind the newest. So an object that
 * no commit names, and whose position the chain has passed, can never be named. The age only keeps work of today in sight.
 * @throws MillpondError `CHAIN_BROKEN`, `COMMIT_CORRUPT` where a chain cannot be trusted to say what it names.
 */
export async function collectGarbage(store: Store, options: CollectOptions, signal?: AbortSignal): Promise<CollectReport> {
  const removed = { objects: 0, bytes: 0 }
  const left = { objects: 0, bytes: 0 }
  for await (const { folder } of findChains(store, options, signal)) {
    const { objects, notes, nextPosition } = await unnamedObjects(store, folder, signal)
    const positionOf = (key: string) => segmentPosition(folder, key) ?? clockNotePosition(folder, key)
    // A note is for the commit that begins at its position: once the chain has passed that, it is for none. Until then it is in use.
    const passedNotes = notes.filter(({ key }) => (positionOf(key) ?? nextPosition) < nextPosition)
    for (const object of [...objects, ...passedNotes]) {
      const position = positionOf(object.key)
      const isPassed = position !== undefined && position < nextPosition
      const isOld = object.modifiedMs <= options.nowMs - options.olderThanMs
      if (isPassed && isOld && !options.dryRun) await store.delete(object.key, signal)
      const count = isPassed && isOld ? removed : left
      count.objects += 1
      count.bytes += object.bytes
    }
  }
  return { removed, left }
}

/** Objects in a lane's data folder that no commit names, notes of the wall clock, and where the chain ends that says so. */
async function unnamedObjects(
  store: Store,
  folder: string,
  signal?: AbortSignal,
): Promise<{ readonly objects: Iterable<ListedObject>; readonly notes: readonly ListedObject[]; readonly nextPosition: number }> {
  // First the objects, then the commits: what was committed between the two is then known to be named.
  const objects = new Map<string, ListedObject>()
  for await (const object of store.list(`${folder}/`, {}, signal)) objects.set(object.key, object)
  const notes = await Array.fromAsync(store.list(clockPrefix(folder), {}, signal))
  let nextPosition = 0
  if (objects.size === 0 && notes.length === 0) return { objects: [], notes, nextPosition }
  for await (const commit of readCommits(store, folder, {}, signal)) {
    nextPosition = commit.nextPosition
    for (const { key, siblings } of commit.segments)
      for (const named of [key, ...siblings.map((one) => one.key)]) objects.delete(named)
  }
  return { objects: objects.values(), notes, nextPosition }
}
