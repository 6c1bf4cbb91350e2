import type { Store } from '../store/store.ts'
import { readCommits } from './chain.ts'
import { IMPORTER, type StoredCommit } from './commit.ts'
import { parseRewriteKey, rewriteOf, rewritesPrefix } from './commit-names.ts'
import { isTopicHeld } from './holds.ts'
import { readRewrites, type RewriteLink } from './rewrites.ts'

/** What is old enough to be removed. */
export interface CollectTimes {
  /** Objects that the store wrote later than this before `nowMs` are left alone. */
  readonly olderThanMs: number
  readonly nowMs: number
  /** Counts, but removes nothing. */
  readonly dryRun?: boolean
  /** Whether nothing of a topic may be removed, beside what the store says of that. */
  readonly isHeld?: ((topic: string) => boolean) | undefined
  /** Looks again for what was removed, for under names that a layout fixes it may have been written once more. */
  readonly again?: boolean
  /** Only what went by records of removed messages, and what rewrites had replaced that these took the place of. */
  readonly onlyRemovals?: boolean
}

/** Objects and their bytes. */
export interface ObjectCount {
  readonly objects: number
  readonly bytes: number
}

/** Says that what a rewrite replaced was removed. */
const collectedKey = (rewriteKey: string): string => rewriteKey.replace(/\.avro$/u, '.collected')

/**
 * Removes what the lane's rewrites have replaced, once the store has had the rewrite for as long as is asked for: until then readers may be
 * at work that have chosen the older objects. Nobody else can ever name them again. What a rewrite has removed messages of stays as long as the topic is held.
 */
export async function collectReplaced(
  store: Store,
  folder: string,
  times: CollectTimes,
  signal?: AbortSignal,
): Promise<ObjectCount> {
  const { olderThanMs, nowMs, dryRun = false, again = false, onlyRemovals = false } = times
  const { due, done } = await dueRewrites(store, folder, nowMs - olderThanMs, signal)
  const count = { objects: 0, bytes: 0 }
  if (due.size === 0 || (done.size === due.size && !again)) return count
  const there = createPresence(store, signal)
  const wanted = again ? due : due.difference(done)
  for await (const { key, objects, topic, isGone } of replacedObjects(store, folder, wanted, signal)) {
    if (onlyRemovals && !isGone) continue
    if (topic !== undefined && ((times.isHeld?.(topic) ?? false) || (await isTopicHeld(store, topic, signal)))) continue
    for (const object of objects) {
      if (done.has(key) && !(await there.has(object.key))) continue
      if (!dryRun) await store.delete(object.key, signal)
      count.objects += 1
      count.bytes += object.bytes
    }
    if (!dryRun && !done.has(key)) await store.putIfAbsent(collectedKey(key), new Uint8Array(0), signal)
  }
  return count
}

/** Keys of the rewrites that the store has had since before `untilMs`, and of those among them whose objects were removed already. */
async function dueRewrites(
  store: Store,
  folder: string,
  untilMs: number,
  signal?: AbortSignal,
): Promise<{ readonly due: ReadonlySet<string>; readonly done: ReadonlySet<string> }> {
  const due = new Set<string>()
  const collected = new Set<string>()
  for await (const { key, modifiedMs } of store.list(rewritesPrefix(folder), {}, signal)) {
    if (key.endsWith('.collected')) collected.add(key)
    else if (parseRewriteKey(key) !== undefined && modifiedMs <= untilMs) due.add(key)
  }
  return { due, done: new Set([...due].filter((key) => collected.has(collectedKey(key)))) }
}

/** What lies in the folders of some keys; each folder is listed once. */
function createPresence(store: Store, signal?: AbortSignal) {
  const folders = new Map<string, Set<string>>()
  return {
    async has(key: string): Promise<boolean> {
      const folder = key.slice(0, key.lastIndexOf('/') + 1)
      let keys = folders.get(folder)
      if (keys === undefined) {
        keys = new Set()
        for await (const object of store.list(folder, {}, signal)) keys.add(object.key)
        folders.set(folder, keys)
      }
      return keys.has(key)
    },
  }
}

interface Replaced {
  /** The rewrite. */
  readonly key: string
  /** Its topic, where it has messages no more that were there before. */
  readonly topic: string | undefined
  /** Whether it, or one of these that took its place, has messages no more that were there before. */
  readonly isGone: boolean
  readonly objects: readonly NamedObject[]
}

interface NamedObject {
  readonly key: string
  readonly bytes: number
}

/** For each of some rewrites what it alone has replaced, oldest first. */
async function* replacedObjects(
  store: Store,
  folder: string,
  due: ReadonlySet<string>,
  signal?: AbortSignal,
): AsyncGenerator<Replaced> {
  /** What is named at each point, by the first position of its commit. */
  const live = new Map<number, readonly NamedObject[]>()
  const rewrites = await Array.fromAsync(readRewrites(store, folder, undefined, signal), ({ link, rewrite }) => ({
    link,
    topic: rewrite.removal && rewrite.topic,
    named: new Set(rewrite.segments.map(({ key }) => key)),
    objects: objectsOf(rewrite),
  }))
  const removals = rewrites.filter(({ link }) => link.removed > 0 && due.has(link.key))
  for await (const commit of readCommits(store, folder, {}, signal)) live.set(commit.firstPosition, objectsOf(commit))
  for (const { link, topic, named: kept, objects: made } of rewrites) {
    const objects: NamedObject[] = []
    for (const [firstPosition, named] of live) {
      if (firstPosition < link.firstPosition || firstPosition >= link.nextPosition) continue
      objects.push(...named)
      live.delete(firstPosition)
    }
    live.set(link.firstPosition, made)
    // What the rewrite names again stays, with what lies beside it.
    const isKept = new Set(made.map(({ key }) => key)).union(kept)
    if (!due.has(link.key)) continue
    const isGone = removals.some((one) => covers(one.link, link))
    yield { key: link.key, topic, isGone, objects: objects.filter(({ key }) => !isKept.has(key)) }
  }
}

/** Whether a rewrite is another one, or took its place. */
const covers = (one: RewriteLink, { sequence, firstPosition, nextPosition }: RewriteLink): boolean =>
  one.sequence >= sequence && one.firstPosition <= firstPosition && one.nextPosition >= nextPosition

/** Those that are ours: of what was imported only what was written anew for a rewrite. */
const objectsOf = ({ segments, writer }: StoredCommit): NamedObject[] =>
  segments
    .filter(({ key }) => !writer.startsWith(IMPORTER) || rewriteOf(key) !== undefined)
    .flatMap(({ key, bytes, siblings }) => [{ key, bytes }, ...siblings])
