import { isMillpondError, MillpondError, wrapError } from '../../errors.ts'
import { busy, damaged, type Meaning, transportMeaning, wrong } from '../../store/meanings.ts'
import { requestWords } from '../../store/requests.ts'
import type { RequestTerms } from '../../store/requests.ts'

const credentials: Meaning = {
  code: 'STORE_REFUSED',
  remedy: 'check the credentials: they are wrong or have expired, or the clock of this machine is',
}
const rights: Meaning = {
  code: 'STORE_REFUSED',
  remedy: 'give this identity the role "Storage Blob Data Contributor" on the container, or a signature with the rights rwdlc',
}
const noContainer: Meaning = { code: 'STORE_REFUSED', remedy: 'check the name of the container and make it where it is missing' }
const protectedObject: Meaning = { code: 'STORE_READ_ONLY', remedy: 'a policy, a lease or a hold protects the object' }
const archived: Meaning = { code: 'STORE_REFUSED', remedy: 'the object is in the archive tier: rehydrate it before it is read' }
const tooLarge: Meaning = { code: 'OBJECT_TOO_LARGE', remedy: 'send larger parts (partBytes): an object has 50,000 at the most' }

/** What the service's own codes mean that say more than the status. */
const meanings: Readonly<Record<string, Meaning>> = {
  AuthenticationFailed: credentials,
  InvalidAuthenticationInfo: credentials,
  NoAuthenticationInformation: credentials,
  ContainerNotFound: noContainer,
  ContainerBeingDeleted: noContainer,
  ContainerDisabled: noContainer,
  BlobImmutableDueToPolicy: protectedObject,
  LeaseIdMissing: protectedObject,
  BlobArchived: archived,
  BlobBeingRehydrated: archived,
  Md5Mismatch: damaged,
  Crc64Mismatch: damaged,
  FeatureNotSupported: wrong,
  RequestBodyTooLarge: tooLarge,
  BlockCountExceedsLimit: tooLarge,
}

function meaningOf({ status, code, message }: Refusal): Meaning {
  const known = meanings[code]
  if (known !== undefined) return known
  if (status === 408 || status === 429 || status >= 500) return busy
  // Some of what speaks Azure's language has other codes than Azure.
  if (status === 400 && /MD5/iu.test(message)) return damaged
  if (status === 401 || (status === 403 && /failed to authenticate/u.test(message))) return credentials
  if (status === 403) return rights
  return wrong
}

/** What the service answered where it was no success. */
export interface Refusal {
  readonly status: number
  /** The service's own code (`BlobNotFound`), as far as it gave one. */
  readonly code: string
  readonly message: string
}

/** The service's answer that the error tells of, if it is one. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || error.name !== 'RestError' || !('statusCode' in error)) return undefined
  if (typeof error.statusCode !== 'number') return undefined
  // The answer to a HEAD request has its code in a header alone, which the SDK hands on in the details.
  const details = 'details' in error ? (error.details as { readonly errorCode?: string } | undefined) : undefined
  const code = details?.errorCode ?? ('code' in error ? error.code : undefined)
  return { status: error.statusCode, code: typeof code === 'string' ? code : '', message: error.message }
}

/** That there is no such object. */
export const missingError = (key: string, place: string): MillpondError =>
  new MillpondError('OBJECT_MISSING', `there is no object "${key}" in ${place}`, { details: { key, place } })

/** The error in Millpond's terms: it names the key, the container and what to do. What is neither the service's nor the network's stays. */
export function azureStoreError(error: unknown, { kind, key }: RequestTerms, place: string): unknown {
  if (isMillpondError(error)) return error
  const refusal = refusalOf(error)
  if (refusal !== undefined) {
    const { code, remedy } = meaningOf(refusal)
    const said = `${refusal.status} ${refusal.code}`.trim()
    return new MillpondError(code, `cannot ${requestWords[kind]} "${key}" in ${place} (${said}): ${remedy}`, {
      cause: withoutRequest(error),
      details: { kind, key, place, status: refusal.status, reason: refusal.code },
    })
  }
  const name = error instanceof Error ? error.name : ''
  if (/Credential|Authentication/.test(name)) return identityError(error, place)
  const systemCode = systemCodeOf(error)
  if (systemCode === undefined) return error
  const { code, remedy } = transportMeaning(systemCode)
  const message = `cannot ${requestWords[kind]} "${key}" in ${place} (${systemCode}): ${remedy}`
  return new MillpondError(code, message, { cause: withoutRequest(error), details: { kind, key, place, systemCode } })
}

/** The SDK's error holds the request, and with it a signature: only its words are kept. */
function withoutRequest(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const kept = new Error(error.message)
  kept.name = error.name
  return kept
}

/** Why there is no token: an authority that has a fault of its own may give one later, all else is a setting. */
function identityError(error: unknown, place: string): MillpondError {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  const passes = typeof status === 'number' && (status === 429 || status >= 500)
  return wrapError(withoutRequest(error), passes ? 'STORE_UNAVAILABLE' : 'STORE_REFUSED', `there are no credentials for ${place}`)
}

/** The system's name of what went wrong, which the SDK wraps into an error of its own. */
function systemCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  // What ends the body of an answer before its time: requests that were aborted on purpose do not come here.
  if (error.name === 'AbortError') return 'ECONNRESET'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  if (code === undefined || code === 'REQUEST_SEND_ERROR' || code === 'PARSE_ERROR') return systemCodeOf(error.cause) ?? code
  return code
}
