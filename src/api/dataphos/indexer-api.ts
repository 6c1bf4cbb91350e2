import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isMillpondError } from '../../errors.ts'
import type { IndexedLane } from '../../index/segment-index.ts'
import { callerOf } from '../access.ts'
import { answer, goError, isCollection, lanesFor, type Serving, streamed } from './answer.ts'
import { bindBody, type BodyShape, notOfType } from './bind.ts'
import { findRows } from './find.ts'
import { goNumber, goTimeText } from './go-text.ts'
import { createPages, type Page, type PageRequest } from './pages.ts'
import { parseFilters } from './parse-filters.ts'
import type { RowFilter } from './row-filter.ts'
import { rowJson } from './rows.ts'
import { noTime, parseTime } from './time.ts'

const BAD_REQUEST = 'bad request'
const REQUEST_FAILED = 'request failed'
const DEFAULT_LIMIT = 20n
/** What a text of Go that counts further can say; more rows there are not. */
const MOST = BigInt(Number.MAX_SAFE_INTEGER)

const isTextList = (value: unknown, at: string): string | undefined => {
  if (!Array.isArray(value)) return notOfType(value, at, '[]string')
  const wrong: unknown = value.find((one) => typeof one !== 'string' && one !== null)
  return wrong === undefined ? undefined : notOfType(wrong, at, 'string')
}

const isFilterList = (value: unknown, at: string): string | undefined => {
  const type = 'map[string]interface {}'
  if (!Array.isArray(value)) return notOfType(value, at, `[]${type}`)
  const wrong: unknown = value.find((one) => typeof one !== 'object' || one === null || Array.isArray(one))
  return wrong === undefined ? undefined : notOfType(wrong, at, type)
}

/** A body with ids; `type` is what Go calls it. */
export const idsBody = (type: string): BodyShape => ({
  type,
  fields: [{ name: 'ids', goName: 'Ids', required: true, refuse: isTextList }],
})

/** A body with filters. */
export const filtersBody = (type: string): BodyShape => ({
  type,
  fields: [{ name: 'filters', goName: 'Filters', required: true, refuse: isFilterList }],
})

/** Which topics the caller may see is asked lane by lane. */
const ACCESS = { config: { access: { scope: 'read', of: 'asks' } } } as const

interface Route {
  readonly Params: { readonly collection: string; readonly id: string }
  readonly Querystring: Readonly<Record<string, string | undefined>>
  readonly Body: Buffer | undefined
}

/** The Indexer API of Dataphos. */
export function addIndexerApi(server: FastifyInstance, serving: Serving): void {
  const pages = createPages(serving.view, () => performance.now())
  const fail = (reply: FastifyReply, status: number, error: string): FastifyReply =>
    answer(reply, status, { error, message: status === 500 ? REQUEST_FAILED : BAD_REQUEST })
  const unknown = (reply: FastifyReply, request: FastifyRequest<Route>): FastifyReply | undefined =>
    isCollection(serving, request.params.collection)
      ? undefined
      : fail(reply, 400, `there is no collection ${request.params.collection}`)

  server.get<Route>('/exact/:collection/:id', ACCESS, async (request, reply) => {
    const lanes = await lanesFor(serving, callerOf(request), 'read')
    try {
      const ids = [request.params.id]
      const rows = unknown(reply, request) ?? (await findRows(serving.view, { ids, lanes, whole: true }))
      return 'code' in rows
        ? rows
        : sendRows(
            reply,
            rows.map((row) => rowJson(row, true)),
          )
    } catch (error) {
      return fail(reply, 400, tell(serving, error))
    }
  })

  server.post<Route>('/all/:collection', ACCESS, async (request, reply) => {
    const bound = bindBody(request.body ?? Buffer.alloc(0), idsBody('indexer.GetAllRequestBody'))
    if ('error' in bound) return answer(reply, 400, { error: bound.error, message: BAD_REQUEST }, 'text/plain; charset=utf-8')
    const refused = unknown(reply, request)
    if (refused !== undefined) return refused
    const lanes = await lanesFor(serving, callerOf(request), 'read')
    try {
      const ids = textsIn(bound.values['ids'])
      const rows = await findRows(serving.view, { ids, lanes, whole: false })
      return sendRows(
        reply,
        rows.map((row) => rowJson(row, false)),
      )
    } catch (error) {
      return fail(reply, 500, tell(serving, error))
    }
  })

  server.get<Route>('/range/:collection/:id', ACCESS, async (request, reply) => {
    const nowMs = serving.nowMs()
    const bounds = boundsOf(request.query, nowMs)
    if ('error' in bounds) return fail(reply, 400, bounds.error)
    const refused = unknown(reply, request)
    if (refused !== undefined) return refused
    const lanes = await lanesFor(serving, callerOf(request), 'read')
    const filter = rangeFilter(request.params.id, bounds)
    const isFixed = (request.query['to'] ?? '') !== ''
    const asked = { filter, lanes, ...pagingOf(request.query), name: isFixed ? nameOf(filter, lanes) : undefined }
    try {
      return await sendPage(reply, asked, await pages.page(asked))
    } catch (error) {
      return fail(reply, 500, tell(serving, error))
    }
  })

  server.post<Route>('/query/:collection', ACCESS, async (request, reply) => {
    const bound = bindBody(request.body ?? Buffer.alloc(0), filtersBody('indexer.GetQueriedRequestBody'))
    if ('error' in bound) return answer(reply, 400, { error: bound.error, message: BAD_REQUEST }, 'text/plain; charset=utf-8')
    const refused = unknown(reply, request)
    if (refused !== undefined) return refused
    const lanes = await lanesFor(serving, callerOf(request), 'read')
    try {
      const filter = parseFilters(filtersIn(bound.values['filters']))
      const asked = { filter, lanes, ...pagingOf(request.query), name: nameOf(filter, lanes) }
      return await sendPage(reply, asked, await pages.page(asked))
    } catch (error) {
      return fail(reply, 400, tell(serving, error))
    }
  })
}

