import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import type { LookupField } from '../../src/encode/block.ts'
import { lookupHash, sliceOf } from '../../src/encode/lookup.ts'
import { followChains } from '../../src/index/follow.ts'
import { sameLane } from '../../src/index/lane-order.ts'
import { countMessages } from '../../src/search/count.ts'
import type { MessageQuery } from '../../src/search/query.ts'
import { createReadStats, readLane, search } from '../../src/search/read.ts'
import type { Archive } from '../../src/search/read.ts'
import { createSliceCache } from '../../src/search/slice-cache.ts'
import type { LaneId } from '../../src/source/lane.ts'
import { cut, writeLane } from './archives.ts'
import { archiveOf, laneContent, lanes, type ModelLane, plain, utf8, word } from './random-archive.ts'

const bounds = fc.record(
  { from: fc.integer({ min: -60, max: 210 }), to: fc.integer({ min: -60, max: 210 }) },
  { requiredKeys: [] },
)
const bytes = word.map((text) => new TextEncoder().encode(text))
const condition: fc.Arbitrary<MessageQuery> = fc.oneof(
  fc.record({ topic: fc.constantFrom('t', 't', 't', 'u', 'v') }),
  fc.record({ topicId: fc.constantFrom('1', '2') }),
  fc.record({ lanes: fc.subarray(['0', '2', '10', 'w']) }),
  fc.record({ positions: bounds }),
  fc.record({ timestamps: bounds }),
  fc.record({ key: bytes }),
  fc.record({ id: word }),
  fc.record({
    headers: fc.array(fc.record({ name: fc.constantFrom('h', 'g', 'none'), equals: bytes }, { requiredKeys: ['name'] }), {
      maxLength: 2,
    }),
  }),
)
const query = fc.array(condition, { maxLength: 3 }).map((conditions): MessageQuery => Object.assign({}, ...conditions))

/** Whether the message is meant, said as plainly as can be. */
function isMeant(lane: LaneId, message: MessageInput, query: MessageQuery): boolean {
  const within = (value: number, range: { from?: number; to?: number } = {}) =>
    value >= (range.from ?? -Infinity) && value < (range.to ?? Infinity)
  return (
    (query.topic ?? lane.topic) === lane.topic &&
    (query.topicId ?? lane.topicId) === lane.topicId &&
    (query.lanes ?? [lane.lane]).includes(lane.lane) &&
    within(message.position, query.positions) &&
    within(message.timestamp, query.timestamps) &&
    (query.key === undefined || message.key === utf8(query.key)) &&
    (query.id === undefined || message.id === query.id) &&
    (query.headers ?? []).every(({ name, equals }) =>
      (message.headers ?? []).some((header) => header.name === name && (equals === undefined || header.value === utf8(equals))),
    )
  )
}

const expectedOf = (model: readonly ModelLane[], query: MessageQuery) =>
  model.flatMap(({ lane, messages }) =>
    messages.filter((message) => isMeant(lane, message, query)).map((message) => ({ ...lane, ...message })),
  )

function byTime(model: readonly ModelLane[], query: MessageQuery): unknown[] {
  const left = model.map((lane) => expectedOf([lane], query))
  const merged: unknown[] = []
  for (;;) {
    const heads = left.map((messages) => messages[0]?.timestamp ?? Infinity)
    const least = Math.min(...heads)
    if (least === Infinity) return merged
    merged.push(left[heads.indexOf(least)]!.shift())
  }
}

describe('searching a random archive', () => {
  const archives = fc.tuple(lanes, fc.array(laneContent, { minLength: 5, maxLength: 5 }))

  it('finds what a scan of all messages finds, in the same order', async () => {
    await fc.assert(
      fc.asyncProperty(
        archives,
        fc.array(query, { minLength: 1, maxLength: 12 }),
        fc.nat(20),
        async ([ids, contents], queries, limit) => {
          const { archive, model } = await archiveOf(ids.map((id, at) => ({ ...id, content: contents[at]! })))
          await using _ = archive.index
          for (const query of queries) {
            const expected = expectedOf(model, query)
            expect(await plain(search(archive, query))).toEqual(expected)
            expect(await plain(search(archive, query, { limit }))).toEqual(expected.slice(0, limit))
            expect(await countMessages(archive, query)).toBe(expected.length)
            const merged = byTime(model, query)
            expect(await plain(search(archive, query, { order: 'time' }))).toEqual(merged)
            expect(await plain(search(archive, query, { order: 'time', limit }))).toEqual(merged.slice(0, limit))
            for (const { lane } of model) {
              const { topic: _topic, topicId: _id, lanes: _lanes, ...rest } = query
              const inLane = expectedOf(
                model.filter((other) => sameLane(other.lane, lane)),
                rest,
              )
              expect(await plain(readLane(archive, lane, query))).toEqual(inLane)
            }
          }
        },
      ),
      { numRuns: 30 },
    )
  })
})

