import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import type { Catalog, LoadedTable } from '../../src/iceberg/catalog.ts'
import { createFileCatalog } from '../../src/iceberg/file-catalog.ts'
import { writeLongJson } from '../../src/iceberg/long-json.ts'
import { decodeManifest } from '../../src/iceberg/manifest.ts'
import { decodeManifestList } from '../../src/iceberg/manifest-list.ts'
import { currentSnapshot, type TableMetadata } from '../../src/iceberg/metadata.ts'
import { partitionTypes } from '../../src/iceberg/partition.ts'
import { keyOf, writeSnapshot } from '../../src/iceberg/snapshot.ts'
import { type SyncOptions, syncTopic } from '../../src/iceberg/sync.ts'
import { parseTerm } from '../../src/iceberg/transform.ts'
import type { Store } from '../../src/store/store.ts'
import { createSimulation } from '../commit/simulation.ts'
import { draftOf } from '../commit/drafts.ts'
import { column, commitParquet, openTestChain } from './parquet-archive.ts'

const root = 'memory://pond'
const name = { namespace: ['lake'], name: 'orders' }
const location = `${root}/_iceberg/lake/orders`
const DAY = 86_400_000_000n
/** Of random schedules; 120 were run once. */
const SCHEDULES = 24

/** A file of some rows on a day. */
const rows = (count: number, day = 0n) => [
  column.long(
    'n',
    Array.from({ length: count }, (_, i) => BigInt(i)),
  ),
  column.time(
    'timestamp',
    Array.from({ length: count }, (_, i) => day * DAY + BigInt(i)),
  ),
]

function optionsFor(store: Store, more: Partial<SyncOptions> = {}): SyncOptions {
  const catalog = createFileCatalog({ store, root, prefix: '_iceberg/', nowMs: () => 1_000 })
  return { store, root, catalog, topic: 'orders', name, location, terms: [], nowMs: () => 1_000, ...more }
}

const terms = (...texts: readonly string[]) => texts.map((text) => parseTerm(text)!)

/** All that the newest snapshot of the table names, and how. */
async function contentOf(store: Store, metadata: TableMetadata) {
  const snapshot = currentSnapshot(metadata)
  if (snapshot === undefined) return { manifests: [], entries: [] }
  const read = (address: string) => store.read(keyOf({ root }, address))
  const manifests = await decodeManifestList(await read(snapshot['manifest-list']), 'list')
  const entries = await Promise.all(
    manifests.map(async ({ path, specId, sequence }) => {
      const spec = metadata['partition-specs'].find((one) => one['spec-id'] === specId)!
      const entries = await decodeManifest(await read(path), path, { spec, types: partitionTypes(spec, metadata.schemas) })
      return entries.map((entry) => ({ ...entry, sequence: entry.sequence ?? sequence }))
    }),
  )
  return { manifests, entries: entries.flat().filter(({ status }) => status !== 'deleted') }
}

const loaded = async ({ catalog }: SyncOptions): Promise<LoadedTable> => (await catalog.load(name))!

/** Keys of the segments that the table names, in order. */
async function namedKeys(options: SyncOptions): Promise<string[]> {
  const { entries } = await contentOf(options.store, (await loaded(options)).metadata)
  return entries.map(({ file }) => keyOf(options, file.path)).sort()
}

