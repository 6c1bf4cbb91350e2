import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MillpondError } from '../../errors.ts'
import { type Caller, requireAccess, setCaller, wasAsked } from '../access.ts'
import type { Audit } from './audit.ts'
import type { Authenticate, Authentication } from './authenticate.ts'
import { corsHeaders, preflight } from './cors.ts'
import type { Identity } from './identity.ts'
import type { Limits } from './limits.ts'
import { foreignPage, remoteOf } from './remote.ts'
import { accessOf, noteRoutes, type RouteAccess, scopesOf } from './route-access.ts'
import { isStrict, onceClosed, recordAtEnd, recordOf, type Visit } from './visit.ts'

/** By what callers can show who they are; nobody has to where there is no way. */
export interface Ways {
  readonly isKey: boolean
  readonly isCertificate: boolean
  readonly issuer: { readonly url: string; readonly scopePrefix: string } | undefined
}

/** What stands between a request and its route. */
export interface Gate {
  readonly authenticate: Authenticate
  /** As `authenticate` has them, for the description of the interface. */
  readonly ways: Ways
  readonly limits: Limits
  readonly audit: Audit | undefined
  readonly behindProxy: boolean
  /** Whether `/readyz` and `/metrics` answer whoever asks. */
  readonly openProbes: boolean
  readonly corsOrigins: readonly string[]
  readonly nowMs: () => number
}

/** Who may do nothing: the caller of routes that are open to all. */
const STRANGER: Caller = { name: 'anonymous', may: () => false }

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
}

/** Guards every route that is added to the server after it: who calls is known, may do it, asks not too much, and is recorded. */
export function guard(server: FastifyInstance, gate: Gate): void {
  noteRoutes(server)
  keepBackUnasked(server)
  server.addHook('onRequest', (request, reply, done) => {
    dress(request, reply)
    void reply.headers(corsHeaders(request.headers, gate.corsOrigins))
    const allowed = preflight(request.method, request.headers, gate.corsOrigins)
    if (allowed !== undefined) return void reply.code(204).headers(allowed).send()
    let admitted: Promise<void> | void
    try {
      admitted = admit(request, reply, gate)
    } catch (error) {
      return done(error as Error)
    }
    if (admitted === undefined) done()
    else void settle(admitted, done)
  })
}

async function settle(admitted: Promise<void>, done: (error?: Error) => void): Promise<void> {
  try {
    await admitted
  } catch (error) {
    return done(error as Error)
  }
  done()
}

/** Gives an answer the headers that every one has. */
export function dress(request: FastifyRequest, reply: FastifyReply): void {
  void reply.header('x-request-id', request.id).headers(HEADERS)
}

function admit(request: FastifyRequest, reply: FastifyReply, gate: Gate): Promise<void> | void {
  const access = accessOf(request)
  if (access === 'open' || (access === 'probe' && gate.openProbes)) return setCaller(request, STRANGER)
  const visit: Visit = {
    request,
    access,
    remote: remoteOf(request.raw, gate.behindProxy),
    startedMs: gate.nowMs(),
    identity: undefined,
  }
  if (gate.audit !== undefined) recordAtEnd(visit, reply, gate.audit, gate.nowMs)
  gate.limits.checkAddress(visit.remote)
  const found = gate.authenticate(request.raw)
  return found instanceof Promise ? found.then((one) => enter(visit, one, reply, gate)) : enter(visit, found, reply, gate)
}

function enter(visit: Visit, found: Authentication, reply: FastifyReply, gate: Gate): Promise<void> | void {
  const { request, access } = visit
  if (typeof found === 'string') {
    gate.limits.refused(visit.remote)
    void reply.header('www-authenticate', challenge(found))
    throw new MillpondError(
      'UNAUTHORIZED',
      'this address needs a key or a token that is right: Authorization: Bearer <token>, or x-api-key',
    )
  }
  visit.identity = found
  setCaller(request, found)
  gate.limits.begin(found, (headers) => void reply.headers(headers))
  if (gate.limits.countsOpen(found)) onceClosed(reply, () => gate.limits.end(found))
  if (found.via === 'nothing' && !gate.behindProxy) refuseForeign(request.raw, gate.corsOrigins)
  checkAccess(request, access, found)
  if (gate.audit !== undefined && isStrict(visit, gate.audit.policy)) {
    return gate.audit.before(recordOf(visit, { event: 'asked', nowMs: gate.nowMs(), audit: gate.audit }))
  }
}

/** A key may be a password of HTTP Basic too; a token that was wrong is told as RFC 6750 says. */
const challenge = (found: 'nothing' | 'wrong'): string =>
  `Bearer realm="millpond"${found === 'wrong' ? ', error="invalid_token"' : ''}, Basic realm="millpond", charset="UTF-8"`

function refuseForeign({ headers }: IncomingMessage, allowed: readonly string[]): void {
  const foreign = foreignPage(headers, allowed)
  if (foreign === undefined) return
  const why =
    foreign === 'host'
      ? 'without keys this service answers to names of this machine alone'
      : 'without keys this service answers no page of another site; http.cors.origins lists those that may call'
  throw new MillpondError('FORBIDDEN', why)
}

function checkAccess(request: FastifyRequest, access: RouteAccess, identity: Identity): void {
  if (typeof access === 'string' || access.of === 'asks') return
  const topic = access.of === 'path' ? (request.params as { topic?: string }).topic : undefined
  const scopes = scopesOf(access)
  if (!scopes.some((scope) => identity.may(scope, topic))) requireAccess(identity, scopes[0]!, topic)
}

/** An answer of a route that was to ask what its caller may do, and did not, does not go out. */
function keepBackUnasked(server: FastifyInstance): void {
  server.addHook('onRoute', (route) => {
    const access = route.config?.access
    if (typeof access !== 'object' || access.of !== 'asks') return
    route.onSend = [
      ...[route.onSend ?? []].flat(),
      (
        request: FastifyRequest,
        reply: FastifyReply,
        payload: unknown,
        done: (error: Error | null, payload?: unknown) => void,
      ) => {
        if (reply.statusCode >= 400 || wasAsked(request)) return done(null, payload)
        done(new MillpondError('INTERNAL', `${route.url} did not ask what its caller may do`))
      },
    ]
  })
}
