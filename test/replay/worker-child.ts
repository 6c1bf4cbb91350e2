import { openFileStore } from '../../src/adapters/file/store.ts'
import { openKafkaSink } from '../../src/adapters/kafka/sink.ts'
import { openLocalLog } from '../../src/adapters/local/log.ts'
import { createLocalSink } from '../../src/adapters/local/sink.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import { runWorker } from '../../src/replay/worker.ts'
import type { Sink } from '../../src/sink/sink.ts'
import { places } from './replay-process.ts'

/** How long a part stays a worker's own after it was last heard of. */
const LEASE_MS = 1500

/** Works on the jobs of the folder until it is ended. Started by the kill tests as a process of its own. */
async function main(folder: string, bootstrap: string | undefined): Promise<void> {
  const at = places(folder)
  await using store = await openFileStore({ path: at.store })
  await using index = await openSqliteIndex({ path: at.index })
  await using jobs = await openSqliteJobs({ path: at.jobs })
  const openSink = async (): Promise<Sink> => {
    if (bootstrap !== undefined) return openKafkaSink({ brokers: [bootstrap], batchBytes: 4000, createTopics: false })
    return createLocalSink(await openLocalLog({ path: at.log }))
  }
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  const parts = { archive: { store, index }, jobs, nowMs: Date.now, leaseMs: LEASE_MS, tickMs: 20, partsAtOnce: 2, openSink }
  await runWorker(parts, stop.signal)
  process.exit(0)
}

if (import.meta.filename === process.argv[1]) await main(process.argv[2]!, process.argv[3])
