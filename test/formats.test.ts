import { array, assert, asyncProperty, constantFrom, integer, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../src/adapters/sqlite/jobs.ts'
import { runArchive } from '../src/archive.ts'
import type { ArchiveOptions } from '../src/archive/options.ts'
import { batchOf, type MessageInput } from '../src/batch/builder.ts'
import { findChains, openChain, readCommits } from '../src/commit/chain.ts'
import { collectGarbage } from '../src/commit/collect.ts'
import { verifyArchive } from '../src/commit/verify.ts'
import type { Codec, EncodedBlock, Format } from '../src/encode/block.ts'
import { segmentFormat } from '../src/encode/formats.ts'
import { scanRecordSet } from '../src/encode/record-set.ts'
import type { SegmentEntry } from '../src/encode/segment.ts'
import { createSegmentBuilder } from '../src/encode/segment-builder.ts'
import { followChains } from '../src/index/follow.ts'
import { planReplay } from '../src/replay/plan.ts'
import { runReplay } from '../src/replay/replay.ts'
import { countMessages } from '../src/search/count.ts'
import type { MessageQuery } from '../src/search/query.ts'
import { type Archive, createReadStats, type ReadStats, search } from '../src/search/read.ts'
import type { Store } from '../src/store/store.ts'
import { type PlainMessage, plainMessage, plainMessages } from './batch/message-arbitrary.ts'
import { tableOf } from './encode/parquet-segments.ts'
import { recordSetOf } from './encode/record-sets.ts'
import { createMemorySource, type MemorySource } from './live/memory-source.ts'
import { createMemorySink } from './replay/archives.ts'

const recordCodecs = ['lz4', 'none', 'gzip', 'zstd', 'snappy'] as const
const lane = { topic: 'orders', topicId: 'topic-1', lane: '0' }

const options: ArchiveOptions = {
  format: 'avro',
  codec: 'zstandard',
  lookups: ['key', 'header:n'],
  blockBytes: 2000,
  rotate: { maxCount: 300, maxBytes: 1 << 30, maxSpanMs: Infinity, maxAgeMs: 3_600_000, idleMs: 3_600_000 },
  memoryBytes: 64 << 20,
  writer: 'w',
  untilCaughtUp: true,
}

const messages = (from: number, to: number): MessageInput[] =>
  Array.from({ length: to - from }, (_, i) => ({
    position: from + i,
    timestamp: 1_700_000_000_000 + (from + i) * 1000 - ((from + i) % 3) * 1500,
    key: (from + i) % 11 === 0 ? null : `key-${(from + i) % 97}`,
    value: (from + i) % 13 === 0 ? null : `${from + i}:`.padEnd(10 + ((from + i) % 50), 'x'),
    headers: (from + i) % 4 === 0 ? [] : [{ name: 'n', value: String((from + i) % 89) }],
  }))

let runs = 0

/** Archives the lane from where its chain ends to where the source ends. */
async function archive(source: MemorySource, store: Store, changes: Partial<ArchiveOptions>): Promise<void> {
  const once: MemorySource = {
    ...source,
    // A source that has given all its lanes, so that a run ends at once.
    async *lanes() {
      yield { ...lane, startPosition: 0, revoked: new AbortController().signal }
    },
  }
  const parts = {
    source: once,
    store,
    deadLetters: createMemorySink(),
    nowMs: Date.now,
    monotonicMs: () => performance.now(),
    random: () => 0,
    randomBytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)),
  }
  await runArchive(parts, { ...options, writer: `w${++runs}`, ...changes }, new AbortController().signal)
}

async function segmentsOf(store: Store): Promise<SegmentEntry[]> {
  const segments: SegmentEntry[] = []
  for await (const { folder } of findChains(store)) {
    for await (const commit of readCommits(store, folder)) segments.push(...commit.segments)
  }
  return segments
}

async function found(archive: Archive, query: MessageQuery, stats?: ReadStats): Promise<PlainMessage[]> {
  const all: PlainMessage[] = []
  for await (const { batch } of search(archive, query, stats === undefined ? {} : { stats })) all.push(...plainMessages(batch))
  return all
}

