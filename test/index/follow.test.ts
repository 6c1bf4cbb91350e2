import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { readCommits } from '../../src/commit/chain.ts'
import { followChainOf, followChains, rebuildIndex } from '../../src/index/follow.ts'
import type { SegmentIndex } from '../../src/index/segment-index.ts'
import type { LaneId } from '../../src/source/lane.ts'
import type { Store } from '../../src/store/store.ts'
import { dumpOf, grow } from './chains.ts'

const laneOf = (topic: string, lane: string, topicId = topic): LaneId => ({ topic, topicId, lane })

/** Counts what the store is asked. */
function counted(store: Store): { store: Store; calls: { list: number; read: number } } {
  const calls = { list: 0, read: 0 }
  return {
    calls,
    store: {
      ...store,
      list: (...args) => {
        calls.list++
        return store.list(...args)
      },
      read: (...args) => {
        calls.read++
        return store.read(...args)
      },
    },
  }
}

describe('following the chains', () => {
  let folder: string
  let path: string
  let index: SegmentIndex
  let store: Store
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-follow-'))
    path = join(folder, 'index.db')
    index = await openSqliteIndex({ path })
    store = createMemoryStore()
  })
  afterEach(async () => {
    await index[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  it('takes what is there, then what is new, then nothing', async () => {
    await grow(store, laneOf('orders', '0'), 3)
    expect(await followChains(store, index)).toEqual({ commits: 4 })
    await grow(store, laneOf('orders', '0'), 2)
    await grow(store, laneOf('orders', '1'), 1)
    expect(await followChains(store, index)).toEqual({ commits: 4 })
    expect(await followChains(store, index)).toEqual({ commits: 0 })
    expect((await index.lanes()).map(({ lane, messages }) => [lane, messages])).toEqual([
      ['0', 100],
      ['1', 20],
    ])
  })

  it('asks the store for one listing a lane where nothing is new', async () => {
    for (let lane = 0; lane < 5; lane++) await grow(store, laneOf('orders', String(lane)), 3)
    await followChains(store, index)
    const { store: asked, calls } = counted(store)
    await followChains(asked, index)
    expect(calls).toEqual({ list: 5, read: 0 })
  })

  it('follows only the topic or the lane that is named', async () => {
    for (const lane of [laneOf('orders', '0'), laneOf('orders', '1'), laneOf('returns', '1')]) await grow(store, lane, 1)
    await followChains(store, index, { topic: 'orders', lane: '1' })
    expect((await index.lanes()).map(({ topic, lane }) => [topic, lane])).toEqual([['orders', '1']])
    await followChains(store, index, { topic: 'orders' })
    expect(await index.lanes()).toHaveLength(2)
    await followChains(store, index)
    expect(await index.lanes()).toHaveLength(3)
  })

  it('keeps a topic that was made again apart from the one before', async () => {
    await grow(store, laneOf('orders', '0', 'first'), 2)
    await followChains(store, index)
    await grow(store, laneOf('orders', '0', 'second'), 1)
    await followChains(store, index, { topic: 'orders' })
    expect((await index.lanes('orders')).map(({ topicId, messages }) => [topicId, messages])).toEqual([
      ['first', 40],
      ['second', 20],
    ])
  })

  it('makes from the store alone what it had grown into', async () => {
    for (let round = 0; round < 4; round++) {
      for (let lane = 0; lane < 3; lane++)
        await grow(store, laneOf('orders', String(lane)), 1 + ((round * lane) % 3), `w${round}`)
      await followChains(store, index)
    }
    const grown = await dumpOf(index)
    expect(grown.segments.length).toBeGreaterThan(10)
    await using fresh = await openSqliteIndex({ path: join(folder, 'fresh.db') })
    await rebuildIndex(store, fresh)
    expect(await dumpOf(fresh)).toEqual(grown)
    await rebuildIndex(store, index)
    expect(await dumpOf(index)).toEqual(grown)
  })

  it('gives the same whether one follows or several at once, while the archive grows', async () => {
    await using other = await openSqliteIndex({ path })
    const growing = (async () => {
      for (let i = 0; i < 10; i++) for (const lane of ['0', '1']) await grow(store, laneOf('orders', lane), 2, `w${i}`)
    })()
    const following = async (index: SegmentIndex) => {
      for (let i = 0; i < 15; i++) await followChains(store, index)
    }
    await Promise.all([growing, following(index), following(other)])
    await followChains(store, index)
    await using fresh = await openSqliteIndex({ path: join(folder, 'fresh.db') })
    await rebuildIndex(store, fresh)
    expect(await dumpOf(index)).toEqual(await dumpOf(fresh))
    expect(await dumpOf(other)).toEqual(await dumpOf(fresh))
  })

  it('goes on when another process rebuilds the index meanwhile', async () => {
    await grow(store, laneOf('orders', '0'), 30)
    await using other = await openSqliteIndex({ path })
    await followChains(store, index)
    await grow(store, laneOf('orders', '0'), 30, 'later')
    await Promise.all([followChains(store, index), rebuildIndex(store, other)])
    await followChains(store, index)
    expect(await index.lane(laneOf('orders', '0'))).toMatchObject({ commits: 61, messages: 1200 })
  })

  const rebuild = expect.stringContaining('millpond index rebuild')

  it('refuses an index that knows a lane which the store does not hold', async () => {
    await grow(store, laneOf('orders', '0'), 1)
    await followChains(store, index)
    const other = createMemoryStore()
    await grow(other, laneOf('returns', '0'), 1)
    await expect(followChains(other, index)).rejects.toMatchObject({ code: 'INDEX_CORRUPT', message: rebuild })
  })

  it('refuses an index that is ahead of the store', async () => {
    await grow(store, laneOf('orders', '0'), 5)
    await followChains(store, index)
    const restored = createMemoryStore()
    await grow(restored, laneOf('orders', '0'), 3)
    await expect(followChains(restored, index)).rejects.toMatchObject({ code: 'INDEX_CORRUPT', message: rebuild })
    await rebuildIndex(restored, index)
    expect(await index.lane(laneOf('orders', '0'))).toMatchObject({ commits: 4 })
  })

  it('refuses commits that follow others than those it knows', async () => {
    await grow(store, laneOf('orders', '0'), 2)
    await followChains(store, index)
    const other = createMemoryStore()
    await grow(other, laneOf('orders', '0'), 4, 'somebody else')
    await expect(followChains(other, index)).rejects.toMatchObject({ code: 'CHAIN_BROKEN', message: rebuild })
  })

  it('takes the chains that are sound though one is damaged, and names that one', async () => {
    for (const lane of ['0', '1', '2']) await grow(store, laneOf('orders', lane), 3)
    for await (const { key } of store.list('_millpond/orders/1/', { limit: 1 })) await store.put(key, new Uint8Array(100))
    await expect(followChains(store, index)).rejects.toMatchObject({ code: 'COMMIT_CORRUPT' })
    const whole = (await index.lanes()).filter(({ commits }) => commits === 4).map(({ lane }) => lane)
    expect(whole).toEqual(['0', '2'])
  })

  it('follows the chain of one commit without a look at any other', async () => {
    for (const topic of ['a', 'b', 'c']) await grow(store, laneOf(topic, '0'), 2)
    const commits = await Array.fromAsync(readCommits(store, 'b/0'))
    const asked: string[] = []
    const watched: Store = {
      ...store,
      list: (prefix, ...rest) => {
        asked.push(prefix)
        return store.list(prefix, ...rest)
      },
      folders: (prefix, ...rest) => {
        asked.push(prefix)
        return store.folders(prefix, ...rest)
      },
    }
    expect(await followChainOf(watched, index, commits.at(-1)!)).toEqual({ commits: 3 })
    expect(new Set(asked)).toEqual(new Set(['_millpond/b/0/']))
    expect((await index.lanes()).map(({ topic }) => topic)).toEqual(['b'])
  })

  it('stops when it is told to', async () => {
    await grow(store, laneOf('orders', '0'), 2)
    await expect(followChains(store, index, {}, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  })
})
