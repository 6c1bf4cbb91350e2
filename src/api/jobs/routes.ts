import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MillpondError } from '../../errors.ts'
import type { SegmentIndex } from '../../index/segment-index.ts'
import { type FunctionFile, type JobWish, REPLAY_STATES, type ReplayJob, type ReplaySummary } from '../../replay/job.ts'
import { publicJob } from '../../replay/job.ts'
import type { JobPlace, JobStore } from '../../replay/jobs.ts'
import { type PlanParts, planReplay } from '../../replay/plan.ts'
import { planRetry } from '../../replay/retry.ts'
import { type Caller, callerOf } from '../access.ts'
import { noteForAudit } from '../auth/audit.ts'
import { bodyJson } from '../body-json.ts'
import { maySee, requireReplay } from './access.ts'
import { sendEvents } from './events.ts'
import { listHistory } from './history.ts'
import { limitOf, onceEach, wordsOf } from './page-query.ts'
import { keyOf, parseJobRequest } from './request.ts'
import { visiblePage } from './visible-page.ts'

/** What replay jobs over HTTP need. */
export interface JobsParts {
  readonly jobs: JobStore
  readonly index: SegmentIndex
  readonly source: NonNullable<PlanParts['source']>
  /** Finds a function by its name. @throws MillpondError `FUNCTION_INVALID`. */
  findFunction(name: string): Promise<FunctionFile>
  readonly nowMs: () => number
  /** Says that a request's body was read. */
  release(body: Buffer): void
}

interface JobRoute {
  readonly Params: { readonly id: string }
  readonly Querystring: Readonly<Record<string, string | undefined>>
  readonly Body: Buffer | undefined
}

type Asked = FastifyRequest<JobRoute>

const JSON_TYPE = 'application/json; charset=utf-8'
const WISHES: Readonly<Record<string, JobWish>> = { pause: 'pause', resume: 'run', cancel: 'cancel' }
/** Progress that is watched at once. */
const MAX_WATCHERS = 200

/** A place in the list of jobs: when one was made, and its id. */
export const CURSOR = /^([0-9]{1,15})\.(\S{1,100})$/u

/** Callers need `replay` of the topics that a job reads and writes, which each route asks for itself. */
const REPLAYING = { config: { access: { scope: 'replay', of: 'asks' } as const } }
const ANYONE = { config: { access: 'anyone' as const } }

/** Adds replay jobs: made, listed, watched and steered; workers do them. */
export function addJobs(server: FastifyInstance, parts: JobsParts): void {
  const json = (reply: FastifyReply, value: unknown) => reply.type(JSON_TYPE).send(JSON.stringify(value))
  server.post<JobRoute>('/jobs', REPLAYING, async (request, reply) => {
    const { id, isNew } = await makeJob(parts, request)
    const job = await knownJob(parts, id, callerOf(request))
    noteForAudit(request, { what: { job: id } })
    void reply.code(isNew ? 201 : 200).header('location', `/jobs/${id}`)
    return json(reply, shown(job))
  })
  server.get<JobRoute>('/jobs', ANYONE, async (request, reply) => json(reply, await listJobs(parts, request)))
  server.get<JobRoute>('/jobs/history', ANYONE, async (request, reply) =>
    json(reply, await listHistory(parts.jobs, callerOf(request), request.query)),
  )
  server.get<JobRoute>('/jobs/:id', ANYONE, async (request, reply) =>
    json(reply, shown(await knownJob(parts, request.params.id, callerOf(request)))),
  )
  for (const [name, wish] of Object.entries(WISHES)) {
    server.post<JobRoute>(`/jobs/:id/${name}`, REPLAYING, async (request, reply) => {
      const job = await steerableJob(parts, request)
      const changed = await parts.jobs.want(job.id, wish, {
        nowMs: parts.nowMs(),
        ...(wish === 'run' ? { isOffered: true } : {}),
      })
      return json(reply, shown(changed))
    })
  }
  server.post<JobRoute>('/jobs/:id/retry', REPLAYING, async (request, reply) => {
    const job = await steerableJob(parts, request)
    const { beyond, ...retry } = planRetry(job, { id: newId(), nowMs: parts.nowMs(), requestedBy: callerOf(request).name })
    const { id, isNew } = await parts.jobs.create(retry)
    void reply.code(isNew ? 201 : 200).header('location', `/jobs/${id}`)
    return json(reply, { ...shown(await knownJob(parts, id, callerOf(request))), beyond })
  })
  addEvents(server, parts)
}

