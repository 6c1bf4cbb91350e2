import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import type { Catalog } from '../../src/iceberg/catalog.ts'
import { writeLongJson } from '../../src/iceberg/long-json.ts'
import { writeSnapshot } from '../../src/iceberg/snapshot.ts'
import { type SyncOptions, syncTopic } from '../../src/iceberg/sync.ts'
import type { Store } from '../../src/store/store.ts'
import { createSimulation } from '../commit/simulation.ts'
import { commitParquet, openTestChain } from './parquet-archive.ts'
import { contentOf, loaded, namedKeys, optionsFor, root, rows } from './sync-scene.ts'

/** Of random schedules; 120 were run once. */
const SCHEDULES = 24

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
