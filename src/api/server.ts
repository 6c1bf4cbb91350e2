import type { IncomingMessage } from 'node:http'
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { InletAppendOptions, Taken, TopicDirectory } from '../sink/inlet.ts'
import type { SchemaRegistry } from '../values/schema-registry.ts'
import { errorJson, requestError, takenJson } from './answer.ts'
import { noteForAudit } from './auth/audit.ts'
import { answerBroken } from './auth/broken-request.ts'
import { dress, type Gate, guard } from './auth/guard.ts'
import { requestIdOf } from './auth/request-id.ts'
import { routesOf } from './auth/route-access.ts'
import { gateFor, type Safety } from './auth/safety.ts'
import { tlsOptions } from './auth/tls.ts'
import { type BodyReader, createBodyReader } from './body.ts'
import { decodeMessages } from './decode.ts'
import { addJobs, type JobsParts } from './jobs/routes.ts'
import { addSchedules } from './jobs/schedule-routes.ts'
import { addKafkaRest, isOfRestClient, sendError } from './kafka-rest/routes.ts'
import { methodsAt } from './methods.ts'
import type { Metrics } from './metrics.ts'
import { describeInterface } from './openapi/document.ts'
import { describedParts } from './openapi/parts.ts'
import type { Readiness } from './readiness.ts'
import { addSearch, type SearchParts } from './search/routes.ts'

/** What the server needs of the program. */
export interface ServerParts {
  /** Takes a batch, all or nothing unless it may be taken in part, and resolves when it is durable. */
  append(topic: string, batch: MessageBatch, options: InletAppendOptions): Promise<Taken>
  /** What the calls of Kafka's REST proxy tell of topics. */
  readonly directory: TopicDirectory
  /** Schemas of keys and values that come by those calls. */
  readonly registry?: SchemaRegistry
  /** What is searched, where there is something. */
  readonly search?: Pick<SearchParts, 'archive' | 'limits'>
  /** Replay jobs over HTTP. */
  readonly jobs?: Pick<JobsParts, 'jobs' | 'index' | 'source' | 'findFunction'>
  readonly readiness: Readiness
  readonly metrics: Metrics
  /** Brings the gauges up to date before metrics are read. */
  observe(): Promise<void>
  readonly nowMs: () => number
  /** Told of errors that are defects, or that this side has to look after. */
  onError(error: MillpondError, requestId: string): void
}

export interface ServerOptions {
  /** Of the program, for the description of the interface. */
  readonly version?: string
  /** Who is let in. */
  readonly safety?: Pick<Safety, 'gate' | 'tls'>
  /** In its place: a key that may do everything, or undefined for a service that asks nobody who it is. */
  readonly token?: string | undefined
  readonly maxBodyBytes: number
  readonly maxMessageBytes: number
  /** What requests that are under way may hold together; enough for a few of the largest where it is left out. */
  readonly maxHeldBytes?: number
  readonly maxConnections: number
  readonly requestTimeoutMs: number
}

const JSON_TYPE = 'application/json; charset=utf-8'
/** Requests with so many messages are told each one's position. */
const SMALL_COUNT = 100
const KEEP_ALIVE_MS = 65_000
const MAX_HEADER_BYTES = 64 * 1024
/** A topic's name of 1,024 bytes, each percent-encoded. */
const MAX_PARAMETER_CHARACTERS = 3 * 1024
const LEAST_HELD_BYTES = 256 * 1024 * 1024

interface MessagesRoute {
  readonly Params: { readonly topic: string }
  readonly Querystring: { readonly format?: string }
  readonly Body: Buffer | undefined
}

