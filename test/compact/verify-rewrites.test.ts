import { describe, expect, it } from 'vitest'
import { decodeCommit, encodeCommit } from '../../src/commit/commit-codec.ts'
import type { Commit } from '../../src/commit/commit.ts'
import { rewriteKey } from '../../src/commit/commit-names.ts'
import { readLiveCommits, readRewrites } from '../../src/commit/rewrites.ts'
import type { Store } from '../../src/store/store.ts'
import { commitMessages, openSample, sampleMessages } from '../commit/sample-archive.ts'
import { archived, compactAll, keysOf, lane, problemsOf, rewritesOf, segmentsOf, smallCommits, unnoticedDamage } from './scene.ts'

/** Twelve commits, rewritten in two steps, and the first of them once more; what was replaced is gone. */
async function rewritten(): Promise<Store> {
  const store = await smallCommits(6)
  await compactAll(store)
  const chain = await openSample(store, lane)
  for (let at = 0; at < 6; at++) await commitMessages(store, chain, sampleMessages(chain.nextPosition, chain.nextPosition + 20))
  await compactAll(store, { format: 'json' })
  await compactAll(store, { format: 'avro', removeAfterMs: -1000 })
  expect(await problemsOf(store)).toEqual([])
  return store
}

/** Puts another rewrite in the place of one, changed so and whole in itself. */
async function forge(store: Store, sequence: number, change: (commit: Commit) => Partial<Commit>): Promise<void> {
  const key = rewriteKey('orders/0', sequence)
  const object = await store.read(key)
  const commit = decodeCommit(key, object)
  const lookups = object.subarray(commit.lookupStart, commit.lookupStart + commit.lookupBytes)
  await store.put(key, encodeCommit({ ...commit, ...change(commit) }, lookups))
}

describe('verification of rewrites', () => {
  it('finds any damaged byte of a rewrite, and of what it names', async () => {
    const store = await rewritten()
    const newest = (await rewritesOf(store)).at(-1)!
    const [segment] = await segmentsOf(store)
    for (const key of [newest.key, segment!.key]) {
      expect({ key, bytes: await unnoticedDamage(store, key, 40) }).toEqual({ key, bytes: [] })
    }
    expect(await problemsOf(store)).toEqual([])
  })

  it('finds a rewrite that was removed, whichever it was, once what it replaced is gone', async () => {
    const store = await rewritten()
    const count = (await rewritesOf(store)).length
    expect(count).toBeGreaterThan(2)
    for (let sequence = 0; sequence < count; sequence++) {
      const key = rewriteKey('orders/0', sequence)
      const object = await store.read(key)
      await store.delete(key)
      expect((await problemsOf(store)).join('\n'), `rewrite ${sequence}`).toMatch(/CHAIN_BROKEN|OBJECT_MISSING/u)
      await store.put(key, object)
    }
    expect(await problemsOf(store)).toEqual([])
  })

  it.each<[string, number, (commit: Commit) => Partial<Commit>, RegExp]>([
    ['it follows another', 1, () => ({ previousSha256: 'ab'.repeat(32) }), /it follows a rewrite abab/u],
    ['it replaces other commits', 0, () => ({ replacedSha256: 'cd'.repeat(32) }), /it replaces commits up to cdcd/u],
    ['it is of another lane', 0, () => ({ lane: '7' }), /it rewrites orders\/7, which does not lie here/u],
    [
      'it says that messages are missing which the commits have',
      0,
      ({ segments, nextPosition, firstPosition }) => ({
        gaps: [{ firstPosition, nextPosition, missing: nextPosition - firstPosition, reason: 'expired' }],
        segments: segments.slice(0, 0),
        deadLetters: [],
      }),
      /it has 0 messages, .* where the commits that it replaces have \d+/u,
    ],
    [
      'it begins within a commit',
      0,
      ({ gaps, deadLetters, nextPosition, firstPosition }) => ({
        firstPosition: firstPosition + 1,
        segments: [],
        deadLetters,
        gaps: [
          ...gaps.slice(0, 0),
          { firstPosition: firstPosition + 1, nextPosition, missing: nextPosition - firstPosition - 1, reason: 'skipped' },
        ],
      }),
      /no commit begins at 1/u,
    ],
  ])('finds a forged rewrite: %s', async (_, sequence, change, message) => {
    const store = await smallCommits(6)
    await compactAll(store)
    await compactAll(store, { format: 'json' })
    await forge(store, sequence, change)
    // What is forged is to be the newest, which alone is looked into.
    if (sequence === 0) await store.delete(rewriteKey('orders/0', 1))
    expect((await problemsOf(store)).join('\n')).toMatch(message)
  })

  it('keeps readers from what does not follow', async () => {
    const store = await smallCommits(6)
    await compactAll(store)
    await forge(store, 0, () => ({ replacedSha256: 'cd'.repeat(32) }))
    await expect(archived(store)).rejects.toMatchObject({ code: 'CHAIN_BROKEN' })
  })

  it('finds a segment that two rewrites name', async () => {
    const store = await smallCommits(6)
    await compactAll(store)
    const [first] = await rewritesOf(store)
    const object = await store.read(first!.key)
    const lookups = object.subarray(first!.lookupStart, first!.lookupStart + first!.lookupBytes)
    await store.put(rewriteKey('orders/0', 1), encodeCommit({ ...first!, previousSha256: first!.sha256 }, lookups))
    expect((await problemsOf(store)).join('\n')).toMatch(/is named by an earlier rewrite too/u)
  })
})

describe('readers of rewrites', () => {
  it('pass over what else lies beside them', async () => {
    const store = await smallCommits(6)
    await compactAll(store)
    await store.put('_millpond/orders/_rewrites/0/notes.txt', new Uint8Array(1))
    await store.put('_millpond/orders/_rewrites/0/0-ab.intent', Buffer.from('{"folders":[]}'))
    expect(await rewritesOf(store)).toHaveLength(1)
    expect(await problemsOf(store)).toEqual([])
  })

  it('go on from a rewrite that they know', async () => {
    const store = await rewritten()
    const all = await Array.fromAsync(readRewrites(store, 'orders/0'))
    const [{ link }] = all as [(typeof all)[0]]
    const later = await Array.fromAsync(readRewrites(store, 'orders/0', { count: 1, sha256: link.sha256 }))
    expect(later.map((one) => one.link)).toEqual(all.slice(1).map((one) => one.link))
    const wrong = Array.fromAsync(readRewrites(store, 'orders/0', { count: 1, sha256: 'ef'.repeat(32) }))
    await expect(wrong).rejects.toMatchObject({ code: 'CHAIN_BROKEN' })
  })

  it('give each position once, from the newest of the rewrites that cover it', async () => {
    const store = await rewritten()
    const live = await Array.fromAsync(readLiveCommits(store, 'orders/0'))
    expect(live.map(({ kind }) => kind)).toEqual(['genesis', 'rewrite', 'rewrite'].slice(0, live.length))
    expect(live.slice(1).map(({ firstPosition }) => firstPosition)).toEqual(
      live.slice(0, -1).map(({ nextPosition }) => nextPosition),
    )
    expect((await keysOf(store, 'orders/')).length).toBe((await segmentsOf(store)).length)
  })
})
