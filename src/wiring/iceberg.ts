import type { Config } from '../config/config.ts'
import type { Catalog } from '../iceberg/catalog.ts'
import type { Store } from '../store/store.ts'

/** Opens what knows the Iceberg tables over the store; `root` is the store's address. */
export async function openIcebergCatalog(
  { iceberg }: Config,
  store: Store,
  root: string,
  signal?: AbortSignal,
): Promise<Catalog> {
  if (iceberg.catalog === 'rest') {
    const { openRestCatalog } = await import('../adapters/iceberg-rest/catalog.ts')
    return openRestCatalog(iceberg.rest, signal)
  }
  const { createFileCatalog } = await import('../iceberg/file-catalog.ts')
  return createFileCatalog({ store, root, prefix: iceberg.prefix, nowMs: Date.now })
}
