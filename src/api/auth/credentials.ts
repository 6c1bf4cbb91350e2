import type { IncomingHttpHeaders } from 'node:http'

/** What a request brought to show who sends it. */
export interface Credential {
  /** A bearer token may be a key too. */
  readonly kind: 'bearer' | 'key'
  readonly text: string
}

/** What the request brought; undefined where that is nothing, `unclear` where it is two things, or one that cannot be read. */
export function credentialOf(headers: IncomingHttpHeaders): Credential | 'unclear' | undefined {
  const { authorization } = headers
  const apiKey = headers['x-api-key']
  if (apiKey !== undefined) {
    if (authorization !== undefined || typeof apiKey !== 'string' || apiKey === '') return 'unclear'
    return { kind: 'key', text: apiKey.trim() }
  }
  if (authorization === undefined) return undefined
  const [, scheme, text] = /^([A-Za-z]+) +(\S+) *$/u.exec(authorization) ?? []
  if (scheme === undefined || text === undefined) return 'unclear'
  if (scheme.toLowerCase() === 'bearer') return { kind: 'bearer', text }
  return scheme.toLowerCase() === 'basic' ? basicPassword(text) : 'unclear'
}

/** The key is the password; whose it is the key itself says, so that the name may be anything. */
function basicPassword(text: string): Credential | 'unclear' {
  const decoded = Buffer.from(text, 'base64').toString()
  const colon = decoded.indexOf(':')
  const password = decoded.slice(colon + 1)
  return colon < 0 || password === '' ? 'unclear' : { kind: 'key', text: password }
}