/** The HTTP interface, not listening yet. */
export function createServer(parts: ServerParts, options: ServerOptions): FastifyInstance {
  const server = fastify(serverOptions(parts, options))
  server.server.maxConnections = options.maxConnections
  reportErrors(server, parts)
  const gate = options.safety?.gate ?? gateFor(options.token)
  guard(server, gate)
  const { maxBodyBytes, maxHeldBytes = Math.max(LEAST_HELD_BYTES, 2 * maxBodyBytes) } = options
  const bodies = createBodyReader({ maxBodyBytes, maxHeldBytes })
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) => bodies.read(request.headers, payload))
  addHealth(server, parts)
  addMessages(server, parts, options, bodies)
  addProxy(server, parts, options, bodies)
  if (parts.search !== undefined) {
    const onError = (error: MillpondError, requestId: string) => noticeLate(parts, error, requestId)
    const onSearch = (route: string, outcome: string, seconds: number): void => {
      parts.metrics.searches.inc({ route, outcome })
      parts.metrics.searchSeconds.observe({ route }, seconds)
    }
    addSearch(server, { ...parts.search, nowMs: parts.nowMs, release: (body) => bodies.release(body), onSearch, onError })
  }
  if (parts.jobs !== undefined) {
    const jobs = { ...parts.jobs, nowMs: parts.nowMs, release: (body: Buffer) => bodies.release(body) }
    addJobs(server, jobs)
    addSchedules(server, jobs)
  }
  addDescription(server, parts, { ...options, gate })
  return server
}

function serverOptions(parts: ServerParts, { maxBodyBytes, requestTimeoutMs, safety }: ServerOptions) {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: Math.min(requestTimeoutMs, 60_000),
    // How late a slow request is noticed; Node's half a minute would make short limits long.
    connectionsCheckingInterval: Math.min(requestTimeoutMs, 30_000),
  }
  return {
    logger: false,
    bodyLimit: maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle' as const,
    routerOptions: { maxParamLength: MAX_PARAMETER_CHARACTERS },
    genReqId: ({ headers }: IncomingMessage) => requestIdOf(headers),
    clientErrorHandler: answerBroken,
    ...(safety?.tls === undefined
      ? { http: limits }
      : { https: { ...limits, ...tlsOptions(safety.tls), handshakeTimeout: limits.headersTimeout } }),
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const known = requestError(error)
      parts.metrics.requestsFailed.inc({ code: known.code })
      dress(request, reply)
      void reply.code(known.httpStatus).type(JSON_TYPE).send(errorJson(known, request.id))
    },
  }
}

function reportErrors(server: FastifyInstance, parts: ServerParts): void {
  server.setErrorHandler(async (error, request, reply) => {
    const known = notice(parts, error, reply)
    const isElsewhere = known.code === 'NOT_FOUND' || known.code === 'METHOD_NOT_ALLOWED'
    if (isElsewhere && isOfRestClient(request)) return sendError(reply, known, request.headers.accept)
    return reply.code(known.httpStatus).type(JSON_TYPE).send(errorJson(known, request.id))
  })
  server.setNotFoundHandler(({ method, url }, reply) => {
    const methods = methodsAt(routesOf(server), url)
    if (methods.length > 0) {
      void reply.header('allow', methods.join(', '))
      throw new MillpondError('METHOD_NOT_ALLOWED', `this address takes ${methods.join(', ')}, not ${method}`)
    }
    throw new MillpondError('NOT_FOUND', 'there is nothing at this address; see docs/http.md')
  })
}

/** What is done with every error before it is answered. */
function notice(parts: Pick<ServerParts, 'metrics' | 'onError'>, error: unknown, reply: FastifyReply): MillpondError {
  const known = requestError(error)
  parts.metrics.requestsFailed.inc({ code: known.code })
  noteForAudit(reply.request, { code: known.code })
  if (known.httpStatus >= 500) parts.onError(known, reply.request.id)
  const { retryAfterSeconds = 1 } = known.details as { readonly retryAfterSeconds?: number }
  if (known.retryable) void reply.header('retry-after', String(retryAfterSeconds))
  // Fastify would close the connection of a refused body. A caller that still sends then loses the answer to a reset, so Node reads
  // the rest and throws it away, within the time that a request has.
  void reply.removeHeader('connection')
  return known
}

/** What is done with an error whose answer had begun. */
function noticeLate(
  { metrics, onError }: Pick<ServerParts, 'metrics' | 'onError'>,
  error: MillpondError,
  requestId: string,
): void {
  metrics.requestsFailed.inc({ code: error.code })
  if (error.httpStatus >= 500) onError(error, requestId)
}

