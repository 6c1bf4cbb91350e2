import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { archiver, listed } from '../archive/split-scene.ts'
import { layoutOf } from '../layout/layout-of.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { type OtherTool, openFastavro } from '../interop/other-tools.ts'
import { jsonLines, runProgram } from '../live/program.ts'

interface Given {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

const START_MS = Date.UTC(2026, 0, 1)
const hex = (text: string) => Buffer.from(text).toString('hex')

/** Message `n` of a partition; some offsets are skipped, and some messages odd. */
const given = (partition: number, n: number, gap: (n: number) => number): Given => ({
  topic: 'orders',
  partition,
  offset: 100 * partition + n + gap(n),
  timestamp: START_MS + n * 1000 - (n % 5) * 3000,
  key: n % 11 === 3 ? null : n % 11 === 5 ? 'ff00' : hex(`k${n % 20}`),
  value: n % 13 === 4 ? null : hex(`{"n":${n},"pad":"${'x'.repeat(n % 200)}"}`),
  headers: n % 3 === 0 ? [] : [['trace', hex(`t${n}`)], ...(n % 4 === 0 ? ([['ünï', null]] as const) : [])],
})
const withoutGaps = () => 0
const messages = (count: number, gap: (n: number) => number = withoutGaps): Given[] =>
  [0, 1].flatMap((partition) => Array.from({ length: count }, (_, n) => given(partition, n, gap)))

let python: OtherTool
let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millpond-import-'))
  python = await openFastavro('../import/others.py')
  expect(python.missing).toBeUndefined()
})
afterAll(() => rm(root, { recursive: true }))

/** A folder whose archive lies in `store`, and objects of the program in it. */
async function prepare(program: string, some: readonly Given[], count: number, codec: string): Promise<string> {
  const dir = await mkdtemp(join(root, 'run-'))
  await writeFile(join(dir, 'millpond.yaml'), 'data: .\nstore: { path: store }\nlog: { level: error }\n')
  await mkdir(join(dir, 'store/old'), { recursive: true })
  await write(dir, program, some, count, codec)
  return dir
}

async function write(dir: string, program: string, some: readonly Given[], count: number, codec: string): Promise<void> {
  await writeFile(join(dir, 'messages.jsonl'), some.map((message) => `${JSON.stringify(message)}\n`).join(''))
  await python.exchange([program, join(dir, 'store/old'), join(dir, 'messages.jsonl'), String(count), codec])
}

async function run(dir: string, ...words: string[]) {
  const { exitCode, stdout, stderr } = await runProgram([...words, '--dir', dir, '--json'])
  return { exitCode, stderr, json: jsonLines(stdout) as Record<string, unknown>[] }
}