const orders = { topic: 'orders', topicId: 'orders', lane: '0' }

/** 40,000 messages in 100 blocks of 10 segments, a key every 1000 messages again, an id for each, one header. */
async function orderArchive(fields: readonly LookupField[]): Promise<Archive> {
  const messages = Array.from({ length: 40_000 }, (_, i) => ({
    position: i,
    timestamp: 1_767_225_600_000 + i * 10,
    key: `customer-${Math.floor(i / 10) % 1000}`,
    value: `{"order":${i}}`,
    id: `id-${i}`,
    headers: [{ name: 'region', value: i % 4000 === 3999 ? 'north' : `south-${i % 7}` }],
  }))
  const store = createMemoryStore()
  await writeLane(
    store,
    orders,
    0,
    cut(messages, 400, 10, 2).map((segments) => ({ segments, lookups: fields })),
  )
  const index = await openSqliteIndex({ path: ':memory:' })
  await followChains(store, index)
  return { store, index }
}

describe('searching 40,000 messages', () => {
  const find = async (archive: Archive, query: MessageQuery, limit = Infinity) => {
    const stats = createReadStats()
    const found = await plain(search(archive, query, { stats, limit }))
    return { found: found.length, stats }
  }
  const key = (text: string) => new TextEncoder().encode(text)

  it('reads with filters only blocks that may hold what is asked for', async () => {
    const archive = await orderArchive(['key', 'id', 'header:region'])
    await using _ = archive.index
    const byId = await find(archive, { id: 'id-12345' })
    expect(byId.found).toBe(1)
    expect(byId.stats).toMatchObject({ blocksTotal: 100, messagesMatched: 1 })
    expect(byId.stats.blocksRead).toBeLessThan(8)
    const byKey = await find(archive, { key: key('customer-77') })
    expect(byKey.found).toBe(40)
    expect(byKey.stats.blocksRead).toBeLessThan(12)
    const byBoth = await find(archive, { headers: [{ name: 'region', equals: key('north') }], key: key('customer-399') })
    expect(byBoth.found).toBe(2)
    expect(byBoth.stats.blocksRead).toBeLessThan(16)
    expect((await find(archive, { id: 'id-40000' })).stats.blocksRead).toBeLessThan(8)
    expect((await find(archive, { headers: [{ name: 'region' }] })).found).toBe(40_000)
  })

  it('asks no header filter that the segments do not have, and reads all blocks instead', async () => {
    const archive = await orderArchive(['id'])
    await using _ = archive.index
    const { found, stats } = await find(archive, { headers: [{ name: 'region', equals: key('north') }] })
    expect({ found, blocks: stats.blocksRead }).toEqual({ found: 10, blocks: 100 })
  })

  it('reads of a minute or a range of positions only the blocks that touch it', async () => {
    const archive = await orderArchive([])
    await using _ = archive.index
    const from = 1_767_225_600_000 + 60_000
    const minute = await find(archive, { timestamps: { from, to: from + 60_000 } })
    expect({ found: minute.found, blocks: minute.stats.blocksRead }).toEqual({ found: 6000, blocks: 15 })
    const range = await find(archive, { positions: { from: 399, to: 401 } })
    expect({ found: range.found, blocks: range.stats.blocksRead }).toEqual({ found: 2, blocks: 2 })
    expect(range.stats.bytesRead).toBeLessThan(range.stats.bytesTotal / 40)
  })

  it('reads no further than the limit asks for, but a little', async () => {
    const archive = await orderArchive([])
    await using _ = archive.index
    const { found, stats } = await find(archive, { positions: { from: 100 } }, 10)
    expect(found).toBe(10)
    expect(stats.blocksRead).toBeLessThan(6)
    expect((await find(archive, {}, 0)).stats).toMatchObject({ bytesRead: 0, blocksTotal: 100 })
  })

  it('counts a range by reading the blocks at its edges only', async () => {
    const archive = await orderArchive([])
    await using _ = archive.index
    const stats = createReadStats()
    expect(await countMessages(archive, { positions: { from: 401, to: 39_001 } }, { stats })).toBe(38_600)
    expect(stats.blocksRead).toBe(2)
  })

  it('reads parts of filters once where they are kept', async () => {
    const slices = createSliceCache()
    const archive = { ...(await orderArchive(['id'])), slices }
    await using _ = archive.index
    const first = await find(archive, { id: 'id-7' })
    const again = await find(archive, { id: 'id-7' })
    expect(again.found).toBe(1)
    expect(again.stats.bytesRead).toBeLessThan(first.stats.bytesRead)
  })

  it('names the commit whose filters are damaged, and never misses a message without a word', async () => {
    const archive = { ...(await orderArchive(['id'])), slices: createSliceCache() }
    await using _ = archive.index
    const segment = (await Array.fromAsync(archive.index.segments({})))[2]!
    const whole = Uint8Array.from(await archive.store.read(segment.commitKey))
    const { start, end } = sliceOf(segment.lookups[0]!, lookupHash(key('id-9000')))
    for (let at = start; at < end; at += 101) {
      const flipped = whole.slice()
      flipped[at]! ^= 1 << (at & 7)
      await archive.store.put(segment.commitKey, flipped)
      await expect(find(archive, { id: 'id-9000' })).rejects.toMatchObject({
        code: 'COMMIT_CORRUPT',
        message: expect.stringMatching(`${segment.commitKey}.*filters of id of segment ${segment.key} of lane orders/0`),
        details: { key: segment.commitKey, segment: segment.key, field: 'id' },
      })
    }
    await archive.store.put(segment.commitKey, whole.subarray(0, end - 1))
    await expect(find(archive, { id: 'id-9000' })).rejects.toMatchObject({ code: 'COMMIT_CORRUPT' })
    await archive.store.put(segment.commitKey, whole)
    expect((await find(archive, { id: 'id-9000' })).found).toBe(1)
  })

  it.each(['read', 'search'])('names the block that is damaged, and gives nothing of it (%s)', async (way) => {
    const archive = await orderArchive([])
    await using _ = archive.index
    const segment = (await Array.fromAsync(archive.index.segments({})))[3]!
    const block = segment.blocks[4]!
    const whole = await archive.store.read(segment.key)
    const read = () => plain(way === 'read' ? readLane(archive, orders) : search(archive, {}))
    for (const at of [block.offset, block.offset + block.bytes - 1, block.offset + (block.bytes >> 1)]) {
      const flipped = whole.slice()
      flipped[at]! ^= 1
      await archive.store.put(segment.key, flipped)
      await expect(read()).rejects.toMatchObject({
        code: 'BLOCK_CORRUPT',
        message: expect.stringMatching(`byte ${block.offset} .*${segment.key} of lane orders/0`),
        details: { key: segment.key, offset: block.offset },
      })
    }
    await archive.store.put(segment.key, whole.subarray(0, block.offset + 10))
    await expect(read()).rejects.toMatchObject({ code: 'SEGMENT_CORRUPT', details: { key: segment.key, offset: block.offset } })
    await archive.store.delete(segment.key)
    await expect(read()).rejects.toMatchObject({ code: 'SEGMENT_CORRUPT', details: { key: segment.key } })
  })

  it('gives what lies before a damaged block before it fails', async () => {
    const archive = await orderArchive([])
    await using _ = archive.index
    const [first] = await Array.fromAsync(archive.index.segments({}))
    const whole = await archive.store.read(first!.key)
    whole[first!.blocks[6]!.offset + 20]! ^= 1
    await archive.store.put(first!.key, whole)
    let messages = 0
    const reading = async () => {
      for await (const { batch } of readLane(archive, orders)) messages += batch.count
    }
    await expect(reading()).rejects.toMatchObject({ code: 'BLOCK_CORRUPT' })
    expect(messages).toBe(2400)
  })

  it('stops when it is told to, and aborts what is under way when the consumer stops', async () => {
    const archive = await orderArchive([])
    await using _ = archive.index
    const signals: AbortSignal[] = []
    const store = {
      ...archive.store,
      read: (...args: Parameters<typeof archive.store.read>) => {
        signals.push(args[2]!)
        return archive.store.read(...args)
      },
    }
    const controller = new AbortController()
    const reading = async () => {
      for await (const _ of readLane({ ...archive, store }, orders, {}, { signal: controller.signal }))
        controller.abort(new Error('enough'))
    }
    await expect(reading()).rejects.toThrow('enough')
    for await (const _ of readLane({ ...archive, store }, orders)) break
    expect(signals.length).toBeGreaterThan(1)
    expect(signals.every((signal) => signal.aborted)).toBe(true)
  })
})
