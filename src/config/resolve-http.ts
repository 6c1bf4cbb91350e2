import { hash } from 'node:crypto'
import { resolve } from 'node:path'
import type { HttpConfig, KeyConfig } from './http-config.ts'
import type { ConfigPath, Finding } from './mistake.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration, parseSize } from './units.ts'

type Written = FileConfig['http']

/** Whether only this machine reaches the address. */
export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/u.test(host)

const msOf = (written: string | number): number => parseDuration(written)!
const bytesOf = (written: string | number): number => parseSize(written)!

/** The HTTP interface as it is written, its units counted and its paths absolute; `inData` gives the default of a path. */
export function resolveHttp(
  http: Written,
  folder: string,
  inData: (path: string | undefined, name: string) => string,
): HttpConfig {
  const { host, port, token, behindProxy, openProbes, maxConnections } = http
  const { type, path, rotateBytes, onFailure, puts, hashKey } = http.audit
  return {
    host,
    port,
    token,
    keys: http.keys.map(keyOf),
    oidc: oidcOf(http.oidc),
    tls: tlsOf(http.tls, folder),
    behindProxy,
    openProbes,
    corsOrigins: http.cors.origins,
    limits: limitsOf(http.limits),
    audit: { type, path: inData(path, 'audit.jsonl'), rotateBytes: bytesOf(rotateBytes), onFailure, puts, hashKey },
    maxBodyBytes: bytesOf(http.maxBodyBytes),
    maxMessageBytes: bytesOf(http.maxMessageBytes),
    maxConnections,
    requestTimeoutMs: msOf(http.requestTimeout),
  }
}

function limitsOf({ rate, burst, concurrent, refusedPerMinute, callers }: Written['limits']): HttpConfig['limits'] {
  return {
    rate,
    burst,
    concurrent,
    refusedPerMinute,
    callers: callers.map((caller) => ({
      name: caller.name,
      rate: caller.rate ?? rate,
      // A burst of others belongs to their rate.
      burst: caller.burst ?? (caller.rate === undefined ? burst : undefined),
      concurrent: caller.concurrent ?? concurrent,
    })),
  }
}

const HASHED = 'sha256:'

function keyOf({ name, key, certificate, scopes, expires }: Written['keys'][number]): KeyConfig {
  const text = key?.reveal()
  const sha256 = text?.startsWith(HASHED) ? text.slice(HASHED.length).toLowerCase() : text && hash('sha256', text, 'hex')
  return { name, sha256, certificate, grants: scopes, expiresMs: expires === undefined ? undefined : Date.parse(expires) }
}

// The rules have let through only what is whole.
function oidcOf(oidc: Written['oidc']): HttpConfig['oidc'] {
  const { issuer, audience, jwksUrl, algorithms, scopesClaim, scopePrefix, topicsClaim, nameClaim } = oidc
  if (issuer === undefined) return undefined
  return {
    issuer,
    audience,
    jwksUrl,
    algorithms,
    clockToleranceMs: msOf(oidc.clockTolerance),
    scopesClaim,
    scopePrefix,
    topicsClaim,
    grants: oidc.grants.map(({ claim, value, scopes, topics }) => ({ claim, value: value!, scopes, topics })),
    nameClaim,
    timeoutMs: msOf(oidc.timeout),
    refreshMs: msOf(oidc.refresh),
    cooldownMs: msOf(oidc.cooldown),
    keepKeysMs: msOf(oidc.keepKeys),
  }
}

function tlsOf(tls: Written['tls'], folder: string): HttpConfig['tls'] {
  const { certificate, key, passphrase, ca, clientCertificates, minVersion } = tls
  if (certificate === undefined) return undefined
  return {
    certFile: resolve(folder, certificate),
    keyFile: resolve(folder, key!),
    passphrase,
    caFile: ca === undefined ? undefined : resolve(folder, ca),
    clientCertificates,
    minVersion,
    reloadMs: msOf(tls.reload),
  }
}

type Broken = (path: ConfigPath) => boolean

/** What no key of the section can tell alone. */
export function httpRules({ http }: FileConfig, broken: Broken): Finding[] {
  return [
    ...openRule(http, broken),
    ...messageRule(http),
    ...http.keys.flatMap((key, index) => keyRule(key, index, http.tls.ca, broken)),
    ...oidcRule(http.oidc, broken),
    ...tlsRule(http.tls, broken),
    ...http.cors.origins.flatMap((origin, index) => originRule(origin, index)),
    ...limitsRule(http.limits),
  ]
}

