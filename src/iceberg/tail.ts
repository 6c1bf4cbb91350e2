import { chainFolders, readGenesis } from '../commit/chain.ts'
import type { StoredCommit } from '../commit/commit.ts'
import { decodeCommit } from '../commit/commit-codec.ts'
import { parseCommitKey } from '../commit/commit-names.ts'
import { brokenChain, checkLink, commitKeys, type Link, newestKey } from '../commit/commit-objects.ts'
import type { Store } from '../store/store.ts'
import { MillpondError } from '../errors.ts'
import type { ChainNumbers } from './positions.ts'

/** Commits read ahead of the one that is asked for, and chains that are looked at side by side. */
const AT_ONCE = 16

/** Commits of one chain that a table does not have yet, by key, oldest first. */
export interface ChainTail {
  readonly folder: string
  readonly keys: readonly string[]
  /** Where the first of them must begin; undefined where it begins the chain. */
  readonly from: number | undefined
}

/**
 * What the chains of a topic have behind `positions`. Where nothing is new a chain costs one listing.
 * @throws MillpondError `TABLE_MISMATCH` where the table holds a chain that the store has not: it is the table of another archive.
 */
export async function findTails(
  store: Store,
  topic: string,
  positions: ChainNumbers,
  signal?: AbortSignal,
): Promise<ChainTail[]> {
  const folders = await Array.fromAsync(chainFolders(store, topic, signal))
  const there = new Set(folders)
  const strange = Object.keys(positions).find((folder) => !there.has(folder))
  if (strange !== undefined) {
    const message = `the table of ${topic} holds the chain ${strange}, which ${store.name} does not have`
    throw new MillpondError('TABLE_MISMATCH', message, { details: { topic, folder: strange } })
  }
  const tails = await mapAtOnce(folders, AT_ONCE, async (folder) => {
    const from = positions[folder]
    // A long name is cut, so that its folder may be another topic's.
    if (from === undefined && (await readGenesis(store, folder, signal))?.topic !== topic) return undefined
    const newest = await newestKey(store, folder, signal)
    if (newest === undefined || isBefore(newest, from)) return undefined
    const keys: string[] = []
    for await (const key of commitKeys(store, folder, signal)) {
      if (isBefore(key, from)) break
      keys.push(key)
    }
    return { folder, from, keys: keys.reverse() }
  })
  return tails.filter((tail) => tail !== undefined)
}

const isBefore = (key: string, from: number | undefined): boolean => {
  const named = parseCommitKey(key)
  return from !== undefined && (named === 'genesis' || (named ?? 0) < from)
}

/** The commits of a tail, each checked to follow the one before. @throws MillpondError `CHAIN_BROKEN`, `COMMIT_CORRUPT`. */
export async function* readTail(
  store: Store,
  { keys, from, folder }: ChainTail,
  signal?: AbortSignal,
): AsyncGenerator<StoredCommit> {
  let link: Link | undefined
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const some = keys.slice(at, at + AT_ONCE)
    for (const commit of await mapAtOnce(some, AT_ONCE, async (key) =>
      decodeCommit(key, await store.read(key, undefined, signal)),
    )) {
      if (link !== undefined) checkLink(link, commit, commit)
      else if (from === undefined ? commit.kind !== 'genesis' : commit.firstPosition !== from)
        throw brokenChain(commit.key, `the table holds ${folder} up to ${from ?? 'nothing'}, and it does not begin there`)
      link = commit
      yield commit
    }
  }
}

/** Does `act` for each item, so many at once; gives what came of it in the order of the items. */
export async function mapAtOnce<T, R>(items: readonly T[], atOnce: number, act: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = Array.from({ length: items.length })
  const waiting = items.entries()
  const worker = async () => {
    for (const [i, item] of waiting) results[i] = await act(item)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
  return results
}
