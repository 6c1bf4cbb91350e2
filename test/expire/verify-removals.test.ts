import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { decodeCommit, encodeCommit } from '../../src/commit/commit-codec.ts'
import { rewriteKey } from '../../src/commit/commit-names.ts'
import type { Commit } from '../../src/commit/commit.ts'
import type { Removal } from '../../src/commit/removal.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import type { Store } from '../../src/store/store.ts'
import { archiver, messages, options } from '../archive/split-scene.ts'
import { compactAll, problemsOf, rewritesOf, smallCommits, unnoticedDamage } from '../compact/scene.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { expireAll, forgetAll, keyOf } from './scene.ts'

/** Six commits: two of them expired, a key forgotten in one of the others. */
async function removed(): Promise<Store> {
  const store = await smallCommits(6)
  await expireAll(store, { beforePosition: 45 })
  await forgetAll(store, [keyOf('key-7')])
  expect(await rewritesOf(store)).toHaveLength(2)
  expect(await problemsOf(store)).toEqual([])
  return store
}

/** Puts another record in the place of one, changed so and whole in itself. */
async function forge(store: Store, sequence: number, change: (commit: Commit) => Partial<Commit>): Promise<void> {
  const key = rewriteKey('orders/0', sequence)
  const object = await store.read(key)
  const commit = decodeCommit(key, object)
  const lookups = object.subarray(commit.lookupStart, commit.lookupStart + commit.lookupBytes)
  await store.put(key, encodeCommit({ ...commit, ...change(commit) }, lookups))
}

const withRemoval = (commit: Commit, change: Partial<Removal>): Partial<Commit> => ({
  removal: { ...commit.removal!, ...change },
})

describe('verification of removals', () => {
  it('finds any damaged byte of a record', async () => {
    const store = await removed()
    for (const { key } of await rewritesOf(store)) {
      expect({ key, bytes: await unnoticedDamage(store, key, 60) }).toEqual({ key, bytes: [] })
    }
    expect(await problemsOf(store)).toEqual([])
  })

  it('finds a record that was removed, for what it accounted for is missing then', async () => {
    const store = await removed()
    for (const sequence of [0, 1]) {
      const key = rewriteKey('orders/0', sequence)
      const object = await store.read(key)
      await store.delete(key)
      expect((await problemsOf(store)).join('\n'), `record ${sequence}`).toMatch(/CHAIN_BROKEN|OBJECT_MISSING/u)
      await store.put(key, object)
    }
  })

  it.each<[string, number, (commit: Commit) => Partial<Commit>, RegExp]>([
    [
      'it says that a segment had another hash',
      1,
      (commit) => withRemoval(commit, { segments: commit.removal!.segments.map((one) => ({ ...one, sha256: 'ab'.repeat(32) })) }),
      /it says of segment .* what no commit before it says/u,
    ],
    [
      'it names a segment that never was',
      1,
      (commit) => withRemoval(commit, { segments: commit.removal!.segments.map((one) => ({ ...one, key: 'orders/0/x.avro' })) }),
      /it says of segment orders\/0\/x\.avro what no commit before it says/u,
    ],
    [
      'it counts fewer messages than went',
      1,
      (commit) => withRemoval(commit, { messages: commit.removal!.messages + 1 }),
      /it removes 2 messages, but names/u,
    ],
    ['it hides that it removes', 1, () => ({ removal: undefined as never }), /where the commits that it replaces have/u],
  ])('finds a forged record: %s', async (_, sequence, change, message) => {
    const store = await removed()
    await forge(store, sequence, change)
    expect((await problemsOf(store)).join('\n')).toMatch(message)
  })

  it('counts messages that the source has still as not compared', async () => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 60))
    const store = createMemoryStore()
    await archiver(source).run(store, { rotate: { ...options.rotate, maxCount: 10 } })
    await forgetAll(store, [keyOf(messages(7, 8)[0]!.key as string)])
    await expireAll(store, { beforePosition: 5 })
    await compactAll(store)
    const { problems, removed: gone, ...report } = await verifyArchive(store, { against: source })
    expect(problems).toEqual([])
    expect(gone).toBeGreaterThan(1)
    expect(report).toMatchObject({ compared: 60 - gone, notCompared: gone })
  })
})
