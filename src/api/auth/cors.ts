import type { IncomingHttpHeaders } from 'node:http'
import type { Headers } from './limits.ts'

const EXPOSED = 'x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset'
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
/** Headers that calls have: what a page asks for beside them is not allowed. */
const ALLOWED = /^(?:authorization|content-type|accept|x-api-key|x-request-id|last-event-id|millpond-[a-z\d-]+)$/u

/** What pages of an origin are let do: nothing where it is not in the list. */
export function corsHeaders({ origin }: IncomingHttpHeaders, allowed: readonly string[]): Headers {
  if (allowed.length === 0) return {}
  if (origin === undefined || !allowed.includes(origin)) return { vary: 'origin' }
  return { vary: 'origin', 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED }
}

/** The answer to a browser that asks before it calls; undefined where it does not ask, or may not call. */
export function preflight(method: string, headers: IncomingHttpHeaders, allowed: readonly string[]): Headers | undefined {
  const { origin } = headers
  if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return undefined
  if (origin === undefined || !allowed.includes(origin)) return undefined
  const asked = (headers['access-control-request-headers'] ?? '').toLowerCase().split(',')
  const granted = asked.map((name) => name.trim()).filter((name) => ALLOWED.test(name))
  return {
    'access-control-allow-methods': METHODS,
    'access-control-max-age': '600',
    ...(granted.length === 0 ? {} : { 'access-control-allow-headers': granted.join(', ') }),
  }
}
