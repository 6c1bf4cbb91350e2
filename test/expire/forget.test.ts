import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { changeHold } from '../../src/commit/holds.ts'
import { readRemovals } from '../../src/commit/removals.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import type { Format } from '../../src/encode/block.ts'
import { commitMessages, openSample, sampleMessages } from '../commit/sample-archive.ts'
import { archived, compactAll, keysOf, lane, problemsOf, rewritesOf, segmentsOf, smallCommits } from '../compact/scene.ts'
import { forgetAll, idOf, keyOf } from './scene.ts'

const isOf = (key: string) => (message: unknown) => (message as [number, number, string | null])[2] === key

/** Whether any object of the store has the bytes. */
async function findsBytes(store: Awaited<ReturnType<typeof smallCommits>>, text: string): Promise<string[]> {
  const found: string[] = []
  for (const key of await keysOf(store))
    if (key.includes(text) || Buffer.from(await store.read(key)).includes(text)) found.push(key)
  return found
}

describe('forget', () => {
  it('writes the segments anew that hold messages of the key, without them, and no object has it any more', async () => {
    const store = await smallCommits(8, { codec: 'null' })
    const before = await archived(store)
    const segments = await segmentsOf(store)
    expect(await findsBytes(store, 'key-7')).not.toEqual([])
    const [report] = await forgetAll(store, [keyOf('key-7')])
    const gone = before.filter(isOf('key-7')).length
    expect(gone).toBeGreaterThan(1)
    expect(report).toMatchObject({ messages: gone, left: [], named: [] })
    expect(await archived(store)).toEqual(before.filter((message) => !isOf('key-7')(message)))
    expect(await findsBytes(store, 'key-7')).toEqual([])
    const after = await segmentsOf(store)
    const untouched = after.filter(({ key }) => segments.some((one) => one.key === key))
    expect(untouched.length + report!.after.objects).toBe(segments.length)
    const verdict = await verifyArchive(store)
    expect(verdict.problems).toEqual([])
    expect(verdict).toMatchObject({ removed: gone, replaced: { objects: 0 }, unnamed: { objects: 0 } })
  })

  it('says in the chain who asked, why, how many, and knows the key by its salted hash', async () => {
    const store = await smallCommits(4)
    await forgetAll(store, [keyOf('key-7'), keyOf('nobody')])
    const notes = await Array.fromAsync(readRemovals(store, { topic: 'orders', lane: '0' }))
    expect(notes).toHaveLength(2)
    const [note] = notes
    expect(note).toMatchObject({ kind: 'forgotten', by: 'a test', why: 'request 17', messages: 1 })
    const salted = createHash('sha256').update(Buffer.from(note!.salt, 'hex')).update('key\0key-7').digest('hex')
    expect(note!.subjects).toEqual([salted])
    const gaps = (await rewritesOf(store)).flatMap((record) => record.gaps)
    expect(gaps.filter(({ reason }) => reason === 'forgotten')).toEqual([
      { firstPosition: 7, nextPosition: 8, missing: 1, reason: 'forgotten' },
      { firstPosition: 57, nextPosition: 58, missing: 1, reason: 'forgotten' },
    ])
  })

  it('does nothing more when it is asked again', async () => {
    const store = await smallCommits(4)
    await forgetAll(store, [keyOf('key-7')])
    const all = await keysOf(store)
    const [report] = await forgetAll(store, [keyOf('key-7')])
    expect(report).toMatchObject({ records: 0, messages: 0, deleted: { objects: 0 } })
    expect(await keysOf(store)).toEqual(all)
  })

  it('counts in a dry run and changes nothing', async () => {
    const store = await smallCommits(4)
    const all = await keysOf(store)
    const [report] = await forgetAll(store, [keyOf('key-7')], { dryRun: true })
    expect(report).toMatchObject({ records: 0, messages: 2, before: { objects: 2 }, after: { objects: 0 } })
    expect(await keysOf(store)).toEqual(all)
  })

  it('finds messages where there are no filters, and by id', async () => {
    const store = await smallCommits(4, { lookups: [] })
    const before = await archived(store)
    await forgetAll(store, [idOf('id-9')])
    expect((await archived(store)).length).toBe(before.length - 1)
    await forgetAll(store, [keyOf('key-7')])
    expect((await archived(store)).some(isOf('key-7'))).toBe(false)
    expect(await problemsOf(store)).toEqual([])
  })

  it('leaves nothing of a segment of which all is forgotten', async () => {
    const store = createMemoryStore()
    const chain = await openSample(store, lane)
    const mine = sampleMessages(0, 10).map((message) => ({ ...message, key: 'me' }))
    await commitMessages(store, chain, mine)
    await commitMessages(store, chain, sampleMessages(10, 20))
    const [report] = await forgetAll(store, [keyOf('me')])
    expect(report).toMatchObject({ messages: 10, before: { objects: 1 }, after: { objects: 0 } })
    expect(await segmentsOf(store)).toHaveLength(1)
    expect(await problemsOf(store)).toEqual([])
  })

  it('takes with it what compaction had replaced, and what crashes left', async () => {
    const store = await smallCommits(8, { codec: 'null' })
    await compactAll(store, { merge: { codec: 'null', lookups: ['key'], blockBytes: 4096 } })
    const [segment] = await segmentsOf(store)
    // One that a writer left before its commit, and one of a compaction that was killed.
    await store.put('orders/0/0000000000000007-dead.avro', Buffer.from('key-7'))
    await store.put('orders/0/0000000000000000-rewrite-1-abcd.avro', Buffer.from('key-7'))
    await store.put('_millpond/orders/_rewrites/0/1-abcd.intent', Buffer.from('{"folders":["orders/0"]}'))
    await forgetAll(store, [keyOf('key-7')])
    expect(await findsBytes(store, 'key-7')).toEqual([])
    expect(await keysOf(store, 'orders/')).not.toContain(segment!.key)
    expect(await problemsOf(store)).toEqual([])
  })

  it.each<[Format]>([['kafka'], ['json'], ['parquet']])('works in %s', async (format) => {
    const store = await smallCommits(5, { format: 'kafka', codec: 'null', lookups: ['key'] })
    if (format !== 'kafka') await compactAll(store, { format, removeAfterMs: -1000 })
    const before = await archived(store)
    await forgetAll(store, [keyOf('key-7')])
    expect(await archived(store)).toEqual(before.filter((message) => !isOf('key-7')(message)))
    expect(new Set((await segmentsOf(store)).map((one) => one.format))).toEqual(new Set([format]))
    expect(await problemsOf(store)).toEqual([])
  })

  it('leaves no byte of what it removes in record batches', async () => {
    const store = await smallCommits(5, { format: 'kafka', codec: 'null', lookups: ['key'] })
    expect(await findsBytes(store, 'key-7')).not.toEqual([])
    await forgetAll(store, [keyOf('key-7')])
    expect(await findsBytes(store, 'key-7')).toEqual([])
  })

  it('removes nothing of a topic that is held', async () => {
    const store = await smallCommits(4)
    const all = await keysOf(store)
    await changeHold(store, { topic: 'orders', action: 'hold', reason: 'case 9', by: 'legal', timeMs: 5 })
    await expect(forgetAll(store, [keyOf('key-7')])).rejects.toMatchObject({ code: 'TOPIC_HELD' })
    expect((await keysOf(store)).length).toBe(all.length + 1)
  })

  it('writes nothing in the place of a segment that was damaged', async () => {
    const store = await smallCommits(4)
    const [segment] = await segmentsOf(store)
    const bytes = Uint8Array.from(await store.read(segment!.key))
    bytes[bytes.length - 30]! ^= 1
    await store.put(segment!.key, bytes)
    await expect(forgetAll(store, [keyOf('key-7')])).rejects.toMatchObject({ code: 'BLOCK_CORRUPT' })
    expect(await rewritesOf(store)).toEqual([])
  })
})
