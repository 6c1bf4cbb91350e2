import { createLocalInlet } from '../../../src/adapters/local/inlet.ts'
import type { LocalLog } from '../../../src/adapters/local/log.ts'
import { openSafety, type Safety } from '../../../src/api/auth/safety.ts'
import { createMetrics, type Metrics } from '../../../src/api/metrics.ts'
import { createReadiness, type Readiness } from '../../../src/api/readiness.ts'
import { createServer } from '../../../src/api/server.ts'
import { checkConfig } from '../../../src/config/load.ts'
import type { MillpondError } from '../../../src/errors.ts'

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

/** A server over the log with the section `http` of a configuration; it lies in `folder`. */
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
  const server = createServer(
    {
      append: (...given) => inlet.append(...given),
      directory: inlet,
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
    },
  }
}
