import type { FastifyInstance, FastifyReply } from 'fastify'
import { isMillpondError, MillpondError } from '../../errors.ts'
import type { IndexedLane } from '../../index/segment-index.ts'
import type { ReplayJob } from '../../replay/job.ts'
import type { MessageQuery } from '../../search/query.ts'
import { callerOf } from '../access.ts'
import { answer, goError, isCollection, lanesFor, type Serving } from './answer.ts'
import { bindBody, type BodyShape, notOfType } from './bind.ts'
import { findRows } from './find.ts'
import { filtersBody, filtersIn, FIRST_MS, idsBody, inFuture, rangeFilter, textsIn } from './indexer-api.ts'
import { parseFilters } from './parse-filters.ts'
import { pipelineErrors, refuse, report } from './report.ts'
import { resubmit, type ResubmissionOptions, type ResubmissionParts } from './resubmission.ts'
import type { RowFilter } from './row-filter.ts'
import { selectFound, selectRows } from './selection.ts'
import { noTime, parseTime } from './time.ts'
import { countRows, planRows } from './walk.ts'

/** What the Resubmitter is run with. */
export interface Resubmitter extends Omit<ResubmissionOptions, 'topic' | 'requestedBy'> {
  readonly serving: Serving
  readonly parts: ResubmissionParts
  /** Where messages go of a request that names no topic. */
  readonly defaultTopic: string | undefined
  /** Resubmissions at once; others wait. */
  readonly maxAtOnce: number
}

const NO_TOPIC = 'topic was not defined as a query parameter nor as an environment variable'
const BINDING = 'error occurred during binding JSON to request body: '
/** Names the jobs of a request; `millpond jobs show` tells of them. */
const JOBS_HEADER = 'x-millpond-jobs'

const isText = (value: unknown, at: string): string | undefined =>
  typeof value === 'string' ? undefined : notOfType(value, at, 'string')
const isTime = (value: unknown): string | undefined => {
  if (typeof value !== 'string') return 'Time.UnmarshalJSON: input is not a JSON string'
  return parseTime(value) === undefined ? noTime(value).replace('.99999999Z', 'Z07:00') : undefined
}

const intervalBody: BodyShape = {
  type: 'resubmitter.intervalRequest',
  fields: [
    { name: 'broker_id', goName: 'BrokerID', required: true, refuse: isText },
    { name: 'lb', goName: 'LowerBound', required: false, refuse: isTime },
    { name: 'ub', goName: 'UpperBound', required: false, refuse: isTime },
  ],
}

/** Which topics the caller may send is asked lane by lane. */
const ACCESS = { config: { access: { scope: 'replay', of: 'asks' } } } as const

interface Route {
  readonly Params: { readonly collection: string }
  readonly Querystring: { readonly topic?: string }
  readonly Body: Buffer | undefined
}

/** What a request asks for: which messages, and how many the index has of them. */
interface Selected {
  readonly queries: readonly MessageQuery[]
  readonly startingCount: number
  /** Asked where the jobs themselves do not tell. */
  readonly count: () => Promise<number>
}

type Select = (values: Readonly<Record<string, unknown>>, lanes: readonly IndexedLane[]) => Promise<Selected>

