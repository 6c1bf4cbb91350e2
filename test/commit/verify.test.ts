import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openChain, readCommits } from '../../src/commit/chain.ts'
import type { StoredCommit } from '../../src/commit/commit.ts'
import { crc32c } from '../../src/kernel/checksum.ts'
import { decodeCommit, encodeCommit } from '../../src/commit/commit-codec.ts'
import { genesisKey } from '../../src/commit/commit-names.ts'
import { verifyArchive, type VerifyOptions } from '../../src/commit/verify.ts'
import { MillpondError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { seededRandom } from './simulation.ts'
import { commitMessages, openSample, sampleArchive, sampleMessages, writeSegment } from './sample-archive.ts'

const lane = { topic: 'orders', topicId: 'id-1', lane: '0' }
const keysOf = async (store: Store, prefix = '') => (await Array.fromAsync(store.list(prefix))).map(({ key }) => key)
const commitsOf = (store: Store, folder = 'orders/0'): Promise<StoredCommit[]> => Array.fromAsync(readCommits(store, folder))

/** What verify says of the archive, short: code and key. */
async function problemsOf(store: Store, options: VerifyOptions = {}): Promise<string[]> {
  const report = await verifyArchive(store, options)
  expect(report.clean).toBe(report.problemCount === 0)
  return report.problems.map(({ code, key }) => `${code} ${key}`)
}

/** A listing that leaves out data objects, so that their size has to be asked for. */
const onlyCommits = (store: Store): Store['list'] =>
  async function* (prefix, options, signal) {
    for await (const object of store.list(prefix, options, signal)) if (object.key.startsWith('_millpond/')) yield object
  }

/** Flips one bit of an object, lets `check` look, and flips it back. */
async function flipped(
  store: Store,
  key: string,
  at: number,
  bit: number,
  check: (name: string) => Promise<void>,
): Promise<void> {
  const object = Uint8Array.from(await store.read(key))
  object[at]! ^= bit
  await store.put(key, object)
  await check(`bit ${bit} of byte ${at} of ${key}`)
  object[at]! ^= bit
  await store.put(key, object)
}

describe('verifyArchive', () => {
  it('finds nothing wrong with what was written, and counts it', async () => {
    const store = await sampleArchive(120)
    const progress: number[] = []
    const report = await verifyArchive(store, {}, { onProgress: ({ messages }) => progress.push(messages) })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({
      clean: true,
      commits: 6,
      segments: 3,
      messages: 300,
      missing: 10 + 59 + 4,
      deadLettered: 1,
      compared: 0,
    })
    expect(report.unnamed).toEqual({ objects: 0, bytes: 0 })
    const commits = await commitsOf(store)
    expect(report.lanes).toMatchObject([
      {
        lane,
        folder: 'orders/0',
        firstPosition: 0,
        nextPosition: commits.at(-1)!.nextPosition,
        headSha256: commits.at(-1)!.sha256,
        messages: 180,
      },
      { lane: { ...lane, lane: '1' }, messages: 120, problems: 0 },
    ])
    const bytes = (await Array.fromAsync(store.list('orders/'))).reduce((sum, object) => sum + object.bytes, 0)
    expect(report.bytes).toBe(bytes)
    expect(progress.at(-1)).toBe(300)
  })

  it('looks only at the topic and lane that it is asked for', async () => {
    const store = await sampleArchive(10)
    expect((await verifyArchive(store, { topic: 'orders', lane: '1' })).lanes.map(({ folder }) => folder)).toEqual(['orders/1'])
    expect((await verifyArchive(store, { topic: 'order' })).lanes).toEqual([])
    expect(await verifyArchive(createMemoryStore())).toMatchObject({ clean: true, lanes: [] })
  })

  it.each([
    { format: 'avro', leastBytes: 5000 },
    { format: 'kafka', leastBytes: 4500 },
  ] as const)(
    'finds any single flipped byte of a tiny archive in $format, and names the object',
    async ({ format, leastBytes }) => {
      const store = createMemoryStore()
      const chain = await openSample(store, lane)
      await commitMessages(store, chain, sampleMessages(0, 2), { format, blockCount: 1, lookups: ['key'] })
      let flips = 0
      for (const key of await keysOf(store)) {
        const bytes = (await store.size(key))!
        for (let at = 0; at < bytes; at++) {
          await flipped(store, key, at, 1 << (at % 8), async (name) => {
            flips++
            const keys = (await verifyArchive(store)).problems.map((problem) => problem.key)
            expect({ name, isFound: keys.includes(key) }).toEqual({ name, isFound: true })
          })
        }
      }
      expect(flips).toBeGreaterThan(leastBytes)
      expect(await problemsOf(store)).toEqual([])
    },
  )

  it.each(['avro', 'kafka', 'both'] as const)(
    'finds flipped bytes of larger archives in %s, whatever the codec',
    async (format) => {
      const random = seededRandom(5)
      for (const codec of ['zstandard', 'deflate', 'snappy', 'null'] as const) {
        const store = createMemoryStore()
        const chain = await openSample(store, lane)
        for (let from = 0; from < 2000; from += 1000) {
          const of = format === 'both' ? (from === 0 ? 'avro' : 'kafka') : format
          await commitMessages(store, chain, sampleMessages(from, from + 1000), { codec, format: of, blockCount: 300 })
        }
        const keys = await keysOf(store)
        for (let round = 0; round < 40; round++) {
          const key = keys[round % keys.length]!
          const at = Math.floor(random() * (await store.size(key))!)
          await flipped(store, key, at, 1 << Math.floor(random() * 8), async (name) => {
            const keys = (await verifyArchive(store)).problems.map((problem) => problem.key)
            expect({ name, isFound: keys.includes(key) }).toEqual({ name, isFound: true })
          })
        }
        expect(await problemsOf(store)).toEqual([])
      }
    },
  )

  it.each(['avro', 'kafka'] as const)(
    'finds every object that is removed, cut, longer, or in the place of another; the newest commits excepted (%s)',
    async (format) => {
      const store = await sampleArchive(40, format)
      const keys = await keysOf(store)
      const newest = ['orders/0', 'orders/1'].map(async (folder) => (await commitsOf(store, folder)).at(-1)!.key)
      const heads = new Set(await Promise.all(newest))
      for (const key of keys) {
        const object = await store.read(key)
        const other = keys.find((one) => one !== key && one.startsWith(key.slice(0, 3)))!
        const changes: [string, Uint8Array | undefined][] = [
          ['removed', undefined],
          ['cut', object.subarray(0, object.length - 1)],
          ['empty', object.subarray(0, 0)],
          ['longer', Buffer.concat([object, Buffer.of(0)])],
          ['swapped', await store.read(other)],
        ]
        for (const [name, changed] of changes) {
          if (changed === undefined) await store.delete(key)
          else await store.put(key, changed)
          const report = await verifyArchive(store)
          // What only the source or a note of the head hash elsewhere can tell.
          const isUnseen = changed === undefined && heads.has(key)
          expect(report.clean, `${key} ${name}`).toBe(isUnseen)
          await store.put(key, object)
        }
      }
      expect(await problemsOf(store)).toEqual([])
    },
  )

  it('shows a newest commit that is removed as data objects that no commit names, and as another head', async () => {
    const store = await sampleArchive(10)
    const before = await verifyArchive(store, { lane: '1' })
    await store.delete((await commitsOf(store, 'orders/1')).at(-1)!.key)
    const after = await verifyArchive(store, { lane: '1' })
    expect(after).toMatchObject({ clean: true, unnamed: { objects: 1 } })
    expect(after.lanes[0]!.headSha256).not.toBe(before.lanes[0]!.headSha256)
  })

  it('goes on after a problem and names each', async () => {
    const store = await sampleArchive(40)
    const commits = await commitsOf(store)
    await store.delete(commits[1]!.segments[0]!.key)
    await store.put(commits[2]!.key, new Uint8Array(10))
    await store.delete(genesisKey('orders/1'))
    expect(await problemsOf(store)).toEqual([
      `OBJECT_MISSING ${commits[1]!.segments[0]!.key}`,
      `COMMIT_CORRUPT ${commits[2]!.key}`,
      'CHAIN_BROKEN _millpond/orders/1/genesis.avro',
    ])
  })

  it('counts problems beyond those that it lists', async () => {
    const store = createMemoryStore()
    const chain = await openSample(store, lane)
    for (let i = 0; i < 1010; i++) await commitMessages(store, chain, sampleMessages(i, i + 1), { codec: 'null', lookups: [] })
    for (const key of await keysOf(store, 'orders/')) await store.delete(key)
    const report = await verifyArchive(store)
    expect(report.problems).toHaveLength(1000)
    expect(report).toMatchObject({ problemCount: 1010, clean: false, lanes: [{ problems: 1010 }] })
  })

  it('checks commits and sizes but only one block of each segment where a sample is enough', async () => {
    const store = await sampleArchive(120)
    const report = await verifyArchive(store, { sampleOnly: true })
    expect(report).toMatchObject({ clean: true, commits: 6, segments: 3 })
    expect(report.messages).toBeLessThan(150)
    const { key } = (await commitsOf(store))[1]!.segments[0]!
    await store.delete(key)
    expect(await problemsOf(store, { sampleOnly: true })).toEqual([`OBJECT_MISSING ${key}`])
  })

  it('throws what tells of the store, not of the archive, and stops when it is told to', async () => {
    const store = await sampleArchive(10)
    await expect(verifyArchive(store, {}, { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped')
    const unavailable = new MillpondError('STORE_UNAVAILABLE', 'no answer')
    for (const call of ['read', 'size'] as const) {
      const broken: Store = { ...store, async *list() {}, [call]: () => Promise.reject(unavailable) }
      await expect(verifyArchive(broken)).resolves.toMatchObject({ lanes: [] })
      await expect(verifyArchive({ ...broken, list: onlyCommits(store) })).rejects.toThrow('no answer')
    }
  })
})

describe('verifyArchive, of commits whose writer was wrong', () => {
  /** An archive with one commit that its writer made of one real segment, and then changed. */
  async function written(change: (commit: StoredCommit, lookupBytes: Uint8Array) => Partial<StoredCommit>): Promise<Store> {
    const store = createMemoryStore()
    const chain = await openSample(store, lane)
    await commitMessages(store, chain, sampleMessages(0, 100, { sparse: true }), { blockCount: 10 })
    const { key } = (await commitsOf(store)).at(-1)!
    const object = await store.read(key)
    const commit = decodeCommit(key, object)
    const lookupBytes = object.slice(commit.lookupStart, commit.lookupStart + commit.lookupBytes)
    await store.put(key, encodeCommit({ ...commit, ...change(commit, lookupBytes) }, lookupBytes))
    return store
  }
  const segmentOf = (commit: StoredCommit) => commit.segments[0]!

  it('says nothing where nothing was changed', async () => {
    expect(await problemsOf(await written(() => ({})))).toEqual([])
  })

  it.each<{ what: string; code: string; change: (commit: StoredCommit, lookupBytes: Uint8Array) => Partial<StoredCommit> }>([
    {
      what: 'timestamps of a block that its messages do not have',
      code: 'BLOCK_CORRUPT',
      change: (commit) => {
        const blocks = segmentOf(commit).blocks.map((block) => ({ ...block, minTimestamp: 0 }))
        return { segments: [{ ...segmentOf(commit), minTimestamp: 0, blocks }] }
      },
    },
    {
      what: 'positions of a block that its messages do not have',
      code: 'BLOCK_CORRUPT',
      change: (commit) => {
        const blocks = segmentOf(commit).blocks.map((block, i) =>
          i === 3 ? { ...block, lastPosition: block.lastPosition + 1 } : block,
        )
        return { segments: [{ ...segmentOf(commit), blocks }] }
      },
    },
    {
      what: 'a gap that misses more than it does',
      code: 'POSITION_INVALID',
      change: ({ gaps, nextPosition }) => ({
        nextPosition: nextPosition + 1,
        gaps: [{ ...gaps[0]!, missing: gaps[0]!.missing + 1 }],
      }),
    },
    {
      what: 'a dead letter where there is a message',
      code: 'POSITION_INVALID',
      change: ({ gaps }) => ({
        gaps: [{ ...gaps[0]!, missing: gaps[0]!.missing - 1 }],
        deadLetters: [{ position: 50, reason: '' }],
      }),
    },
    {
      what: 'a gap in the wrong place',
      code: 'POSITION_INVALID',
      change: ({ gaps, nextPosition }) => ({
        gaps: [{ ...gaps[0]!, firstPosition: 2, nextPosition, missing: gaps[0]!.missing }],
      }),
    },
    {
      what: 'a filter that misses a key',
      code: 'COMMIT_CORRUPT',
      change: (commit, lookupBytes) => {
        const [lookup] = segmentOf(commit).lookups
        const slice = lookupBytes.subarray(0, lookup!.bytes / lookup!.slices)
        slice.fill(0, 0, 32)
        new DataView(slice.buffer, slice.byteOffset).setUint32(slice.length - 4, crc32c(slice.subarray(0, -4)), true)
        return {}
      },
    },
    {
      what: 'a filter without its checksum',
      code: 'COMMIT_CORRUPT',
      change: (_, lookupBytes) => {
        lookupBytes[0]! ^= 1
        return {}
      },
    },
    {
      what: 'filters of other sizes than they are said to have',
      code: 'COMMIT_CORRUPT',
      change: (commit) => ({
        segments: [
          {
            ...segmentOf(commit),
            lookups: segmentOf(commit).lookups.map((lookup) => ({
              ...lookup,
              buckets: lookup.buckets.map((count) => count + 1),
            })),
          },
        ],
      }),
    },
    {
      what: 'a hash that the segment does not have',
      code: 'SEGMENT_CORRUPT',
      change: (commit) => ({ segments: [{ ...segmentOf(commit), sha256: '0'.repeat(64) }] }),
    },
    {
      what: 'a codec that the segment does not have',
      code: 'SEGMENT_CORRUPT',
      change: (commit) => ({ segments: [{ ...segmentOf(commit), codec: 'deflate' }] }),
    },
    {
      what: 'a hash of the commit before that it does not have',
      code: 'CHAIN_BROKEN',
      change: () => ({ previousSha256: '0'.repeat(64) }),
    },
  ])('finds $what', async ({ code, change }) => {
    const problems = await problemsOf(await written(change))
    expect(problems.map((problem) => problem.split(' ')[0])).toContain(code)
  })

  it('finds a segment that two commits name', async () => {
    const store = createMemoryStore()
    const chain = await openSample(store, lane)
    await commitMessages(store, chain, sampleMessages(0, 10))
    const [, commit] = await commitsOf(store)
    const draft = {
      nextPosition: 20,
      segments: [],
      gaps: [{ firstPosition: 10, nextPosition: 20, missing: 10, reason: 'skipped' as const }],
      deadLetters: [],
      lookupBytes: new Uint8Array(),
    }
    await chain.append(draft)
    const [, , second] = await commitsOf(store)
    const blocks = segmentOf(commit!).blocks.map((block) => ({ ...block, firstPosition: 10, lastPosition: 19 }))
    const segment = { ...segmentOf(commit!), firstPosition: 10, lastPosition: 19, blocks, lookups: [] }
    await store.put(second!.key, encodeCommit({ ...second!, segments: [segment], gaps: [] }, new Uint8Array()))
    expect(await problemsOf(store)).toContain(`CHAIN_BROKEN ${second!.key}`)
  })

  it('takes segments that lie side by side, as layouts leave them', async () => {
    const store = createMemoryStore()
    const chain = await openSample(store, lane)
    const messages = sampleMessages(0, 60)
    const parts = [messages.filter(({ position }) => position % 3 === 0), messages.filter(({ position }) => position % 3 !== 0)]
    const even = await writeSegment(store, chain.folder, parts[0]!)
    const odd = await writeSegment(store, chain.folder, parts[1]!, { lookups: [] })
    const draft = {
      nextPosition: 60,
      segments: [even.entry, odd.entry],
      gaps: [],
      deadLetters: [],
      lookupBytes: even.lookupBytes,
    }
    await chain.append(draft)
    expect(await problemsOf(store)).toEqual([])
    const source = createMemorySource('orders', 'id-1')
    source.produce('0', messages)
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, compared: 60 })
  })
})

describe('verifyArchive against the source', () => {
  async function archived(messages = sampleMessages(0, 200, { sparse: true })) {
    const store = createMemoryStore()
    const chain = await openChain({ store, lane, startPosition: 0, writer: 'w', now: () => 1 })
    await commitMessages(store, chain, messages.slice(0, 60))
    await commitMessages(store, chain, messages.slice(60))
    const source = createMemorySource('orders', 'id-1')
    return { store, source, chain }
  }

  it('compares every message that both have', async () => {
    const { store, source } = await archived()
    source.produce('0', sampleMessages(0, 90, { sparse: true }))
    source.produce('0', sampleMessages(90, 260, { sparse: true }))
    const report = await verifyArchive(store, { against: source })
    expect(report.problems).toEqual([])
    expect(report.lanes[0]!.source).toEqual({ from: 0, to: 199, compared: 100, onlyInArchive: 0, notCompared: 0 })
    expect(report.compared).toBe(100)
  })

  it('begins where the source begins', async () => {
    const { store, source } = await archived()
    source.produce('0', sampleMessages(0, 200, { sparse: true }))
    source.expire('0', 150)
    expect((await verifyArchive(store, { against: source })).lanes[0]).toMatchObject({
      problems: 0,
      source: { from: 150, to: 199, compared: 25 },
    })
  })

  it.each([
    { what: 'another value', change: { value: 'other' }, part: 'value' },
    { what: 'an empty key instead of none', change: { key: '' }, part: 'key' },
    { what: 'another timestamp', change: { timestamp: 5 }, part: 'timestamp' },
    { what: 'another id', change: { id: 'x' }, part: 'id' },
    { what: 'no headers', change: { headers: [] }, part: 'number of headers' },
    { what: 'another header name', change: { headers: [{ name: 'Trace', value: 't10' }] }, part: 'headers' },
    { what: 'another header value', change: { headers: [{ name: 'trace', value: null }] }, part: 'headers' },
  ])('finds $what', async ({ change, part }) => {
    const { store, source } = await archived()
    source.produce(
      '0',
      sampleMessages(0, 200, { sparse: true }).map((message) => (message.position === 10 ? { ...message, ...change } : message)),
    )
    const { problems } = await verifyArchive(store, { against: source })
    expect(problems).toMatchObject([
      { code: 'SOURCE_DIFFERS', lane: 'orders/0', position: 10, message: expect.stringContaining(`the ${part} of`) },
    ])
  })

  it('finds a message that the archive does not have', async () => {
    const { store, source } = await archived()
    source.produce(
      '0',
      [...sampleMessages(0, 200, { sparse: true }), ...sampleMessages(71, 72)].sort((a, b) => a.position - b.position),
    )
    expect((await verifyArchive(store, { against: source })).problems).toMatchObject([{ code: 'SOURCE_DIFFERS', position: 71 }])
  })

  it('counts messages that only the archive has, as after compaction', async () => {
    const { store, source } = await archived()
    source.produce(
      '0',
      sampleMessages(0, 200, { sparse: true }).filter(({ position }) => position < 20 || position > 40),
    )
    const report = await verifyArchive(store, { against: source })
    expect(report).toMatchObject({ clean: true, lanes: [{ source: { compared: 89, onlyInArchive: 11 } }] })
  })

  it('takes dead letters for accounted', async () => {
    const { store, source, chain } = await archived(sampleMessages(0, 100))
    await chain.append({
      nextPosition: 101,
      segments: [],
      gaps: [],
      deadLetters: [{ position: 100, reason: 'not UTF-8' }],
      lookupBytes: new Uint8Array(),
    })
    source.produce('0', sampleMessages(0, 101))
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, compared: 100 })
  })
})