const newId = (): string => randomBytes(6).toString('hex')

/** A job as callers see it. */
const shown = (job: ReplaySummary | ReplayJob): object => publicJob(job)

async function makeJob(parts: JobsParts, request: Asked): Promise<{ readonly id: string; readonly isNew: boolean }> {
  const caller = callerOf(request)
  const { order, functionName } = readBody(parts, request)
  requireReplay(caller, { query: order.query, target: order.target })
  const file = functionName === undefined ? {} : { function: await parts.findFunction(functionName) }
  const key = request.headers['idempotency-key']
  const whole = {
    ...order,
    options: { ...order.options, ...file },
    isDetached: true,
    requestedBy: caller.name,
    ...(key === undefined || key === '' ? {} : { key: keyOf(key, 'idempotency-key') }),
  }
  return parts.jobs.create(
    await planReplay(whole, { index: parts.index, id: newId(), nowMs: parts.nowMs(), source: parts.source }),
  )
}

function readBody(parts: JobsParts, { body }: Asked) {
  try {
    return parseJobRequest(bodyJson(body), { nowMs: parts.nowMs(), sourceKind: parts.source.kind })
  } finally {
    if (body !== undefined) parts.release(body)
  }
}

/** @throws MillpondError `JOB_UNKNOWN`, also for a job that the caller may not see: whether it is there is not told. */
async function knownJob({ jobs, nowMs }: JobsParts, id: string, caller: Caller): Promise<ReplayJob> {
  const job = await jobs.get(id, nowMs())
  if (job !== undefined && maySee(caller, job)) return job
  throw new MillpondError('JOB_UNKNOWN', `there is no job ${id.slice(0, 100)}`)
}

/** As `knownJob`, where the caller may also do what the job does. */
async function steerableJob(parts: JobsParts, request: Asked): Promise<ReplayJob> {
  const caller = callerOf(request)
  if (request.body !== undefined) parts.release(request.body)
  const job = await knownJob(parts, request.params.id, caller)
  requireReplay(caller, job)
  noteForAudit(request, { what: { job: job.id } })
  return job
}

async function listJobs({ jobs, nowMs }: JobsParts, request: Asked) {
  const { state, cursor } = onceEach(request.query)
  const states = wordsOf('state', state, REPLAY_STATES)
  const caller = callerOf(request)
  const { rows, next } = await visiblePage<ReplaySummary, JobPlace>({
    limit: limitOf(request.query),
    from: cursor === undefined ? undefined : placeOf(cursor),
    read: (limit, before) =>
      jobs.list(nowMs(), {
        limit,
        ...(states === undefined ? {} : { states }),
        ...(before === undefined ? {} : { before }),
      }),
    placeOf: ({ createdMs, id }) => ({ createdMs, id }),
    isVisible: (job) => maySee(caller, job),
  })
  return { jobs: rows.map(shown), next: next === undefined ? null : `${next.createdMs}.${next.id}` }
}

function placeOf(cursor: string): JobPlace {
  const [, createdMs, id] = CURSOR.exec(cursor) ?? []
  if (id === undefined) throw new MillpondError('INPUT_INVALID', 'cursor must be what `next` of a page said')
  return { createdMs: Number(createdMs), id }
}

/** Progress as server-sent events. */
function addEvents(server: FastifyInstance, parts: JobsParts): void {
  let watchers = 0
  server.get<JobRoute>('/jobs/:id/events', ANYONE, async (request, reply) => {
    const { id } = await knownJob(parts, request.params.id, callerOf(request))
    if (watchers >= MAX_WATCHERS) throw new MillpondError('TOO_BUSY', `${MAX_WATCHERS} callers watch jobs already`)
    watchers++
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, {
      ...reply.getHeaders(),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    } as Record<string, string>)
    try {
      await sendEvents(raw, () => summaryOf(parts, id), shown)
    } catch {
      // The job store went away: who watches asks again, as browsers do by themselves.
      raw.destroy()
    } finally {
      watchers--
    }
    return reply
  })
}

/** The job without its parts, which may be thousands. */
async function summaryOf({ jobs, nowMs }: JobsParts, id: string): Promise<ReplaySummary | undefined> {
  const job = await jobs.get(id, nowMs())
  if (job === undefined) return undefined
  const { parts: _, failures: __, ...summary } = job
  return summary
}
