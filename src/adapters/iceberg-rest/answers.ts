import { MillpondError, wrapError } from '../../errors.ts'
import { parseLongJson } from '../../iceberg/long-json.ts'

/** An answer of the catalogue that is no failure for those who asked. */
export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** What is asked. */
export interface Question {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | URLSearchParams | undefined
  /** Statuses beside 2xx that are answers too. */
  readonly allowed?: readonly number[]
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** What an HTTP status of the catalogue asks to be done. */
const remedies: Readonly<Record<number, string>> = {
  401: 'check iceberg.rest.token, or the client id and secret',
  403: 'the catalogue knows who asks, and does not allow it: check the rights there',
  404: 'check iceberg.rest.url, warehouse and namespace',
  419: 'the token is too old: check iceberg.rest.token, or the client id and secret',
}
const BUSY: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

/** Asks the catalogue. @throws MillpondError `CATALOG_UNAVAILABLE`, `CATALOG_REFUSED`; no secret is in them. */
export async function ask({ method, url, headers, body, allowed = [], timeoutMs, signal }: Question): Promise<Answer> {
  const limit = AbortSignal.timeout(timeoutMs)
  const ended = signal === undefined ? limit : AbortSignal.any([signal, limit])
  let response: Response
  let text: string
  try {
    response = await fetch(url, { method, headers, redirect: 'error', signal: ended, ...(body === undefined ? {} : { body }) })
    text = await response.text()
  } catch (error) {
    signal?.throwIfAborted()
    throw wrapError(error, 'CATALOG_UNAVAILABLE', `the Iceberg catalogue does not answer ${method} ${url}`, { url })
  }
  const { status } = response
  if (!response.ok && !allowed.includes(status)) throw failure({ method, url, status, text })
  return { status, body: bodyOf(text, url, response.ok) }
}

function bodyOf(text: string, url: string, mustBeJson: boolean): Readonly<Record<string, unknown>> {
  if (text === '') return {}
  try {
    const value = parseLongJson(text, url)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch (error) {
    if (!mustBeJson) return {}
    throw new MillpondError('CATALOG_REFUSED', `${url} answered what is no JSON: it is no Iceberg catalogue`, {
      cause: error,
      details: { url },
    })
  }
}

function failure({ method, url, status, text }: { method: string; url: string; status: number; text: string }): MillpondError {
  const said = /"message"\s*:\s*"((?:[^"\\]|\\.){1,300})/u.exec(text)?.[1]
  const remedy = remedies[status]
  const message = `the Iceberg catalogue answered ${status} to ${method} ${url}${said === undefined ? '' : `: ${said}`}${remedy === undefined ? '' : `; ${remedy}`}`
  return new MillpondError(BUSY.has(status) ? 'CATALOG_UNAVAILABLE' : 'CATALOG_REFUSED', message, {
    details: { url, status },
  })
}
