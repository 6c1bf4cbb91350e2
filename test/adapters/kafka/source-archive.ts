import { randomBytes } from 'node:crypto'
import { runArchive } from '../../../src/archive.ts'
import type { ArchiveEvent, ArchiveOptions } from '../../../src/archive/options.ts'
import { messagesOf } from '../../../src/batch/view.ts'
import { findChains, readCommits } from '../../../src/commit/chain.ts'
import type { StoredCommit } from '../../../src/commit/commit.ts'
import { readStoredBlock } from '../../../src/encode/formats.ts'
import type { Sink } from '../../../src/sink/sink.ts'
import type { Source } from '../../../src/source/source.ts'
import type { Store } from '../../../src/store/store.ts'

const options: Omit<ArchiveOptions, 'writer'> = {
  format: 'avro',
  codec: 'zstandard',
  lookups: ['key'],
  blockBytes: 64 * 1024,
  rotate: { maxCount: 1_000_000, maxBytes: 1 << 30, maxSpanMs: Infinity, maxAgeMs: 500, idleMs: 50 },
  memoryBytes: 64 << 20,
  untilCaughtUp: false,
}

/** No test has a message that cannot be archived. */
const noDeadLetters: Sink = {
  name: 'none',
  write: () => Promise.reject(new Error('a message was to be dead-lettered')),
  async [Symbol.asyncDispose]() {},
}

export interface Archiver {
  readonly events: readonly ArchiveEvent[]
  /** Resolves when the run ended by itself. */
  readonly done: Promise<void>
  /** Commits what was read, leaves the group and closes the source. */
  stop(): Promise<void>
}

/** The way in, from this source into this store. */
export function startArchiver(source: Source, store: Store, changes: Partial<ArchiveOptions> = {}): Archiver {
  const events: ArchiveEvent[] = []
  const stopping = new AbortController()
  const parts = {
    source,
    store,
    deadLetters: noDeadLetters,
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    random: Math.random,
    randomBytes: (count: number) => randomBytes(count),
    onEvent: (event: ArchiveEvent) => void events.push(event),
  }
  const done = runArchive(parts, { ...options, writer: randomBytes(6).toString('hex'), ...changes }, stopping.signal)
  done.catch(() => undefined)
  return {
    events,
    done,
    async stop() {
      stopping.abort()
      try {
        await done
      } finally {
        await source[Symbol.asyncDispose]()
      }
    },
  }
}

/** Archives all that there is, once. */
export async function archiveOnce(source: Source, store: Store, changes: Partial<ArchiveOptions> = {}): Promise<Archiver> {
  const archiver = startArchiver(source, store, { untilCaughtUp: true, ...changes })
  await archiver.done
  await archiver.stop()
  return archiver
}

export interface ArchivedMessage {
  readonly topic: string
  readonly topicId: string
  readonly lane: string
  readonly position: number
  readonly key: string | null
  readonly value: string | null
}

export async function archivedCommits(store: Store): Promise<StoredCommit[]> {
  const commits: StoredCommit[] = []
  for await (const { folder } of findChains(store)) for await (const commit of readCommits(store, folder)) commits.push(commit)
  return commits
}

/** Every message of the archive, commit by commit, block by block. */
export async function archivedMessages(store: Store): Promise<ArchivedMessage[]> {
  const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString())
  const found: ArchivedMessage[] = []
  for (const { topic, topicId, lane, segments } of await archivedCommits(store)) {
    for (const segment of segments) {
      for (const block of segment.blocks) {
        const bytes = await store.read(segment.key, { start: block.offset, end: block.offset + block.bytes })
        for (const { position, key, value } of messagesOf(await readStoredBlock(segment, bytes))) {
          found.push({ topic, topicId, lane, position, key: text(key), value: text(value) })
        }
      }
    }
  }
  return found
}

export async function archivedCount(store: Store): Promise<number> {
  let count = 0
  for (const { segments } of await archivedCommits(store)) for (const segment of segments) count += segment.count
  return count
}
