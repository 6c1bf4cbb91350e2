import type { ListedObject, Store } from '../store/store.ts'
import { findChains, readCommits } from './chain.ts'
import { clockNotePosition, clockPrefix, rewriteOf, segmentPosition } from './commit-names.ts'
import { collectReplaced, type CollectTimes, type ObjectCount } from './collect-replaced.ts'
import { readRewrites } from './rewrites.ts'

export interface CollectOptions extends CollectTimes {
  readonly topic?: string
  readonly lane?: string
}

/** What was removed, and what no commit names but was left: it is young, has a name of others, or may still be committed. */
export interface CollectReport {
  readonly removed: ObjectCount
  readonly left: ObjectCount
  /** What rewrites had replaced for so long, and was removed for that. */
  readonly replaced: ObjectCount
}

/**
 * Removes data objects that a crash left before their commit, and those that rewrites have replaced.
 *
 * No clock makes the first safe, for a writer may sleep longer than any age and then commit. What does is that a commit names no object
 * whose name begins with a position before the commit, and a rewrite none of another rewrite's sequence: once the chain has passed that position, or
 * that sequence, nobody can name the object any more. Objects that the chain has not passed stay, however old; so do those whose names are not ours.
 * @throws MillpondError `CHAIN_BROKEN`, `COMMIT_CORRUPT`: nothing of a lane is removed whose chain is damaged.
 */
export async function collectGarbage(store: Store, options: CollectOptions, signal?: AbortSignal): Promise<CollectReport> {
  const removed = { objects: 0, bytes: 0 }
  const left = { objects: 0, bytes: 0 }
  const replaced = { objects: 0, bytes: 0 }
  for await (const { folder } of findChains(store, options, signal)) {
    const gone = await collectReplaced(store, folder, { ...options, again: true }, signal)
    replaced.objects += gone.objects
    replaced.bytes += gone.bytes
    const { objects, isPassed } = await unnamedObjects(store, folder, signal)
    for (const object of objects) {
      const isOld = object.modifiedMs <= options.nowMs - options.olderThanMs
      const isRemoved = isOld && isPassed(object.key)
      if (isRemoved && !options.dryRun) await store.delete(object.key, signal)
      const count = isRemoved ? removed : left
      count.objects += 1
      count.bytes += object.bytes
    }
  }
  return { removed, left, replaced }
}

/** Objects in a lane's data folder that no commit or rewrite names, with notes of the wall clock that the chain has passed, and whether nobody needs a key any more. */
async function unnamedObjects(
  store: Store,
  folder: string,
  signal?: AbortSignal,
): Promise<{ readonly objects: Iterable<ListedObject>; readonly isPassed: (key: string) => boolean }> {
  // First the objects, then the commits: what was committed between the two is then known to be named.
  const objects = new Map<string, ListedObject>()
  for await (const object of store.list(`${folder}/`, {}, signal)) objects.set(object.key, object)
  const notes = await Array.fromAsync(store.list(clockPrefix(folder), {}, signal))
  if (objects.size === 0 && notes.length === 0) return { objects: [], isPassed: () => false }
  let rewrites = 0
  for await (const { link, rewrite } of readRewrites(store, folder, undefined, signal)) {
    rewrites = link.sequence + 1
    for (const { key, siblings } of rewrite.segments)
      for (const named of [key, ...siblings.map((one) => one.key)]) objects.delete(named)
  }
  let nextPosition = 0
  for await (const commit of readCommits(store, folder, {}, signal)) {
    nextPosition = commit.nextPosition
    for (const { key, siblings } of commit.segments)
      for (const named of [key, ...siblings.map((one) => one.key)]) objects.delete(named)
  }
  const isPassed = (key: string) => {
    const sequence = rewriteOf(key)
    if (sequence !== undefined) return sequence < rewrites
    const position = segmentPosition(folder, key) ?? clockNotePosition(folder, key)
    return position !== undefined && position < nextPosition
  }
  // A note is for the commit that begins at its position, and in use until there is one.
  return { objects: [...objects.values(), ...notes.filter(({ key }) => isPassed(key))], isPassed }
}
