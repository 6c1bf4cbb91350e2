import { isMillpondError, MillpondError } from '../../errors.ts'
import { type Meaning, untrusted } from '../../store/meanings.ts'
import { requestWords } from '../../store/requests.ts'
import type { RequestKind, RequestTerms } from '../../store/requests.ts'

/** What the SDK says of a request that failed, as far as it knows it. */
export interface Failure {
  /** S3's own name (`NoSuchKey`), the system's (`ECONNRESET`) or the SDK's. */
  readonly name: string
  /** Undefined where no answer came. */
  readonly status: number | undefined
  /** The region that the bucket is said to lie in. */
  readonly bucketRegion: string | undefined
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** What is told of the failure of a request; undefined for what is no such failure. */
export function failureOf(error: unknown): Failure | undefined {
  if (!(error instanceof Error)) return undefined
  const { $metadata: metadata, $response: response, code, statusCode } = error as Error & Readonly<Record<string, unknown>>
  const status =
    (isRecord(metadata) ? numberOf(metadata['httpStatusCode']) : undefined) ??
    (isRecord(response) ? numberOf(response['statusCode']) : undefined)
  const headers = isRecord(response) && isRecord(response['headers']) ? response['headers'] : {}
  const bucketRegion = textOf(headers['x-amz-bucket-region'])
  if (status !== undefined) return { name: error.name, status, bucketRegion }
  const name = textOf(code) ?? (NAMED.has(error.name) ? error.name : undefined)
  // Of an answer that a proxy gave to who asked for a way through it.
  return name === undefined ? undefined : { name, status: numberOf(statusCode), bucketRegion }
}

/** Errors of the SDK without an answer and without a code of the system. */
const NAMED = new Set(['TimeoutError', 'CredentialsProviderError', 'TokenProviderError', 'ProviderError'])

/** Whether S3 answered that the condition of a write does not hold: the key is taken. */
export const isTaken = (error: unknown): boolean => failureOf(error)?.status === 412
/** Whether S3 knows nothing under this key. */
export const isMissing = (error: unknown): boolean => {
  const failure = failureOf(error)
  return failure?.status === 404 && failure.name !== 'NoSuchBucket'
}
/** Whether a multipart upload is over: completed, given up, or lost to another write. */
export const isUploadGone = (error: unknown): boolean => failureOf(error)?.name === 'NoSuchUpload'
/** Whether a range begins behind the object. */
export const isOutOfRange = (error: unknown): boolean => failureOf(error)?.status === 416

/** Where a store lies, for messages. */
export interface Place {
  readonly bucket: string
  readonly region: string
}

/** The right that each request needs. */
const RIGHTS: Readonly<Record<RequestKind, string>> = {
  put: 's3:PutObject',
  begin: 's3:PutObject',
  part: 's3:PutObject',
  complete: 's3:PutObject',
  abort: 's3:AbortMultipartUpload',
  get: 's3:GetObject and s3:ListBucket',
  head: 's3:GetObject and s3:ListBucket',
  list: 's3:ListBucket',
  delete: 's3:DeleteObject',
}

const passing: Meaning = { code: 'STORE_UNAVAILABLE', remedy: 'the same may succeed later' }
const full: Meaning = { code: 'STORE_FULL', remedy: 'free space or raise the quota' }
const tooLarge: Meaning = { code: 'OBJECT_TOO_LARGE', remedy: 'make smaller objects' }
const refused = (remedy: string): Meaning => ({ code: 'STORE_REFUSED', remedy })

const wrongRegion = ({ bucketRegion }: Failure, { region }: Place): Meaning =>
  refused(
    bucketRegion === undefined
      ? `the bucket does not lie in the region ${region}: set its own`
      : `the bucket lies in ${bucketRegion}, not in ${region}: set the region`,
  )
const wrongProxy = refused('the proxy does not let it through: check its address, user and password')
/** Node's name of it. */
const PROXY_REFUSED = 'ERR_PROXY_TUNNEL'

/** By the names that S3, what speaks it, and the system give. */
const NAMES: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: refused('there is no such bucket: make it, or check name, region and endpoint'),
  InvalidBucketName: refused('this can be no name of a bucket'),
  InvalidAccessKeyId: refused('the service does not know this access key'),
  SignatureDoesNotMatch: refused('the secret access key is not the one of this access key'),
  InvalidToken: refused('the session token is not valid'),
  ExpiredToken: refused('the credentials have expired'),
  TokenRefreshRequired: refused('the credentials have expired'),
  AccountProblem: refused('the account cannot be used: ask the service'),
  InvalidObjectState: refused('the object is in an archive storage class: restore it first'),
  NotImplemented: refused('the service cannot do what was asked: check checksum, encryption, tags and storage class'),
  KeyTooLongError: { code: 'KEY_INVALID', remedy: 'make prefix and key shorter' },
  EntityTooLarge: tooLarge,
  QuotaExceeded: full,
  XMinioStorageFull: full,
  XMinioAdminBucketQuotaExceeded: full,
  // The clock's error is learnt from the answer, the rest happens on the way; all pass.
  RequestTimeTooSkewed: passing,
  RequestTimeout: passing,
  IncompleteBody: passing,
  BadDigest: passing,
  XAmzContentChecksumMismatch: passing,
  XAmzContentSHA256Mismatch: passing,
  ConditionalRequestConflict: passing,
  OperationAborted: passing,
  SlowDown: passing,
  InternalError: passing,
  ServiceUnavailable: passing,
  NoSuchUpload: { code: 'STORE_UNAVAILABLE', remedy: 'the upload was given up by somebody else; it has to begin anew' },
  ECONNREFUSED: { code: 'STORE_UNAVAILABLE', remedy: 'nothing listens there: check the endpoint; the same may succeed later' },
  ENOTFOUND: {
    code: 'STORE_UNAVAILABLE',
    remedy: 'its host has no address: check region and endpoint; the same may succeed later',
  },
  CredentialsProviderError: { code: 'STORE_UNAVAILABLE', remedy: 'credentials could not be renewed; the same may succeed later' },
  TokenProviderError: { code: 'STORE_UNAVAILABLE', remedy: 'credentials could not be renewed; the same may succeed later' },
  CERT_HAS_EXPIRED: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: untrusted,
}

