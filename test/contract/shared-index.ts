import { setTimeout as after } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import type { StoredCommit } from '../../src/commit/commit.ts'
import { isMillpondError } from '../../src/errors.ts'
import { followChains, rebuildIndex } from '../../src/index/follow.ts'
import type { SegmentIndex } from '../../src/index/segment-index.ts'
import { addAll, chainOf, dumpOf, grow, segmentsOf } from '../index/chains.ts'

/** How many commits are many: the real figure is 100,000, which takes a minute; `MILLPOND_INDEX_COMMITS=100000` tries it. */
const COMMITS = Number(process.env['MILLPOND_INDEX_COMMITS'] ?? 800)
const LANES = 8
const LIMIT_MS = 1_800_000

const laneOf = (lane: number) => ({ topic: 'orders', topicId: 'id-1', lane: String(lane) })
const chainsOf = (commits: number): StoredCommit[][] =>
  Array.from({ length: LANES }, (_, lane) =>
    chainOf(
      laneOf(lane),
      0,
      Array.from({ length: commits / LANES }, (_, i) => ({
        segments: [{ count: 20_000, minTimestamp: i * 1000, maxTimestamp: i * 1000 + 999, blocks: 4 }],
      })),
    ),
  )

export interface SharedIndex {
  readonly open: () => Promise<SegmentIndex>
  readonly remove: () => Promise<void>
  /** Ends the server as kill -9 does and starts it again on what it kept. */
  readonly interrupt?: () => Promise<void>
}

