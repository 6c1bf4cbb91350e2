import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openMongoIndex } from '../../../src/adapters/mongodb/index.ts'
import type { MongoOptions } from '../../../src/adapters/mongodb/options.ts'
import type { SegmentIndex } from '../../../src/index/segment-index.ts'
import { segmentIndexContract } from '../../contract/segment-index.ts'
import { sharedIndexContract } from '../../contract/shared-index.ts'
import { addAll, chainOf, dumpOf, rewriteOf, segmentsOf } from '../../index/chains.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import type { Server } from '../../servers/server.ts'
import { mongoServers, newDatabase, withCollection } from './servers.ts'

/** FerretDB looks through all of a collection for each document that it is asked for. */
const LIMIT_MS = 600_000

const orders = { topic: 'orders', topicId: 'id-1', lane: '0' }
const plans = (commits: number, segments = 1) =>
  Array.from({ length: commits }, (_, at) => ({
    segments: Array.from({ length: segments }, (__, i) => ({
      count: 20_000,
      minTimestamp: at * 1000 + i,
      maxTimestamp: at * 1000 + 999,
      blocks: 4,
    })),
  }))

describe.each(mongoServers)('over $name', { timeout: LIMIT_MS }, ({ name, missing, start }) => {
  describe.skipIf(missing !== undefined)('the index', () => {
    let server: Server & { readonly url: string }
    beforeAll(async () => {
      server = await start()
    }, GET_LIMIT_MS)
    afterAll(() => server.stop())

    segmentIndexContract(`mongodb over ${name}`, async () => {
      const options = newDatabase(server.url)
      return { open: () => openMongoIndex(options), remove: async () => undefined }
    })
    if (name === 'mongo-java-server') {
      const interrupt = async () => {
        await server.kill()
        await server.start()
      }
      sharedIndexContract(
        `mongodb over ${name}`,
        async () => {
          const options = newDatabase(server.url)
          return { open: () => openMongoIndex(options), remove: async () => undefined, interrupt }
        },
        true,
      )
    }

    const using = async (
      act: (index: SegmentIndex, options: MongoOptions, another: () => Promise<SegmentIndex>) => Promise<void>,
    ) => {
      const options = newDatabase(server.url)
      await using opened = new AsyncDisposableStack()
      const another = async () => opened.use(await openMongoIndex(options))
      await act(await another(), options, another)
    }

    it('takes each commit and rewrite once from all who add them at the same time', () =>
      using(async (_, __, another) => {
        const commits = chainOf(orders, 0, plans(24, 2))
        const first = rewriteOf(orders, commits.slice(1, 9), { sequence: 0, previousSha256: '' })
        const second = rewriteOf(orders, commits.slice(9, 20), { sequence: 1, previousSha256: first.sha256 })
        const writers = await Promise.all(Array.from({ length: 5 }, another))
        const outcomes: string[] = []
        const write = async (index: SegmentIndex) => {
          for (const [at, commit] of commits.entries()) {
            outcomes.push(await index.add(commit))
            if (at === 10) outcomes.push(await index.replace(first))
            if (at === 22) outcomes.push(await index.replace(second))
          }
        }
        await Promise.all(writers.map(write))
        expect(outcomes.filter((outcome) => outcome === 'added')).toHaveLength(commits.length + 2)
        const keys = [first, second, ...commits.slice(20)].flatMap(({ segments }) => segments.map(({ key }) => key))
        for (const index of writers) expect((await segmentsOf(index, {})).map(({ key }) => key)).toEqual(keys)
        const lanes = await writers[0]!.lanes()
        expect(lanes).toMatchObject([{ commits: 25, rewrites: 2, segments: 12, messages: 48 * 20_000 }])
      }))

    it('takes in what a process added that ended before its lane said so', () =>
      using(async (index, options, another) => {
        const commits = chainOf(orders, 0, plans(6))
        await addAll(index, commits.slice(0, 4))
        const older = await withCollection(options, 'lanes', (lanes) => lanes.findOne({}))
        await addAll(index, commits.slice(4))
        const whole = await dumpOf(index)
        // As it was before the last commits were taken in.
        await withCollection(options, 'lanes', (lanes) => lanes.replaceOne({}, older!))
        const next = await another()
        expect((await next.lanes())[0]).toMatchObject({ commits: 4 })
        expect(await segmentsOf(next, {})).toHaveLength(3)
        expect(await next.add(commits.at(-1)!)).toBe('known')
        expect(await dumpOf(next)).toEqual(whole)
      }))

    it('forgets a lane for a process that remembers it, too', () =>
      using(async (index, _, another) => {
        const commits = chainOf(orders, 0, plans(5))
        const other = await another()
        await addAll(index, commits.slice(0, 4))
        await other.clear(orders)
        await expect(index.add(commits[4]!)).rejects.toMatchObject({ code: 'INDEX_GAP' })
        await expect(index.add(commits[3]!)).rejects.toMatchObject({ code: 'INDEX_GAP' })
        expect(await dumpOf(other)).toEqual({ lanes: [], segments: [] })
        for (const commit of commits.slice(0, 2)) expect(await other.add(commit)).toBe('added')
        await expect(index.add(commits[4]!)).rejects.toMatchObject({ code: 'INDEX_GAP' })
        for (const commit of commits.slice(2)) expect(await index.add(commit)).toBe('added')
        expect(await segmentsOf(other, {})).toHaveLength(5)
      }))

    it('ends the reading of a lane that is cleared meanwhile', () =>
      using(async (index, _, another) => {
        await addAll(index, chainOf(orders, 0, plans(140)))
        const reading = index.segments({})[Symbol.asyncIterator]()
        await reading.next()
        await (await another()).clear(orders)
        let more = 0
        for (let next = await reading.next(); !next.done; next = await reading.next()) more++
        expect(more).toBe(127)
      }))

    it('holds commits of very many segments, in documents of some each', () =>
      using(async (index, options) => {
        const [genesis, commit, next] = chainOf(orders, 0, [...plans(1, 150), ...plans(1)])
        await addAll(index, [genesis!, commit!, next!])
        const found = await segmentsOf(index, { positions: { from: 100 * 20_000, to: 102 * 20_000 } })
        expect(found.map(({ key }) => key)).toEqual(commit!.segments.slice(100, 102).map(({ key }) => key))
        expect(await segmentsOf(index, {})).toHaveLength(151)
        expect(await countOf(options, 'segments')).toBe(4)
        const rewrite = rewriteOf(orders, [commit!], { sequence: 0, previousSha256: '' })
        expect(await index.replace(rewrite)).toBe('added')
        expect((await segmentsOf(index, {})).map(({ key }) => key)).toEqual([rewrite, next!].map((one) => one.segments[0]!.key))
      }))

    it('never gives a document of which anything was changed, or that is lost', () =>
      using(async (index, options, another) => {
        await addAll(index, chainOf(orders, 0, plans(3)))
        const expected = await dumpOf(index)
        const corrupt = { code: 'INDEX_CORRUPT', message: expect.stringContaining('millpond index rebuild') }
        for (const collection of ['lanes', 'segments']) {
          const [document] = await withCollection(options, collection, (all) => all.find().toArray())
          const { _id, ...fields } = document!
          for (const field of Object.keys(fields)) {
            const changed = { ...fields, [field]: damaged(fields[field]) }
            await withCollection(options, collection, (all) => all.replaceOne({ _id }, changed))
            await expect(dumpOf(await another()), `${collection}.${field}`).rejects.toMatchObject(corrupt)
          }
          await withCollection(options, collection, (all) => all.replaceOne({ _id }, fields))
        }
        expect(await dumpOf(await another())).toEqual(expected)
        await withCollection(options, 'segments', async (all) => all.deleteOne({ _id: (await all.findOne({}))!['_id'] }))
        await expect(dumpOf(await another())).rejects.toMatchObject(corrupt)
      }))
  })
})

async function countOf(options: MongoOptions, collection: string): Promise<number> {
  return withCollection(options, collection, async (all) => (await all.find().toArray()).length)
}

const damaged = (value: unknown): unknown => {
  if (typeof value === 'number') return value + 1
  if (typeof value === 'string') return `${value}x`
  if (Array.isArray(value)) return [...value, {}]
  if (value !== null && typeof value === 'object' && 'buffer' in value) return new Uint8Array([1, 2, 3])
  return 1
}