function meaningOf(failure: Failure, { kind }: RequestTerms, place: Place): Meaning {
  const { name, status } = failure
  const named = NAMES[name]
  if (named !== undefined) return named
  if (name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed' || status === 301)
    return wrongRegion(failure, place)
  if (status === undefined || status === 408 || status === 409 || status === 429) return passing
  if (status === 407 || (name === PROXY_REFUSED && status < 500)) return wrongProxy
  if (status === 507) return full
  if (status === 413) return tooLarge
  if (status === 404) return { code: 'OBJECT_MISSING', remedy: 'there is no such object' }
  if (status === 401 || status === 403) return refused(`these credentials need the right ${RIGHTS[kind]} there`)
  // Below 400 stands what failed after it had begun to answer.
  return status >= 500 || status < 400 ? passing : refused('the service does not take this request')
}

/** The error in Millpond's terms: it names the key, the bucket and what to do. What is none of a request stays as it is. */
export function explainS3(error: unknown, request: RequestTerms, place: Place): unknown {
  const failure = failureOf(error)
  if (isMillpondError(error) || failure === undefined) return error
  const { code, remedy } = meaningOf(failure, request, place)
  const { kind, key } = request
  const { bucket, region } = place
  const { name, status } = failure
  // The service's own words are for what only it can explain; they may quote much of a request.
  const said = code === 'STORE_REFUSED' && error instanceof Error ? ` It says: ${error.message.slice(0, 300)}` : ''
  const message = `cannot ${requestWords[kind]} "${key}" in bucket ${bucket} (${status === undefined ? name : `${status} ${name}`}): ${remedy}.${said}`
  return new MillpondError(code, message, { cause: error, details: { kind, key, bucket, region, name, status } })
}