/** The ids of a body that was bound. */
export const textsIn = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.map((one: unknown) => (typeof one === 'string' ? one : '')) : []

/** The filters of a body that was bound. */
export const filtersIn = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null) : []

/** Rows of one broker by time. */
export const rangeFilter = (brokerId: string, { from, to }: { readonly from: number; readonly to: number }): RowFilter => ({
  and: [
    { field: 'broker_id', test: { op: 'eq', value: brokerId } },
    { field: 'publish_time', test: { op: 'gte', value: from } },
    { field: 'publish_time', test: { op: 'lt', value: to } },
  ],
})

/** What Dataphos says of an upper bound that is still to come. */
export const inFuture = (nowMs: number, givenMs: number): string =>
  `error during upper interval bound parsing: the given bound can't be in the future (current time: ${goTimeText(nowMs)}, given time:${goTimeText(givenMs)})`

/** The first moment that Go knows. */
export const FIRST_MS = -62_135_596_800_000

type Bounds = { readonly from: number; readonly to: number } | { readonly error: string }

function boundsOf({ from = '', to = '' }: Route['Querystring'], nowMs: number): Bounds {
  const first = from === '' ? FIRST_MS : parseTime(from)
  if (first === undefined) return { error: `error in parsing from query parameter: ${noTime(from)}` }
  const end = to === '' ? nowMs : parseTime(to)
  if (end === undefined) return { error: `error in parsing to query parameter: ${noTime(to)}` }
  return end > nowMs ? { error: inFuture(nowMs, end) } : { from: first, to: end }
}

function pagingOf({ limit, offset }: Route['Querystring']): Pick<PageRequest, 'limit' | 'offset'> & { readonly shown: Shown } {
  const [limitGiven, offsetGiven] = [goNumber(limit), goNumber(offset)]
  const shown = { limit: limitGiven > 0n ? limitGiven : DEFAULT_LIMIT, offset: offsetGiven >= 0n ? offsetGiven : 0n }
  const capped = (value: bigint): number => Number(value < MOST ? value : MOST)
  return { limit: capped(shown.limit), offset: capped(shown.offset), shown }
}

interface Shown {
  readonly limit: bigint
  readonly offset: bigint
}

/** Pages of the same question, for the same topics, follow each other. */
const nameOf = (filter: RowFilter, lanes: readonly IndexedLane[]): string =>
  JSON.stringify([filter, [...new Set(lanes.map(({ topic }) => topic))]], (_, value: unknown) =>
    value instanceof Map ? [...(value as Map<string, string>)] : value,
  )

const sendRows = (reply: FastifyReply, rows: readonly string[]): FastifyReply =>
  answer(reply, 200, rows.length === 0 ? 'null' : `[${rows.join(',')}]`)

function sendPage(
  reply: FastifyReply,
  { shown }: { readonly shown: Shown },
  { total, returned, rows }: Page,
): Promise<FastifyReply> {
  const head = `{"total_count":${total},"returned_count":${returned},"limit":${shown.limit},"offset":${shown.offset},"messages":`
  async function* text(): AsyncGenerator<string> {
    if (returned === 0) {
      yield `${head}null}`
      return
    }
    let before = `${head}[`
    for await (const row of rows) {
      yield before + rowJson(row, false)
      before = ','
    }
    yield ']}'
  }
  return streamed(reply, text())
}

/** What is told of an error; a defect, or trouble with the archive, is told to the log too. */
function tell(serving: Serving, error: unknown): string {
  const known = goError(error)
  if (!isMillpondError(error, 'INPUT_INVALID')) serving.onError(known)
  return known.message
}
