import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { sliceBatch } from '../../batch/batch.ts'
import { MillpondError } from '../../errors.ts'
import { countMessages, estimate } from '../../search/count.ts'
import { type Archive, createReadStats } from '../../search/read.ts'
import type { LaneSpan } from '../../search/selection.ts'
import { callerOf } from '../access.ts'
import { requestError } from '../answer.ts'
import { bodyJson } from '../body-json.ts'
import { countForAudit, noteSearch } from './audit.ts'
import { type CursorContent, decodeCursor } from './cursor.ts'
import { linesOf } from './fields.ts'
import { type Budget, createBudget, createSearchGate, type SearchGate, type SearchLimits, tooLarge } from './limits.ts'
import { sendLines } from './lines.ts'
import { pageJson } from './page.ts'
import { type QueryString, requestOfQueryString } from './query-string.ts'
import { parseRequest, type SearchRequest } from './request.ts'
import { type RunOptions, runSearch, type SearchRun } from './run.ts'
import { checkSpans, takeSnapshot } from './snapshot.ts'
import { listTopics, showMessage, showTopic } from './topics.ts'

/** What searches over HTTP need. */
export interface SearchParts {
  readonly archive: Archive
  readonly limits: SearchLimits
  readonly nowMs: () => number
  /** Says that a request's body was read. */
  release(body: Buffer): void
  /** Told how each search ended: `done`, `gone` where its caller went, or the code of its error. */
  onSearch?(route: string, outcome: string, seconds: number): void
  /** Told of errors that came after the answer had begun. */
  onError(error: MillpondError, requestId: string): void
}

const LINES_TYPE = 'application/x-ndjson; charset=utf-8'
const JSON_TYPE = 'application/json; charset=utf-8'
/** Of a page whose size nobody says. */
const PAGE_MESSAGES = 1000

/** What callers need: each route asks for the topics that it reads. */
const READING = { config: { access: { scope: 'read', of: 'asks' } as const } }

interface SearchRoute {
  readonly Querystring: QueryString
  readonly Body: Buffer | undefined
}

type Asked = FastifyRequest<SearchRoute>

/** Adds the search: messages, counts, estimates, and what the archive holds. */
export function addSearch(server: FastifyInstance, parts: SearchParts): void {
  const gate = createSearchGate(parts.limits)
  const routes: Readonly<Record<string, (request: Asked, reply: FastifyReply) => Promise<unknown>>> = {
    '/search': (request, reply) => answerSearch({ parts, gate }, request, reply),
    '/search/count': (request, reply) => answerCount({ parts, gate }, request, reply),
    '/search/estimate': (request, reply) => answerEstimate({ parts, gate }, request, reply),
  }
  for (const [url, route] of Object.entries(routes)) {
    const answer = (request: Asked, reply: FastifyReply) =>
      observed(parts, url, reply, () => unlessGone(reply, () => route(request, reply)))
    server.get<SearchRoute>(url, READING, answer)
    server.post<SearchRoute>(url, READING, answer)
  }
  addTopics(server, parts)
}

/** Tells how a search ended. One whose answer broke off after it had begun is told of as an error too, under its code. */
async function observed(parts: SearchParts, route: string, { raw }: FastifyReply, act: () => Promise<unknown>): Promise<unknown> {
  const startedMs = performance.now()
  const tell = (outcome: string) => parts.onSearch?.(route, outcome, (performance.now() - startedMs) / 1000)
  try {
    const answered = await act()
    tell(raw.destroyed && !raw.writableFinished ? 'gone' : 'done')
    return answered
  } catch (error) {
    tell(requestError(error).code)
    throw error
  }
}

interface Service {
  readonly parts: SearchParts
  readonly gate: SearchGate
}