function addHealth(server: FastifyInstance, parts: ServerParts): void {
  server.get('/healthz', { config: { access: 'open' } }, (_request, reply) => {
    void reply.type(JSON_TYPE).send('{"status":"ok"}')
  })
  server.get('/readyz', { config: { access: 'probe' } }, (_request, reply) => {
    const report = parts.readiness.report()
    void reply
      .code(report.ready ? 200 : 503)
      .type(JSON_TYPE)
      .send(JSON.stringify(report))
  })
  server.get('/metrics', { config: { access: 'probe' } }, async (_request, reply) => {
    await parts.observe()
    return reply.type(parts.metrics.registry.contentType).send(await parts.metrics.registry.metrics())
  })
}

/** The interface in OpenAPI, with all routes that there are when it is first asked for. */
function addDescription(
  server: FastifyInstance,
  { search }: ServerParts,
  { gate: { ways, openProbes }, version = '0.0.0', ...limits }: ServerOptions & { readonly gate: Gate },
): void {
  let text: string | undefined
  server.get('/openapi.json', { config: { access: 'anyone' } }, (_request, reply) => {
    text ??= JSON.stringify(
      describeInterface({
        version,
        routes: routesOf(server),
        parts: describedParts(limits, search?.limits),
        ways,
        openProbes,
      }),
    )
    void reply.type(JSON_TYPE).send(text)
  })
}

/** The hot path: a body becomes columns at once, and the answer is text made by hand. */
function addMessages(server: FastifyInstance, parts: ServerParts, options: ServerOptions, bodies: BodyReader): void {
  const { metrics } = parts
  server.post<MessagesRoute>(
    '/topics/:topic/messages',
    { config: { access: { scope: 'write', of: 'path' } } },
    async (request, reply) => {
      const body = request.body ?? Buffer.alloc(0)
      const { topic } = request.params
      try {
        const decoding = { nowMs: parts.nowMs(), maxMessageBytes: options.maxMessageBytes }
        const batch = decodeMessages({ headers: request.headers, format: request.query.format, body }, decoding)
        const startedMs = performance.now()
        const taken = await parts.append(topic, batch, { rowPositions: batch.count <= SMALL_COUNT })
        metrics.appendSeconds.observe((performance.now() - startedMs) / 1000)
        noteForAudit(request, { count: batch.count })
        metrics.messagesIn.inc({ topic }, batch.count)
        metrics.bytesIn.inc({ topic }, body.byteLength)
        return await reply.type(JSON_TYPE).send(takenJson(batch.count, taken))
      } finally {
        bodies.release(body)
      }
    },
  )
}

/** The calls of Kafka's REST proxy. */
function addProxy(server: FastifyInstance, parts: ServerParts, options: ServerOptions, bodies: BodyReader): void {
  const { metrics, directory, registry, nowMs } = parts
  addKafkaRest(server, {
    directory,
    registry,
    nowMs,
    maxMessageBytes: options.maxMessageBytes,
    async append(topic, batch, appendOptions) {
      const startedMs = performance.now()
      const taken = await parts.append(topic, batch, appendOptions)
      metrics.appendSeconds.observe((performance.now() - startedMs) / 1000)
      return taken
    },
    onTaken(topic, count, bodyBytes) {
      metrics.messagesIn.inc({ topic }, count)
      metrics.bytesIn.inc({ topic }, bodyBytes)
    },
    release: (body) => bodies.release(body),
    onError: (error, reply) => notice(parts, error, reply),
  })
}

/**
 * Listens and gives the address as a URL.
 * @throws MillpondError `ADDRESS_IN_USE`, `CONFIG_INVALID` where the address is none of this machine's.
 */
export async function listen(
  server: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    return await server.listen({ host, port })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (code === 'EADDRINUSE') {
      throw new MillpondError('ADDRESS_IN_USE', `something else listens at ${host}:${port}`, {
        cause: error,
        details: { host, port },
      })
    }
    throw new MillpondError('CONFIG_INVALID', `cannot listen at ${host}:${port}: ${code}`, {
      cause: error,
      details: { host, port },
    })
  }
}

/** Takes no more requests and waits for the answers of those under way, not longer than `withinMs`: a caller that stopped sending is left. */
export async function closeServer(server: FastifyInstance, withinMs: number): Promise<void> {
  const timer = setTimeout(() => server.server.closeAllConnections(), withinMs)
  await server.close()
  clearTimeout(timer)
}
