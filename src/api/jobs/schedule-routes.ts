import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { parseDuration } from '../../config/units.ts'
import { MillpondError } from '../../errors.ts'
import { replayOptions } from '../../replay/job.ts'
import { recordQuery } from '../../replay/query-record.ts'
import { DEFAULT_DELAY_MS, type ReplaySchedule, type ScheduleRule } from '../../replay/schedule.ts'
import { addSchedule, findSchedule, listSchedules, steerSchedule } from '../../replay/schedules.ts'
import { callerOf } from '../access.ts'
import { noteForAudit } from '../auth/audit.ts'
import { bodyJson } from '../body-json.ts'
import { maySee, requireReplay } from './access.ts'
import { parseJobRequest } from './request.ts'
import type { JobsParts } from './routes.ts'
import { parseWindow, publicSchedule } from './schedule-text.ts'

interface ScheduleRoute {
  readonly Params: { readonly id: string }
  readonly Body: Buffer | undefined
}

type Asked = FastifyRequest<ScheduleRoute>

const JSON_TYPE = 'application/json; charset=utf-8'
/** As jobs: which topics it is about, each route asks for itself. */
const REPLAYING = { config: { access: { scope: 'replay', of: 'asks' } as const } }
const ANYONE = { config: { access: 'anyone' as const } }
const STEERS = { pause: true, resume: false } as const

/** Adds schedules of replay jobs; workers fire them. */
export function addSchedules(server: FastifyInstance, parts: JobsParts): void {
  const rows = parts.jobs.schedules
  const json = (reply: FastifyReply, schedule: ReplaySchedule) =>
    reply.type(JSON_TYPE).send(JSON.stringify(publicSchedule(schedule)))
  server.post<ScheduleRoute>('/schedules', REPLAYING, async (request, reply) => {
    const schedule = await makeSchedule(parts, request)
    noteForAudit(request, { what: { schedule: schedule.id } })
    void reply.code(201).header('location', `/schedules/${schedule.id}`)
    return json(reply, schedule)
  })
  server.get<ScheduleRoute>('/schedules', ANYONE, async (request, reply) => {
    const seen = (await listSchedules(rows)).filter(({ request: wanted }) => maySee(callerOf(request), wanted))
    return reply.type(JSON_TYPE).send(JSON.stringify({ schedules: seen.map(publicSchedule) }))
  })
  server.get<ScheduleRoute>('/schedules/:id', ANYONE, async (request, reply) => json(reply, await knownSchedule(parts, request)))
  server.delete<ScheduleRoute>('/schedules/:id', REPLAYING, async (request, reply) => {
    const schedule = await steerableSchedule(parts, request)
    await rows.remove(schedule.id)
    return json(reply, schedule)
  })
  for (const [name, isPaused] of Object.entries(STEERS)) {
    server.post<ScheduleRoute>(`/schedules/:id/${name}`, REPLAYING, async (request, reply) => {
      const { id } = await steerableSchedule(parts, request)
      return json(reply, await steerSchedule(rows, id, isPaused, parts.nowMs()))
    })
  }
}

/** @throws MillpondError `SCHEDULE_UNKNOWN`, also for a schedule that the caller may not see. */
async function knownSchedule({ jobs }: JobsParts, request: Asked): Promise<ReplaySchedule> {
  const { id } = request.params
  const schedule = await findSchedule(jobs.schedules, id)
  if (maySee(callerOf(request), schedule.request)) return schedule
  throw new MillpondError('SCHEDULE_UNKNOWN', `there is no schedule ${id.slice(0, 100)}`)
}

/** As `knownSchedule`, where the caller may also do what its jobs do. */
async function steerableSchedule(parts: JobsParts, request: Asked): Promise<ReplaySchedule> {
  if (request.body !== undefined) parts.release(request.body)
  const schedule = await knownSchedule(parts, request)
  requireReplay(callerOf(request), schedule.request)
  noteForAudit(request, { what: { schedule: schedule.id } })
  return schedule
}

async function makeSchedule(parts: JobsParts, request: Asked): Promise<ReplaySchedule> {
  const caller = callerOf(request)
  const { name, rule, order, functionName } = readBody(parts, request)
  const { query, target, options, note } = order
  requireReplay(caller, { query: recordQuery(query), target })
  const file = functionName === undefined ? {} : { function: await parts.findFunction(functionName) }
  const replay = { query: recordQuery(query), target, options: replayOptions(target.kind, { ...options, ...file }) }
  const made = { name, rule, request: replay, requestedBy: caller.name, ...(note === undefined ? {} : { note }) }
  return addSchedule(made, parts)
}

function readBody(parts: JobsParts, { body }: Asked) {
  try {
    return parseScheduleRequest(bodyJson(body), { nowMs: parts.nowMs(), sourceKind: parts.source.kind })
  } finally {
    if (body !== undefined) parts.release(body)
  }
}

function parseScheduleRequest(json: unknown, reading: { readonly nowMs: number; readonly sourceKind: string }) {
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json)
  const given: Readonly<Record<string, unknown>> = isObject ? { ...json } : {}
  const { name, cron, zone = 'UTC', window, delay, missed, ...job } = given
  if ('key' in job) throw invalid('key', 'is for jobs; a schedule has a name')
  const text = (path: string, value: unknown): string => {
    if (typeof value === 'string') return value
    throw invalid(path, 'must be text')
  }
  const kind = parseWindow(text('window', window))
  if (kind === undefined) throw invalid('window', 'must be since-last, or like last:1d')
  const delayMs = delay === undefined ? DEFAULT_DELAY_MS : parseDuration(text('delay', delay))
  if (delayMs === undefined) throw invalid('delay', 'must be a duration like 15m')
  if (missed !== undefined && missed !== 'all' && missed !== 'latest') throw invalid('missed', 'must be all or latest')
  const standard = kind.kind === 'last' ? 'latest' : 'all'
  const rule: ScheduleRule = {
    cron: text('cron', cron),
    zone: text('zone', zone),
    window: kind,
    delayMs,
    missed: missed ?? standard,
  }
  return { name: text('name', name), rule, ...parseJobRequest(job, reading) }
}

function invalid(path: string, why: string): MillpondError {
  return new MillpondError('INPUT_INVALID', `${path}: ${why}`, { details: { path } })
}
