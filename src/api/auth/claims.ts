import type { JWTPayload } from 'jose'
import type { GrantConfig, OidcConfig } from '../../config/http-config.ts'

const SCOPES: Readonly<Record<string, GrantConfig['scope']>> = { write: 'write', read: 'read', replay: 'replay', admin: 'admin' }

type ClaimRules = Pick<OidcConfig, 'scopesClaim' | 'scopePrefix' | 'topicsClaim' | 'grants'>

/** What the claims of a token let its bearer do. */
export function grantsOfClaims(claims: JWTPayload, { scopesClaim, scopePrefix, topicsClaim, grants }: ClaimRules): GrantConfig[] {
  const within = topicsClaim === undefined ? ['*'] : wordsOf(claims, topicsClaim)
  const found: GrantConfig[] = []
  for (const word of wordsOf(claims, scopesClaim)) {
    if (!word.startsWith(scopePrefix)) continue
    const [name = '', ...pattern] = word.slice(scopePrefix.length).split(':')
    const scope = Object.hasOwn(SCOPES, name) ? SCOPES[name] : undefined
    if (scope !== undefined) found.push({ scope, topics: pattern.length === 0 ? within : [pattern.join(':')] })
  }
  for (const { claim, value, scopes, topics } of grants) {
    if (wordsOf(claims, claim).includes(value)) found.push(...scopes.map((scope) => ({ scope, topics })))
  }
  return found
}

/** The texts of a claim: its list, or its words. A name that is no claim itself is a path into objects. */
function wordsOf(claims: JWTPayload, name: string): string[] {
  const value = valueOf(claims, name)
  if (typeof value === 'string') return value.split(/\s+/u).filter((word) => word !== '')
  return Array.isArray(value) ? value.filter((word) => typeof word === 'string') : []
}

function valueOf(claims: JWTPayload, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let value: unknown = claims
  for (const step of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string, unknown>)[step]
  }
  return value
}

const MAX_NAME_CHARACTERS = 128

/** What the bearer is called; what could not be seen, or could be taken for something else in a log, is left out of it. */
export function nameOfClaims(claims: JWTPayload, nameClaim: string): string {
  for (const claim of [nameClaim, 'client_id', 'azp', 'sub']) {
    const value = valueOf(claims, claim)
    if (typeof value !== 'string') continue
    const shown = value.replaceAll(/[\p{C}\p{Z}]/gu, '_').slice(0, MAX_NAME_CHARACTERS)
    if (shown !== '') return shown
  }
  return 'unnamed'
}
