import { MillpondError } from '../../errors.ts'
import { checkFolderPrefix } from '../../store/key.ts'
import { createObjectStore, type ObjectCalls, PART_BYTES } from '../../store/object-store.ts'
import { cutRange } from '../../store/range.ts'
import { createRequests } from '../../store/requests.ts'
import type { RequestAttempt, RequestRules } from '../../store/requests.ts'
import { standardRetry } from '../../store/retry.ts'
import type { RetryPolicy } from '../../store/retry.ts'
import type { ByteRange, Store } from '../../store/store.ts'
import { readAnswer } from './body.ts'
import { matchesChecksums } from './checksum.ts'
import { openS3Client } from './client.ts'
import type { S3Client } from './client.ts'
import { explainS3, isMissing, isOutOfRange } from './errors.ts'
import { withHeaders } from './headers.ts'
import { listFolders, listObjects } from './listing.ts'
import type { S3StoreOptions } from './options.ts'
import { noPrices, s3Prices } from './prices.ts'
import { objectSettings } from './settings.ts'
import { openUpload, putNew, putObject } from './uploads.ts'
import type { UploadParts } from './uploads.ts'

const MiB = 1024 * 1024
/** No part but the last may be smaller ("Amazon S3 multipart upload limits", 2026-11). */
const MIN_PART_BYTES = 5 * MiB
const MAX_CONCURRENT = 64
const TIMEOUT_MS = 15_000
/** Long enough for a request that hangs to be given up and repeated. */
const RETRY: RetryPolicy = { ...standardRetry, maxAttempts: 10, budgetMs: 60_000 }

/**
 * A store in a bucket of Amazon S3, or of a service that speaks it and obeys `If-None-Match`. Requests are repeated here, each with a time
 * limit; the store needs no `withRetry`.
 * @throws MillpondError `DEPENDENCY_MISSING` without @aws-sdk/client-s3; `STORE_REFUSED` without region or credentials; `CONFIG_INVALID`,
 * `KEY_INVALID` for options that cannot be.
 */
export async function openS3Store(options: S3StoreOptions): Promise<Store> {
  const { prefix = '', partBytes = PART_BYTES } = options
  checkFolderPrefix(prefix)
  if (partBytes < MIN_PART_BYTES) {
    throw new MillpondError('CONFIG_INVALID', `S3 takes no parts of ${partBytes} bytes; ${MIN_PART_BYTES} is the least`)
  }
  const maxConcurrent = options.maxConcurrent ?? MAX_CONCURRENT
  const s3 = await openS3Client(options, maxConcurrent)
  const rules: RequestRules = {
    policy: options.retry ?? RETRY,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    maxConcurrent,
    explain: (error, request) => explainS3(error, request, { bucket: options.bucket, region: s3.region }),
    prices: options.prices ?? (isAmazon(options.endpoint) ? s3Prices(options.storageClass) : noPrices),
    observe: options.observe,
  }
  const parts: UploadParts = {
    s3,
    requests: createRequests(rules),
    settings: objectSettings(options),
    rules: { checksum: options.checksum ?? 'crc32c', signPayload: options.signPayload ?? !s3.isPrivate },
    partBytes,
  }
  return createObjectStore(s3Calls(parts, options.bucket), { ...options, prefix, partBytes })
}

const isAmazon = (endpoint: string | undefined): boolean =>
  endpoint === undefined || /\.amazonaws\.com(?:\.cn)?$/u.test(new URL(endpoint).hostname)

function s3Calls(parts: UploadParts, bucket: string): ObjectCalls {
  const { s3, requests, settings } = parts
  const size = (key: string, signal?: AbortSignal): Promise<number | undefined> =>
    requests.send({ kind: 'head', key, act: (attempt) => headSize(parts, key, attempt) }, signal)
  return {
    name: `s3://${bucket}`,
    put: (key, object, signal) => putObject(parts, key, object, signal),
    putIfAbsent: (key, object, signal) => putNew(parts, key, object, signal),
    openUpload: (key, signal) => openUpload(parts, key, signal),
    async read(key, range, signal) {
      const wanted = range === undefined ? undefined : cutRange(Number.MAX_SAFE_INTEGER, range)
      if (wanted !== undefined && wanted.start === wanted.end) {
        // HTTP has no empty ranges.
        if ((await size(key, signal)) === undefined) throw missing(key, bucket)
        return new Uint8Array()
      }
      return requests.send(
        { kind: 'get', key, act: (attempt) => get(parts, key, wanted, attempt), receivedBytes: (bytes) => bytes.length },
        signal,
      )
    },
    size,
    list: (query, signal) => listObjects(parts, query, signal),
    folders: (prefix, signal) => listFolders(parts, prefix, signal),
    delete(key, signal) {
      const command = () => new s3.sdk.DeleteObjectCommand({ ...settings.asked, Key: key })
      return requests.send(
        { kind: 'delete', key, act: ({ signal }) => s3.client.send(command(), { abortSignal: signal }) },
        signal,
      )
    },
    close: () => s3.close(),
  }
}

const missing = (key: string, bucket: string): MillpondError =>
  new MillpondError('OBJECT_MISSING', `there is no object "${key}" in bucket ${bucket}`, { details: { key, bucket } })

interface Asking {
  readonly s3: S3Client
  readonly settings: UploadParts['settings']
}

async function headSize({ s3, settings }: Asking, key: string, { signal }: RequestAttempt): Promise<number | undefined> {
  try {
    const { ContentLength: bytes } = await s3.client.send(new s3.sdk.HeadObjectCommand({ ...settings.asked, Key: key }), {
      abortSignal: signal,
    })
    return bytes ?? 0
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** The object's bytes or those of a range that is not empty; whole objects are checked against the checksum that comes with them. */
async function get(
  { s3, settings }: Asking,
  key: string,
  range: ByteRange | undefined,
  { signal, alive }: RequestAttempt,
): Promise<Uint8Array> {
  const command = new s3.sdk.GetObjectCommand({
    ...settings.asked,
    Key: key,
    ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }),
  })
  try {
    // By the SDK's own option it would count the checksum itself, several times slower.
    const asking = range === undefined ? withHeaders(command, { 'x-amz-checksum-mode': 'ENABLED' }) : command
    const answer = await s3.client.send(asking, { abortSignal: signal })
    const bytes = await readAnswer({ body: answer.Body, bytes: answer.ContentLength }, alive)
    if (range !== undefined || matchesChecksums(bytes, answer)) return bytes
    throw new MillpondError('STORE_UNAVAILABLE', `"${key}" did not arrive as the store has it: its checksum is another`, {
      details: { key },
    })
  } catch (error) {
    if (range !== undefined && isOutOfRange(error)) return new Uint8Array()
    throw error
  }
}
