import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { HttpConfig } from '../../config/http-config.ts'
import type { Secret } from '../../secret.ts'
import { type Identity, mayBy } from './identity.ts'

/** The callers that have a key or a client certificate. */
export interface KeyRing {
  /** Whose key it is; it takes the same time for every key that is not right. */
  holderOf(key: string): Identity | undefined
  /** Who calls with a client certificate of this common name that the authority vouches for. */
  ofCertificate(commonName: string): Identity | undefined
}

interface Entry {
  readonly digest: Buffer | undefined
  readonly certificate: string | undefined
  readonly expiresMs: number
  readonly identity: Identity
}

const digestOf = (text: string): Buffer => hash('sha256', text, 'buffer')

/** The keys of the configuration, and `http.token` as one that may do everything. */
export function createKeyRing(
  { keys, token }: Pick<HttpConfig, 'keys'> & { token: Secret | undefined },
  nowMs: () => number,
): KeyRing {
  const entries = keys.map(({ name, sha256, certificate, grants, expiresMs }): Entry => ({
    digest: sha256 === undefined ? undefined : Buffer.from(sha256, 'hex'),
    certificate,
    expiresMs: expiresMs ?? Infinity,
    identity: { name, via: certificate === undefined ? 'key' : 'certificate', may: mayBy(grants) },
  }))
  if (token !== undefined) {
    const identity = { name: 'token', via: 'key', may: mayBy([{ scope: 'admin', topics: ['*'] }]) } as const
    entries.push({ digest: digestOf(token.reveal()), certificate: undefined, expiresMs: Infinity, identity })
  }
  const digests = entries.flatMap((entry) => (entry.digest === undefined ? [] : [{ entry, digest: entry.digest }]))
  const valid = (entry: Entry | undefined) => (entry !== undefined && nowMs() < entry.expiresMs ? entry.identity : undefined)
  return {
    holderOf(key) {
      const given = digestOf(key)
      let found: Entry | undefined
      // All of them, so that the time does not tell which one it was.
      for (const { entry, digest } of digests) if (timingSafeEqual(digest, given)) found = entry
      return valid(found)
    },
    ofCertificate: (commonName) => valid(entries.find(({ certificate }) => certificate === commonName)),
  }
}

/** A new key and its SHA-256, hexadecimal: 256 random bits under a prefix that scanners for leaked keys can look for. */
export function newKey(): { readonly key: string; readonly sha256: string } {
  const key = `millpond_${randomBytes(32).toString('base64url')}`
  return { key, sha256: hash('sha256', key, 'hex') }
}
