import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { collectGarbage } from '../../src/commit/collect.ts'
import { rewritesPrefix } from '../../src/commit/commit-names.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import type { Format } from '../../src/encode/block.ts'
import { followChains } from '../../src/index/follow.ts'
import { countMessages } from '../../src/search/count.ts'
import type { MessageQuery } from '../../src/search/query.ts'
import type { Store } from '../../src/store/store.ts'
import { archiver, messages, openStore } from '../archive/split-scene.ts'
import { commitMessages, openSample, sampleMessages } from '../commit/sample-archive.ts'
import { dumpOf } from '../index/chains.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { archived, compactAll, keysOf, lane, liveCommits, problemsOf, rewritesOf, segmentsOf, smallCommits } from './scene.ts'

const DAY_MS = 86_400_000
const dataKeys = async (store: Store) => (await keysOf(store)).filter((key) => !key.startsWith('_millpond/'))

describe('compaction', () => {
  it('puts small segments together, and nothing changes but where messages lie', async () => {
    const store = await smallCommits(30)
    const [before, chain] = [await archived(store), await keysOf(store, '_millpond/orders/0/')]
    const [done] = await compactAll(store)
    expect(done).toMatchObject({
      lane,
      rewrites: 1,
      messages: before.length,
      before: { objects: 30 },
      after: { objects: 1 },
      skipped: 0,
    })
    expect(await archived(store)).toEqual(before)
    expect(await keysOf(store, '_millpond/orders/0/')).toEqual(chain)
    const report = await verifyArchive(store)
    expect(report).toMatchObject({ clean: true, messages: before.length, segments: 1, rewrites: 1, replaced: { objects: 30 } })
    // Once more there is nothing to gain.
    expect(await compactAll(store)).toMatchObject([{ rewrites: 0 }])
  })

  it('makes segments of about the size that is asked for, in as many steps', async () => {
    const store = await smallCommits(40, { codec: 'null' })
    const before = await archived(store)
    await compactAll(store, { targetBytes: 8192, merge: { codec: 'null', lookups: [], blockBytes: 1024 } })
    const sizes = (await segmentsOf(store)).map(({ bytes }) => bytes)
    expect(sizes.length).toBeGreaterThan(3)
    expect(Math.max(...sizes)).toBeLessThan(3 * 8192)
    expect((await rewritesOf(store)).length).toBeGreaterThan(1)
    expect(await archived(store)).toEqual(before)
    expect(await problemsOf(store)).toEqual([])
  })

  it.each<[Format, Format]>([
    ['avro', 'parquet'],
    ['avro', 'json'],
    ['kafka', 'avro'],
    ['kafka', 'parquet'],
  ])('converts %s into %s, and rewrites it again as it was', async (from, to) => {
    const store = await smallCommits(6, { format: from })
    const before = await archived(store)
    await compactAll(store, { format: to })
    expect(new Set((await segmentsOf(store)).map(({ format }) => format))).toEqual(new Set([to]))
    expect(await archived(store)).toEqual(before)
    await compactAll(store, { format: from })
    expect(new Set((await segmentsOf(store)).map(({ format }) => format))).toEqual(new Set([from]))
    expect(await archived(store)).toEqual(before)
    expect(await problemsOf(store)).toEqual([])
    expect((await rewritesOf(store)).length).toBe(2)
  })

  it('rewrites what is in another codec, also what is large enough', async () => {
    const store = await smallCommits(3, { codec: 'null' })
    const before = await archived(store)
    await compactAll(store, { codec: 'zstandard', targetBytes: 100 })
    expect(new Set((await segmentsOf(store)).map(({ codec }) => codec))).toEqual(new Set(['zstandard']))
    expect(await archived(store)).toEqual(before)
    expect(await compactAll(store, { codec: 'zstandard', targetBytes: 100 })).toMatchObject([{ rewrites: 0 }])
  })

  it('copies record batches of Kafka as they are', async () => {
    const store = await smallCommits(5, { format: 'kafka' })
    const bytesOf = async () =>
      Buffer.concat(await Promise.all((await segmentsOf(store)).map(({ key }) => store.read(key)))).toString('hex')
    const before = await bytesOf()
    await compactAll(store)
    expect(await segmentsOf(store)).toHaveLength(1)
    expect(await bytesOf()).toBe(before)
    expect(await problemsOf(store)).toEqual([])
  })

  it('keeps the path of each segment, and what a layout says of it', async () => {
    const source = createMemorySource('orders')
    source.produce('0', messages(0, 300))
    const store = openStore()
    await archiver(source).run(store, {
      rotate: { maxCount: 30, maxBytes: 1 << 30, maxSpanMs: Infinity, maxAgeMs: 1e9, idleMs: 1e9 },
    })
    expect(await segmentsOf(store)).toHaveLength(30)
    await compactAll(store, { merge: { codec: 'zstandard', lookups: ['key'], blockBytes: 4096 } })
    const found = (await segmentsOf(store)).map(({ key, layout }) => [key.split('/').slice(0, 2).join('/'), layout])
    expect(found).toEqual([
      ['orders/a', { letter: 'a' }],
      ['orders/c', { letter: 'c' }],
      ['orders/b', { letter: 'b' }],
    ])
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, compared: 300 })
    await compactAll(store, { removeAfterMs: 0 })
    expect(await dataKeys(store)).toHaveLength(3)
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, compared: 300 })
  })

  it('puts lines that keep only a part of messages together as they are, and leaves them alone where it would have to read them', async () => {
    const source = createMemorySource('orders')
    source.produce(
      '0',
      messages(0, 100).map((message) => ({ ...message, value: JSON.stringify(message.value) })),
    )
    const store = openStore()
    const rotate = { maxCount: 10, maxBytes: 1 << 30, maxSpanMs: Infinity, maxAgeMs: 1e9, idleMs: 1e9 }
    await archiver(source).run(store, { format: 'value-json', codec: 'gzip', lookups: [], rotate })
    const linesOf = async () => {
      const objects = await Promise.all(
        (await segmentsOf(store)).map(async ({ key }) => gunzipSync(await store.read(key)).toString()),
      )
      return objects.join('').split('\n').sort()
    }
    const before = await linesOf()
    expect(await compactAll(store, { format: 'parquet' })).toMatchObject([{ rewrites: 0, skipped: 30 }])
    expect(await compactAll(store)).toMatchObject([{ rewrites: 1, skipped: 0, before: { objects: 30 }, after: { objects: 3 } }])
    expect(await linesOf()).toEqual(before)
    expect(await problemsOf(store)).toEqual([])
  })

  it('says which message a format cannot hold, and replaces nothing', async () => {
    const store = await smallCommits(3)
    const chain = await openSample(store, lane)
    await commitMessages(store, chain, [{ position: chain.nextPosition, timestamp: 5, key: 'k', value: 'v', id: 'an id' }])
    const before = await archived(store)
    await expect(compactAll(store, { format: 'kafka' })).rejects.toMatchObject({
      code: 'COMPACT_UNFIT',
      message: expect.stringMatching(/position \d+ cannot be held by the format kafka: .*leave --format out/u),
    })
    expect(await rewritesOf(store)).toEqual([])
    expect(await archived(store)).toEqual(before)
  })

  it('only counts in a dry run', async () => {
    const store = await smallCommits(10)
    const keys = await keysOf(store)
    expect(await compactAll(store, { dryRun: true })).toMatchObject([
      { rewrites: 1, before: { objects: 10 }, after: { objects: 0 } },
    ])
    expect(await keysOf(store)).toEqual(keys)
  })

  it('leaves the newest few alone until there are enough of them', async () => {
    const store = await smallCommits(7)
    expect(await compactAll(store, { minObjects: 8 })).toMatchObject([{ rewrites: 0 }])
    const chain = await openSample(store, lane)
    await commitMessages(store, chain, sampleMessages(chain.nextPosition, chain.nextPosition + 5))
    expect(await compactAll(store, { minObjects: 8 })).toMatchObject([{ rewrites: 1, before: { objects: 8 } }])
    expect(await liveCommits(store)).toHaveLength(1)
  })

  it('stops where what it wrote is not what it read, and replaces nothing', async () => {
    const store = await smallCommits(5)
    const before = await archived(store)
    const lossy: Store = {
      ...store,
      async openWriter(key, signal) {
        const writer = await store.openWriter(key, signal)
        let isFirst = true
        return {
          ...writer,
          async write(bytes) {
            const copy = Uint8Array.from(bytes)
            if (!isFirst) copy[copy.length >> 1]! ^= 1
            isFirst = false
            await writer.write(copy)
          },
        }
      },
    }
    await expect(compactAll(lossy, { merge: { codec: 'null', lookups: [], blockBytes: 4096 } })).rejects.toThrow(
      /BLOCK|block|CRC|differ/u,
    )
    expect(await rewritesOf(store)).toEqual([])
    expect(await archived(store)).toEqual(before)
  })

  it('stops at a segment that was damaged since it was written, rather than vouch for what it holds', async () => {
    const store = await smallCommits(5, { codec: 'null' })
    const [segment] = await segmentsOf(store)
    const object = Buffer.from(await store.read(segment!.key))
    object[object.indexOf('"text"') + 2]! ^= 1
    await store.put(segment!.key, object)
    await expect(compactAll(store)).rejects.toMatchObject({ code: 'BLOCK_CORRUPT' })
    expect(await rewritesOf(store)).toEqual([])
  })

  it('removes what it replaced when the time has come, and what a crash left once nobody can name it', async () => {
    const store = await smallCommits(10)
    const small = await dataKeys(store)
    const ended = new AbortController()
    const dying: Store = {
      ...store,
      async putIfAbsent(key, bytes, signal) {
        if (key.includes('/_rewrites/') && key.endsWith('.avro')) throw new Error('the process dies')
        return store.putIfAbsent(key, bytes, signal)
      },
    }
    await expect(compactAll(dying)).rejects.toThrow('the process dies')
    const left = (await dataKeys(store)).filter((key) => !small.includes(key))
    expect(left).toHaveLength(1)
    // A compaction that sleeps may still name it.
    const later = { olderThanMs: 0, nowMs: Date.now() + 1000 * DAY_MS }
    expect(await collectGarbage(store, later, ended.signal)).toMatchObject({ removed: { objects: 0 }, left: { objects: 1 } })
    await compactAll(store, { removeAfterMs: DAY_MS })
    const made = (await segmentsOf(store)).map(({ key }) => key)
    expect(await dataKeys(store)).toEqual([...small, ...made].sort())
    expect(await keysOf(store, rewritesPrefix('orders/0'))).toHaveLength(1)
    const before = await archived(store)
    expect(await collectGarbage(store, { olderThanMs: DAY_MS, nowMs: Date.now() })).toMatchObject({ replaced: { objects: 0 } })
    expect(await collectGarbage(store, later)).toMatchObject({
      replaced: { objects: 10 },
      removed: { objects: 0 },
      left: { objects: 0 },
    })
    expect(await dataKeys(store)).toEqual(made)
    expect(await archived(store)).toEqual(before)
    expect(await problemsOf(store)).toEqual([])
  })

  it('is followed by an index, old or new, and readers at work go on with what they have chosen', async () => {
    const store = await smallCommits(12)
    await using old = await openSqliteIndex({ path: ':memory:' })
    await followChains(store, old)
    const found = (index: typeof old, query: Omit<MessageQuery, 'topic'>) => {
      return countMessages({ store, index }, { topic: 'orders', ...query })
    }
    const reading = old.segments({ topic: 'orders' })[Symbol.asyncIterator]()
    const first = await reading.next()
    const queries = [
      {},
      { key: Buffer.from('key-7') },
      { id: 'id-33' },
      { headers: [{ name: 'trace', equals: Buffer.from('t12') }] },
    ]
    const counts = await Promise.all(queries.map((query) => found(old, query)))
    expect(Math.min(...counts)).toBeGreaterThan(0)
    await compactAll(store)
    await followChains(store, old)
    const rest: string[] = []
    for (let next = await reading.next(); !next.done; next = await reading.next()) rest.push(next.value.key)
    expect(rest).toHaveLength(11)
    expect(rest).not.toContain(first.value!.key)
    await using fresh = await openSqliteIndex({ path: ':memory:' })
    await followChains(store, fresh)
    expect(await dumpOf(fresh)).toEqual(await dumpOf(old))
    expect(await Promise.all(queries.map((query) => found(old, query)))).toEqual(counts)
    for await (const { commitKey } of old.segments({ topic: 'orders' })) expect(commitKey).toContain('/_rewrites/')
    const chain = await openSample(store, lane)
    await commitMessages(store, chain, sampleMessages(chain.nextPosition, chain.nextPosition + 20))
    await followChains(store, old)
    expect(await Array.fromAsync(old.segments({ topic: 'orders' }))).toHaveLength(2)
    expect((await old.lane(lane))!.nextPosition).toBe(chain.nextPosition)
  })
})