/** How archives come about: the format of each run and its codec, and whether the source has record batches. */
const ways: readonly {
  readonly way: string
  readonly formats: readonly Format[]
  readonly records: boolean
  readonly codecs?: readonly Codec[]
}[] = [
  { way: 'avro', formats: ['avro'], records: false },
  { way: 'kafka, of messages', formats: ['kafka'], records: false },
  { way: 'kafka, of record batches', formats: ['kafka'], records: true },
  { way: 'parquet', formats: ['parquet'], records: false },
  { way: 'parquet, of record batches', formats: ['parquet'], records: true },
  { way: 'json, of messages', formats: ['json'], records: false, codecs: ['gzip', 'snappy'] },
  { way: 'json, of record batches', formats: ['json'], records: true, codecs: ['zstandard', 'null'] },
  { way: 'all by turns', formats: ['kafka', 'avro', 'parquet', 'json'], records: true },
]

describe.each(ways)('an archive in $way', ({ formats, records, codecs = ['zstandard'] }) => {
  /** Four runs: messages, positions that are passed, positions that are skipped; and an index of it all. */
  async function prepare() {
    const source = createMemorySource(lane.topic, lane.topicId, records ? recordCodecs : [])
    const store = createMemoryStore()
    const all: MessageInput[] = []
    const produce = (from: number, to: number) => {
      const some = messages(from, to)
      source.produce('0', some)
      all.push(...some)
    }
    for (let run = 0; run < 4; run++) {
      const from = run * 1000
      for (let at = from; at < from + 600; at += 60) produce(at, at + 60)
      source.pass('0', from + 700)
      produce(from + 700, from + 701)
      produce(from + 750, from + 999)
      source.pass('0', from + 1000)
      await archive(source, store, { format: formats[run % formats.length]!, codec: codecs[run % codecs.length]! })
    }
    const index = await openSqliteIndex({ path: ':memory:' })
    await followChains(store, index)
    return { source, store, index, all, archive: { store, index }, [Symbol.asyncDispose]: () => index[Symbol.asyncDispose]() }
  }

  it('is what the source gave, and every byte of it is vouched for', async () => {
    await using scene = await prepare()
    const report = await verifyArchive(scene.store, { against: scene.source })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ messages: scene.all.length, compared: scene.all.length, missing: 4000 - scene.all.length })
    const segments = await segmentsOf(scene.store)
    expect(new Set(segments.map(({ format }) => format))).toEqual(new Set(formats))
    for (const { key, format, codec } of segments) {
      expect(key.endsWith(`.${segmentFormat(format).extension(codec)}`)).toBe(true)
    }
    for (const { key, bytes } of segments.slice(0, 3)) {
      for (const at of [0, 7, 20, 60, Math.floor(bytes / 2), bytes - 1]) {
        const object = Uint8Array.from(await scene.store.read(key))
        object[at]! ^= 4
        await scene.store.put(key, object)
        const { problems } = await verifyArchive(scene.store)
        expect(
          problems.map((problem) => problem.key),
          `byte ${at}`,
        ).toContain(key)
        object[at]! ^= 4
        await scene.store.put(key, object)
      }
    }
    expect((await verifyArchive(scene.store, { sampleOnly: true })).clean).toBe(true)
  })

  it('is searched by key, header, position and time, and reads little of it', async () => {
    await using scene = await prepare()
    const bytesOf = (text: string) => new TextEncoder().encode(text)
    const expected = (meant: (message: MessageInput) => boolean) => scene.all.filter(meant).map(plainMessage)
    const time = 1_700_000_000_000 + 1_500_000
    const cases: [MessageQuery, (message: MessageInput) => boolean][] = [
      [{}, () => true],
      [{ key: bytesOf('key-5') }, ({ key }) => key === 'key-5'],
      [{ headers: [{ name: 'n', equals: bytesOf('3') }] }, ({ headers }) => headers![0]?.value === '3'],
      [{ positions: { from: 590, to: 1010 } }, ({ position }) => position >= 590 && position < 1010],
      [{ timestamps: { from: time, to: time + 60_000 } }, ({ timestamp }) => timestamp >= time && timestamp < time + 60_000],
    ]
    for (const [query, meant] of cases) {
      expect(await found(scene.archive, query)).toEqual(expected(meant))
      expect(await countMessages(scene.archive, query)).toBe(expected(meant).length)
    }
    const stats = createReadStats()
    expect(await found(scene.archive, { positions: { from: 777, to: 778 } }, stats)).toHaveLength(1)
    expect(stats.blocksRead).toBe(1)
    const byKey = createReadStats()
    expect(await found(scene.archive, { key: bytesOf('no such key') }, byKey)).toEqual([])
    expect(byKey.blocksRead).toBeLessThan(byKey.blocksTotal / 4)
  })

  it('names the segment where a search meets damage', async () => {
    await using scene = await prepare()
    const { key, blocks } = (await segmentsOf(scene.store))[1]!
    const object = Uint8Array.from(await scene.store.read(key))
    // What a format has behind its blocks is not read by a search.
    const end = blocks.at(-1)!.offset + blocks.at(-1)!.bytes
    object[end - 20]! ^= 1
    await scene.store.put(key, object)
    await expect(found(scene.archive, {})).rejects.toMatchObject({ code: 'BLOCK_CORRUPT', details: { key } })
    await scene.store.put(key, object.subarray(0, end - 20))
    await expect(found(scene.archive, {})).rejects.toMatchObject({ code: 'SEGMENT_CORRUPT', details: { key } })
  })

  it('has its index made anew from the store alone', async () => {
    await using scene = await prepare()
    await scene.index.clear()
    await followChains(scene.store, scene.index)
    expect(await found(scene.archive, {})).toEqual(scene.all.map(plainMessage))
  })

  it('is replayed whole, with marks and as it is', async () => {
    await using scene = await prepare()
    await using jobs = await openSqliteJobs({ path: ':memory:' })
    for (const marks of [true, false]) {
      const id = marks ? 'marked' : 'plain'
      const target = { kind: 'local', topic: 'new' }
      await jobs.create(await planReplay({ query: {}, target, options: { marks } }, { index: scene.index, id, nowMs: 1 }))
      const sink = createMemorySink()
      const { job } = await runReplay(id, { archive: scene.archive, sink, jobs, nowMs: Date.now }, new AbortController().signal)
      expect(job).toMatchObject({ state: 'done', counts: { delivered: scene.all.length, failed: 0 } })
      expect(sink.positions(lane.topic, lane.lane)).toEqual(scene.all.map(({ position }) => position))
    }
  })

  it('has segments collected that no commit names', async () => {
    await using scene = await prepare()
    const extension = segmentFormat(formats[0]!).extension(formats[0] === 'kafka' ? 'zstd' : codecs[0]!)
    const garbage = `orders/0/0000000000000100-crashed.${extension}`
    await scene.store.put(garbage, new Uint8Array(10))
    expect((await verifyArchive(scene.store)).unnamed).toEqual({ objects: 1, bytes: 10 })
    const report = await collectGarbage(scene.store, { olderThanMs: 0, nowMs: Date.now() + 1000 })
    expect(report.removed).toEqual({ objects: 1, bytes: 10 })
    expect((await verifyArchive(scene.store)).unnamed.objects).toBe(0)
  })
})

