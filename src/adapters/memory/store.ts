import { MillpondError } from '../../errors.ts'
import { checkFolderPrefix, checkKey, checkPrefix, compareKeys } from '../../store/key.ts'
import { cutRange } from '../../store/range.ts'
import type { ListedObject, ObjectWriter, PutOutcome, Store } from '../../store/store.ts'

interface HeldObject {
  readonly bytes: Uint8Array
  readonly modifiedMs: number
}

/** A store in this process's memory, for tests and trials. It is gone with the process. */
export function createMemoryStore(): Store {
  const objects = new Map<string, HeldObject>()
  /** All keys, in order. */
  const keys: string[] = []

  const insert = (key: string, bytes: Uint8Array): void => {
    if (!objects.has(key)) keys.splice(firstAtLeast(keys, key), 0, key)
    objects.set(key, { bytes: bytes.slice(), modifiedMs: Date.now() })
  }
  const insertIfAbsent = (key: string, bytes: Uint8Array): PutOutcome => {
    if (objects.has(key)) return 'exists'
    insert(key, bytes)
    return 'created'
  }
  const begin = (key: string, signal: AbortSignal | undefined): void => {
    checkKey(key)
    signal?.throwIfAborted()
  }

  return {
    name: 'memory:',

    async put(key, bytes, signal) {
      begin(key, signal)
      insert(key, bytes)
    },

    async putIfAbsent(key, bytes, signal) {
      begin(key, signal)
      return insertIfAbsent(key, bytes)
    },

    async openWriter(key, signal) {
      begin(key, signal)
      return createMemoryWriter((bytes) => insertIfAbsent(key, bytes), signal)
    },

    async read(key, range, signal) {
      begin(key, signal)
      const held = objects.get(key)
      if (held === undefined)
        throw new MillpondError('OBJECT_MISSING', `there is no object "${key}" in memory`, { details: { key } })
      const { start, end } = cutRange(held.bytes.length, range)
      return held.bytes.slice(start, end)
    },

    async size(key, signal) {
      begin(key, signal)
      return objects.get(key)?.bytes.length
    },

    async *list(prefix, { after, limit = Infinity } = {}, signal): AsyncGenerator<ListedObject> {
      checkPrefix(prefix)
      let last = after
      for (let given = 0; given < limit; given++) {
        signal?.throwIfAborted()
        // Found anew each time: while the reader held the object before, others may have come and gone.
        const key = firstFrom(keys, prefix, last)
        const held = key?.startsWith(prefix) === true ? objects.get(key) : undefined
        if (key === undefined || held === undefined) return
        yield { key, bytes: held.bytes.length, modifiedMs: held.modifiedMs }
        last = key
      }
    },

    async *folders(prefix, signal): AsyncGenerator<string> {
      checkFolderPrefix(prefix)
      let at = firstAtLeast(keys, prefix)
      for (;;) {
        signal?.throwIfAborted()
        const key = keys[at]
        if (key?.startsWith(prefix) !== true) return
        const end = key.indexOf('/', prefix.length)
        if (end >= 0) yield key.slice(prefix.length, end)
        // "0" is the character behind "/": on to the first key behind all of this folder's.
        at = firstAtLeast(keys, end >= 0 ? `${key.slice(0, end)}0` : `${key}\0`)
      }
    },

    async delete(key, signal) {
      begin(key, signal)
      if (objects.delete(key)) keys.splice(firstAtLeast(keys, key), 1)
    },

    async [Symbol.asyncDispose]() {
      objects.clear()
      keys.length = 0
    },
  }
}

/** Where in the ordered `keys` the first one stands that is not before `key`. */
function firstAtLeast(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(keys[middle] ?? '', key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** The first key that is not before `prefix` and is behind `after`. */
function firstFrom(keys: readonly string[], prefix: string, after: string | undefined): string | undefined {
  if (after === undefined || compareKeys(after, prefix) < 0) return keys[firstAtLeast(keys, prefix)]
  const at = firstAtLeast(keys, after)
  return keys[at] === after ? keys[at + 1] : keys[at]
}

function createMemoryWriter(publish: (bytes: Uint8Array) => PutOutcome, signal: AbortSignal | undefined): ObjectWriter {
  const chunks: Uint8Array[] = []
  let outcome: PutOutcome | undefined
  let aborted = false

  let heldBytes = 0
  const drop = (): void => {
    chunks.length = 0
    heldBytes = 0
  }
  const check = (): void => {
    signal?.throwIfAborted()
    if (aborted) throw new MillpondError('STOPPED', 'the writer was aborted')
  }

  return {
    get heldBytes() {
      return heldBytes
    },
    async write(bytes) {
      if (outcome !== undefined) throw new MillpondError('INTERNAL', 'a write after the writer was finished')
      check()
      chunks.push(bytes.slice())
      heldBytes += bytes.length
    },
    async finish() {
      if (outcome !== undefined) return outcome
      check()
      outcome = publish(Buffer.concat(chunks))
      drop()
      return outcome
    },
    async abort() {
      aborted = true
      drop()
    },
  }
}
