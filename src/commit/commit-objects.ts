import { createHash } from 'node:crypto'
import { isMillpondError, MillpondError } from '../errors.ts'
import { type LaneId, laneName } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import type { StoredCommit } from './commit.ts'
import { decodeCommit } from './commit-codec.ts'
import { chainPrefix, parseCommitKey } from './commit-names.ts'

/** A commit, as far as the next one needs to know it. */
export interface Link {
  readonly nextPosition: number
  readonly sha256: string
}

/** Keys of the commits of a folder, newest first, genesis last. What else lies in the folder is passed over. */
export async function* commitKeys(store: Store, folder: string, signal?: AbortSignal): AsyncGenerator<string> {
  for await (const { key } of store.list(chainPrefix(folder), {}, signal)) if (isCommitOf(folder, key)) yield key
}

/** The key of the newest commit: the first of a listing, which counts down. */
export async function newestKey(store: Store, folder: string, signal?: AbortSignal): Promise<string | undefined> {
  for await (const { key } of store.list(chainPrefix(folder), { limit: 1 }, signal)) {
    if (isCommitOf(folder, key)) return key
    for await (const next of commitKeys(store, folder, signal)) return next
  }
  return undefined
}

const isCommitOf = (folder: string, key: string): boolean =>
  !key.slice(chainPrefix(folder).length).includes('/') && parseCommitKey(key) !== undefined

/** Why `commit` is not what follows `link`, in words; undefined where it is. */
export function linkFault(link: Link, commit: StoredCommit, lane: LaneId): string | undefined {
  if (!isSameLane(commit, lane)) return `it is a commit of ${laneName(commit)}, topic id ${commit.topicId}`
  if (commit.kind !== 'data') return 'it begins a chain that has begun before'
  if (commit.firstPosition !== link.nextPosition)
    return `it begins at ${commit.firstPosition}, the one before ends before ${link.nextPosition}`
  return commit.previousSha256 === link.sha256 ? undefined : `it follows a commit ${commit.previousSha256}, not ${link.sha256}`
}

/** @throws MillpondError `CHAIN_BROKEN` where `commit` is not what follows `link`. */
export function checkLink(link: Link, commit: StoredCommit, lane: LaneId): void {
  const fault = linkFault(link, commit, lane)
  if (fault !== undefined) throw brokenChain(commit.key, fault)
}

/** Why a folder holds no chain, with the commit in front that shows it. */
export const brokenChain = (key: string, what: string) =>
  new MillpondError('CHAIN_BROKEN', `commit ${key}: ${what}`, { details: { key } })

/** True where both name the same lane of the same topic, not one of its name that was made again. */
export const isSameLane = (left: LaneId, right: LaneId): boolean =>
  left.topic === right.topic && left.topicId === right.topicId && left.lane === right.lane

/** SHA-256, hex. */
export const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The commit under a key, or undefined where there is none. */
export async function readIfThere(store: Store, key: string, signal?: AbortSignal): Promise<StoredCommit | undefined> {
  const bytes = await readBytes(store, key, signal)
  return bytes && decodeCommit(key, bytes)
}

/** The object's bytes, or undefined where there is none. */
export async function readBytes(store: Store, key: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
  try {
    return await store.read(key, undefined, signal)
  } catch (error) {
    if (isMillpondError(error, 'OBJECT_MISSING')) return undefined
    throw error
  }
}

/** Puts the commit; true where the store then holds ours, false where it holds another writer's. */
export async function putOurs(store: Store, commit: StoredCommit, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
  try {
    if ((await store.putIfAbsent(commit.key, bytes, signal)) === 'created') return true
  } catch (error) {
    if (signal?.aborted) throw error
    const found = await readBytes(store, commit.key, signal).catch(() => undefined)
    if (found === undefined) throw error
    return hashOf(found) === commit.sha256
  }
  // Ours may have come by a request that was repeated, or that was given up and arrived late.
  return hashOf(await store.read(commit.key, undefined, signal)) === commit.sha256
}
