import type { IncomingMessage } from 'node:http'
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { InletAppendOptions, Taken, TopicDirectory } from '../sink/inlet.ts'
import type { SchemaRegistry } from '../values/schema-registry.ts'
import { ANYBODY, setCaller } from './access.ts'
import { errorJson, requestError, takenJson } from './answer.ts'
import { type BodyReader, createBodyReader } from './body.ts'
import { decodeMessages } from './decode.ts'
import { addKafkaRest, isOfRestClient, sendError } from './kafka-rest/routes.ts'
import type { Metrics } from './metrics.ts'
import type { Readiness } from './readiness.ts'
import { addSearch, type SearchParts } from './search/routes.ts'
import { createTokenCheck } from './token.ts'

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
  readonly readiness: Readiness
  readonly metrics: Metrics
  /** Brings the gauges up to date before metrics are read. */
  observe(): Promise<void>
  readonly nowMs: () => number
  /** Told of errors that are defects, or that this side has to look after. */
  onError(error: MillpondError): void
}

export interface ServerOptions {
  /** Compulsory on every address but `/healthz`, where there is one. */
  readonly token: string | undefined
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
  const server = fastify({
    logger: false,
    bodyLimit: options.maxBodyBytes,
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAMETER_CHARACTERS },
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: Math.min(options.requestTimeoutMs, 60_000),
      // How late a slow request is noticed; Node's half a minute would make short limits long.
      connectionsCheckingInterval: Math.min(options.requestTimeoutMs, 30_000),
    },
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
      const known = requestError(error)
      parts.metrics.requestsFailed.inc({ code: known.code })
      void reply.code(known.httpStatus).type(JSON_TYPE).send(errorJson(known))
    },
  })
  server.server.maxConnections = options.maxConnections
  reportErrors(server, parts)
  identify(server, options.token)
  const { maxBodyBytes, maxHeldBytes = Math.max(LEAST_HELD_BYTES, 2 * maxBodyBytes) } = options
  const bodies = createBodyReader({ maxBodyBytes, maxHeldBytes })
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) => bodies.read(request.headers, payload))
  addHealth(server, parts)
  addMessages(server, parts, options, bodies)
  addProxy(server, parts, options, bodies)
  if (parts.search !== undefined) {
    const onError = (error: MillpondError) => noticeLate(parts, error)
    addSearch(server, { ...parts.search, nowMs: parts.nowMs, release: (body) => bodies.release(body), onError })
  }
  return server
}

function reportErrors(server: FastifyInstance, parts: ServerParts): void {
  server.setErrorHandler(async (error, request, reply) => {
    const known = notice(parts, error, reply)
    if (known.code === 'NOT_FOUND' && isOfRestClient(request)) return sendError(reply, known, request.headers.accept)
    return reply.code(known.httpStatus).type(JSON_TYPE).send(errorJson(known))
  })
  server.setNotFoundHandler(() => {
    throw new MillpondError('NOT_FOUND', 'there is nothing at this address; see docs/http.md')
  })
}

/** What is done with every error before it is answered. */
function notice(parts: Pick<ServerParts, 'metrics' | 'onError'>, error: unknown, reply: FastifyReply): MillpondError {
  const known = requestError(error)
  parts.metrics.requestsFailed.inc({ code: known.code })
  if (known.httpStatus >= 500) parts.onError(known)
  if (known.retryable) void reply.header('retry-after', '1')
  // Fastify would close the connection of a refused body. A caller that still sends then loses the answer to a reset, so Node reads
  // the rest and throws it away, within the time that a request has.
  void reply.removeHeader('connection')
  return known
}

/** What is done with an error whose answer had begun. */
function noticeLate({ metrics, onError }: Pick<ServerParts, 'metrics' | 'onError'>, error: MillpondError): void {
  metrics.requestsFailed.inc({ code: error.code })
  if (error.httpStatus >= 500) onError(error)
}

/** Remembers of each request who sent it, and refuses those of nobody that is known where there is a token. */
function identify(server: FastifyInstance, token: string | undefined): void {
  const isRight = token === undefined ? () => true : createTokenCheck(token)
  server.addHook('onRequest', (request, reply, done) => {
    setCaller(request, ANYBODY)
    if (request.routeOptions.url === '/healthz' || isRight(request.headers.authorization)) return done()
    void reply.header('www-authenticate', 'Bearer realm="millpond"')
    done(new MillpondError('UNAUTHORIZED', 'this address needs the token: Authorization: Bearer <token>'))
  })
}

function addHealth(server: FastifyInstance, parts: ServerParts): void {
  server.get('/healthz', (_request, reply) => {
    void reply.type(JSON_TYPE).send('{"status":"ok"}')
  })
  server.get('/readyz', (_request, reply) => {
    const report = parts.readiness.report()
    void reply
      .code(report.ready ? 200 : 503)
      .type(JSON_TYPE)
      .send(JSON.stringify(report))
  })
  server.get('/metrics', async (_request, reply) => {
    await parts.observe()
    return reply.type(parts.metrics.registry.contentType).send(await parts.metrics.registry.metrics())
  })
}

/** The hot path: a body becomes columns at once, and the answer is text made by hand. */
function addMessages(server: FastifyInstance, parts: ServerParts, options: ServerOptions, bodies: BodyReader): void {
  const { metrics } = parts
  server.post<MessagesRoute>('/topics/:topic/messages', async (request, reply) => {
    const body = request.body ?? Buffer.alloc(0)
    const { topic } = request.params
    try {
      const decoding = { nowMs: parts.nowMs(), maxMessageBytes: options.maxMessageBytes }
      const batch = decodeMessages({ headers: request.headers, format: request.query.format, body }, decoding)
      const startedMs = performance.now()
      const taken = await parts.append(topic, batch, { rowPositions: batch.count <= SMALL_COUNT })
      metrics.appendSeconds.observe((performance.now() - startedMs) / 1000)
      metrics.messagesIn.inc({ topic }, batch.count)
      metrics.bytesIn.inc({ topic }, body.byteLength)
      return await reply.type(JSON_TYPE).send(takenJson(batch.count, taken))
    } finally {
      bodies.release(body)
    }
  })
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
