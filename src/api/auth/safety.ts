import type { FastifyInstance } from 'fastify'
import type { HttpConfig } from '../../config/http-config.ts'
import { isLoopback } from '../../config/resolve-http.ts'
import { MillpondError } from '../../errors.ts'
import { createSecret } from '../../secret.ts'
import { startPeriodic } from '../periodic.ts'
import { type Audit, createAudit } from './audit.ts'
import { openLineFile } from './audit-file.ts'
import { createAuthenticate } from './authenticate.ts'
import type { Gate, Ways } from './guard.ts'
import { createIssuerKeys, type IssuerKeys } from './issuer-keys.ts'
import { keepCertificate } from './keep-certificate.ts'
import { createKeyRing } from './keys.ts'
import { createLimits } from './limits.ts'
import type { SafetyParts } from './safety-parts.ts'
import { loadTls, type ServerTls } from './tls.ts'
import { createTokenCheck } from './tokens.ts'

/** Who is let in, by what, and how it is recorded. */
export interface Safety extends AsyncDisposable {
  readonly gate: Gate
  readonly tls: ServerTls | undefined
  /** Keeps certificate and keys of the issuer fresh until `signal` aborts; does not throw. */
  keep(server: FastifyInstance, signal: AbortSignal): Promise<void>
}

type Guarded = Pick<HttpConfig, 'token' | 'keys' | 'oidc'>

const isGuarded = ({ token, keys, oidc }: Guarded): boolean => token !== undefined || keys.length > 0 || oidc !== undefined

/**
 * Refuses to listen where others than this machine reach it, unless callers are asked who they are.
 * @throws MillpondError `CONFIG_INVALID`.
 */
export function requireKeysFor(http: Guarded & Pick<HttpConfig, 'host'>): void {
  if (isLoopback(http.host) || isGuarded(http)) return
  throw new MillpondError(
    'CONFIG_INVALID',
    `others than this machine reach ${http.host}, so http.token, http.keys or http.oidc must be set`,
    { details: { host: http.host } },
  )
}

/** By what callers of this configuration show who they are. */
export function waysOf({ token, keys, oidc }: Guarded): Ways {
  return {
    isKey: token !== undefined || keys.some(({ sha256 }) => sha256 !== undefined),
    isCertificate: keys.some(({ certificate }) => certificate !== undefined),
    issuer: oidc && { url: oidc.issuer, scopePrefix: oidc.scopePrefix },
  }
}

const NO_LIMITS = { rate: undefined, burst: undefined, concurrent: undefined, refusedPerMinute: 60, callers: [] }

/** The gate of a service with one key, or none, and nothing else; for programs that embed the server. */
export function gateFor(token: string | undefined): Gate {
  const ring = token === undefined ? undefined : createKeyRing({ keys: [], token: createSecret(token) }, Date.now)
  return {
    authenticate: createAuthenticate(ring, undefined),
    ways: { isKey: ring !== undefined, isCertificate: false, issuer: undefined },
    limits: createLimits(NO_LIMITS, () => performance.now()),
    audit: undefined,
    behindProxy: false,
    openProbes: false,
    corsOrigins: [],
    nowMs: Date.now,
  }
}

/** How often it is looked whether the issuer has to be asked again. */
const ISSUER_LOOK_MS = 1000

/**
 * Opens what the configuration says.
 * @throws MillpondError `CONFIG_INVALID` where files of the certificate cannot be used.
 */
export async function openSafety(http: HttpConfig, parts: SafetyParts): Promise<Safety> {
  warnOf(http, parts)
  const tls = http.tls === undefined ? undefined : await loadTls(http.tls)
  const audit = openAudit(http, parts)
  const issuerKeys = http.oidc && createIssuerKeys(http.oidc, () => performance.now(), issuerNews(http.oidc.issuer, parts))
  const ring = http.token === undefined && http.keys.length === 0 ? undefined : createKeyRing(http, Date.now)
  const checkToken = http.oidc && createTokenCheck(http.oidc, issuerKeys!, Date.now)
  return {
    gate: {
      authenticate: createAuthenticate(ring, checkToken),
      ways: waysOf(http),
      limits: createLimits(http.limits, () => performance.now()),
      audit,
      behindProxy: http.behindProxy,
      openProbes: http.openProbes,
      corsOrigins: http.corsOrigins,
      nowMs: Date.now,
    },
    tls,
    keep: (server, signal) => keep(http, { server, tls, issuerKeys }, parts, signal),
    async [Symbol.asyncDispose]() {
      await audit?.[Symbol.asyncDispose]()
    },
  }
}

function warnOf({ host, tls, behindProxy }: HttpConfig, { onNews }: SafetyParts): void {
  if (isLoopback(host) || tls !== undefined || behindProxy) return
  onNews(
    'warn',
    `keys and messages travel to ${host} in the clear: set http.tls, or http.behindProxy where a proxy in front of it speaks TLS`,
  )
}

function openAudit({ host, audit }: HttpConfig, { readiness, metrics, onNews }: SafetyParts): Audit | undefined {
  if (audit.type === 'none' || (audit.type === 'auto' && isLoopback(host))) return undefined
  const file = openLineFile({ path: audit.path, rotateBytes: audit.rotateBytes, nowMs: Date.now })
  let told = false
  return createAudit(file, audit, (failure, lost) => {
    metrics.auditLost.inc(lost)
    if (failure === undefined) readiness.settle('audit', 'write')
    else readiness.tell('audit', { state: 'amber', why: failure }, 'write')
    if ((failure !== undefined) !== told)
      onNews(failure === undefined ? 'info' : 'warn', failure ?? 'the audit log is written again')
    told = failure !== undefined
  })
}

function issuerNews(issuer: string, { readiness, onNews }: SafetyParts): (failure: string | undefined) => void {
  let last: string | undefined
  return (failure) => {
    if (failure === undefined) readiness.tell('issuer', { state: 'green', why: issuer })
    else readiness.tell('issuer', { state: 'amber', why: `keys of ${issuer} cannot be fetched: ${failure}` })
    if (failure !== last) {
      onNews(failure === undefined ? 'info' : 'warn', `keys of the issuer ${issuer}: ${failure ?? 'fetched'}`)
    }
    last = failure
  }
}

interface Kept {
  readonly server: FastifyInstance
  readonly tls: ServerTls | undefined
  readonly issuerKeys: IssuerKeys | undefined
}

async function keep(http: HttpConfig, { server, tls, issuerKeys }: Kept, parts: SafetyParts, signal: AbortSignal): Promise<void> {
  const work: Promise<void>[] = []
  if (tls !== undefined) {
    const look = keepCertificate(server, tls, parts)
    work.push(startPeriodic(http.tls!.reloadMs, look, signal).done)
  }
  if (issuerKeys !== undefined) work.push(startPeriodic(ISSUER_LOOK_MS, () => issuerKeys.keepFresh(), signal).done)
  await Promise.all(work)
}
