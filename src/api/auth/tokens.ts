import { hash } from 'node:crypto'
import { type CryptoKey, errors, type JWTPayload, jwtVerify, type JWTVerifyOptions, type LocalJWKSet } from 'jose'
import type { OidcConfig } from '../../config/http-config.ts'
import { MillpondError } from '../../errors.ts'
import { grantsOfClaims, nameOfClaims } from './claims.ts'
import { type Identity, mayBy } from './identity.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { createRecent } from './lru.ts'

/** Who the bearer of a token is, or undefined where the token opens nothing. @throws MillpondError `ISSUER_UNAVAILABLE`. */
export type TokenCheck = (token: string) => Promise<Identity | undefined>

interface Checked {
  readonly identity: Identity
  readonly untilMs: number
}

/** How long a token is believed without looking at its signature again: so long a key that was taken back may still open. */
const BELIEVED_MS = 60_000
const MAX_BELIEVED = 1000
/** Larger than what any issuer makes that should fit into a header. */
const MAX_TOKEN_CHARACTERS = 16 * 1024

/** Checks tokens of one issuer; `nowMs` is the time of day. */
export function createTokenCheck(config: OidcConfig, keys: IssuerKeys, nowMs: () => number): TokenCheck {
  const believed = createRecent<Checked>(MAX_BELIEVED)
  return async (token) => {
    if (token.length > MAX_TOKEN_CHARACTERS || token.split('.').length !== 3) return undefined
    const name = hash('sha256', token, 'base64')
    const known = believed.get(name)
    if (known !== undefined && nowMs() < known.untilMs) return known.identity
    const claims = await claimsOf(token, config, keys, nowMs())
    if (claims === undefined) return undefined
    const identity: Identity = {
      name: nameOfClaims(claims, config.nameClaim),
      via: 'token',
      may: mayBy(grantsOfClaims(claims, config)),
    }
    const untilMs = Math.min(claims.exp! * 1000 + config.clockToleranceMs, nowMs() + BELIEVED_MS)
    believed.set(name, { identity, untilMs })
    return identity
  }
}

async function claimsOf(token: string, config: OidcConfig, keys: IssuerKeys, nowMs: number): Promise<JWTPayload | undefined> {
  const verify = (by: LocalJWKSet) => claimsBy(by, token, config, nowMs)
  const first = await verify(await keys.current())
  if (first !== 'unknown key') return first
  const newer = await keys.afterUnknown()
  const second = newer === undefined ? undefined : await verify(newer)
  return second === 'unknown key' ? undefined : second
}

async function claimsBy(keys: LocalJWKSet, token: string, config: OidcConfig, nowMs: number) {
  const options = {
    issuer: config.issuer,
    audience: [...config.audience],
    algorithms: [...config.algorithms],
    clockTolerance: config.clockToleranceMs / 1000,
    currentDate: new Date(nowMs),
    requiredClaims: ['exp'],
  }
  try {
    const { payload } = await jwtVerify(token, keys, options)
    return payload
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) return claimsByAny(error, token, options)
    if (error instanceof errors.JWKSNoMatchingKey) return 'unknown key'
    // What is wrong with a token is not told: it would help those who make them up.
    if (error instanceof errors.JOSEError) return undefined
    // Keys or signatures whose bytes cannot be what their header says.
    if (error instanceof TypeError || error instanceof DOMException) return undefined
    throw new MillpondError('INTERNAL', 'a token could not be checked', { cause: error })
  }
}

/** A token need not say which of the issuer's keys signed it. */
async function claimsByAny(keys: AsyncIterable<CryptoKey>, token: string, options: JWTVerifyOptions) {
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, options)).payload
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error
    }
  }
  return undefined
}