describe('syncTopic', () => {
  it('names each Parquet segment once, in batches, and then nothing more', async () => {
    const store = createMemoryStore()
    const options = optionsFor(store, { batchFiles: 2 })
    const keys: string[] = []
    for (const lane of ['0', '1']) {
      const chain = await openTestChain(store, 'orders', lane)
      for (let i = 0; i < 3; i++) keys.push(...(await commitParquet(store, chain, [rows(2)])).map(({ key }) => key))
    }
    await commitParquet(store, await openTestChain(store, 'others'), [rows(1)])
    expect(await syncTopic(options)).toMatchObject({
      topic: 'orders',
      table: 'lake.orders',
      snapshots: 3,
      files: 6,
      rows: 12,
      skipped: 0,
    })
    expect(await namedKeys(options)).toEqual(keys.sort())
    expect(await syncTopic(options)).toMatchObject({ snapshots: 0, files: 0 })
    expect(currentSnapshot((await loaded(options)).metadata)?.summary).toMatchObject({
      'total-records': '12',
      'total-data-files': '6',
      'millpond.positions': '{"orders/0":6,"orders/1":6}',
    })
    keys.push(
      ...(await commitParquet(store, await openTestChain(store, 'orders', '1'), [rows(1), rows(1)])).map(({ key }) => key),
    )
    expect(await syncTopic(options)).toMatchObject({ snapshots: 1, files: 2, rows: 2 })
    expect(await namedKeys(options)).toEqual(keys.sort())
  })

  it('makes no table where there is no Parquet segment, and tells of what it passes over', async () => {
    const store = createMemoryStore()
    const seen = new Map()
    const options = optionsFor(store, { seen })
    const chain = await openTestChain(store, 'orders')
    await chain.append(draftOf(chain.folder, 0, 3))
    expect(await syncTopic(options)).toMatchObject({ metadata: undefined, snapshots: 0, skipped: 1 })
    expect(seen).toEqual(new Map([['orders/0', { held: undefined, next: 3, rewrites: 0 }]]))
    expect(await syncTopic(options)).toMatchObject({ skipped: 0 })
    await commitParquet(store, chain, [rows(2)])
    expect(await syncTopic(options)).toMatchObject({ files: 1, skipped: 0 })
    expect(await namedKeys(options)).toHaveLength(1)
  })

  it('lets columns come, widen and go, and keeps their ids', async () => {
    const store = createMemoryStore()
    const options = optionsFor(store)
    const chain = await openTestChain(store, 'orders')
    const files = [
      [column.int('a', [1]), column.text('b', ['x'])],
      [column.long('a', [2n]), column.text('b', ['y']), column.double('c', [1])],
      [column.int('a', [3])],
    ]
    for (const file of files) {
      await commitParquet(store, chain, [file])
      await syncTopic(options)
    }
    const { metadata } = await loaded(options)
    expect(
      metadata.schemas.map(({ fields }) => fields.map(({ id, name, type, required }) => [id, name, type, required])),
    ).toEqual([
      [
        [1, 'a', 'int', true],
        [2, 'b', 'string', true],
      ],
      [
        [1, 'a', 'long', true],
        [2, 'b', 'string', true],
        [3, 'c', 'double', false],
      ],
      [
        [1, 'a', 'long', true],
        [2, 'b', 'string', false],
        [3, 'c', 'double', false],
      ],
    ])
    expect(metadata['current-schema-id']).toBe(2)
    expect(metadata['last-column-id']).toBe(3)
    expect(JSON.parse(metadata.properties['schema.name-mapping.default']!)).toHaveLength(3)
    // The bounds of a column are those of its type as it is then.
    const { entries } = await contentOf(store, metadata)
    expect(entries.map(({ file }) => file.lowerBounds!.get(1)!.length).toSorted((left, right) => left - right)).toEqual([4, 8, 8])
  })

  it('puts a file into the partition that all its rows are in, and one that lies in several beside them', async () => {
    const store = createMemoryStore()
    const options = optionsFor(store, { terms: terms('day(timestamp)', '_lane') })
    const chain = await openTestChain(store, 'orders', 'a/b')
    const across = [column.long('n', [0n, 1n]), column.time('timestamp', [3n * DAY - 1n, 3n * DAY])]
    await commitParquet(store, chain, [rows(2, 1n), rows(2, -2n), across])
    expect(await syncTopic(options)).toMatchObject({ files: 3, unpartitioned: 1 })
    const { metadata } = await loaded(options)
    const { entries, manifests } = await contentOf(store, metadata)
    expect(new Set(manifests.map(({ specId }) => specId))).toEqual(new Set([0, 1]))
    expect(new Set(entries.map(({ file }) => JSON.stringify(file.partition)))).toEqual(
      new Set(['[-2,"a/b"]', '[1,"a/b"]', '["a/b"]']),
    )
    expect(metadata['default-spec-id']).toBe(0)
    // Partitioned otherwise from now on, what is there stays as it is.
    await commitParquet(store, chain, [rows(2, 40n)])
    await syncTopic({ ...options, terms: terms('month(timestamp)') })
    const later = (await loaded(options)).metadata
    expect(later['partition-specs'].map(({ fields }) => fields.map((field) => [field['field-id'], field.name]))).toEqual([
      [
        [1000, 'timestamp_day'],
        [1001, '_lane'],
      ],
      [[1001, '_lane']],
      [[1002, 'timestamp_month']],
      [],
    ])
    expect((await contentOf(store, later)).entries.map(({ file }) => file.partition)).toContainEqual([1])
  })

  it('merges manifests once there are many', async () => {
    const store = createMemoryStore()
    const options = optionsFor(store, { terms: terms('day(timestamp)') })
    const chain = await openTestChain(store, 'orders')
    await commitParquet(store, chain, [rows(1)])
    await syncTopic(options)
    const table = await loaded(options)
    await options.catalog.change(table, { properties: { 'commit.manifest.min-count-to-merge': '4' } })
    for (let i = 0; i < 10; i++) {
      await commitParquet(store, chain, [rows(1, BigInt(i))])
      await syncTopic(options)
    }
    const { entries, manifests } = await contentOf(store, (await loaded(options)).metadata)
    expect(manifests.length).toBeLessThan(4)
    expect(new Set(entries.map(({ file }) => file.path)).size).toBe(11)
    expect(entries).toHaveLength(11)
    // Each file keeps the number of the snapshot that it came with.
    expect(entries.map(({ sequence }) => Number(sequence)).sort((left, right) => left - right)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ])
    const listed = await Array.fromAsync(store.list('_iceberg/lake/orders/metadata/'))
    const named = new Set(await addressesOf(store, (await loaded(options)).metadata))
    expect(listed.filter(({ key }) => key.endsWith('.avro') && !named.has(key)).map(({ key }) => key)).toEqual([])
  })
})

