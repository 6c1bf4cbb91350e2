import { isMillpondError, MillpondError } from '../../errors.ts'
import { busy, damaged, type Meaning, transportMeaning, wrong } from '../../store/meanings.ts'
import { requestWords } from '../../store/requests.ts'
import type { RequestTerms } from '../../store/requests.ts'

/** An answer of the service that is no success. */
export interface Refusal {
  readonly status: number
  readonly body: Uint8Array
}

const credentials: Meaning = { code: 'STORE_REFUSED', remedy: 'check the credentials: they are missing, wrong or have expired' }
const rights: Meaning = {
  code: 'STORE_REFUSED',
  remedy: 'give this account the role "Storage Object User" on the bucket (and the use of its KMS key, if it has one)',
}
const noBucket: Meaning = { code: 'STORE_REFUSED', remedy: 'check the name of the bucket and make it where it is missing' }
const noPayer: Meaning = {
  code: 'STORE_REFUSED',
  remedy: 'the bucket makes the requester pay: name the project that does (userProject)',
}
const protectedObject: Meaning = { code: 'STORE_READ_ONLY', remedy: 'a retention policy or a hold protects the object' }
const tooLarge: Meaning = { code: 'OBJECT_TOO_LARGE', remedy: 'objects of Google Cloud Storage have 5 TiB at the most' }

/** Reasons in the body that say more than the status. */
const PASSING = new Set(['rateLimitExceeded', 'userRateLimitExceeded', 'backendError', 'internalError'])
const PROTECTED = new Set(['retentionPolicyNotMet', 'objectUnderActiveHold', 'eventBasedHold', 'temporaryHold'])

function meaningOf(status: number, reason: string, message: string): Meaning {
  if (status === 408 || status === 429 || status >= 500 || PASSING.has(reason)) return busy
  if (PROTECTED.has(reason)) return protectedObject
  if (reason === 'userProjectMissing' || /requester pays/i.test(message)) return noPayer
  if (status === 401) return credentials
  if (status === 403) return rights
  if (status === 404) return noBucket
  if (status === 413) return tooLarge
  if (/crc32c|checksum|hash/i.test(message)) return damaged
  return wrong
}

/** What an error's body says, be it JSON, XML or text. */
function explanationOf(body: Uint8Array): { reason: string; message: string } {
  const text = new TextDecoder().decode(body.subarray(0, 4096)).trim()
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string; errors?: readonly { reason?: string }[] } }
    return { reason: error?.errors?.[0]?.reason ?? '', message: error?.message ?? '' }
  } catch {
    const xml = (name: string): string | undefined => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
    return { reason: xml('Code') ?? '', message: xml('Message') ?? text.slice(0, 200) }
  }
}

/** The service's refusal in Millpond's terms: it names the key, the bucket and what to do. */
export function refusalError({ status, body }: Refusal, { kind, key }: RequestTerms, bucket: string): MillpondError {
  const { reason, message } = explanationOf(body)
  const { code, remedy } = meaningOf(status, reason, message)
  const said = message === '' ? `${status}` : `${status}, ${message}`
  return new MillpondError(code, `cannot ${requestWords[kind]} "${key}" in gs://${bucket} (${said}): ${remedy}`, {
    details: { kind, key, bucket, status, reason },
  })
}

/** That there is no such object. */
export const missingError = (key: string, bucket: string): MillpondError =>
  new MillpondError('OBJECT_MISSING', `there is no object "${key}" in gs://${bucket}`, { details: { key, bucket } })

const systemCodeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

/** A failure of the network or of this machine in Millpond's terms. */
export function transportError(error: unknown, { kind, key }: RequestTerms, bucket: string): unknown {
  const systemCode = systemCodeOf(error)
  if (isMillpondError(error) || systemCode === undefined) return error
  const { code, remedy } = transportMeaning(systemCode)
  const message = `cannot ${requestWords[kind]} "${key}" in gs://${bucket} (${systemCode}): ${remedy}`
  return new MillpondError(code, message, { cause: error, details: { kind, key, bucket, systemCode } })
}

/** Why there are no credentials for a request: an address that does not answer may later, all else is a setting. */
export function credentialsError(error: unknown, bucket: string): MillpondError {
  if (isMillpondError(error)) return error
  const status = statusOf(error)
  const passes = status === undefined ? systemCodeOf(error) !== undefined : status === 408 || status === 429 || status >= 500
  const reason = error instanceof Error ? error.message : String(error)
  // The library's error is no cause to keep: it holds the request, and with it what proves who asks.
  return passes
    ? new MillpondError(
        'STORE_UNAVAILABLE',
        `the service that gives out credentials for gs://${bucket} does not answer: ${reason}`,
      )
    : new MillpondError('STORE_REFUSED', `there are no credentials for gs://${bucket}: ${reason}`)
}

/** The HTTP status that the auth library's error carries. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('response' in error)) return undefined
  const { response } = error
  if (typeof response !== 'object' || response === null || !('status' in response)) return undefined
  return typeof response.status === 'number' ? response.status : undefined
}
