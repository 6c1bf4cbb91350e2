import { describe, expect, it } from 'vitest'
import { collectGarbage } from '../../src/commit/collect.ts'
import { changeHold } from '../../src/commit/holds.ts'
import { readRemovals } from '../../src/commit/removals.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { commitMessages, openSample, sampleArchive, sampleMessages } from '../commit/sample-archive.ts'
import {
  archived,
  compactAll,
  keysOf,
  lane,
  liveCommits,
  problemsOf,
  rewritesOf,
  segmentsOf,
  smallCommits,
} from '../compact/scene.ts'
import { expireAll } from './scene.ts'

const positionsOf = async (store: Parameters<typeof archived>[0]) =>
  (await archived(store)).map((message) => (message as [number])[0])

describe('expire', () => {
  it('removes segments before a position, keeps the commits, and says so beside the chain', async () => {
    const store = await smallCommits(6)
    const before = await archived(store)
    const chain = await keysOf(store, '_millpond/orders/0/')
    const segments = await segmentsOf(store)
    const report = await expireAll(store, { beforePosition: 65 })
    expect(report.lanes).toMatchObject([{ records: 1, messages: 60, segments: { objects: 3 }, deleted: { objects: 3 } }])
    expect(await archived(store)).toEqual(before.slice(60))
    expect(await keysOf(store, '_millpond/orders/0/')).toEqual(chain)
    expect(await keysOf(store, 'orders/')).toEqual(segments.slice(3).map(({ key }) => key))
    const verdict = await verifyArchive(store)
    expect(verdict.problems).toEqual([])
    expect(verdict).toMatchObject({ removed: 60, rewrites: 1, unnamed: { objects: 0 }, replaced: { objects: 0 } })
    const [note] = await Array.fromAsync(readRemovals(store))
    expect(verdict.lanes[0]!.removals).toEqual([note])
    expect(note).toMatchObject({ kind: 'expired', by: 'a test', why: 'before position 65', messages: 60, segments: 3 })
    expect(note).toMatchObject({ firstPosition: 0, nextPosition: 65 })
    const [record] = await rewritesOf(store)
    expect(record!.removal!.segments.map(({ key, sha256 }) => [key, sha256])).toEqual(
      segments.slice(0, 3).map(({ key, sha256 }) => [key, sha256]),
    )
  })

  it('goes on with the record of an earlier run, so that few of them count', async () => {
    const store = await smallCommits(8)
    for (const beforePosition of [25, 65, 110]) await expireAll(store, { beforePosition })
    expect(await rewritesOf(store)).toHaveLength(3)
    const live = await liveCommits(store)
    expect(live.map(({ kind, segments }) => [kind, segments.length])).toEqual([
      ['rewrite', 0],
      ['data', 1],
      ['data', 1],
      ['data', 1],
    ])
    expect(await problemsOf(store)).toEqual([])
    expect((await verifyArchive(store)).removed).toBe(90)
  })

  it('keeps a topic within its bytes, the oldest first, over all lanes', async () => {
    const store = await smallCommits(4)
    const other = await openSample(store, { ...lane, lane: '1' })
    const late = sampleMessages(0, 20).map((message) => ({ ...message, timestamp: message.timestamp + 10_000 }))
    await commitMessages(store, other, late)
    const sizes = [...(await segmentsOf(store)), ...(await segmentsOf(store, 'orders/1'))].map(({ bytes }) => bytes)
    const maxBytes = sizes.at(-1)! + 10
    await expireAll(store, { maxBytes })
    expect(await segmentsOf(store)).toEqual([])
    expect(await segmentsOf(store, 'orders/1')).toHaveLength(1)
    expect(await problemsOf(store)).toEqual([])
  })

  it('removes nothing where nothing is due, and nothing in a dry run', async () => {
    const store = await smallCommits(4)
    const all = await keysOf(store)
    expect((await expireAll(store, { olderThanMs: Date.now() })).lanes).toMatchObject([{ records: 0, messages: 0 }])
    const dry = await expireAll(store, { olderThanMs: 1000 }, { dryRun: true })
    expect(dry.lanes).toMatchObject([{ records: 0, messages: 70, segments: { objects: 4 }, firstPosition: 0 }])
    expect(await keysOf(store)).toEqual(all)
  })

  it('expires what was compacted, with the copies that compaction had left', async () => {
    const store = await smallCommits(8)
    await compactAll(store)
    expect(await keysOf(store, 'orders/')).toHaveLength(9)
    const kept = await openSample(store, lane)
    await commitMessages(store, kept, sampleMessages(kept.nextPosition, kept.nextPosition + 20))
    await expireAll(store, { beforePosition: 169 })
    expect(await keysOf(store, 'orders/')).toHaveLength(1)
    expect(await problemsOf(store)).toEqual([])
    await compactAll(store, { format: 'json', removeAfterMs: -1000 })
    expect(await archived(store)).toHaveLength(20)
    expect(await problemsOf(store)).toEqual([])
    expect((await liveCommits(store)).flatMap(({ gaps }) => gaps.map(({ reason }) => reason))).toContain('removed')
  })

  it('accounts for dead letters and gaps among what it removes', async () => {
    const store = await sampleArchive(60)
    await expireAll(store, { olderThanMs: 1000 })
    const report = await verifyArchive(store)
    expect(report.problems).toEqual([])
    expect(report.messages).toBe(0)
    expect(report).toMatchObject({ deadLettered: 1, removed: 60 + 30 + 60 })
    const chain = await openSample(store, lane)
    await commitMessages(store, chain, sampleMessages(chain.nextPosition, chain.nextPosition + 5))
    expect(await positionsOf(store)).toHaveLength(5)
  })

  it('removes nothing of a topic that is held, and goes on with the others', async () => {
    const store = await smallCommits(4)
    const other = await openSample(store, { topic: 'visits', topicId: 'id-2', lane: '0' })
    await commitMessages(store, other, sampleMessages(0, 20))
    const told = { topic: 'orders', reason: 'case 9', by: 'legal', timeMs: 5 }
    await changeHold(store, { ...told, action: 'hold' })
    const report = await expireAll(store, { olderThanMs: 1000 })
    expect(report.held).toEqual(['orders'])
    expect(await archived(store)).toHaveLength(70)
    expect(await archived(store, 'visits/0')).toEqual([])
    const configured = await expireAll(store, { olderThanMs: 1000 }, { isHeld: () => true })
    expect(configured.held).toEqual(['orders', 'visits'])
    await changeHold(store, { ...told, action: 'release' })
    await expireAll(store, { olderThanMs: 1000 })
    expect(await archived(store)).toEqual([])
  })

  it('deletes nothing while a hold lasts that came after the record', async () => {
    const store = await smallCommits(4)
    await expireAll(store, { beforePosition: 1000 }, { keepRemovedMs: 60_000 })
    expect(await keysOf(store, 'orders/')).toHaveLength(4)
    const told = { topic: 'orders', reason: '', by: 'legal', timeMs: 5 }
    await changeHold(store, { ...told, action: 'hold' })
    const now = { olderThanMs: -1000, nowMs: Date.now() }
    await collectGarbage(store, now)
    expect(await keysOf(store, 'orders/')).toHaveLength(4)
    await changeHold(store, { ...told, action: 'release' })
    expect((await collectGarbage(store, now)).replaced.objects).toBe(4)
    expect(await keysOf(store, 'orders/')).toEqual([])
    expect(await problemsOf(store)).toEqual([])
  })

  it('removes again what a writer that slept wrote once more under a name that was removed', async () => {
    const store = await smallCommits(4)
    const [first] = await segmentsOf(store)
    const bytes = await store.read(first!.key)
    await expireAll(store, { beforePosition: 1000 })
    await store.putIfAbsent(first!.key, bytes)
    expect((await verifyArchive(store)).replaced.objects).toBe(1)
    expect(await archived(store)).toEqual([])
    await collectGarbage(store, { olderThanMs: -1000, nowMs: Date.now() })
    expect(await keysOf(store, 'orders/')).toEqual([])
  })

  it('reports a segment that is gone without a record', async () => {
    const store = await smallCommits(6)
    await expireAll(store, { beforePosition: 65 })
    const [kept] = await segmentsOf(store)
    await store.delete(kept!.key)
    expect((await problemsOf(store)).join()).toContain(`OBJECT_MISSING ${kept!.key}`)
  })
})
