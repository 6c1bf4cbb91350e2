import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** What can stand in a log, a header and an error without harm. */
const SANE = /^[\w.:@/+=-]{1,128}$/u

/** The id by which a request can be found: the one that it brought, where that is sane, or a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID()
}
