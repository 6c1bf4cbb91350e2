import type { IncomingMessage } from 'node:http'
import { fastify, type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Config } from '../../config/config.ts'
import type { DataphosServerConfig } from '../../config/dataphos-config.ts'
import type { JobStore } from '../../replay/jobs.ts'
import { createSliceCache } from '../../search/slice-cache.ts'
import type { Archive } from '../../search/read.ts'
import { openReplaySink } from '../../wiring.ts'
import { replaySource } from '../../wiring/replay.ts'
import { requestError } from '../answer.ts'
import { answerBroken } from '../auth/broken-request.ts'
import { guard } from '../auth/guard.ts'
import { requestIdOf } from '../auth/request-id.ts'
import { requireKeysFor, type Safety } from '../auth/safety.ts'
import { loadTls, tlsOptions } from '../auth/tls.ts'
import { createBodyReader } from '../body.ts'
import { closeServer, listen } from '../server.ts'
import { answer, type Serving } from './answer.ts'
import { addIndexerApi } from './indexer-api.ts'
import { createLocations } from './location.ts'
import type { ResubmissionParts } from './resubmission.ts'
import { addResubmitterApi } from './resubmitter-api.ts'
import { createIndexView } from './view.ts'

/** What the interfaces of Dataphos run on; whoever opened it closes it. */
export interface DataphosParts {
  readonly archive: Archive
  readonly jobs: JobStore
  readonly logger: Logger
  /** Who is let in. */
  readonly safety: Pick<Safety, 'gate' | 'tls' | 'keep'>
  /** Opens where resubmitted messages go; what the configuration names unless given. */
  readonly openSink?: ResubmissionParts['openSink']
}

/** Which of the interfaces are to run. */
export type DataphosInterfaces = 'both' | 'indexer' | 'resubmitter'

/** The interfaces as they listen. */
export interface DataphosServers extends AsyncDisposable {
  readonly indexerUrl: string | undefined
  readonly resubmitterUrl: string | undefined
}

const CLOSE_WITHIN_MS = 15_000
const MAX_PARAMETER_CHARACTERS = 3 * 1024

/**
 * Listens with the Indexer API and the Resubmitter of Dataphos over an archive. Closing waits for the requests that are under way; their replays are
 * interrupted and can go on.
 * @throws MillpondError `ADDRESS_IN_USE`; `CONFIG_INVALID` where others than this machine could reach an address and nothing asks who they are.
 */
export async function startDataphos(
  config: Config,
  { archive, jobs, logger, safety, openSink = (job, lanes) => openReplaySink(config, job, lanes) }: DataphosParts,
  which: DataphosInterfaces = 'both',
): Promise<DataphosServers> {
  await using opened = new AsyncDisposableStack()
  const { dataphos } = config
  const stopping = new AbortController()
  const keeping: Promise<void>[] = []
  const serving: Serving = {
    view: createIndexView({
      archive: { ...archive, slices: archive.slices ?? createSliceCache() },
      brokerIds: dataphos.brokerIds,
      locationKey: createLocations(config),
    }),
    collections: dataphos.collections,
    nowMs: Date.now,
    onError: (error) => logger.error({ err: error, code: error.code }, 'a request of Dataphos failed'),
  }
  const start = async (address: DataphosServerConfig, add: (server: FastifyInstance) => void): Promise<string> => {
    requireKeysFor({ ...config.http, host: address.host })
    const server = await createServer(config, address, { serving, safety })
    add(server)
    opened.defer(() => closeServer(server, CLOSE_WITHIN_MS))
    keeping.push(safety.keep(server, stopping.signal))
    return listen(server, address)
  }
  const indexerUrl =
    which === 'resubmitter' ? undefined : await start(dataphos.indexer, (server) => addIndexerApi(server, serving))
  const resubmitterUrl =
    which === 'indexer'
      ? undefined
      : await start(dataphos.resubmitter, (server) =>
          addResubmitterApi(server, {
            serving,
            parts: {
              archive: serving.view.archive,
              jobs,
              openSink,
              source: replaySource(config),
              nowMs: Date.now,
              signal: stopping.signal,
            },
            kind: dataphos.target === 'source' ? config.source.type : dataphos.target,
            marks: dataphos.marks,
            allowLoop: dataphos.allowLoop,
            defaultTopic: dataphos.defaultTopic,
            maxAtOnce: dataphos.maxResubmissions,
          }),
        )
  const kept = opened.move()
  return {
    indexerUrl,
    resubmitterUrl,
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await kept.disposeAsync()
      await Promise.allSettled(keeping)
    },
  }
}

/** What a server is made with. */
interface ServerParts {
  readonly serving: Serving
  readonly safety: Pick<Safety, 'gate' | 'tls'>
}

/** A server that answers what it does not know as gin does, and reads bodies within the limits of `http`. */
async function createServer(
  config: Config,
  { tls, headerTimeoutMs }: DataphosServerConfig,
  { serving, safety }: ServerParts,
): Promise<FastifyInstance> {
  const { maxBodyBytes, maxConnections, requestTimeoutMs } = config.http
  const limits = {
    headersTimeout: headerTimeoutMs,
    // How late a slow request is noticed.
    connectionsCheckingInterval: Math.max(100, Math.min(headerTimeoutMs, 30_000)),
  }
  const used = tls === undefined ? safety.tls : await loadTls({ ...OWN_TLS, certFile: tls.certificateFile, keyFile: tls.keyFile })
  const server = fastify({
    logger: false,
    bodyLimit: maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAMETER_CHARACTERS, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    exposeHeadRoutes: false,
    genReqId: ({ headers }: IncomingMessage) => requestIdOf(headers),
    clientErrorHandler: answerBroken,
    ...(used === undefined ? { http: limits } : { https: { ...limits, ...tlsOptions(used) } }),
  })
  server.server.maxConnections = maxConnections
  guard(server, safety.gate)
  const bodies = createBodyReader({ maxBodyBytes, maxHeldBytes: Math.max(256 * 1024 * 1024, 2 * maxBodyBytes) })
  server.removeAllContentTypeParsers()
  // Bodies are read as JSON whatever they are called; Fastify would refuse what is no name of a type.
  server.addHook('onRequest', (request, _reply, done) => {
    if (request.raw.headers['content-type'] !== undefined) request.raw.headers['content-type'] = 'application/json'
    done()
  })
  server.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
    const body = await bodies.read(request.headers, payload)
    const kept = Buffer.from(body)
    bodies.release(body)
    return kept
  })
  server.setNotFoundHandler((_request, reply) => answer(reply, 404, '404 page not found', 'text/plain'))
  server.setErrorHandler((error, _request, reply) => {
    const known = requestError(error)
    if (known.httpStatus >= 500) serving.onError(known)
    return answer(reply, known.httpStatus, { error: known.message, message: known.code })
  })
  return server
}

/** What a certificate of an interface alone does not say. */
const OWN_TLS = {
  passphrase: undefined,
  caFile: undefined,
  clientCertificates: 'request',
  minVersion: 'TLSv1.2',
  reloadMs: 60_000,
} as const
