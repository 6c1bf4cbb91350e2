import { describe, expect, it } from 'vitest'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import type { ArchiveOptions } from '../../src/archive/options.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import { MillpondError } from '../../src/errors.ts'
import { followChains } from '../../src/index/follow.ts'
import type { Layout } from '../../src/layout/layout.ts'
import { createReadStats, search } from '../../src/search/read.ts'
import { createSliceCache } from '../../src/search/slice-cache.ts'
import type { Store } from '../../src/store/store.ts'
import { rowsOf, tableOf } from '../encode/parquet-segments.ts'
import { layoutOf } from '../layout/layout-of.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { createRandom } from '../live/random.ts'
import { until } from '../live/until.ts'
import { mortal } from './mortal-store.ts'
import { archiver, byKey, commitsOf, listed, messages, openStore, options } from './split-scene.ts'

type ParquetFormat = 'parquet' | 'value-parquet'
/** Schedules of each kind: most of their time goes into waiting before a lane is tried again. */
const SEEDS = 8

const codecs = ['null', 'snappy', 'zstandard', 'gzip'] as const

/** Values that look different from some of them on: columns are added, and become wider. */
function valueOf(position: number): string {
  if (position < 30) return `{"n":${position},"a":${position}}`
  if (position < 60) return `{"n":${position},"a":${position}.5,"b":"${'x'.repeat(position)}"}`
  return `{"n":${position},"a":"${position}","c":{"d":[${position}]}}`
}

const changing = (message: MessageInput): MessageInput => ({
  ...message,
  id: `id-${message.position}`,
  value: valueOf(message.position),
  headers: [{ name: 'n', value: String(message.position) }],
})

function produce(random: () => number) {
  const source = createMemorySource('orders')
  let position = 0
  for (let batches = 0; batches < 10; batches++) {
    const to = position + 1 + Math.floor(random() * 15)
    source.produce('0', messages(position, to, 'abc'.slice(0, 1 + Math.floor(random() * 3))).map(changing))
    position = to + (random() < 0.2 ? Math.floor(random() * 4) : 0)
  }
  source.pass('0', position)
  return { ...source, joined: async () => undefined }
}

/** Positions of the rows of an object, as another reader has them. */
async function positionsIn(object: Uint8Array, format: ParquetFormat): Promise<number[]> {
  if (format === 'parquet') return (await rowsOf(object)).map(({ position }) => position)
  return (await tableOf(object)).map((row) => (row as { readonly n: number }).n)
}

interface Outcome {
  readonly format: ParquetFormat
  readonly source: ReturnType<typeof produce>
  readonly seed: number
}

/** What anybody finds who lists the store is each message once, and what the chain names. */
async function expectExactlyOnce(store: Store, { format, source, seed }: Outcome): Promise<void> {
  const segments = (await commitsOf(store)).flatMap((commit) => commit.segments)
  expect(new Set(await listed(store)), `seed ${seed}`).toEqual(new Set(segments.map(({ key }) => key)))
  const all: number[] = []
  for (const { key, firstPosition, lastPosition, count } of segments) {
    const held = await positionsIn(await store.read(key), format)
    expect(held, `seed ${seed}, ${key}`).toEqual(held.toSorted((a, b) => a - b))
    expect([held[0], held.at(-1), held.length]).toEqual([firstPosition, lastPosition, count])
    all.push(...held)
  }
  expect(new Set(all).size, `seed ${seed}`).toBe(all.length)
  const report = await verifyArchive(store, format === 'parquet' ? { against: source } : {})
  expect(report, `seed ${seed}`).toMatchObject({ clean: true, messages: all.length, unnamed: { objects: 0 } })
}

interface Scene {
  readonly format: ParquetFormat
  readonly layout: Layout
  readonly seed: number
}