/** @throws MillpondError `INPUT_INVALID`, `MEDIA_TYPE_UNSUPPORTED`. */
function readRequest(parts: SearchParts, request: Asked): SearchRequest {
  const { body, query } = request
  const nowMs = parts.nowMs()
  if (request.method !== 'POST') return parseRequest(requestOfQueryString(query), { nowMs })
  try {
    const [stray] = Object.keys(query)
    if (stray !== undefined) throw new MillpondError('INPUT_INVALID', 'a search that is posted is all in its body')
    const json = parseBody(body)
    const read = parseRequest(json, { nowMs })
    noteSearch(request, json)
    return read
  } finally {
    if (body !== undefined) parts.release(body)
  }
}

const MAX_BODY_BYTES = 8 * 1024 * 1024

function parseBody(body: Buffer | undefined): unknown {
  if (body !== undefined && body.byteLength > MAX_BODY_BYTES) {
    throw new MillpondError('BODY_TOO_LARGE', `a search has no more than ${MAX_BODY_BYTES} bytes`)
  }
  return bodyJson(body)
}

/** Aborts when the caller goes away before its answer is whole. */
function whenGone({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort()
  })
  return gone.signal
}

/** Nobody hears of what became of a search whose caller is gone: that it was aborted is no failure. */
async function unlessGone(reply: FastifyReply, act: () => Promise<unknown>): Promise<unknown> {
  try {
    return await act()
  } catch (error) {
    if (!reply.raw.destroyed) throw error
    reply.hijack()
    return reply
  }
}

/** What is left to be searched: of a new search all of it, as the archive is now. */
async function contentOf({ archive }: SearchParts, request: Asked, asked: SearchRequest): Promise<CursorContent> {
  const caller = callerOf(request)
  if (asked.cursor === undefined) {
    const { query, order } = asked
    return { query, order, asked: asked.asked, spans: await takeSnapshot(archive.index, query, caller) }
  }
  const content = decodeCursor(asked.cursor)
  if (asked.asked !== undefined && asked.asked !== content.asked) {
    throw new MillpondError(
      'INPUT_INVALID',
      'cursor: it is of another search; send it alone, or with what that search was asked',
      {
        details: { path: 'cursor' },
      },
    )
  }
  await checkSpans(archive.index, content.spans, caller)
  return content
}

async function answerSearch({ parts, gate }: Service, request: Asked, reply: FastifyReply): Promise<unknown> {
  const asked = readRequest(parts, request)
  const isPage = asked.format === undefined ? wantsPage(request.headers.accept) : asked.format === 'page'
  using _ = gate.enter(callerOf(request).name)
  using budget = createBudget(parts.limits, whenGone(reply))
  const content = await contentOf(parts, request, asked)
  const { archive, limits } = parts
  const most = isPage ? limits.maxPageMessages : limits.maxMessages
  const limit = Math.min(asked.limit ?? (isPage ? PAGE_MESSAGES : Infinity), most)
  const options: RunOptions = { archive, budget, limits, limit, decode: asked.decode }
  const run = countForAudit(request, runSearch(content, options))
  if (isPage) return await reply.type(JSON_TYPE).send(await pageJson(run, asked.fields))
  // Awaited: place and budget are kept until all is sent.
  return await streamLines(run, asked, reply, { parts, budget })
}

/** Whether the header prefers one JSON text to lines; who says nothing gets lines. */
function wantsPage(accept: string | undefined): boolean {
  const types = accept?.toLowerCase() ?? ''
  return types.includes('application/json') && !types.includes('ndjson') && !types.includes('jsonl')
}

async function streamLines(
  run: SearchRun,
  asked: SearchRequest,
  reply: FastifyReply,
  { parts, budget: { signal } }: { readonly parts: SearchParts; readonly budget: Budget },
): Promise<unknown> {
  const lines = linesIn(run, asked)
  // What fails before the first line is answered as any other error.
  const first = await lines.next()
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, { ...reply.getHeaders(), 'content-type': LINES_TYPE } as Record<string, string>)
  const all = (async function* () {
    if (first.done !== true) yield first.value
    yield* lines
  })()
  const { id: requestId } = reply.request
  const error = await sendLines(raw, all, () => run.end(), { asError: requestError, requestId, signal })
  if (error !== undefined) parts.onError(error, requestId)
  return reply
}

/** The first chunk is written at once, however many messages there are in a block. */
const FIRST_MESSAGES = 100