/** The Resubmitter of Dataphos. Each request is a replay of its own, recorded as a job, which goes on when its caller goes away. */
export function addResubmitterApi(server: FastifyInstance, resubmitter: Resubmitter): void {
  const { serving } = resubmitter
  const turns = createTurns(resubmitter.maxAtOnce)
  const add = (path: string, shape: BodyShape, prefix: string, select: Select): void => {
    server.post<Route>(`${path}/:collection`, ACCESS, async (request, reply) => {
      const topic = request.query.topic ?? ''
      const target = topic === '' ? resubmitter.defaultTopic : topic
      if (target === undefined || target === '') return answer(reply, 400, { msg: NO_TOPIC })
      const bound = bindBody(request.body ?? Buffer.alloc(0), shape)
      if ('error' in bound) return refuse(reply, prefix + bound.error, 'text/plain; charset=utf-8')
      const { collection } = request.params
      if (!isCollection(serving, collection)) return refuse(reply, `there is no collection ${collection}`)
      const caller = callerOf(request)
      const lanes = await lanesFor(serving, caller, 'replay')
      return turns(() =>
        run(resubmitter, { reply, target, select: () => select(bound.values, lanes), lanes, requestedBy: caller.name }),
      )
    })
  }
  add('/resubmit', idsBody('resubmitter.request'), '', (values, lanes) => selectIds(serving, textsIn(values['ids']), lanes))
  add('/range', intervalBody, BINDING, async (values, lanes) => {
    const nowMs = serving.nowMs()
    const bound = (value: unknown, standard: number): number => (typeof value === 'string' ? parseTime(value)! : standard)
    const to = bound(values['ub'], nowMs)
    if (to > nowMs) throw new MillpondError('INPUT_INVALID', inFuture(nowMs, to))
    const filter = rangeFilter(String(values['broker_id']), { from: bound(values['lb'], FIRST_MS), to })
    return selectByFilter(serving, filter, lanes)
  })
  add('/query', filtersBody('util.QueryRequestBody'), BINDING, async (values, lanes) =>
    selectByFilter(serving, parseFilters(filtersIn(values['filters'])), lanes),
  )
}

async function selectIds({ view }: Serving, ids: readonly string[], lanes: readonly IndexedLane[]): Promise<Selected> {
  const rows = await findRows(view, { ids, lanes, whole: false })
  return { queries: selectFound(rows), startingCount: ids.length, count: () => Promise.resolve(rows.length) }
}

async function selectByFilter({ view }: Serving, filter: RowFilter, lanes: readonly IndexedLane[]): Promise<Selected> {
  const count = async (): Promise<number> => {
    const parts = lanes.map((lane) => ({ lane, from: lane.firstPosition, to: lane.nextPosition }))
    const rows = await planRows(view, { filter, parts })
    await countRows(view, filter, rows)
    return rows.reduce((sum, { count: ofBlock = 0 }) => sum + ofBlock, 0)
  }
  return { queries: await selectRows(view, { filter, lanes }), startingCount: 0, count }
}

interface Running {
  readonly reply: FastifyReply
  readonly target: string
  readonly requestedBy: string
  readonly select: () => Promise<Selected>
  readonly lanes: readonly IndexedLane[]
}

async function run(resubmitter: Resubmitter, { reply, target, select, lanes, requestedBy }: Running): Promise<FastifyReply> {
  const { serving, parts, kind, marks, allowLoop } = resubmitter
  let selected: Selected
  let jobs: readonly ReplayJob[]
  try {
    selected = await select()
    jobs = await resubmit(parts, selected.queries, { kind, topic: target, marks, allowLoop, requestedBy })
  } catch (error) {
    if (isMillpondError(error, 'REPLAY_LOOP')) return refuse(reply, `${error.message} (dataphos.allowLoop)`)
    const known = goError(error)
    if (!isMillpondError(error, 'INPUT_INVALID')) serving.onError(known)
    return report(reply, {
      startingCount: 0,
      indexed: 0,
      read: 0,
      published: 0,
      indexerErrors: [known.message],
      pipelineErrors: [],
    })
  }
  const isDone = jobs.length === selected.queries.length && jobs.every(({ state }) => state === 'done')
  const read = sum(jobs, ({ counts }) => counts.read)
  if (jobs.length > 0) void reply.header(JOBS_HEADER, jobs.map(({ id }) => id).join(','))
  return report(reply, {
    startingCount: selected.startingCount,
    indexed: isDone ? read : await selected.count(),
    read,
    published: sum(jobs, ({ counts }) => counts.delivered),
    indexerErrors: [],
    pipelineErrors: await pipelineErrors(serving, jobs, lanes),
  })
}

const sum = (jobs: readonly ReplayJob[], of: (job: ReplayJob) => number): number =>
  jobs.reduce((total, job) => total + of(job), 0)

/** Lets so many act at once, the others in their turn. */
function createTurns(maxAtOnce: number): <T>(act: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let running = 0
  return async (act) => {
    if (running >= maxAtOnce) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await act()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