/** Keys of every manifest and manifest list that any snapshot of the table names. */
async function addressesOf(store: Store, metadata: TableMetadata): Promise<string[]> {
  const keys: string[] = []
  for (const snapshot of metadata.snapshots) {
    const list = keyOf({ root }, snapshot['manifest-list'])
    keys.push(list, ...(await decodeManifestList(await store.read(list), list)).map(({ path }) => keyOf({ root }, path)))
  }
  return keys
}

describe('syncTopic beside others', () => {
  /** What another engine does to the table: it names one file where there were two, and says nothing of positions. */
  async function compact(options: SyncOptions): Promise<void> {
    const table = await loaded(options)
    const { entries } = await contentOf(options.store, table.metadata)
    const [first, second] = entries.map(({ file }) => file)
    const whole = { ...first!, path: `${root}/compacted.parquet`, rows: first!.rows + second!.rows }
    const draft = { added: [{ specId: 0, files: [whole] }], removed: new Set([first!.path, second!.path]), summary: {} }
    const { snapshot } = await writeSnapshot(options, table.metadata, draft, { nowMs: 1 })
    expect(snapshot.summary).toMatchObject({
      operation: 'replace',
      'deleted-data-files': '2',
      'total-data-files': '1',
      'total-records': '2',
    })
    const big = { ...snapshot, 'snapshot-id': 2n ** 62n + 1n }
    expect(await options.catalog.change(table, { snapshot: big })).toMatchObject({ outcome: 'changed' })
  }

  async function compacted() {
    const store = createMemoryStore()
    const options = optionsFor(store)
    const chain = await openTestChain(store, 'orders')
    await commitParquet(store, chain, [rows(1), rows(1)])
    await syncTopic(options)
    const before = (await loaded(options)).metadata
    await compact(options)
    return { store, options, chain, before }
  }

  it('goes on behind what another engine compacted', async () => {
    const { store, options, chain } = await compacted()
    expect(await syncTopic(options)).toMatchObject({ files: 0 })
    await commitParquet(store, chain, [rows(1)])
    expect(await syncTopic(options)).toMatchObject({ files: 1 })
    expect(await namedKeys(options)).toEqual(['compacted.parquet', 'orders/0/0000000000000002-w.parquet'])
    const { metadata } = await loaded(options)
    expect(metadata.snapshots.at(-1)!['parent-snapshot-id']).toBe(2n ** 62n + 1n)
    expect(metadata.snapshots[1]!['snapshot-id']).toBe(2n ** 62n + 1n)
  })

  it('goes on where the snapshots that said so are expired', async () => {
    const { store, options, chain } = await compacted()
    const { metadata, version } = await loaded(options)
    const expired = { ...metadata, snapshots: metadata.snapshots.slice(-1) }
    await store.putIfAbsent(`_iceberg/lake/orders/metadata/v${version! + 1}.metadata.json`, Buffer.from(writeLongJson(expired)))
    await commitParquet(store, chain, [rows(1)])
    expect(await syncTopic(options)).toMatchObject({ files: 1 })
    expect(await namedKeys(options)).toHaveLength(2)
  })

  it('fills a table again that was set back', async () => {
    const { store, options, chain, before } = await compacted()
    await commitParquet(store, chain, [rows(1)])
    await syncTopic(options)
    const { metadata, version } = await loaded(options)
    const back = { ...metadata, refs: before.refs, 'current-snapshot-id': before['current-snapshot-id'] }
    await store.putIfAbsent(`_iceberg/lake/orders/metadata/v${version! + 1}.metadata.json`, Buffer.from(writeLongJson(back)))
    expect(await syncTopic(options)).toMatchObject({ files: 1 })
    expect(await namedKeys(options)).toEqual(['0', '1', '2'].map((digit) => `orders/0/000000000000000${digit}-w.parquet`))
  })

  it('tries again where only something else was changed meanwhile', async () => {
    const store = createMemoryStore()
    const options = optionsFor(store)
    await commitParquet(store, await openTestChain(store, 'orders'), [rows(1)])
    let disturbed = 0
    const catalog: Catalog = {
      ...options.catalog,
      async change(base, change, signal) {
        if (disturbed++ < 3) await options.catalog.change(base, { properties: { disturbed: String(disturbed) } })
        return options.catalog.change(base, change, signal)
      },
    }
    expect(await syncTopic({ ...options, catalog })).toMatchObject({ files: 1, snapshots: 1 })
    expect(await namedKeys(options)).toHaveLength(1)
    // What was written for nothing is gone.
    const listed = await Array.fromAsync(store.list('_iceberg/lake/orders/metadata/'))
    expect(listed.filter(({ key }) => key.endsWith('.avro'))).toHaveLength(2)
    disturbed = -1000
    await commitParquet(store, await openTestChain(store, 'orders'), [rows(1)])
    await expect(
      syncTopic({ ...options, catalog: { ...catalog, change: () => Promise.resolve({ outcome: 'conflict' }) } }),
    ).rejects.toMatchObject({
      code: 'TABLE_CONFLICT',
      retryable: true,
    })
  })
})

