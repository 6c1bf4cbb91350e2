import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import type { Format } from '../../src/encode/block.ts'
import { createFileCatalog } from '../../src/iceberg/file-catalog.ts'
import { decodeManifest } from '../../src/iceberg/manifest.ts'
import { decodeManifestList } from '../../src/iceberg/manifest-list.ts'
import { currentSnapshot } from '../../src/iceberg/metadata.ts'
import { partitionTypes } from '../../src/iceberg/partition.ts'
import { keyOf } from '../../src/iceberg/snapshot.ts'
import { type SyncOptions, syncTopic } from '../../src/iceberg/sync.ts'
import type { Store } from '../../src/store/store.ts'
import { archiver, messages } from '../archive/split-scene.ts'
import { seededRandom } from '../commit/simulation.ts'
import { compactAll, segmentsOf } from '../compact/scene.ts'
import { expireAll, forgetAll, keyOf as subjectOf } from '../expire/scene.ts'
import { createMemorySource } from '../live/memory-source.ts'

const root = 'memory://pond'
const name = { namespace: ['lake'], name: 'orders' }

function optionsFor(store: Store): SyncOptions {
  const catalog = createFileCatalog({ store, root, prefix: '_iceberg/', nowMs: () => 1_000 })
  return {
    store,
    root,
    catalog,
    topic: 'orders',
    name,
    location: `${root}/_iceberg/lake/orders`,
    terms: [],
    seen: new Map(),
    rewrites: new Map(),
  }
}

/** What the newest snapshot says of itself, and the keys of the segments that it names. */
async function tableOf(options: SyncOptions) {
  const { metadata } = (await options.catalog.load(name))!
  const snapshot = currentSnapshot(metadata)!
  const read = (address: string) => options.store.read(keyOf({ root }, address))
  const keys: string[] = []
  for (const { path, specId } of await decodeManifestList(await read(snapshot['manifest-list']), 'list')) {
    const spec = metadata['partition-specs'].find((one) => one['spec-id'] === specId)!
    for (const { status, file } of await decodeManifest(await read(path), path, {
      spec,
      types: partitionTypes(spec, metadata.schemas),
    }))
      if (status !== 'deleted') keys.push(keyOf({ root }, file.path))
  }
  return { keys: keys.sort(), summary: snapshot.summary }
}

/** A topic of two lanes that messages come to, each time in commits of 20 in the same format. */
function openTopic(store: Store) {
  let next = 0
  return {
    async grow(count: number, format: Format): Promise<void> {
      next += count
      // A source gives its lanes to one archiver.
      const source = createMemorySource('orders')
      for (const lane of ['0', '1']) source.produce(lane, messages(0, next))
      const rotate = { maxCount: 20, maxBytes: 1 << 30, maxSpanMs: Infinity, maxAgeMs: 1e9, idleMs: 1e9 }
      await archiver(source).run(store, { format, rotate, lookups: [], writer: `w${next}` })
    },
  }
}

const parquetKeys = async (store: Store): Promise<string[]> => {
  const all = [...(await segmentsOf(store)), ...(await segmentsOf(store, 'orders/1'))]
  return all.flatMap(({ key, format }) => (format === 'parquet' ? [key] : [])).sort()
}

describe('a table of a topic that is compacted', () => {
  it('names new files for old ones in one snapshot, which replaces them', async () => {
    const store = createMemoryStore()
    const [topic, options] = [openTopic(store), optionsFor(store)]
    await topic.grow(100, 'parquet')
    await syncTopic(options)
    const before = await tableOf(options)
    expect(before.keys.length).toBeGreaterThan(20)
    await compactAll(store)
    expect(await syncTopic(options)).toMatchObject({ snapshots: 1, files: 6, replaced: before.keys.length, rows: 200 })
    const after = await tableOf(options)
    expect(after.keys).toEqual(await parquetKeys(store))
    expect(after.summary).toMatchObject({
      operation: 'replace',
      'total-records': '200',
      'total-data-files': '6',
      'millpond.rewrites': '{"orders/0":1,"orders/1":1}',
    })
    expect(await syncTopic(options)).toMatchObject({ snapshots: 0 })
  })

  it('gets what was converted into Parquet, and loses what is converted into something else', async () => {
    const store = createMemoryStore()
    const [topic, options] = [openTopic(store), optionsFor(store)]
    await topic.grow(60, 'avro')
    expect(await syncTopic(options)).toMatchObject({ metadata: undefined })
    await topic.grow(40, 'parquet')
    await syncTopic(options)
    await compactAll(store, { format: 'parquet' })
    await syncTopic(options)
    expect(await tableOf(options)).toMatchObject({ keys: await parquetKeys(store), summary: { 'total-records': '200' } })
    await compactAll(store, { format: 'avro' })
    await syncTopic(options)
    expect(await tableOf(options)).toMatchObject({ keys: [], summary: { 'total-records': '0' } })
  })

  it('loses what expires in a snapshot that deletes, and gets what is written anew without who is forgotten', async () => {
    const store = createMemoryStore()
    const [topic, options] = [openTopic(store), optionsFor(store)]
    await topic.grow(100, 'parquet')
    await syncTopic(options)
    const before = await tableOf(options)
    await expireAll(store, { beforePosition: 60 })
    const kept = await parquetKeys(store)
    expect(kept.length).toBeLessThan(before.keys.length)
    const gone = before.keys.length - kept.length
    expect(await syncTopic(options)).toMatchObject({ snapshots: 1, files: 0, rows: 0, replaced: gone })
    const expired = await tableOf(options)
    expect(expired.keys).toEqual(kept)
    expect(expired.summary).toMatchObject({ operation: 'delete', 'deleted-data-files': String(gone) })
    await forgetAll(store, [subjectOf(messages(80, 81)[0]!.key as string)])
    expect(await syncTopic(options)).toMatchObject({ snapshots: 1, files: 2, replaced: 2 })
    const forgotten = await tableOf(options)
    expect(forgotten.keys).toEqual(await parquetKeys(store))
    expect(forgotten.summary).toMatchObject({
      operation: 'overwrite',
      'total-records': String(Number(expired.summary['total-records']) - 2),
    })
  })

  it('holds what the archive holds, in whatever order there is archiving, compacting, removing and syncing', async () => {
    for (let seed = 0; seed < 8; seed++) {
      const random = seededRandom(seed)
      const store = createMemoryStore()
      const topic = openTopic(store)
      // One forgets what it saw, as another process would.
      const some = [optionsFor(store), optionsFor(store)]
      for (let step = 0; step < 10; step++) {
        const options = some[Math.floor(random() * 2)]!
        const act = random()
        if (act < 0.4) await topic.grow(10 + Math.floor(random() * 30), random() < 0.7 ? 'parquet' : 'avro')
        else if (act < 0.6) await compactAll(store, random() < 0.5 ? {} : { format: random() < 0.8 ? 'parquet' : 'avro' })
        else if (act < 0.65) await expireAll(store, { beforePosition: Math.floor(random() * 30) })
        else if (act < 0.7) await forgetAll(store, [subjectOf(messages(step, step + 1)[0]!.key as string)])
        else await syncTopic(options)
      }
      await topic.grow(30, 'parquet')
      for (const options of some) await syncTopic(options)
      expect((await tableOf(some[0]!)).keys, `seed ${seed}`).toEqual(await parquetKeys(store))
    }
  }, 240_000)
})
