import { MillpondError } from '../../errors.ts'
import { checkFolderPrefix, checkKey, checkPrefix } from '../../store/key.ts'
import { createLimiter } from '../../store/limiter.ts'
import { createPartWriter } from '../../store/part-writer.ts'
import type { Pieces } from '../../store/part-writer.ts'
import { withPrefix } from '../../store/prefix.ts'
import { cutRange } from '../../store/range.ts'
import { createRequests } from '../../store/requests.ts'
import type { RequestAttempt, RequestRules } from '../../store/requests.ts'
import { standardRetry } from '../../store/retry.ts'
import type { RetryPolicy } from '../../store/retry.ts'
import type { ByteRange, ObjectWriter, Store } from '../../store/store.ts'
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
const PART_BYTES = 8 * MiB
const MAX_PARTS_IN_FLIGHT = 4
const MAX_CONCURRENT = 64
const TIMEOUT_MS = 15_000
/** Long enough for a request that hangs to be given up and repeated. */
const RETRY: RetryPolicy = { ...standardRetry, maxAttempts: 10, budgetMs: 60_000 }

const piecesOf = (bytes: Uint8Array): Pieces => ({ pieces: [bytes], bytes: bytes.length })

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
  return withPrefix(createS3Store(parts, options.bucket, options.maxPartsInFlight ?? MAX_PARTS_IN_FLIGHT), prefix)
}

const isAmazon = (endpoint: string | undefined): boolean =>
  endpoint === undefined || /\.amazonaws\.com(?:\.cn)?$/u.test(new URL(endpoint).hostname)

function createS3Store(parts: UploadParts, bucket: string, maxPartsInFlight: number): Store {
  const { s3, requests, settings } = parts
  const name = `s3://${bucket}`
  const turns = createLimiter(maxPartsInFlight)
  const writers = new Set<ObjectWriter>()
  let disposed = false

  const ready = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted()
    if (disposed) throw new MillpondError('STORE_UNAVAILABLE', `the store ${name} is closed`)
  }
  const begin = (key: string, signal: AbortSignal | undefined): void => {
    checkKey(key)
    ready(signal)
  }
  const size = (key: string, signal: AbortSignal | undefined): Promise<number | undefined> =>
    requests.send({ kind: 'head', key, act: (attempt) => headSize(parts, key, attempt) }, signal)

  return {
    name,

    async put(key, bytes, signal) {
      begin(key, signal)
      await putObject(parts, key, piecesOf(bytes), signal)
    },

    async putIfAbsent(key, bytes, signal) {
      begin(key, signal)
      return putNew(parts, key, piecesOf(bytes), signal)
    },

    async openWriter(key, signal) {
      begin(key, signal)
      const writer = createPartWriter({
        partBytes: parts.partBytes,
        turns,
        putWhole: (object, signal) => putNew(parts, key, object, signal),
        openUpload: (signal) => openUpload(parts, key, signal),
        onClosed: () => writers.delete(writer),
        signal,
      })
      writers.add(writer)
      return writer
    },

    async read(key, range, signal) {
      begin(key, signal)
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

    async size(key, signal) {
      begin(key, signal)
      return size(key, signal)
    },

    async *list(prefix, options = {}, signal) {
      checkPrefix(prefix)
      ready(signal)
      yield* listObjects(parts, { prefix, ...options }, signal)
    },

    async *folders(prefix, signal) {
      checkFolderPrefix(prefix)
      ready(signal)
      yield* listFolders(parts, prefix, signal)
    },

    async delete(key, signal) {
      begin(key, signal)
      await requests.send(
        {
          kind: 'delete',
          key,
          act: ({ signal }) =>
            s3.client.send(new s3.sdk.DeleteObjectCommand({ ...settings.asked, Key: key }), { abortSignal: signal }),
        },
        signal,
      )
    },

    async [Symbol.asyncDispose]() {
      if (disposed) return
      disposed = true
      await Promise.all([...writers].map((writer) => writer.abort()))
      s3.close()
    },
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
