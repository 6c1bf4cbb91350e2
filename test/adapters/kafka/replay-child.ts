import { join } from 'node:path'
import { openFileStore } from '../../../src/adapters/file/store.ts'
import { openKafkaSink } from '../../../src/adapters/kafka/sink.ts'
import { openSqliteIndex } from '../../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../../src/adapters/sqlite/jobs.ts'
import { runReplay } from '../../../src/replay/replay.ts'

/** Where the process finds things below its folder. */
export const places = (folder: string) => ({
  store: join(folder, 'archive'),
  index: join(folder, 'index.sqlite'),
  jobs: join(folder, 'jobs.sqlite'),
})

/** Runs job `job-1` of the folder into Kafka and prints what has become of it. Started by the fault test as a process of its own. */
async function main(folder: string, bootstrap: string): Promise<void> {
  const at = places(folder)
  await using store = await openFileStore({ path: at.store })
  await using index = await openSqliteIndex({ path: at.index })
  await using jobs = await openSqliteJobs({ path: at.jobs })
  await using sink = await openKafkaSink({ brokers: [bootstrap], codec: 'zstd', batchBytes: 4000, createTopics: false })
  const parts = { archive: { store, index }, sink, jobs, nowMs: Date.now, leaseMs: 100, claimWithinMs: 10_000 }
  const { job } = await runReplay('job-1', parts, new AbortController().signal)
  process.stdout.write(JSON.stringify({ state: job.state, error: job.error, counts: job.counts }))
}

if (import.meta.filename === process.argv[1]) await main(process.argv[2]!, process.argv[3]!)
