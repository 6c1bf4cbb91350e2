import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CompletedPart } from '@aws-sdk/client-s3'
import { MillpondError } from '../../errors.ts'
import { joinCrc32c } from '../../kernel/checksum.ts'
import type { PartUpload, Pieces } from '../../store/part-writer.ts'
import type { RequestAttempt, Requests } from '../../store/requests.ts'
import type { PutOutcome } from '../../store/store.ts'
import { requestBody } from './body.ts'
import { digestOf, encodeCrc32c } from './checksum.ts'
import type { Digest, DigestRules } from './checksum.ts'
import type { S3Client } from './client.ts'
import { isMissing, isTaken, isUploadGone } from './errors.ts'
import { withHeaders } from './headers.ts'
import type { ObjectSettings } from './settings.ts'

/** The user metadata that says which write made an object: by it an answer that never came is settled. */
const WRITE_ID = 'millpond-write'
/** Parts of one upload at the most ("Amazon S3 multipart upload limits", 2026-11). */
const MAX_PARTS = 10_000

/** Nobody should wait longer to hear why a write failed. */
const ABANDON_LIMIT_MS = 5000
/** How long a store may be at work on a part after its request is gone: one that is not slow, and others. */
const LATE_PART_MS = 250
const LATEST_PART_MS = 1000

/** What uploads need of their store. */
export interface UploadParts {
  readonly s3: S3Client
  readonly requests: Requests
  readonly settings: ObjectSettings
  readonly rules: DigestRules
  readonly partBytes: number
}

/** A new name for one write, however often its requests are repeated. */
export const newWriteId = (): string => randomBytes(12).toString('base64url')

/** Writes or replaces a whole object. */
export async function putObject(parts: UploadParts, key: string, object: Pieces, signal?: AbortSignal): Promise<void> {
  const send = createPut(parts, key, object, {})
  await parts.requests.send({ kind: 'put', key, sentBytes: object.bytes, act: send }, signal)
}

/** Writes a whole object unless the key is taken. */
export async function putNew(parts: UploadParts, key: string, object: Pieces, signal?: AbortSignal): Promise<PutOutcome> {
  const writeId = newWriteId()
  const send = createPut(parts, key, object, { IfNoneMatch: '*', Metadata: { [WRITE_ID]: writeId } })
  let attempts = 0
  const act = async (attempt: RequestAttempt): Promise<PutOutcome> => {
    attempts = attempt.number
    try {
      await send(attempt)
      return 'created'
    } catch (error) {
      if (isTaken(error)) return 'exists'
      throw error
    }
  }
  const outcome = await parts.requests.send({ kind: 'put', key, sentBytes: object.bytes, act }, signal)
  if (outcome === 'created' || attempts === 1) return outcome
  // What an earlier attempt did is not known: it may be what this one has found.
  return (await madeBy(parts, key, writeId, signal)) ?? outcome
}

type Conditions = { readonly IfNoneMatch?: '*'; readonly Metadata?: Record<string, string> }

function createPut({ s3, settings, rules }: UploadParts, key: string, object: Pieces, conditions: Conditions) {
  const digest = digestOf(object, rules)
  return async ({ signal, alive }: RequestAttempt): Promise<void> => {
    const command = new s3.sdk.PutObjectCommand({
      ...settings.asked,
      ...settings.made,
      ...conditions,
      ...digest.fields,
      Key: key,
      Body: requestBody(object, alive),
      ContentLength: object.bytes,
    })
    await s3.client.send(withHeaders(command, { 'x-amz-content-sha256': digest.signed }), { abortSignal: signal })
  }
}

