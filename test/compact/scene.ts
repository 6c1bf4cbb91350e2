import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { archivedBatches } from '../../src/commit/archived-batches.ts'
import { readLiveCommits, readRewrites } from '../../src/commit/rewrites.ts'
import type { StoredCommit } from '../../src/commit/commit.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { compactArchive, type CompactOptions } from '../../src/compact/compact.ts'
import type { Store } from '../../src/store/store.ts'
import { commitMessages, openSample, type SampleOptions, sampleMessages } from '../commit/sample-archive.ts'

export const lane = { topic: 'orders', topicId: 'id-1', lane: '0' }

export const rules: CompactOptions = {
  targetBytes: 1 << 20,
  minObjects: 2,
  merge: { codec: 'zstandard', lookups: ['key', 'id', 'header:trace'], blockBytes: 4096 },
}

export const compactAll = (store: Store, changes: Partial<CompactOptions> = {}) => compactArchive(store, { ...rules, ...changes })

/** A lane of `commits` commits of 20 messages, every third with a gap behind it. */
export async function smallCommits(commits: number, options: SampleOptions = {}, store = createMemoryStore()): Promise<Store> {
  const chain = await openSample(store, lane)
  for (let at = 0; at < commits; at++) {
    const from = chain.nextPosition + (at % 3 === 2 ? 5 : 0)
    await commitMessages(store, chain, sampleMessages(from, from + 20, { sparse: at % 4 === 3 }), options)
  }
  return store
}

/** All messages that the commits and rewrites of a folder hold now, as values that compare. */
export async function archived(store: Store, folder = 'orders/0'): Promise<unknown[]> {
  const notes = { letters: new Set<number>(), unread: [] }
  const range = { from: 0, to: Infinity, notes }
  const found: unknown[] = []
  for await (const batch of archivedBatches({ store, folder, signal: undefined }, range))
    for (const { position, timestamp, key, value, id, headers } of messagesOf(batch))
      found.push([position, timestamp, text(key), text(value), id, headers.map((one) => [one.name, text(one.value)])])
  return found
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('latin1'))

export const liveCommits = async (store: Store, folder = 'orders/0'): Promise<StoredCommit[]> =>
  (await Array.fromAsync(readLiveCommits(store, folder))).filter(({ kind }) => kind !== 'genesis')

export const segmentsOf = async (store: Store, folder = 'orders/0') =>
  (await liveCommits(store, folder)).flatMap(({ segments }) => segments)

export const rewritesOf = async (store: Store, folder = 'orders/0') =>
  Array.fromAsync(readRewrites(store, folder), ({ rewrite }) => rewrite)

export const keysOf = (store: Store, prefix = ''): Promise<string[]> => Array.fromAsync(store.list(prefix), ({ key }) => key)

export const problemsOf = async (store: Store): Promise<string[]> =>
  (await verifyArchive(store)).problems.map(({ code, key, message }) => `${code} ${key}: ${message}`)

/** Changes bytes of an object one after the other, about `count` of them, and gives those that no verification complains of; the object is as it was then. */
export async function unnoticedDamage(store: Store, key: string, count: number): Promise<number[]> {
  const object = Uint8Array.from(await store.read(key))
  const unnoticed: number[] = []
  for (let at = 0; at < object.length; at += 1 + Math.floor(object.length / count)) {
    object[at]! ^= 4
    await store.put(key, object)
    if ((await problemsOf(store)).length === 0) unnoticed.push(at)
    object[at]! ^= 4
  }
  await store.put(key, object)
  return unnoticed
}
