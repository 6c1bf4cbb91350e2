import { createFileCatalog } from '../../src/iceberg/file-catalog.ts'
import type { LoadedTable } from '../../src/iceberg/catalog.ts'
import { decodeManifest } from '../../src/iceberg/manifest.ts'
import { decodeManifestList } from '../../src/iceberg/manifest-list.ts'
import { currentSnapshot, type TableMetadata } from '../../src/iceberg/metadata.ts'
import { partitionTypes } from '../../src/iceberg/partition.ts'
import { keyOf } from '../../src/iceberg/snapshot.ts'
import type { SyncOptions } from '../../src/iceberg/sync.ts'
import { parseTerm } from '../../src/iceberg/transform.ts'
import type { Store } from '../../src/store/store.ts'
import { column } from './parquet-archive.ts'

/** The address of the memory store's root. */
export const root = 'memory://pond'
const name = { namespace: ['lake'], name: 'orders' }
const location = `${root}/_iceberg/lake/orders`
/** Microseconds of a day. */
export const DAY = 86_400_000_000n
/** A file of some rows on a day. */
export const rows = (count: number, day = 0n) => [
  column.long(
    'n',
    Array.from({ length: count }, (_, i) => BigInt(i)),
  ),
  column.time(
    'timestamp',
    Array.from({ length: count }, (_, i) => day * DAY + BigInt(i)),
  ),
]

/** How the topic `orders` becomes a table. */
export function optionsFor(store: Store, more: Partial<SyncOptions> = {}): SyncOptions {
  const catalog = createFileCatalog({ store, root, prefix: '_iceberg/', nowMs: () => 1_000 })
  return { store, root, catalog, topic: 'orders', name, location, terms: [], nowMs: () => 1_000, ...more }
}

/** What a table is partitioned by. */
export const terms = (...texts: readonly string[]) => texts.map((text) => parseTerm(text)!)

/** All that the newest snapshot of the table names, and how. */
export async function contentOf(store: Store, metadata: TableMetadata) {
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

/** The table as it is now. */
export const loaded = async ({ catalog }: SyncOptions): Promise<LoadedTable> => (await catalog.load(name))!

/** Keys of the segments that the table names, in order. */
export async function namedKeys(options: SyncOptions): Promise<string[]> {
  const { entries } = await contentOf(options.store, (await loaded(options)).metadata)
  return entries.map(({ file }) => keyOf(options, file.path)).sort()
}
