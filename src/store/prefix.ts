import { checkFolderPrefix } from './key.ts'
import type { Store } from './store.ts'

/**
 * The part of a store below a folder: keys are given and told without it. `prefix` ends in `/`, or is empty for the whole store.
 * @throws MillpondError `KEY_INVALID` for a prefix that is no folder's.
 */
export function withPrefix(store: Store, prefix: string): Store {
  checkFolderPrefix(prefix)
  if (prefix === '') return store
  return {
    ...store,
    name: `${store.name}${store.name.endsWith('/') ? '' : '/'}${prefix}`,
    put: (key, bytes, signal) => store.put(prefix + key, bytes, signal),
    putIfAbsent: (key, bytes, signal) => store.putIfAbsent(prefix + key, bytes, signal),
    openWriter: (key, signal) => store.openWriter(prefix + key, signal),
    read: (key, range, signal) => store.read(prefix + key, range, signal),
    size: (key, signal) => store.size(prefix + key, signal),
    async *list(below, { after, ...options } = {}, signal) {
      const whole = after === undefined ? options : { ...options, after: prefix + after }
      for await (const object of store.list(prefix + below, whole, signal)) {
        yield { ...object, key: object.key.slice(prefix.length) }
      }
    },
    folders: (below, signal) => store.folders(prefix + below, signal),
    delete: (key, signal) => store.delete(prefix + key, signal),
  }
}
