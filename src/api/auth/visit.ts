import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuditConfig } from '../../config/http-config.ts'
import { type Audit, auditNote, type AuditRecord } from './audit.ts'
import type { Identity } from './identity.ts'
import { type RouteAccess, scopesOf } from './route-access.ts'

/** A request on its way through the guard. */
export interface Visit {
  readonly request: FastifyRequest
  readonly access: RouteAccess
  readonly remote: string
  readonly startedMs: number
  /** Undefined until it is known. */
  identity: Identity | undefined
}

/** What a call does to what is kept: puts go to the metrics, all else to the audit log. */
function effectOf({ access, request }: Visit): 'none' | 'put' | 'reveal' | 'change' {
  if (typeof access === 'string') return 'none'
  const scopes = scopesOf(access)
  if (scopes.includes('read')) return 'reveal'
  if (scopes.includes('write')) return 'put'
  return request.method === 'GET' || request.method === 'HEAD' ? 'reveal' : 'change'
}

/** Whether the call may happen only when it is recorded before. */
export function isStrict(visit: Visit, { onFailure }: Pick<AuditConfig, 'onFailure'>): boolean {
  const effect = effectOf(visit)
  return onFailure !== 'go-on' && (effect === 'change' || (onFailure === 'refuse-all' && effect === 'reveal'))
}

const REFUSED = new Set([401, 403, 429])

/** Records the call when its answer is complete or its caller gone, where it is one that is recorded. */
export function recordAtEnd(visit: Visit, reply: FastifyReply, audit: Audit, nowMs: () => number): void {
  onceClosed(reply, (isComplete) => {
    const { statusCode } = reply.raw
    const effect = effectOf(visit)
    const isRefused = REFUSED.has(statusCode)
    if (!isRefused && (effect === 'none' || (effect === 'put' && !audit.policy.puts))) return
    const isDone = isComplete && statusCode < 400
    const event = isRefused ? 'refused' : isDone ? 'done' : 'failed'
    const code = isComplete ? {} : { code: 'CALLER_GONE' }
    const milliseconds = Math.round(nowMs() - visit.startedMs)
    audit.after({ ...recordOf(visit, { event, nowMs: nowMs(), audit }), status: statusCode, ...code, milliseconds })
  })
}

interface Moment {
  readonly event: AuditRecord['event']
  readonly nowMs: number
  readonly audit: Pick<Audit, 'hashed'>
}

/** What is written of a call. */
export function recordOf({ request, remote, identity }: Visit, { event, nowMs, audit }: Moment): AuditRecord {
  const { topic = topicOf(request), what, personal, count, code } = auditNote(request)
  const said = { ...asked(request.query, audit), ...what, ...hashedOf(personal, audit) }
  return {
    time: new Date(nowMs).toISOString(),
    event,
    requestId: request.id,
    caller: identity?.name ?? null,
    via: identity?.via ?? null,
    remote,
    method: request.method,
    route: request.routeOptions.url ?? null,
    ...(topic === undefined ? {} : { topic }),
    ...(Object.keys(said).length === 0 ? {} : { what: said }),
    ...(code === undefined ? {} : { code }),
    ...(count === undefined ? {} : { count }),
  }
}

function topicOf({ params, query }: FastifyRequest): string | undefined {
  const { topic } = { ...(query as object), ...(params as object) } as { readonly topic?: unknown }
  return typeof topic === 'string' ? topic : undefined
}

/** Parameters of addresses that are about no person; the values of all others are written as hashes. */
const PLAIN = new Set(
  [
    'topic',
    'topicId',
    'lane',
    'lanes',
    'position',
    'positions',
    'from',
    'to',
    'since',
    'until',
    'order',
    'limit',
    'format',
  ].concat(['fields', 'decode', 'count', 'job']),
)
const MAX_PARAMETERS = 32

function asked(query: unknown, audit: Pick<Audit, 'hashed'>): Record<string, unknown> {
  const entries = Object.entries((query ?? {}) as Record<string, unknown>).slice(0, MAX_PARAMETERS)
  return Object.fromEntries(
    entries.map(([name, value]) => [name.slice(0, 64), PLAIN.has(name) ? String(value).slice(0, 256) : audit.hashed(value)]),
  )
}

const hashedOf = (values: Readonly<Record<string, unknown>> = {}, audit: Pick<Audit, 'hashed'>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, audit.hashed(value)]))

/** Calls once when an answer is complete, or its connection gone without it. */
export function onceClosed({ raw }: FastifyReply, act: (isComplete: boolean) => void): void {
  let isOver = false
  const over = (isComplete: boolean): void => {
    if (isOver) return
    isOver = true
    act(isComplete)
  }
  raw.once('finish', () => over(true))
  raw.once('close', () => over(false))
}