describe('an archive in kafka', () => {
  it('holds the record batches of the source byte for byte, in whatever codec, and nothing else', async () => {
    const source = createMemorySource(lane.topic, lane.topicId, recordCodecs)
    const store = createMemoryStore()
    for (let at = 0; at < 1000; at += 50) source.produce('0', messages(at, at + 50))
    await archive(source, store, { format: 'kafka' })
    const contents = Array.from({ length: 20 }, (_, i) => ({
      batch: batchOf(messages(i * 50, i * 50 + 50)),
      codec: recordCodecs[i % recordCodecs.length]!,
    }))
    const segments = await segmentsOf(store)
    const objects = await Promise.all(segments.map(({ key }) => store.read(key)))
    expect(Buffer.concat(objects).equals((await recordSetOf(contents)).bytes)).toBe(true)
    expect(segments.map(({ codec }) => codec)).toEqual(segments.map(() => 'mixed'))
  })

  it('goes on within a record batch where another writer left off', async () => {
    const source = createMemorySource(lane.topic, lane.topicId, ['lz4'])
    const plain = createMemorySource(lane.topic, lane.topicId)
    const store = createMemoryStore()
    plain.produce('0', messages(0, 30))
    source.produce('0', messages(0, 50))
    source.produce('0', messages(50, 60))
    await archive(plain, store, { format: 'avro' })
    await archive(source, store, { format: 'kafka' })
    const report = await verifyArchive(store, { against: source })
    expect(report).toMatchObject({ clean: true, messages: 60, compared: 60 })
    const [, segment] = await segmentsOf(store)
    const { batches } = scanRecordSet(await store.read(segment!.key))
    expect(batches.map(({ baseOffset, count, codec }) => [baseOffset, count, codec])).toEqual([
      [30, 20, 'lz4'],
      [50, 10, 'lz4'],
    ])
    expect(segment).toMatchObject({ codec: 'lz4', count: 30 })
  })

  it('hands messages with an id to the dead letters, for records have none', async () => {
    const source = createMemorySource(lane.topic, lane.topicId)
    const store = createMemoryStore()
    source.produce('0', [...messages(0, 3), { position: 3, timestamp: 0, value: 'v', id: 'a' }, ...messages(4, 6)])
    await archive(source, store, { format: 'kafka' })
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, messages: 5, deadLettered: 1 })
  })

  it('accounts for every position once, however runs, formats, codecs and positions without messages come', async () => {
    const step = record({ kind: constantFrom('produce', 'produce', 'pass', 'skip', 'run'), count: integer({ min: 1, max: 30 }) })
    const format = constantFrom<Format>('kafka', 'avro', 'json')
    await assert(
      asyncProperty(
        array(step, { minLength: 1, maxLength: 16 }),
        array(format, { minLength: 4, maxLength: 4 }),
        async (steps, formats) => {
          const source = createMemorySource(lane.topic, lane.topicId, recordCodecs)
          const store = createMemoryStore()
          const all: MessageInput[] = []
          let next = 0
          let run = 0
          const once = (maxCount: number) =>
            archive(source, store, { format: formats[run++ % 4]!, blockBytes: 300, rotate: { ...options.rotate, maxCount } })
          source.pass('0', 0)
          for (const { kind, count } of steps) {
            const some = messages(next, next + count)
            if (kind === 'produce') {
              source.produce('0', some)
              all.push(...some)
            }
            if (kind !== 'run') next += count
            if (kind === 'pass') source.pass('0', next)
            if (kind === 'run') await once(count)
          }
          source.pass('0', next)
          await once(7)
          const report = await verifyArchive(store, { against: source })
          expect(report.problems).toEqual([])
          expect(report).toMatchObject({ messages: all.length, missing: next - all.length })
          await using index = await openSqliteIndex({ path: ':memory:' })
          await followChains(store, index)
          expect(await found({ store, index }, {})).toEqual(all.map(plainMessage))
        },
      ),
      { numRuns: 40 },
    )
  })
})

