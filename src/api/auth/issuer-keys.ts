import { createLocalJWKSet, type JSONWebKeySet, type LocalJWKSet } from 'jose'
import type { OidcConfig } from '../../config/http-config.ts'
import { isSafeUrl } from '../../config/resolve-http.ts'
import { MillpondError } from '../../errors.ts'

/** The public keys of an issuer, fetched when they are needed and kept. */
export interface IssuerKeys {
  /**
   * What is there, fetched first where nothing is.
   * @throws MillpondError `ISSUER_UNAVAILABLE`.
   */
  current(): Promise<LocalJWKSet>
  /** After a token named a key that is not there: those that the issuer has now, unless it was asked a moment ago. */
  afterUnknown(): Promise<LocalJWKSet | undefined>
  /** Fetches what is missing or old. */
  keepFresh(): Promise<void>
}

/** Told whenever the issuer was asked: undefined where it answered, or why it did not. */
export type IssuerNews = (failure: string | undefined) => void

const MAX_ANSWER_BYTES = 1024 * 1024

/** Keys of the issuer of a configuration; `nowMs` need not be the time of day. */
export function createIssuerKeys(config: OidcConfig, nowMs: () => number, onNews: IssuerNews): IssuerKeys {
  let keys: LocalJWKSet | undefined
  let fetchedMs = -Infinity
  let askedMs = -Infinity
  let asking: Promise<void> | undefined
  const ask = async (): Promise<void> => {
    askedMs = nowMs()
    try {
      keys = createLocalJWKSet(await fetchKeys(config))
      fetchedMs = nowMs()
      onNews(undefined)
    } catch (error) {
      if (nowMs() - fetchedMs > config.keepKeysMs) keys = undefined
      onNews(error instanceof Error ? error.message : String(error))
    }
  }
  const refresh = async (): Promise<void> => {
    asking ??= ask().finally(() => (asking = undefined))
    return asking
  }
  const isCool = (): boolean => nowMs() - askedMs >= config.cooldownMs
  return {
    async current() {
      if (keys === undefined && (asking !== undefined || isCool())) await refresh()
      if (keys !== undefined) return keys
      throw new MillpondError('ISSUER_UNAVAILABLE', 'the issuer of tokens cannot be asked for its keys; send again in a moment')
    },
    async afterUnknown() {
      if (asking === undefined && !isCool()) return undefined
      await refresh()
      return keys
    },
    async keepFresh() {
      const isOld = keys === undefined || nowMs() - fetchedMs >= config.refreshMs
      if (isOld && isCool()) await refresh()
    },
  }
}

async function fetchKeys({ issuer, jwksUrl, timeoutMs }: OidcConfig): Promise<JSONWebKeySet> {
  const { keys } = (await fetchJson(jwksUrl ?? (await discover(issuer, timeoutMs)), timeoutMs)) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error('the issuer’s keys are no JWK set')
  // A secret that somebody put among public keys must verify nothing.
  const usable = (keys as { kty?: unknown }[]).filter((key) => typeof key === 'object' && key !== null && key.kty !== 'oct')
  if (usable.length === 0) throw new Error('the issuer has no public key')
  return { keys: usable } as JSONWebKeySet
}

async function discover(issuer: string, timeoutMs: number): Promise<string> {
  const url = `${issuer.replace(/\/$/u, '')}/.well-known/openid-configuration`
  const found = (await fetchJson(url, timeoutMs)) as { issuer?: unknown; jwks_uri?: unknown }
  if (found.issuer !== issuer) throw new Error(`${url} describes another issuer`)
  if (typeof found.jwks_uri !== 'string' || !isSafeUrl(found.jwks_uri)) throw new Error(`${url} names no safe jwks_uri`)
  return found.jwks_uri
}

async function fetchJson(url: string, timeoutMs: number): Promise<object> {
  const response = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
    headers: { accept: 'application/json' },
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`${url} answered ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`${url} answered more than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString())
  if (typeof value !== 'object' || value === null) throw new Error(`${url} answered no JSON object`)
  return value
}
