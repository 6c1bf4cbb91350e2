import type { Config } from '../../config/config.ts'
import { MillpondError } from '../../errors.ts'
import { gateFor, waysOf } from '../auth/safety.ts'
import { createMetrics } from '../metrics.ts'
import { createReadiness } from '../readiness.ts'
import { createServer, type ServerParts } from '../server.ts'
import type { OpenApiDocument } from './document.ts'

const nothing = (): never => {
  throw new MillpondError('INTERNAL', 'a server that is only described was asked to do something')
}

/** Stands for a part of which nothing is asked: what is read of it is the same again, and to call it is a defect. */
const absent: never = new Proxy(nothing, { get: () => absent }) as never

/** Behind the server there is nothing: it is there for its routes. */
function emptyParts({ search }: Config): ServerParts {
  return {
    append: nothing,
    directory: absent,
    search: { archive: absent, limits: search },
    jobs: { jobs: absent, index: absent, source: absent, findFunction: nothing },
    readiness: createReadiness(),
    metrics: createMetrics(),
    observe: nothing,
    nowMs: Date.now,
    onError: nothing,
  }
}

/** What a service with this configuration would answer at `/openapi.json`; nothing is opened, and nothing listens. */
export async function describeOffline(config: Config, version: string): Promise<OpenApiDocument> {
  const { openProbes, maxBodyBytes, maxMessageBytes, maxConnections, requestTimeoutMs } = config.http
  const gate = { ...gateFor(undefined), ways: waysOf(config.http), openProbes }
  const safety = { gate, tls: undefined }
  const limits = { maxBodyBytes, maxMessageBytes, maxConnections, requestTimeoutMs }
  await using server = createServer(emptyParts(config), { ...limits, safety, version })
  const answer = await server.inject('/openapi.json')
  return answer.json<OpenApiDocument>()
}
