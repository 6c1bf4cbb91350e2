// Opens and closes each of `paths` at the same moment as all `threads` others do.
import { workerData } from 'node:worker_threads'
import { openIndexDatabase } from '../../src/adapters/sqlite/index-database.ts'

const { paths, arrived, threads } = workerData as { paths: readonly string[]; arrived: Int32Array; threads: number }
for (const [round, path] of paths.entries()) {
  Atomics.add(arrived, 0, 1)
  const limit = performance.now() + 10_000
  // Where one has failed, the others do not wait for it.
  while (Atomics.load(arrived, 0) < threads * (round + 1))
    if (performance.now() > limit) throw new Error('the others did not come')
  openIndexDatabase({ path }).close()
}