function limitsRule({ rate, burst, callers }: Written['limits']): Finding[] {
  const path = ['http', 'limits', 'callers']
  return [
    ...(burst === undefined || rate !== undefined
      ? []
      : [{ path: ['http', 'limits', 'burst'], message: 'has no meaning without http.limits.rate' }]),
    ...callers.flatMap((caller, index) => [
      ...(caller.burst === undefined || caller.rate !== undefined || rate !== undefined
        ? []
        : [{ path: [...path, index, 'burst'], message: 'has no meaning without a rate' }]),
      ...(callers.findIndex(({ name }) => name === caller.name) === index
        ? []
        : [{ path: [...path, index, 'name'], message: `is that of another entry too: ${caller.name}` }]),
    ]),
  ]
}

function openRule(http: Written, broken: Broken): Finding[] {
  const isGuarded = http.token !== undefined || http.keys.length > 0 || http.oidc.issuer !== undefined
  const mayBeGuarded = ['token', 'keys', 'oidc'].some((key) => broken(['http', key]))
  if (isLoopback(http.host) || isGuarded || mayBeGuarded) return []
  const message = `others than this machine reach ${http.host}: set http.token (best \${file:…} or \${MILLPOND_TOKEN}), http.keys or http.oidc, or listen at 127.0.0.1`
  return [{ path: ['http', 'host'], message }]
}

function messageRule(http: Written): Finding[] {
  if (bytesOf(http.maxMessageBytes) <= bytesOf(http.maxBodyBytes)) return []
  return [{ path: ['http', 'maxMessageBytes'], message: `must not be more than http.maxBodyBytes (${http.maxBodyBytes})` }]
}

function keyRule({ key, certificate }: Written['keys'][number], index: number, ca: unknown, broken: Broken): Finding[] {
  const path = ['http', 'keys', index]
  if (broken([...path, 'key'])) return []
  if ((key === undefined) === (certificate === undefined)) {
    return [{ path, message: 'needs a key or a certificate, and not both' }]
  }
  if (certificate === undefined || ca !== undefined) return []
  return [{ path: [...path, 'certificate'], message: 'has no meaning without http.tls.ca' }]
}

function oidcRule(oidc: Written['oidc'], broken: Broken): Finding[] {
  const findings: Finding[] = []
  const tell = (path: readonly (string | number)[], message: string) =>
    findings.push({ path: ['http', 'oidc', ...path], message })
  const { issuer, audience, jwksUrl } = oidc
  if (issuer === undefined) {
    if ((audience.length > 0 || jwksUrl !== undefined) && !broken(['http', 'oidc', 'issuer'])) {
      tell(['issuer'], 'is missing: without it no token is taken')
    }
    return findings
  }
  if (audience.length === 0 && !broken(['http', 'oidc', 'audience'])) {
    tell(['audience'], 'is missing: tokens that the issuer made for others would open this service')
  }
  for (const [key, url] of Object.entries({ issuer, jwksUrl })) {
    if (url !== undefined && !isSafeUrl(url)) tell([key], 'must begin with https: (http: for loopback addresses alone)')
  }
  for (const [index, { value }] of oidc.grants.entries()) {
    if (value === undefined && !broken(['http', 'oidc', 'grants', index, 'value'])) {
      tell(['grants', index], 'needs the value of the claim')
    }
  }
  return findings
}

/** Whether nobody between here and there could change what the address answers. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replaceAll(/[[\]]/gu, '')))
}

function tlsRule(tls: Written['tls'], broken: Broken): Finding[] {
  const { certificate, key, ca, passphrase } = tls
  const missing = certificate === undefined ? 'certificate' : 'key'
  if ((certificate === undefined) !== (key === undefined) && !broken(['http', 'tls', missing])) {
    return [{ path: ['http', 'tls', missing], message: 'a certificate and its key are given together' }]
  }
  const given = Object.entries({ ca, passphrase }).filter(([, value]) => certificate === undefined && value !== undefined)
  return given.map(([name]) => ({ path: ['http', 'tls', name], message: 'has no meaning without http.tls.certificate' }))
}

function originRule(origin: string, index: number): Finding[] {
  if (URL.canParse(origin) && new URL(origin).origin === origin) return []
  return [{ path: ['http', 'cors', 'origins', index], message: 'must be an origin like https://console.example, without a path' }]
}
