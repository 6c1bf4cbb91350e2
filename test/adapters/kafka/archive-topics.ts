import { randomBytes } from 'node:crypto'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { openKafkaSource } from '../../../src/adapters/kafka/source.ts'
import { openSqliteIndex } from '../../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../../src/adapters/sqlite/jobs.ts'
import { createCountSink } from '../../../src/adapters/count/sink.ts'
import { runArchive } from '../../../src/archive.ts'
import type { Format } from '../../../src/encode/block.ts'
import { followChains } from '../../../src/index/follow.ts'
import type { SegmentIndex } from '../../../src/index/segment-index.ts'
import type { JobStore } from '../../../src/replay/jobs.ts'
import type { Store } from '../../../src/store/store.ts'

/** An archive in memory. */
export interface MemoryArchive extends AsyncDisposable {
  readonly store: Store
  readonly index: SegmentIndex
  readonly jobs: JobStore
}

export async function openMemoryArchive(): Promise<MemoryArchive> {
  const index = await openSqliteIndex({ path: ':memory:' })
  const jobs = await openSqliteJobs({ path: ':memory:' })
  return {
    store: createMemoryStore(),
    index,
    jobs,
    async [Symbol.asyncDispose]() {
      await index[Symbol.asyncDispose]()
      await jobs[Symbol.asyncDispose]()
    },
  }
}

/** Archives what the topics hold now, in small blocks, segments and commits. */
export async function archiveTopics(
  brokers: readonly string[],
  { store, index }: MemoryArchive,
  topics: readonly string[],
  format: Format = 'avro',
): Promise<void> {
  await using source = await openKafkaSource({ brokers, topics, group: `archive-${randomBytes(4).toString('hex')}` })
  const parts = {
    source,
    store,
    deadLetters: createCountSink(),
    nowMs: Date.now,
    monotonicMs: () => performance.now(),
    random: Math.random,
    randomBytes: (count: number) => new Uint8Array(randomBytes(count)),
  }
  const options = {
    format,
    codec: 'zstandard' as const,
    lookups: [],
    blockBytes: 2000,
    rotate: { maxCount: 300, maxBytes: 10_000_000, maxSpanMs: Infinity, maxAgeMs: 200, idleMs: 200 },
    memoryBytes: 64 * 1024 * 1024,
    writer: randomBytes(6).toString('hex'),
    untilCaughtUp: true,
  }
  await runArchive(parts, options, new AbortController().signal)
  await followChains(store, index)
}