/** Formats that do not keep all, and whether their blocks say how many messages they hold. */
const partial: readonly { readonly format: Format; readonly counts: boolean; readonly two?: string }[] = [
  { format: 'value-json', counts: true },
  { format: 'value-json-array', counts: true, two: '1,\n2' },
  { format: 'csv', counts: true },
  { format: 'raw', counts: false },
]

describe.each(partial)('an archive in $format, which does not keep all', ({ format, counts, two = '1\n2\n' }) => {
  const values = (from: number, to: number) => messages(from, to).map((one, i) => ({ ...one, value: `{"n":${from + i}}` }))

  async function prepare() {
    const source = createMemorySource(lane.topic, lane.topicId)
    const store = createMemoryStore()
    for (let at = 0; at < 600; at += 60) source.produce('0', values(at, at + 60))
    await archive(source, store, { format, codec: 'gzip' })
    const index = await openSqliteIndex({ path: ':memory:' })
    await followChains(store, index)
    return { source, store, index, archive: { store, index }, [Symbol.asyncDispose]: () => index[Symbol.asyncDispose]() }
  }

  it('is verified by bytes, hashes and counts', async () => {
    await using scene = await prepare()
    const report = await verifyArchive(scene.store, { against: scene.source })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ clean: true, messages: 600, compared: 0, notCompared: 600, missing: 0 })
    expect((await verifyArchive(scene.store, { sampleOnly: true })).clean).toBe(true)
    const segments = await segmentsOf(scene.store)
    expect(new Set(segments.map(({ format }) => format))).toEqual(new Set([format]))
    for (const { key, bytes } of segments) {
      for (const at of [0, 7, 20, Math.floor(bytes / 2), bytes - 1]) {
        const object = Uint8Array.from(await scene.store.read(key))
        object[at]! ^= 4
        await scene.store.put(key, object)
        expect((await verifyArchive(scene.store)).problems.map((problem) => problem.key)).toContain(key)
        object[at]! ^= 4
        await scene.store.put(key, object)
      }
    }
  })

  it('is searched by nothing, replayed nowhere, and says why', async () => {
    await using scene = await prepare()
    const [segment] = await segmentsOf(scene.store)
    const refused = { code: 'FORMAT_NOT_READABLE', details: { key: segment!.key, format, lane: 'orders/0' } }
    await expect(found(scene.archive, {})).rejects.toMatchObject(refused)
    await expect(found(scene.archive, { key: new TextEncoder().encode('key-5') })).rejects.toMatchObject(refused)
    await expect(countMessages(scene.archive, { positions: { from: 3, to: 7 } })).rejects.toMatchObject(refused)
    // What the commits alone can answer is answered.
    expect(await countMessages(scene.archive, {})).toBe(600)
    expect(await found(scene.archive, { positions: { from: 5000 } })).toEqual([])
    const order = { query: {}, target: { kind: 'local', topic: 'new' } }
    await expect(planReplay(order, { index: scene.index, id: 'a', nowMs: 1 })).rejects.toMatchObject(refused)
  })

  it('covers positions with gaps on the word of its commits, beside segments that are read', async () => {
    const source = createMemorySource(lane.topic, lane.topicId)
    const store = createMemoryStore()
    source.produce('0', values(0, 20))
    source.pass('0', 30)
    source.produce('0', [...values(30, 40), ...values(45, 60)])
    await archive(source, store, { format, blockBytes: 1 << 20 })
    source.produce('0', values(60, 100))
    await archive(source, store, { format: 'avro' })
    const report = await verifyArchive(store, { against: source })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ messages: 85, missing: 15, compared: 40, notCompared: 45 })
    await using index = await openSqliteIndex({ path: ':memory:' })
    await followChains(store, index)
    expect((await found({ store, index }, { positions: { from: 60 } })).map(({ position }) => position)).toEqual(
      values(60, 100).map(({ position }) => position),
    )
  })

  it('says when a block does not hold what its commit says', async () => {
    const block = {
      format,
      codec: 'null',
      rawBytes: 6,
      count: 3,
      firstPosition: 0,
      lastPosition: 2,
      minTimestamp: 0,
      maxTimestamp: 0,
      filters: [],
    }
    const store = createMemoryStore()
    const chain = await openChain({ store, lane, startPosition: 0, writer: 'w', now: () => 0 })
    const builder = createSegmentBuilder({
      format,
      codec: 'null',
      sync: new Uint8Array(16),
      formatOptions: { headerLine: false },
    })
    const chunks = [...builder.append({ ...block, bytes: Buffer.from(two) } as EncodedBlock), ...builder.end()]
    const bytes = Buffer.concat([builder.header, ...chunks.map((chunk) => chunk.bytes)])
    const { entry, lookupBytes } = builder.finish('orders/0/0000000000000000-w.x', {})
    await store.put(entry.key, bytes)
    await chain.append({ nextPosition: 3, segments: [entry], gaps: [], deadLetters: [], lookupBytes })
    const problems = (await verifyArchive(store)).problems.map(({ code, message }) => `${code} ${message}`)
    expect(problems).toEqual(counts ? ['BLOCK_CORRUPT block 0 holds 2 messages, its commit says 3'] : [])
  })
})