/** What an index must do that many processes use at a time. Each `open` gives another way into the same index, which is empty at first. */
export function sharedIndexContract(name: string, setup: () => Promise<SharedIndex>, hasServer = false) {
  describe(`an index that many use: ${name}`, { timeout: LIMIT_MS }, () => {
    let place: SharedIndex
    let indexes: SegmentIndex[]
    const opened = async (count: number) => {
      while (indexes.length < count) indexes.push(await place.open())
      return indexes
    }
    beforeEach(async () => {
      place = await setup()
      indexes = []
    })
    afterEach(async () => {
      for (const index of indexes) await index[Symbol.asyncDispose]()
      await place.remove()
    })

    it('takes many commits from several writers of the same chains, each once', async () => {
      const chains = chainsOf(COMMITS)
      const writers = await opened(3)
      let added = 0
      const write = async (index: SegmentIndex, chain: readonly StoredCommit[]) => {
        for (const commit of chain) if ((await index.add(commit)) === 'added') added++
      }
      await Promise.all(writers.flatMap((index) => chains.map((chain) => write(index, chain))))
      expect(added).toBe(COMMITS + LANES)
      const lanes = await writers[0]!.lanes()
      expect(lanes.map(({ commits, segments, messages }) => [commits, segments, messages])).toEqual(
        chains.map((chain) => [chain.length, chain.length - 1, (chain.length - 1) * 20_000]),
      )
      const expected = chains.flatMap((chain) => chain.flatMap(({ segments }) => segments.map(({ key }) => key)))
      expect((await segmentsOf(writers[1]!, {})).map(({ key }) => key)).toEqual(expected)
      const some = await segmentsOf(writers[2]!, { lanes: ['3'], positions: { from: 1_000_000, to: 1_030_000 } })
      expect(some.map(({ firstPosition }) => firstPosition)).toEqual([1_000_000, 1_020_000])
    })

    it('gives pages that stay right while others add', async () => {
      const chains = chainsOf(800)
      const [reader, writer] = await opened(2)
      for (const chain of chains) await addAll(writer!, chain.slice(0, 76))
      const reading = reader!.segments({})[Symbol.asyncIterator]()
      const seen = [(await reading.next()).value!]
      const writing = Promise.all(chains.map((chain) => addAll(writer!, chain.slice(76))))
      for (let next = await reading.next(); !next.done; next = await reading.next()) seen.push(next.value)
      await writing
      const places = seen.map(({ lane, firstPosition }) => [Number(lane.lane), firstPosition] as const)
      // In order, none twice, and nothing that was there when the reading began is left out.
      expect(places).toEqual(
        [...new Map(places.map((at) => [String(at), at])).values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]),
      )
      const found = new Set(places.map(String))
      const first = chains.flatMap((chain, lane) => chain.slice(1, 76).map((commit) => `${lane},${commit.firstPosition}`))
      expect(first.filter((at) => !found.has(at))).toEqual([])
    })

    it('is made anew from the store as it had grown', async () => {
      const store = createMemoryStore()
      const [index, other] = await opened(2)
      for (let round = 0; round < 3; round++) {
        for (let lane = 0; lane < 3; lane++) await grow(store, laneOf(lane), 4)
        await Promise.all([followChains(store, index!), followChains(store, other!)])
      }
      const grown = await dumpOf(index!)
      expect(grown.segments).toHaveLength(36)
      expect(await rebuildIndex(store, other!)).toEqual({ commits: 39 })
      expect(await dumpOf(index!)).toEqual(grown)
      // The other process still remembers what was cleared.
      await grow(store, laneOf(1), 2)
      expect(await followChains(store, index!)).toEqual({ commits: 2 })
      expect(await dumpOf(other!)).toEqual(await dumpOf(index!))
    })

    it('is made anew while others follow', async () => {
      const store = createMemoryStore()
      const [index, other, third] = await opened(3)
      for (let lane = 0; lane < 4; lane++) await grow(store, laneOf(lane), 30)
      await followChains(store, index!)
      const grown = await dumpOf(index!)
      // One that is overtaken more often than it tries again says so, and follows again.
      const follow = async (by: SegmentIndex) => {
        for (let round = 0; round < 3; round++) {
          await followChains(store, by).catch((error: unknown) => {
            if (!isMillpondError(error, 'INDEX_GAP')) throw error
          })
        }
      }
      await Promise.all([follow(index!), follow(third!), rebuildIndex(store, other!), follow(other!)])
      await followChains(store, third!)
      expect(await dumpOf(index!)).toEqual(grown)
    })

    it('knows its followers as long as they say that they live', async () => {
      const [index, other] = await opened(2)
      if (index!.announce === undefined || other!.announce === undefined) throw new Error('it has no followers')
      expect(await index!.announce('b', 60_000)).toEqual(['b'])
      expect(await other!.announce('a', 60_000)).toEqual(['a', 'b'])
      expect(await index!.announce('b', 60_000)).toEqual(['a', 'b'])
      await other!.announce('a', 0)
      expect(await index!.announce('b', 60_000)).toEqual(['b'])
      await other!.announce('c', 1)
      await after(20)
      expect(await index!.announce('b', 60_000)).toEqual(['b'])
    })

    if (!hasServer) return
    it('loses nothing that it had when its server is killed, and goes on when it is back', async () => {
      const chains = chainsOf(400)
      const [index, other] = await opened(2)
      const half = Promise.withResolvers<void>()
      let failures = 0
      const write = async (chain: readonly StoredCommit[]) => {
        for (const [at, commit] of chain.entries()) {
          if (at === 20) half.resolve()
          await patient(
            () => index!.add(commit),
            () => failures++,
          )
        }
      }
      const writing = Promise.all(chains.map(write))
      await half.promise
      for (let time = 0; time < 2; time++) {
        await place.interrupt!()
        await patient(() => other!.lanes())
      }
      await writing
      await place.interrupt!()
      const lanes = await patient(() => other!.lanes())
      expect(lanes.map(({ commits }) => commits)).toEqual(chains.map((chain) => chain.length))
      expect(await patient(() => segmentsOf(index!, {}))).toHaveLength(400)
    })
  })
}

/** Tries again what is said to pass. */
async function patient<T>(act: () => Promise<T>, onFailure: () => void = () => undefined): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!isMillpondError(error, 'INDEX_UNAVAILABLE') || !error.retryable) throw error
      onFailure()
      await after(20)
    }
  }
}