/** Writers one after the other and beside each other, all of which die but the last; each cuts row groups and objects elsewhere, as settings, memory and time do. */
async function runAll({ format, layout, seed }: Scene) {
  const random = createRandom(seed)
  const source = produce(random)
  const store = openStore()
  const errors: unknown[] = []
  let timeMs = Date.UTC(2026, 10, 29, 23, 30)
  const nowMs = () => (timeMs += Math.floor(random() * 5 * 60_000))
  const start = async (writer: string) => {
    source.reassign('0')
    const rotate = { ...options.rotate, maxCount: 3 + Math.floor(random() * 60), maxBytes: 500 << Math.floor(random() * 8) }
    const changes = { format, layout, rotate, writer, blockBytes: 64 << Math.floor(random() * 6) }
    const early = { ...(random() < 0.3 ? { graceMs: 5000 } : {}), ...(random() < 0.3 ? { maxOpenObjects: 2 } : {}) }
    const through = mortal(store, 2 + Math.floor(random() * 25), random() < 0.5, random)
    await archiver(source)
      .run(through, { ...changes, ...early, codec: codecs[Math.floor(random() * codecs.length)]! }, { nowMs })
      .catch((error: unknown) => errors.push(error))
  }
  for (let run = 0; run < 5; run++)
    await Promise.all((random() < 0.4 ? ['a', 'b'] : ['a']).map((name) => start(`w${run}-${name}`)))
  source.reassign('0')
  await archiver(source).run(store, { format, layout, writer: 'last' }, { nowMs })
  expect(
    errors.filter((error) => !String(error).includes('the writer is dead')),
    `seed ${seed}`,
  ).toEqual([])
  return { store, source }
}

const template = (key: string) => () => layoutOf({ type: 'template', template: { key } })

const cases = (['parquet', 'value-parquet'] as const).flatMap((format) => [
  { format, names: 'position', layoutBy: async () => byKey },
  // More of an object's first message than its position.
  { format, names: 'time and id', layoutBy: template('{topic}/{lane}-{position:6}-{start:mm-ss}-{id}.{extension}') },
  { format, names: 'the wall clock', layoutBy: template('{topic}/{wallclock:yyyy-MM-dd-HH}/{lane}-{position:6}.{extension}') },
])

describe('a writer that finds Parquet objects under its names', () => {
  it.each(cases)(
    'takes them over wherever their row groups were cut, so that listing alone is exactly once in the end: $format, named by $names',
    async ({ format, layoutBy }) => {
      const layout = await layoutBy()
      for (let seed = 0; seed < SEEDS; seed++) {
        const { store, source } = await runAll({ format, layout, seed })
        await expectExactlyOnce(store, { format, source, seed })
        expect(await commitsOf(store), `seed ${seed}`).not.toEqual([])
      }
    },
  )
})

/** A store in which nothing is committed any more. */
const withoutCommits = (store: Store): Store => ({
  ...store,
  putIfAbsent: async (key, ...rest) => {
    if (/^_millpond\/.*\d\.avro$/u.test(key)) throw new MillpondError('STORE_REFUSED', 'dead')
    return store.putIfAbsent(key, ...rest)
  },
})

function sourceOf(from: number, to: number, change = changing) {
  const source = createMemorySource('orders')
  source.produce('0', messages(from, to, 'a').map(change))
  return { ...source, joined: async () => undefined }
}

/** What a commit by age would have named: one object of the first 37 messages, in several row groups. */
async function leave(format: ParquetFormat, changes: Partial<ArchiveOptions> = {}, change = changing): Promise<Store> {
  const store = openStore()
  const rotate = { ...options.rotate, maxAgeMs: 1 }
  const scene = archiver(sourceOf(0, 37, change))
  const stop = new AbortController()
  const settings = { format, blockBytes: 16, untilCaughtUp: false, rotate, ...changes }
  const running = scene.run(withoutCommits(store), settings, {}, stop)
  await until(() => scene.events.some(({ kind }) => kind === 'lane-stopped'), 'the crash')
  stop.abort()
  await expect(running).rejects.toThrow('dead')
  return store
}

const same = (message: MessageInput): MessageInput => ({ ...message, value: `{"n":${message.position}}` })

