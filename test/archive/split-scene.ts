import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { runArchive } from '../../src/archive.ts'
import type { ArchiveEvent, ArchiveOptions, ArchiveParts } from '../../src/archive/options.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { findChains, readCommits } from '../../src/commit/chain.ts'
import type { StoredCommit } from '../../src/commit/commit.ts'
import { readAvroFile } from '../../src/encode/avro-file.ts'
import type { Layout } from '../../src/layout/layout.ts'
import type { Sink } from '../../src/sink/sink.ts'
import type { Store } from '../../src/store/store.ts'

const decoder = new TextDecoder()

/** A layout of fixed names: `<topic>/<key's first letter>/<lane>+<first position>.avro`; a key that begins with `!` has no path, one with `?` is left out. */
export const byKey: Layout = {
  name: 'by key',
  isUnique: false,
  isWhole: false,
  fields: [],
  usesSchemas: false,
  openLane: ({ topic, lane }) => ({
    assign(batch) {
      const paths: { id: string; values: Record<string, string> }[] = []
      const pathless: { row: number; reason: string }[] = []
      const pathOf = Int32Array.from({ length: batch.count }, (_, row) => {
        const start = batch.keyStart[row]!
        const letter = start < 0 ? 'null' : decoder.decode(batch.bytes.subarray(start, start + 1))
        if (letter === '?') return -1
        if (letter === '!') {
          pathless.push({ row, reason: 'its key has no letter' })
          return -1
        }
        const known = paths.findIndex(({ id }) => id === letter)
        return known >= 0 ? known : paths.push({ id: letter, values: { letter } }) - 1
      })
      return { paths, pathOf, pathless }
    },
    objectKey: ({ id }, { position }, extension, sibling) =>
      `${topic}/${id}/${lane}+${String(position).padStart(6, '0')}.${sibling === undefined ? '' : `${sibling}.`}${extension}`,
  }),
}

export const options: ArchiveOptions = {
  format: 'avro',
  layout: byKey,
  codec: 'zstandard',
  lookups: ['key'],
  blockBytes: 4096,
  rotate: { maxCount: 1_000_000, maxBytes: 1 << 30, maxSpanMs: Infinity, maxAgeMs: 3_600_000, idleMs: 3_600_000 },
  memoryBytes: 64 << 20,
  writer: 'w1',
  untilCaughtUp: true,
}

/** Messages of a lane whose keys begin with one of `letters`, by turns that a hash of the position decides. */
export const messages = (from: number, to: number, letters = 'abc', bytes = 20): MessageInput[] =>
  Array.from({ length: to - from }, (_, i) => ({
    position: from + i,
    timestamp: 1_700_000_000_000 + (from + i) * 1000,
    key: `${letters[((from + i) * 7919) % letters.length]}-${from + i}`,
    value: `${from + i}:`.padEnd(bytes, 'x'),
  }))

/** Runs archivers over one source. */
export function archiver(source: ArchiveParts['source'], events: ArchiveEvent[] = []) {
  const buried: { position: number; reason: string }[] = []
  const deadLetters: Sink = {
    name: 'kept',
    async write(_target, batch) {
      for (const { position, headers } of messagesOf(batch))
        buried.push({ position, reason: decoder.decode(headers.at(-1)!.value ?? undefined) })
      return { delivered: batch.count, failed: [] }
    },
    async [Symbol.asyncDispose]() {},
  }
  return {
    events,
    buried,
    run: (store: Store, changes: Partial<ArchiveOptions> = {}, parts: Partial<ArchiveParts> = {}, stop = new AbortController()) =>
      runArchive(
        {
          source,
          store,
          deadLetters,
          nowMs: () => Date.now(),
          monotonicMs: () => performance.now(),
          random: () => 0,
          randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
          onEvent: (event) => events.push(event),
          ...parts,
        },
        { ...options, ...changes },
        stop.signal,
      ),
  }
}

export const openStore = (): Store => createMemoryStore()

/** Keys of data objects, as anybody who lists the store finds them. */
export async function listed(store: Store): Promise<string[]> {
  const keys = await Array.fromAsync(store.list(''), ({ key }) => key)
  return keys.filter((key) => !key.startsWith('_millpond/'))
}

/** What lies in the objects that a listing finds: positions by object. */
export async function positionsByObject(store: Store): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = {}
  for (const key of await listed(store)) {
    const size = await store.size(key)
    const batches = await Array.fromAsync(readAvroFile((range) => store.read(key, range), size!))
    found[key] = batches.flatMap(({ positions }) => [...positions])
  }
  return found
}

export async function commitsOf(store: Store): Promise<StoredCommit[]> {
  const commits: StoredCommit[] = []
  for await (const { folder } of findChains(store)) for await (const commit of readCommits(store, folder)) commits.push(commit)
  return commits
}