describe('an archive in value-parquet', () => {
  it('has values as columns, a new segment where they look different, and dead letters for what is none', async () => {
    const source = createMemorySource(lane.topic, lane.topicId)
    const store = createMemoryStore()
    const value = (i: number) => (i < 200 ? { a: i } : { a: i + 0.5, b: `new ${i}` })
    const all = Array.from({ length: 300 }, (_, i) => ({
      position: i,
      timestamp: i,
      value: i === 7 ? null : i === 8 ? 'no JSON' : JSON.stringify(value(i)),
    }))
    for (let at = 0; at < 300; at += 50) source.produce('0', all.slice(at, at + 50))
    await archive(source, store, { format: 'value-parquet', lookups: [], blockBytes: 512 })
    const segments = await segmentsOf(store)
    const rows = await Promise.all(segments.map(async ({ key }) => tableOf(await store.read(key))))
    const whole = Array.from({ length: 300 }, (_, i) => ({ b: null, ...value(i) })).filter((_, i) => i !== 7 && i !== 8)
    expect(rows.flat().map((row) => ({ b: null, ...(row as object) }))).toEqual(whole)
    expect(segments.length).toBeGreaterThan(1)
    expect(segments.map(({ key }) => key.slice(-8))).toEqual(segments.map(() => '.parquet'))
    const letters: number[] = []
    for await (const { folder } of findChains(store))
      for await (const commit of readCommits(store, folder)) letters.push(...commit.deadLetters.map(({ position }) => position))
    expect(letters).toEqual([7, 8])
  })
})