describe('a Parquet object that a commit by age left without its commit', () => {
  it.each(['parquet', 'value-parquet'] as const)(
    'is taken over by who would have cut elsewhere, and found by look-ups: %s',
    async (format) => {
      const store = await leave(format, {}, same)
      const [key] = await listed(store)
      const left = await store.read(key!)
      const changes = { format, codec: 'null', blockBytes: 4096, writer: 'w2', lookups: ['key', 'id'] } as const
      await archiver(sourceOf(0, 100, same)).run(store, changes)
      expect(await listed(store)).toEqual(['orders/a/0+000000.parquet', 'orders/a/0+000037.parquet'])
      expect(Buffer.compare(await store.read(key!), left)).toBe(0)
      const segments = (await commitsOf(store)).flatMap((commit) => commit.segments)
      expect(segments.map(({ codec, count }) => [codec, count])).toEqual([
        ['zstandard', 37],
        ['null', 63],
      ])
      expect(await verifyArchive(store)).toMatchObject({ clean: true, messages: 100 })
      if (format === 'value-parquet') return
      expect(segments[0]!.blocks.length).toBeGreaterThan(3)
      expect(segments[0]!.lookups.map((lookup) => [lookup.field, lookup.buckets.length])).toEqual([
        ['key', segments[0]!.blocks.length],
        ['id', segments[0]!.blocks.length],
      ])
      await using index = await openSqliteIndex({ path: ':memory:' })
      await followChains(store, index)
      const archive = { store, index, slices: createSliceCache() }
      for (const position of [0, 20, 36, 37, 99]) {
        const query = { key: new TextEncoder().encode(`a-${position}`) }
        const stats = createReadStats()
        const found = await Array.fromAsync(search(archive, query, { stats }), ({ batch }) => [...batch.positions])
        expect(found.flat()).toEqual([position])
        expect(stats.blocksRead).toBe(1)
      }
    },
  )

  it.each([
    { what: 'other messages', format: 'parquet', change: (one) => ({ ...one, headers: [] }), why: 'it holds other messages' },
    {
      what: 'other values',
      format: 'value-parquet',
      change: (one) => ({ ...one, value: '{"n":1}' }),
      why: 'it holds other messages',
    },
    {
      what: 'messages of other times',
      format: 'value-parquet',
      change: (one) => ({ ...one, timestamp: 1 }),
      why: 'it holds other messages',
    },
    { what: 'more than there is', format: 'parquet', change: undefined, why: '17 messages more than the source' },
  ] as const satisfies {
    what: string
    format: ParquetFormat
    change: ((one: MessageInput) => MessageInput) | undefined
    why: string
  }[])('stops its lane where it holds $what, and names it', async ({ format, change, why }) => {
    const store = await leave(format)
    const source = change === undefined ? sourceOf(0, 20) : sourceOf(0, 100, (one) => change(changing(one)))
    await expect(archiver(source).run(store, { format, writer: 'w2' })).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      message: expect.stringContaining(why) as string,
    })
  })

  it('stops its lane where a byte of it has changed, or it does not tell what it holds', async () => {
    for (const format of ['parquet', 'value-parquet'] as const) {
      const [key] = await listed(await leave(format))
      const whole = Uint8Array.from(await (await leave(format)).read(key!))
      for (const at of [0, 40, 300, whole.byteLength - 2, whole.byteLength - 6]) {
        const store = openStore()
        const changed = Uint8Array.from(whole)
        changed[at]! ^= 1
        await store.put(key!, changed)
        await expect(archiver(sourceOf(0, 100)).run(store, { format, writer: 'w2' }), `byte ${at}`).rejects.toMatchObject({
          code: 'NAME_TAKEN',
        })
      }
    }
  })

  it('tells its content only where its name is fixed', async () => {
    const named = await template('{topic}/{lane}-{position:6}-{writer}.{extension}')()
    for (const [layout, tells] of [
      [byKey, true],
      [named, false],
    ] as const) {
      const store = await leave('value-parquet', { layout })
      for (const key of await listed(store))
        expect(Buffer.from(await store.read(key)).includes('io.millpond.content')).toBe(tells)
    }
  })
})