async function* linesIn(run: SearchRun, { fields }: SearchRequest): AsyncGenerator<Uint8Array> {
  let isFirst = true
  for await (const { lane, batch } of run.found) {
    const head = isFirst ? Math.min(FIRST_MESSAGES, batch.count) : 0
    if (head > 0) yield linesOf({ lane, batch: sliceBatch(batch, 0, head) }, fields)
    if (head < batch.count) yield linesOf({ lane, batch: head === 0 ? batch : sliceBatch(batch, head, batch.count) }, fields)
    isFirst = false
  }
}

/** What counts and estimates run with; they are of the whole search, so that a cursor and a limit have no place in them. */
async function measured(
  { parts, gate }: Service,
  request: Asked,
  reply: FastifyReply,
  measure: (asked: SearchRequest, spans: readonly LaneSpan[], budget: Budget) => Promise<object>,
): Promise<unknown> {
  const asked = readRequest(parts, request)
  const stray = (['limit', 'cursor', 'format', 'fields'] as const).find((name) => asked[name] !== undefined)
  if (stray !== undefined) {
    throw new MillpondError('INPUT_INVALID', `${stray}: has no place here`, { details: { path: stray } })
  }
  using _ = gate.enter(callerOf(request).name)
  using budget = createBudget(parts.limits, whenGone(reply))
  const spans = await takeSnapshot(parts.archive.index, asked.query, callerOf(request))
  try {
    return await reply.type(JSON_TYPE).send(JSON.stringify(await measure(asked, spans, budget)))
  } catch (error) {
    if (budget.stop !== undefined && budget.signal.aborted) throw tooLarge(budget.stop, parts.limits)
    throw error
  }
}

async function answerCount(service: Service, request: Asked, reply: FastifyReply): Promise<unknown> {
  const { archive } = service.parts
  return measured(service, request, reply, async ({ query }, spans, budget) => {
    const stats = createReadStats()
    const limited = { ...archive, store: budget.limit(archive.store) }
    const count = await countMessages(limited, query, { spans, stats, signal: budget.signal })
    return { count, stats: { bytesRead: stats.bytesRead, blocksRead: stats.blocksRead } }
  })
}

async function answerEstimate(service: Service, request: Asked, reply: FastifyReply): Promise<unknown> {
  const { archive } = service.parts
  return measured(service, request, reply, async ({ query }, spans, budget) => {
    const limited = { ...archive, store: budget.limit(archive.store) }
    return estimate(limited, query, { spans, signal: budget.signal })
  })
}

interface TopicRoute {
  readonly Params: { readonly topic: string }
}

interface MessageRoute {
  readonly Params: { readonly topic: string; readonly lane: string; readonly position: string }
  readonly Querystring: { readonly topicId?: string; readonly decode?: string }
}

/** Under `/archive`, for `/topics` is what Kafka's REST proxy has there: topics of the source. */
function addTopics(server: FastifyInstance, { archive }: SearchParts): void {
  server.get('/archive/topics', READING, async (request, reply) =>
    reply.type(JSON_TYPE).send(JSON.stringify({ topics: await listTopics(archive.index, callerOf(request)) })),
  )
  server.get<TopicRoute>('/archive/topics/:topic', READING, async (request, reply) => {
    const topics = await showTopic(archive.index, request.params.topic, callerOf(request))
    return reply.type(JSON_TYPE).send(JSON.stringify({ topics }))
  })
  server.get<MessageRoute>('/archive/topics/:topic/lanes/:lane/messages/:position', READING, async (request, reply) => {
    const { topic, lane, position } = request.params
    if (!/^\d{1,15}$/u.test(position)) throw new MillpondError('INPUT_INVALID', 'a position is a whole number')
    const { topicId, decode } = request.query
    const options = { caller: callerOf(request), decode: decode === 'true' || decode === '', signal: whenGone(reply) }
    const line = await showMessage(archive, { topic, topicId, lane, position: Number(position) }, options)
    return reply.type(JSON_TYPE).send(Buffer.from(line))
  })
}
