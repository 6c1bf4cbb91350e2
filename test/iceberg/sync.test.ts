import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { decodeManifestList } from '../../src/iceberg/manifest-list.ts'
import { currentSnapshot, type TableMetadata } from '../../src/iceberg/metadata.ts'
import { keyOf } from '../../src/iceberg/snapshot.ts'
import { syncTopic } from '../../src/iceberg/sync.ts'
import type { Store } from '../../src/store/store.ts'
import { draftOf } from '../commit/drafts.ts'
import { column, commitParquet, openTestChain } from './parquet-archive.ts'
import { contentOf, DAY, loaded, namedKeys, optionsFor, root, rows, terms } from './sync-scene.ts'

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
