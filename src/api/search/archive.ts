import { createArchivedValues } from '../../schemas/archived-values.ts'
import type { Archive } from '../../search/read.ts'
import { createSliceCache } from '../../search/slice-cache.ts'
import type { SchemaRegistry } from '../../values/schema-registry.ts'

/** The archive as a service reads it: parts of filters are kept, and values of registered schemas are read. */
export function createSearchArchive(
  { store, index, registry }: Pick<Archive, 'store' | 'index'> & { readonly registry: SchemaRegistry | undefined },
  { cacheBytes }: { readonly cacheBytes: number },
): Archive {
  return {
    store,
    index,
    slices: createSliceCache(cacheBytes),
    values: createArchivedValues(store, { nowMs: Date.now, registry }),
  }
}