const objectsIn = async (dir: string) =>
  (await readdir(join(dir, 'store'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()

describe('segments of kafka-backup', () => {
  it.each(['none', 'zstd', 'lz4'])(
    'become an archive that is proven, searched and replayed, where they lie: %s',
    async (codec) => {
      const skipped = (n: number) => Math.floor(n / 100) * 7
      const some = messages(500, skipped).map((message) => ({ ...message, offset: message.offset + 900 * message.partition }))
      const dir = await prepare('kafka-backup', some, 120, codec)
      await writeFile(join(dir, 'store/old/manifest.json'), '{}')
      const before = await objectsIn(dir)
      const dry = await run(dir, 'import', 'kafka-backup', 'old/', '--dry-run')
      expect(dry.json[0]).toMatchObject({ objects: 10, messages: 1000, left: 1, dryRun: true })
      expect(await objectsIn(dir)).toEqual(before)
      const imported = await run(dir, 'import', 'kafka-backup', 'old/')
      expect(imported).toMatchObject({
        exitCode: 0,
        json: [{ objects: 10, messages: 1000, failures: [], lanes: [{ missing: 28, commits: 1 }, {}] }],
      })
      expect((await objectsIn(dir)).filter((path) => !path.includes('_millpond'))).toEqual(before)

      expect((await run(dir, 'verify')).json[0]).toMatchObject({ clean: true, messages: 1000, problemCount: 0 })
      const found = (await run(dir, 'search', '--topic', 'orders')).json as unknown as {
        position: number
        timestamp: number
        lane: string
      }[]
      expect(found.map(({ lane, position, timestamp }) => [Number(lane), position, timestamp])).toEqual(
        some.map(({ partition, offset, timestamp }) => [partition, offset, timestamp]),
      )
      const wanted = some.filter(({ key }) => key === hex('k7'))
      expect((await run(dir, 'search', '--key', 'k7')).json).toHaveLength(wanted.length)
      const odd = some.find(({ headers, key }) => headers.length === 2 && key === 'ff00')!
      const [one] = (await run(dir, 'search', '--lane', String(odd.partition), '--position', String(odd.offset))).json
      expect(one).toMatchObject({ keyBase64: '/wA=', headers: [{ name: 'trace' }, { name: 'ünï', value: null }] })
      expect((await run(dir, 'replay', '--topic', 'orders', '--to', 'topic:again')).json[0]).toMatchObject({
        counts: { delivered: 1000 },
      })
      expect((await run(dir, 'import', 'kafka-backup', 'old/')).json[0]).toMatchObject({ objects: 0, known: 10, messages: 0 })
    },
    240_000,
  )

  it('are converted by compaction into objects of the archive, which leaves the objects of other programs where they are', async () => {
    const dir = await prepare('kafka-backup', messages(200), 40, 'zstd')
    const before = await objectsIn(dir)
    await run(dir, 'import', 'kafka-backup', 'old/')
    const found = (await run(dir, 'search', '--topic', 'orders')).json
    expect((await run(dir, 'compact', '--format', 'avro', '--keep-replaced', '0s')).json[0]).toMatchObject({
      messages: 400,
      before: { objects: 10 },
      after: { objects: 2 },
      removed: 0,
    })
    const after = (await objectsIn(dir)).filter((path) => !path.includes('_millpond'))
    expect(after.filter((path) => before.includes(path))).toEqual(before)
    expect(after.length).toBe(before.length + 2)
    for (const path of before) await rm(path)
    expect((await run(dir, 'verify')).json[0]).toMatchObject({ clean: true, messages: 400 })
    expect((await run(dir, 'search', '--topic', 'orders')).json).toEqual(found)
  }, 120_000)

  it('are followed by what comes later, and refused where positions would be there twice', async () => {
    const some = messages(100)
    const dir = await prepare(
      'kafka-backup',
      some.filter(({ partition }) => partition === 0),
      50,
      'zstd',
    )
    expect((await run(dir, 'import', 'kafka-backup')).json[0]).toMatchObject({ objects: 2, messages: 100 })
    const later = Array.from({ length: 30 }, (_, n) => ({ ...given(0, n, withoutGaps), offset: 100 + n }))
    await write(dir, 'kafka-backup', later, 50, 'zstd')
    expect((await run(dir, 'import', 'kafka-backup')).json[0]).toMatchObject({ objects: 1, known: 2, messages: 30 })
    await write(dir, 'kafka-backup', [{ ...later[0]!, offset: 120 }], 50, 'none')
    const twice = await run(dir, 'import', 'kafka-backup')
    expect(twice.exitCode).toBe(8)
    expect(twice.stderr).toContain('IMPORT_CONFLICT')
    expect(twice.json[0]).toMatchObject({ failures: [{ lane: 'orders/0', code: 'IMPORT_CONFLICT' }] })
    expect((await run(dir, 'verify')).json[0]).toMatchObject({ clean: true, messages: 130 })
    expect((await run(dir, 'import', 'kafka-backup', '--topic-id', 'other')).stderr).toContain('--topic-id')
  }, 120_000)

  it('that are damaged are named, and other lanes are imported', async () => {
    const dir = await prepare('kafka-backup', messages(60), 60, 'zstd')
    const path = join(dir, 'store/old/topics/orders/partition=0/segment-00000000000000000000.bin.zst')
    const bytes = await readFile(path)
    bytes[100]! ^= 1
    await writeFile(path, bytes)
    const { exitCode, json, stderr } = await run(dir, 'import', 'kafka-backup', 'old/')
    expect(exitCode).toBe(5)
    expect(stderr).toContain('partition=0/segment-00000000000000000000.bin.zst')
    expect(json[0]).toMatchObject({ objects: 1, messages: 60, failures: [{ lane: 'orders/0', code: 'SEGMENT_CORRUPT' }] })
  }, 60_000)

  it('are found to be damaged later by verify', async () => {
    const dir = await prepare('kafka-backup', messages(60), 60, 'none')
    expect((await run(dir, 'import', 'kafka-backup', 'old/')).exitCode).toBe(0)
    const path = join(dir, 'store/old/topics/orders/partition=0/segment-00000000000000000000.bin')
    const bytes = await readFile(path)
    for (const at of [6, 200, bytes.length - 6]) {
      await writeFile(
        path,
        bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)),
      )
      const { exitCode, json } = await run(dir, 'verify')
      expect(exitCode).toBe(5)
      expect(JSON.stringify(json)).toContain('partition=0/segment')
    }
  }, 60_000)
})

describe('objects of Dataphos', () => {
  it('become a lane of values, ids and attributes', async () => {
    const some = messages(150).map((message) => ({ ...message, headers: message.headers.filter(([, value]) => value !== null) }))
    const mixed = some.toSorted((a, b) => (a.offset % 100) - (b.offset % 100) || a.partition - b.partition)
    const dir = await prepare('dataphos', mixed, 40, 'null')
    expect((await run(dir, 'import', 'dataphos', 'old/')).exitCode).toBe(2)
    const imported = await run(dir, 'import', 'dataphos', 'old/', '--topic', 'orders')
    expect(imported.json[0]).toMatchObject({ objects: 8, messages: 300, lanes: [{ lane: 'dataphos', missing: 0 }] })
    expect((await run(dir, 'verify')).json[0]).toMatchObject({ clean: true, messages: 300 })
    const wanted = mixed[77]!
    const found = (await run(dir, 'search', '--id', `${wanted.partition}_${wanted.offset}`)).json
    expect(found).toHaveLength(1)
    expect(found[0]).toMatchObject({ key: null, value: JSON.parse(Buffer.from(wanted.value!, 'hex').toString()) as unknown })
    expect((await run(dir, 'replay', '--topic', 'orders', '--to', 'topic:again')).json[0]).toMatchObject({
      counts: { delivered: 300 },
    })
  }, 120_000)
})

describe('objects that are written for the tools of Dataphos', () => {
  it('lie under its names, and become a lane of the same values, ids and attributes', { timeout: 60_000 }, async () => {
    const source = createMemorySource('orders')
    for (const lane of ['0', '1'])
      source.produce(
        lane,
        Array.from({ length: 30 }, (_, n) => ({
          position: 100 + n,
          timestamp: START_MS + n,
          key: `k${n}`,
          value: `${lane}:${n}`,
          headers: [{ name: 'trace', value: `t${n}` }],
        })),
      )
    const store = createMemoryStore()
    const scene = archiver({ ...source, joined: async () => undefined })
    const layout = await layoutOf({ type: 'dataphos', dataphos: { mask: 'year/month/day' } })
    await scene.run(store, { format: 'persistorrecord', codec: 'null', layout })
    expect(await verifyArchive(store)).toMatchObject({ clean: true, messages: 60 })
    const keys = (await listed(store)).sort()
    expect(keys).toEqual(['2026/01/01/msg-0_100.avro', '2026/01/01/msg-1_100.avro'])
    const dir = await prepare('dataphos', [], 1, 'null')
    await mkdir(join(dir, 'store/old/2026/01/01'), { recursive: true })
    for (const key of keys) await writeFile(join(dir, 'store/old', key), await store.read(key))
    expect((await run(dir, 'import', 'dataphos', 'old/', '--topic', 'orders')).exitCode).toBe(0)
    const { json } = await run(dir, 'search', '--topic', 'orders')
    expect(json.map(({ id, valueText, headers }) => ({ id, valueText, headers }))).toEqual(
      ['0', '1'].flatMap((lane) =>
        Array.from({ length: 30 }, (_, n) => ({
          id: `${lane}_${100 + n}`,
          valueText: `${lane}:${n}`,
          headers: [{ name: 'trace', value: `t${n}` }],
        })),
      ),
    )
  })
})

describe('objects of Confluent', () => {
  // Where a lane is dealt out, what is missing cannot be told from what lies in another object.
  it.each([
    { partitioner: 'confluent', gap: withoutGaps, missing: [0, 0] },
    { partitioner: 'confluent', gap: withoutGaps, missing: [0, 0], codec: 'json' },
    { partitioner: 'confluent', gap: (n: number) => Math.floor(n / 50) * 3, missing: [9, 9] },
    { partitioner: 'dealt', gap: withoutGaps, missing: [0, 0] },
    { partitioner: 'dealt', gap: (n: number) => (n > 40 ? 5 : 0), missing: [0, 0] },
  ])(
    'are named with their keys, and account for every position: $partitioner, $missing',
    async ({ partitioner, gap, missing, codec = 'deflate' }) => {
      const some = messages(200, gap).map((message) => ({ ...message, offset: message.offset + 900 * message.partition }))
      const dir = await prepare(partitioner, some, 50, codec)
      const { json, exitCode } = await run(dir, 'import', 'confluent', 'old/')
      expect({ exitCode, json }).toMatchObject({ exitCode: 0, json: [{ messages: 400, failures: [] }] })
      const lanes = json[0]!['lanes'] as { firstPosition: number; nextPosition: number; messages: number; missing: number }[]
      for (const lane of lanes) expect(lane.nextPosition - lane.firstPosition).toBe(lane.messages + lane.missing)
      expect(lanes.map((lane) => lane.missing)).toEqual(missing)
      expect((await run(dir, 'verify')).json[0]).toMatchObject({ clean: true, messages: 400, problemCount: 0 })
      expect((await run(dir, 'search', '--topic', 'orders')).stderr).toContain('FORMAT_NOT_READABLE')
      expect((await run(dir, 'query', 'SELECT count(*) AS n FROM orders')).json).toEqual([{ n: some.length }])
      expect((await run(dir, 'import', 'confluent', 'old/')).json[0]).toMatchObject({ objects: 0, messages: 0 })
    },
    120_000,
  )
})