describe('syncTopic refuses', () => {
  const synced = async () => {
    const store = createMemoryStore()
    const options = optionsFor(store)
    const chain = await openTestChain(store, 'orders')
    await commitParquet(store, chain, [rows(2)])
    await syncTopic(options)
    return { store, options, chain }
  }

  it('the table of another topic', async () => {
    const { store, options } = await synced()
    await commitParquet(store, await openTestChain(store, 'others'), [rows(1)])
    await expect(syncTopic({ ...options, topic: 'others' })).rejects.toMatchObject({ code: 'TABLE_MISMATCH' })
  })
  it('the table of another archive', async () => {
    const { store, options } = await synced()
    const other = createMemoryStore()
    for await (const { key } of store.list('_iceberg/')) await other.put(key, await store.read(key))
    await expect(syncTopic(optionsFor(other))).rejects.toMatchObject({ code: 'TABLE_MISMATCH' })
    const chain = await openTestChain(other, 'orders')
    await commitParquet(other, chain, [rows(1)])
    await commitParquet(other, chain, [rows(2)])
    await expect(syncTopic({ ...options, ...optionsFor(other) })).resolves.toMatchObject({ files: 0 })
    await commitParquet(other, chain, [rows(2)])
    await expect(syncTopic(optionsFor(other))).rejects.toMatchObject({ code: 'CHAIN_BROKEN' })
  })
  it('a column that becomes another', async () => {
    const { store, options, chain } = await synced()
    await commitParquet(store, chain, [[column.text('n', ['x'])]])
    await expect(syncTopic(options)).rejects.toMatchObject({
      code: 'SCHEMA_CONFLICT',
      message: expect.stringContaining('column n'),
    })
    expect(await namedKeys(options)).toHaveLength(1)
  })
  it('to partition by a column that is not there, with the nearest that is', async () => {
    const { store, options, chain } = await synced()
    await commitParquet(store, chain, [rows(1)])
    await expect(syncTopic({ ...options, terms: terms('day(timestmap)') })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('did you mean timestamp?'),
    })
  })
  it('a segment that does not hold what its commit says', async () => {
    const { store, options, chain } = await synced()
    const [entry] = await commitParquet(store, chain, [rows(2)])
    for (const content of [Buffer.from('no Parquet'), Buffer.alloc(entry!.bytes)]) {
      await store.put(entry!.key, content)
      await expect(syncTopic(options)).rejects.toMatchObject({
        code: 'SEGMENT_CORRUPT',
        message: expect.stringContaining(entry!.key),
      })
    }
  })
  it('metadata that cannot be read, or is of another version', async () => {
    const { store, options } = await synced()
    const { version, metadata } = await loaded(options)
    const key = `_iceberg/lake/orders/metadata/v${version! + 1}.metadata.json`
    await store.put(key, Buffer.from(writeLongJson({ ...metadata, 'format-version': 3 })))
    await expect(syncTopic(options)).rejects.toMatchObject({ code: 'FORMAT_UNSUPPORTED' })
    for (const content of ['{', '[]', '{"format-version":2}']) {
      await store.put(key, Buffer.from(content))
      await expect(syncTopic(options)).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
    }
  })
})

