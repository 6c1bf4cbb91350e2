import { join } from 'node:path'
import { openFileSink } from '../../src/adapters/file/sink.ts'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { openLocalLog } from '../../src/adapters/local/log.ts'
import { createLocalSink } from '../../src/adapters/local/sink.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../src/adapters/sqlite/jobs.ts'
import { runReplay } from '../../src/replay/replay.ts'
import type { Sink } from '../../src/sink/sink.ts'

/** Where a process of the kill test finds things below its folder. */
export const places = (folder: string) => ({
  store: join(folder, 'archive'),
  index: join(folder, 'index.sqlite'),
  jobs: join(folder, 'jobs.sqlite'),
  log: join(folder, 'log.sqlite'),
  file: join(folder, 'out.jsonl'),
})

/** Runs job `job-1` of the folder to its end and prints what has become of it. Started by the kill test as a process of its own. */
async function main(folder: string): Promise<void> {
  const at = places(folder)
  await using store = await openFileStore({ path: at.store })
  await using index = await openSqliteIndex({ path: at.index })
  await using jobs = await openSqliteJobs({ path: at.jobs })
  const planned = (await jobs.get('job-1', Date.now()))!
  await using log = await openLocalLog({ path: at.log })
  const openSink = (): Promise<Sink> | Sink =>
    planned.target.kind === 'local'
      ? createLocalSink(log)
      : openFileSink({ path: at.file, format: 'json', ...(planned.startedMs === null ? {} : { resumeJob: planned.id }) })
  await using sink = await openSink()
  const leaseMs = 100
  const parts = { archive: { store, index }, sink, jobs, nowMs: Date.now, leaseMs, claimWithinMs: 10_000 }
  const { job } = await runReplay('job-1', parts, new AbortController().signal)
  process.stdout.write(JSON.stringify({ state: job.state, error: job.error, counts: job.counts }))
}

if (import.meta.filename === process.argv[1]) await main(process.argv[2]!)
