import type { Store } from '../store/store.ts'
import { readCommits } from './chain.ts'
import { IMPORTER, type StoredCommit } from './commit.ts'
import { parseRewriteKey, rewritesPrefix } from './commit-names.ts'
import { readRewrites } from './rewrites.ts'

/** What is old enough to be removed. */
export interface CollectTimes {
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

/** Says that what a rewrite replaced was removed. */
const collectedKey = (rewriteKey: string): string => rewriteKey.replace(/\.avro$/u, '.collected')

/**
 * Removes what the lane's rewrites have replaced, once the store has had the rewrite for as long as is asked for: until then readers may be
 * at work that have chosen the older objects. Nobody else can ever name them again.
 */
export async function collectReplaced(
  store: Store,
  folder: string,
  { olderThanMs, nowMs, dryRun = false }: CollectTimes,
  signal?: AbortSignal,
): Promise<ObjectCount> {
  const due = await dueRewrites(store, folder, nowMs - olderThanMs, signal)
  const count = { objects: 0, bytes: 0 }
  if (due.size === 0) return count
  for await (const { key, objects } of replacedObjects(store, folder, due, signal)) {
    for (const object of objects) {
      if (!dryRun) await store.delete(object.key, signal)
      count.objects += 1
      count.bytes += object.bytes
    }
    if (!dryRun) await store.putIfAbsent(collectedKey(key), new Uint8Array(0), signal)
  }
  return count
}

/** Keys of the rewrites that the store has had since before `untilMs`, and whose objects were not removed yet. */
async function dueRewrites(store: Store, folder: string, untilMs: number, signal?: AbortSignal): Promise<Set<string>> {
  const due = new Set<string>()
  const collected: string[] = []
  for await (const { key, modifiedMs } of store.list(rewritesPrefix(folder), {}, signal)) {
    if (key.endsWith('.collected')) collected.push(key)
    else if (parseRewriteKey(key) !== undefined && modifiedMs <= untilMs) due.add(key)
  }
  const done = new Set(collected)
  for (const key of due) if (done.has(collectedKey(key))) due.delete(key)
  return due
}

interface Replaced {
  /** The rewrite. */
  readonly key: string
  readonly objects: readonly { readonly key: string; readonly bytes: number }[]
}

/** For each of some rewrites what it alone has replaced, oldest first. */
async function* replacedObjects(
  store: Store,
  folder: string,
  due: ReadonlySet<string>,
  signal?: AbortSignal,
): AsyncGenerator<Replaced> {
  /** What is named at each point, by the first position of its commit. */
  const live = new Map<number, Replaced['objects']>()
  const rewrites = await Array.fromAsync(readRewrites(store, folder, undefined, signal), ({ link, rewrite }) => ({
    link,
    objects: objectsOf(rewrite),
  }))
  for await (const commit of readCommits(store, folder, {}, signal)) live.set(commit.firstPosition, objectsOf(commit))
  for (const { link, objects: made } of rewrites) {
    const objects: Replaced['objects'][number][] = []
    for (const [firstPosition, named] of live) {
      if (firstPosition < link.firstPosition || firstPosition >= link.nextPosition) continue
      objects.push(...named)
      live.delete(firstPosition)
    }
    live.set(link.firstPosition, made)
    if (due.has(link.key)) yield { key: link.key, objects }
  }
}

/** Those that are ours. */
const objectsOf = ({ segments, writer }: StoredCommit): Replaced['objects'] =>
  writer.startsWith(IMPORTER) ? [] : segments.flatMap(({ key, bytes, siblings }) => [{ key, bytes }, ...siblings])
