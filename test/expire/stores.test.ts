import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { allHolds, changeHold, holdHistory, isTopicHeld } from '../../src/commit/holds.ts'
import { readRemovals } from '../../src/commit/removals.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { followChains } from '../../src/index/follow.ts'
import type { Store } from '../../src/store/store.ts'
import { openNewStore } from '../adapters/s3/servers.ts'
import { archived, compactAll, keysOf, segmentsOf, smallCommits } from '../compact/scene.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import type { S3Server } from '../servers/s3.ts'
import { startVersitygw } from '../servers/versitygw.ts'
import { expireAll, forgetAll, keyOf } from './scene.ts'

/** What any store must do for removals. */
function removalContract(open: () => Promise<Store>): void {
  it('expires, forgets, compacts and collects, and the index follows', async () => {
    await using store = await smallCommits(6, {}, await open())
    const before = (await archived(store)) as [number, number, string | null][]
    await using index = await openSqliteIndex({ path: ':memory:' })
    await followChains(store, index)
    // Of a store elsewhere the clock may be ahead of ours.
    await expireAll(store, { beforePosition: 45 }, { keepRemovedMs: -60_000 })
    await forgetAll(store, [keyOf('key-48')])
    const left = before.filter(([position, , key]) => position >= 45 && key !== 'key-48')
    expect(await archived(store)).toEqual(left)
    await compactAll(store, { removeAfterMs: -60_000 })
    expect(await archived(store)).toEqual(left)
    await followChains(store, index)
    const [lane] = await index.lanes()
    expect(lane).toMatchObject({ messages: left.length, rewrites: 4 })
    const report = await verifyArchive(store)
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ removed: before.length - left.length, replaced: { objects: 0 } })
    expect(await keysOf(store, 'orders/')).toEqual((await segmentsOf(store)).map(({ key }) => key))
    expect(await Array.fromAsync(readRemovals(store))).toHaveLength(3)
  })

  it('keeps holds, each change once, whoever makes them at once', async () => {
    await using store = await open()
    const change = (action: 'hold' | 'release', by: string) =>
      changeHold(store, { topic: 'a/b', action, by, reason: '', timeMs: 1 })
    const made = await Promise.all(['x', 'y', 'z'].map((by) => change('hold', by)))
    expect(made.filter((record) => record !== undefined)).toHaveLength(1)
    expect(await isTopicHeld(store, 'a/b')).toBe(true)
    expect(await change('release', 'x')).toMatchObject({ sequence: 1, action: 'release' })
    expect(await isTopicHeld(store, 'a/b')).toBe(false)
    await change('hold', 'y')
    const history = await Array.fromAsync(holdHistory(store, 'a/b'))
    expect(history.map(({ sequence, action }) => [sequence, action])).toEqual([
      [2, 'hold'],
      [1, 'release'],
      [0, 'hold'],
    ])
    expect(await Array.fromAsync(allHolds(store), ({ topic, action }) => [topic, action])).toEqual([['a/b', 'hold']])
    await store.put(history[1]!.key, Buffer.from(JSON.stringify({ ...history[1], reason: 'another' })))
    await expect(Array.fromAsync(holdHistory(store, 'a/b'))).rejects.toMatchObject({ code: 'COMMIT_CORRUPT' })
    await store.put(history[0]!.key, Buffer.from('{"topic":'))
    await expect(isTopicHeld(store, 'a/b')).rejects.toMatchObject({ code: 'COMMIT_CORRUPT' })
  })
}

describe('removals in a folder', () => {
  let root: string
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'millpond-expire-'))
  })
  afterAll(() => rm(root, { recursive: true }))
  removalContract(async () => openFileStore({ path: await mkdtemp(join(root, 'store-')) }))
})

describe.skipIf(serverMissing('versitygw') !== undefined)('removals in S3', { timeout: 120_000 }, () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startVersitygw()
  }, GET_LIMIT_MS)
  afterAll(() => server?.stop())
  removalContract(() => openNewStore(server))
})