/** Whether the object was made by this write; undefined where there is none. */
async function madeBy(
  { s3, requests, settings }: UploadParts,
  key: string,
  writeId: string,
  signal?: AbortSignal,
): Promise<PutOutcome | undefined> {
  const act = async ({ signal }: RequestAttempt): Promise<PutOutcome | undefined> => {
    try {
      const command = new s3.sdk.HeadObjectCommand({ ...settings.asked, Key: key })
      const { Metadata: metadata = {} } = await s3.client.send(command, { abortSignal: signal })
      return metadata[WRITE_ID] === writeId ? 'created' : 'exists'
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }
  return requests.send({ kind: 'head', key, act }, signal)
}

/** An object on its way in parts, which appears as a whole unless the key is taken. */
interface Upload {
  readonly parts: UploadParts
  readonly key: string
  readonly id: string
  readonly writeId: string
  readonly signal: AbortSignal
}

/** A part that the store has. */
interface StoredPart {
  readonly completed: CompletedPart
  readonly bytes: number
  readonly crc: number
}

/** Begins an upload in parts. */
export async function openUpload(parts: UploadParts, key: string, signal: AbortSignal): Promise<PartUpload> {
  const { s3, requests, settings, rules } = parts
  const writeId = newWriteId()
  const command = () =>
    new s3.sdk.CreateMultipartUploadCommand({
      ...settings.asked,
      ...settings.made,
      ...checksumOfUpload(rules),
      Key: key,
      Metadata: { [WRITE_ID]: writeId },
    })
  const { UploadId: id } = await requests.send(
    { kind: 'begin', key, act: ({ signal }) => s3.client.send(command(), { abortSignal: signal }) },
    signal,
  )
  if (id === undefined) throw new MillpondError('STORE_UNAVAILABLE', `the store began an upload of "${key}" and gave it no id`)
  return createUpload({ parts, key, id, writeId, signal })
}

const checksumOfUpload = ({ checksum }: DigestRules) => {
  if (checksum === 'crc32c') return { ChecksumAlgorithm: 'CRC32C', ChecksumType: 'FULL_OBJECT' } as const
  return checksum === 'sha256' ? ({ ChecksumAlgorithm: 'SHA256', ChecksumType: 'COMPOSITE' } as const) : {}
}

function createUpload(upload: Upload): PartUpload {
  const { parts, key } = upload
  const stored: StoredPart[] = []
  let count = 0
  let isGivenUp = false
  const send = async (part: Pieces): Promise<void> => {
    const number = ++count
    if (number > MAX_PARTS) throw tooManyParts(key, parts.partBytes)
    try {
      stored[number - 1] = await putPart(upload, number, part)
    } catch (error) {
      isGivenUp = true
      throw error
    }
  }
  return {
    send,
    async finish(last) {
      await send(last)
      const outcome = await complete(upload, stored)
      if (outcome === 'exists') await abandon(upload, abandonLimit()).catch(() => undefined)
      return outcome
    },
    async abandon() {
      await (isGivenUp ? abandonAll(upload) : abandon(upload, abandonLimit()))
    },
  }
}

const tooManyParts = (key: string, partBytes: number): MillpondError =>
  new MillpondError(
    'OBJECT_TOO_LARGE',
    `S3 takes no more than ${MAX_PARTS} parts of "${key}": larger parts than ${partBytes} bytes are needed`,
    {
      details: { key, partBytes },
    },
  )

/** Sends a part, again and alone where that fails. */
async function putPart({ parts, key, id, signal }: Upload, number: number, part: Pieces): Promise<StoredPart> {
  const { s3, requests, settings, rules } = parts
  const digest: Digest = digestOf(part, rules)
  const etag = await requests.send(
    {
      kind: 'part',
      key,
      sentBytes: part.bytes,
      async act({ signal, alive }) {
        const command = new s3.sdk.UploadPartCommand({
          ...settings.asked,
          ...digest.fields,
          Key: key,
          UploadId: id,
          PartNumber: number,
          Body: requestBody(part, alive),
          ContentLength: part.bytes,
        })
        const { ETag } = await s3.client.send(withHeaders(command, { 'x-amz-content-sha256': digest.signed }), {
          abortSignal: signal,
        })
        return ETag
      },
    },
    signal,
  )
  return {
    completed: { PartNumber: number, ...(etag === undefined ? {} : { ETag: etag }), ...digest.fields },
    bytes: part.bytes,
    crc: digest.crc,
  }
}

/** Parts that the service has put together within the usual time. */
const PARTS_A_LIMIT = 100

/** Makes the parts an object. Where it is not known what a request did, the object that is there says it. */
async function complete({ parts, key, id, writeId, signal }: Upload, stored: readonly StoredPart[]): Promise<PutOutcome> {
  const { s3, requests, settings } = parts
  const bytes = stored.reduce((sum, part) => sum + part.bytes, 0)
  const command = () =>
    new s3.sdk.CompleteMultipartUploadCommand({
      ...settings.asked,
      ...checksumOfParts(parts.rules, stored),
      Key: key,
      UploadId: id,
      IfNoneMatch: '*',
      MpuObjectSize: bytes,
      MultipartUpload: { Parts: stored.map(({ completed }) => completed) },
    })
  let attempts = 0
  const outcome = await requests.send(
    {
      kind: 'complete',
      key,
      patience: 1 + stored.length / PARTS_A_LIMIT,
      async act({ signal, number }): Promise<PutOutcome | 'gone'> {
        attempts = number
        try {
          await s3.client.send(command(), { abortSignal: signal })
          return 'created'
        } catch (error) {
          if (isTaken(error)) return 'exists'
          if (isUploadGone(error)) return 'gone'
          throw error
        }
      },
    },
    signal,
  )
  if (outcome === 'created' || (outcome === 'exists' && attempts === 1)) return outcome
  const found = await madeBy(parts, key, writeId, signal)
  if (found !== undefined) return found
  if (outcome === 'exists') return outcome
  throw new MillpondError('STORE_UNAVAILABLE', `the upload of "${key}" is gone and made no object; it has to begin anew`, {
    details: { key },
  })
}

function checksumOfParts({ checksum }: DigestRules, stored: readonly StoredPart[]) {
  if (checksum !== 'crc32c') return {}
  const crc = stored.reduce((whole, part) => joinCrc32c(whole, part.crc, part.bytes), 0)
  return { ChecksumCRC32C: encodeCrc32c(crc), ChecksumType: 'FULL_OBJECT' } as const
}

/**
 * Takes back what was sent; an upload that is over is no error. What is left where the store is away costs room until a rule of the bucket
 * removes it (AbortIncompleteMultipartUpload).
 */
async function abandon(
  { parts: { s3, requests, settings }, key, id }: Upload,
  limit: AbortSignal,
): Promise<'taken back' | 'gone'> {
  const act = async ({ signal }: RequestAttempt): Promise<'taken back' | 'gone'> => {
    try {
      const command = new s3.sdk.AbortMultipartUploadCommand({ ...settings.asked, Key: key, UploadId: id })
      await s3.client.send(command, { abortSignal: signal })
      return 'taken back'
    } catch (error) {
      if (isUploadGone(error) || isMissing(error)) return 'gone'
      throw error
    }
  }
  return requests.send({ kind: 'abort', key, act }, limit)
}

/**
 * The same where requests of parts were given up: a store may still be taking one in, and keep it ("AbortMultipartUpload", Amazon S3 API reference,
 * 2026-11), so that it is asked again until it says that nothing is left.
 */
async function abandonAll(upload: Upload): Promise<void> {
  const limit = abandonLimit()
  const look = () => abandon(upload, limit).catch(() => 'kept' as const)
  let outcome = await look()
  for (let delayMs = LATE_PART_MS; outcome !== 'gone' && delayMs <= LATEST_PART_MS && !limit.aborted; delayMs *= 4) {
    await sleep(delayMs)
    outcome = await look()
  }
}

const abandonLimit = (): AbortSignal => AbortSignal.timeout(ABANDON_LIMIT_MS)