describe('syncTopic by several at once, whose calls fail, come late or crash them', () => {
  it.each([0, 1])('names every segment once in the end (schedules of part %i)', async (part) => {
    for (let seed = part; seed < SCHEDULES; seed += 2) {
      const { named, archived } = await runSchedule(seed)
      expect(named, `seed ${seed}`).toEqual(archived)
    }
  })

  async function runSchedule(seed: number): Promise<{ readonly named: readonly string[]; readonly archived: readonly string[] }> {
    const simulation = createSimulation(seed)
    const { store, random } = simulation
    const plain = optionsFor(store)
    const chains = await Promise.all(['0', '1'].map((lane) => openTestChain(store, 'orders', lane)))
    await commitParquet(store, chains[0]!, [rows(1)])
    // Without compression nothing is waited for but the store.
    await syncTopic(plain)
    await plain.catalog.change(await loaded(plain), {
      properties: {
        'write.avro.compression-codec': 'uncompressed',
        'commit.manifest.min-count-to-merge': String(2 + Math.floor(random() * 5)),
      },
    })
    await compressNothing(plain)
    const commits = Array.from({ length: 3 + Math.floor(random() * 6) }, () => Math.floor(random() * 2))
    for (const lane of commits) await commitParquet(store, chains[lane]!, [rows(1 + Math.floor(random() * 2))])
    const followers = Array.from({ length: 2 + Math.floor(random() * 2) }, async () => {
      for (let ended = await simulation.start(follow); ended === 'crashed';) ended = await simulation.start(follow)
    })
    await Promise.all([simulation.run(), ...followers])
    simulation.heal()
    await syncTopic({ ...plain, batchFiles: 2 })
    const archived = (await Array.fromAsync(store.list('orders/'))).map(({ key }) => key).sort()
    return { named: await namedKeys(plain), archived }
  }

  /** Syncs until it is told that all is there, whatever the store says. */
  async function follow(store: Store): Promise<void> {
    for (;;) {
      try {
        await syncTopic(optionsFor(store, { batchFiles: 2 }))
        return
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^(STORE_UNAVAILABLE|TABLE_CONFLICT)$/u) })
      }
    }
  }

  /** Writes the newest snapshot again without compression, so that to read it takes no thread. */
  async function compressNothing(options: SyncOptions): Promise<void> {
    const table = await loaded(options)
    const { entries } = await contentOf(options.store, table.metadata)
    const files = entries.map(({ file }) => file)
    const summary = { 'millpond.positions': table.metadata.properties['millpond.positions']! }
    const draft = { added: [{ specId: 0, files }], removed: new Set<string>(), summary }
    const fresh = { ...table.metadata, refs: {}, 'current-snapshot-id': null }
    const { snapshot } = await writeSnapshot(options, fresh, draft, { nowMs: 1 })
    await options.catalog.change(table, { snapshot })
  }
})
