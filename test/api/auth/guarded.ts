import { createLocalInlet } from '../../../src/adapters/local/inlet.ts'
import type { LocalLog } from '../../../src/adapters/local/log.ts'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../../src/adapters/sqlite/jobs.ts'
import { openSafety, type Safety } from '../../../src/api/auth/safety.ts'
import { createMetrics, type Metrics } from '../../../src/api/metrics.ts'
import { createReadiness, type Readiness } from '../../../src/api/readiness.ts'
import { createSearchArchive } from '../../../src/api/search/archive.ts'
import { createServer } from '../../../src/api/server.ts'
import { checkConfig } from '../../../src/config/load.ts'
import type { MillpondError } from '../../../src/errors.ts'
import { findFunction } from '../../../src/wiring/functions.ts'

/** A server with what stands in front of it, not listening. */
export interface Guarded extends AsyncDisposable {
  readonly server: ReturnType<typeof createServer>
  readonly safety: Safety
  readonly metrics: Metrics
  readonly readiness: Readiness
  /** What an operator was told. */
  readonly news: string[]
  readonly errors: { readonly error: MillpondError; readonly requestId: string }[]
}

/** Limits of its search. */
export const SEARCH_LIMITS = {
  maxBytes: 1024 * 1024,
  maxMessages: 1000,
  maxPageMessages: 1000,
  maxTimeMs: 60_000,
  maxSearches: 10,
  maxSearchesPerCaller: 10,
}

/** A server over the log, with an empty archive, with the section `http` of a configuration; it lies in `folder`. */
export async function guarded(log: LocalLog, folder: string, http: object): Promise<Guarded> {
  const surroundings = { env: {}, readFile: () => Promise.reject(new Error('no file')) }
  const { config } = await checkConfig(JSON.stringify({ http }), { file: undefined, folder }, surroundings)
  const metrics = createMetrics()
  const readiness = createReadiness()
  const news: string[] = []
  const errors: { error: MillpondError; requestId: string }[] = []
  const safety = await openSafety(config.http, { metrics, readiness, onNews: (level, text) => news.push(`${level}: ${text}`) })
  const { maxBodyBytes, maxMessageBytes, maxConnections, requestTimeoutMs } = config.http
  const inlet = createLocalInlet(log)
  const index = await openSqliteIndex({ path: ':memory:' })
  const jobs = await openSqliteJobs({ path: ':memory:' })
  const archive = createSearchArchive({ store: createMemoryStore(), index, registry: undefined }, { cacheBytes: 1024 * 1024 })
  const server = createServer(
    {
      append: (...given) => inlet.append(...given),
      directory: inlet,
      search: { archive, limits: SEARCH_LIMITS },
      jobs: {
        jobs,
        index,
        source: { kind: 'local', archives: () => false },
        findFunction: (name) => findFunction(folder, name),
      },
      readiness,
      metrics,
      observe: () => Promise.resolve(),
      nowMs: Date.now,
      onError: (error, requestId) => errors.push({ error, requestId }),
    },
    { maxBodyBytes, maxMessageBytes, maxConnections, requestTimeoutMs, safety },
  )
  return {
    server,
    safety,
    metrics,
    readiness,
    news,
    errors,
    async [Symbol.asyncDispose]() {
      await server.close()
      await safety[Symbol.asyncDispose]()
      await index[Symbol.asyncDispose]()
      await jobs[Symbol.asyncDispose]()
    },
  }
}
