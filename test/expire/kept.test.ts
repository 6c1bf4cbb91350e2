import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { collectGarbage } from '../../src/commit/collect.ts'
import { followChains } from '../../src/index/follow.ts'
import type { Format } from '../../src/encode/block.ts'
import { search } from '../../src/search/read.ts'
import { archiver, byKey, messages, options } from '../archive/split-scene.ts'
import { commitMessages, openSample, sampleMessages } from '../commit/sample-archive.ts'
import { archived, compactAll, keysOf, lane, liveCommits, problemsOf, segmentsOf, smallCommits } from '../compact/scene.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { expireAll, forgetAll, idOf, keyOf } from './scene.ts'

/** A lane that is split by the first letter of keys, under fixed names: segments of one commit lie side by side. */
async function splitLane(format: Format = 'avro', changes: Partial<typeof options> = {}) {
  const store = createMemoryStore()
  const source = createMemorySource('orders')
  source.produce('0', messages(0, 60))
  await archiver(source).run(store, { format, rotate: { ...options.rotate, maxCount: 10 }, ...changes })
  return store
}

async function positionsIn(batches: ReturnType<typeof search>): Promise<number[]> {
  const positions: number[] = []
  for await (const { batch } of batches) positions.push(...batch.positions)
  return positions
}

describe('what a removal leaves as it is', () => {
  it('is named again with its filters, and found by them', async () => {
    const store = await splitLane()
    const before = (await archived(store)) as [number, number, string][]
    const [, , key] = before[25]!
    await forgetAll(store, [keyOf(key)])
    expect(await archived(store)).toEqual(before.filter((message) => message[2] !== key))
    expect(await problemsOf(store)).toEqual([])
    await using index = await openSqliteIndex({ path: ':memory:' })
    await followChains(store, index)
    const found = async (text: string) => {
      const query = { topic: 'orders', key: Buffer.from(text) }
      return positionsIn(search({ store, index }, query))
    }
    for (const [position, , text] of before) expect(await found(text)).toEqual(text === key ? [] : [position])
  })

  it('is compacted, expired and collected as if it had never been beside what went', async () => {
    const store = await splitLane()
    const [, , key] = (await archived(store))[3] as [number, number, string]
    await forgetAll(store, [keyOf(key)])
    await compactAll(store, { removeAfterMs: -1000 })
    expect(await archived(store)).toHaveLength(59)
    await expireAll(store, { beforePosition: 30 })
    await compactAll(store, { format: 'json', removeAfterMs: -1000 })
    await collectGarbage(store, { olderThanMs: -1000, nowMs: Date.now() })
    expect(await problemsOf(store)).toEqual([])
    const named = (await segmentsOf(store)).map((segment) => segment.key).sort()
    expect((await keysOf(store, 'orders/')).sort()).toEqual(named)
  })

  it('stays one segment of a commit where the others are due', async () => {
    const store = await splitLane()
    const [first] = await liveCommits(store)
    const ends = first!.segments.map(({ lastPosition }) => lastPosition)
    expect(new Set(ends).size).toBeGreaterThan(1)
    const beforePosition = Math.max(...ends)
    await expireAll(store, { beforePosition })
    const [record] = await liveCommits(store)
    expect(record).toMatchObject({ kind: 'rewrite', segments: [{ lastPosition: beforePosition }] })
    expect(await problemsOf(store)).toEqual([])
  })

  it('is told, where messages cannot be told from one another', async () => {
    const csv = await splitLane('csv')
    const all = await keysOf(csv)
    const [report] = await forgetAll(csv, [keyOf('a-3')])
    expect(report).toMatchObject({ messages: 0, left: [{ format: 'csv', why: 'format' }] })
    // The filters say that nobody else's segment may hold it.
    expect((await forgetAll(csv, [keyOf('nobody at all')]))[0]!.left).toEqual([])
    expect(await keysOf(csv)).toEqual(all)
    const siblings = await splitLane('raw', { siblings: { keys: 'json' } })
    expect((await forgetAll(siblings, [keyOf('a-3')]))[0]!.left).toMatchObject([{ format: 'raw', why: 'siblings' }])
    const without = await splitLane('raw', { lookups: [] })
    const [unknown] = await forgetAll(without, [idOf('x')])
    expect(unknown!.left.length).toBe((await segmentsOf(without)).length)
  })

  it('belongs to other programs where it was imported, and is written anew as our own', async () => {
    const store = createMemoryStore()
    const importer = await openSample(store, lane, 'import-kafka-backup')
    await commitMessages(store, importer, sampleMessages(0, 20))
    await commitMessages(store, importer, sampleMessages(20, 40))
    const theirs = await keysOf(store, 'orders/')
    const [report] = await forgetAll(store, [keyOf('key-7')])
    expect(report).toMatchObject({ messages: 1, left: [{ key: theirs[0], why: 'imported' }] })
    const ours = (await keysOf(store, 'orders/')).filter((key) => !theirs.includes(key))
    expect(ours).toHaveLength(1)
    const [again] = await forgetAll(store, [keyOf('key-8')])
    expect(again).toMatchObject({ messages: 1 })
    // What was written anew the first time is ours, and goes; theirs stay.
    expect((await keysOf(store, 'orders/')).filter((key) => theirs.includes(key))).toEqual(theirs)
    expect(await keysOf(store, 'orders/')).not.toContain(ours[0])
    const expiry = await expireAll(store, { beforePosition: 1000 })
    expect(expiry.lanes).toMatchObject([{ messages: 38, imported: 1 }])
    expect(await keysOf(store, 'orders/')).toEqual(theirs)
    expect(await problemsOf(store)).toEqual([])
  })

  it('tells where the value is a part of names', async () => {
    const store = await splitLane('avro', {
      layout: {
        ...byKey,
        openLane: (of) => ({
          ...byKey.openLane(of),
          objectKey: ({ id }, { position }, extension) => `orders/${id}-3/0+${position}.${extension}`,
        }),
      },
    })
    const [report] = await forgetAll(store, [keyOf('a-3')])
    expect(report!.messages).toBe(1)
    expect(report!.named).toHaveLength(1)
  })

  it('are commits, which know of the removed no more than filters and hashes', async () => {
    const store = await smallCommits(4, { codec: 'null' })
    await forgetAll(store, [keyOf('key-7')])
    for (const key of await keysOf(store, '_millpond/')) expect(Buffer.from(await store.read(key)).includes('key-7')).toBe(false)
  })
})
