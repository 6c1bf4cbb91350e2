import { Buffer } from 'node:buffer'
import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { BlockBlobUploadOptions, CpkInfo } from '@azure/storage-blob'
import { MillpondError } from '../../errors.ts'
import { crc32c } from '../../kernel/checksum.ts'
import { countBody, crc32cOfPieces, type Pieces } from '../../store/part-writer.ts'
import { cutRange } from '../../store/range.ts'
import type { RequestAttempt } from '../../store/requests.ts'
import type { ByteRange, PutOutcome } from '../../store/store.ts'
import type { AzureClient } from './client.ts'
import { missingError, refusalOf } from './errors.ts'

/** What new objects are given. */
export interface AzureObjectSettings {
  readonly accessTier?: string | undefined
  readonly encryptionScope?: string | undefined
  readonly customerKey?: CpkInfo | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
}

/** Where objects are kept, and how. */
export interface AzurePlace extends AzureClient {
  readonly settings: AzureObjectSettings
}

/** A write of one object; `id` is made for it alone. */
export interface AzureWrite {
  readonly key: string
  readonly id: string
  readonly ifAbsent: boolean
}

/** Names one write of one object in its metadata: what tells an answer that was lost from a race that was. */
const WRITE_ID = 'millpond_write'
/** CRC-32C of the whole object in eight hex digits: the service keeps none of an object that came in blocks. */
const CHECKSUM = 'millpond_crc32c'
/** A body is handed over in pieces of this size, so that a slow network is told from a dead one. */
const SLICE_BYTES = 512 * 1024

/** An object that is there as it was; a condition that is not met says so too. */
export const isTaken = (error: unknown): boolean => {
  const refusal = refusalOf(error)
  return refusal?.code === 'BlobAlreadyExists' || refusal?.code === 'ConditionNotMet' || refusal?.code === 'TargetConditionNotMet'
}
const isMissing = (error: unknown): boolean => {
  const refusal = refusalOf(error)
  return refusal?.status === 404 && refusal.code !== 'ContainerNotFound'
}

/** The customer's key, which has to come with every request that touches an object's bytes or properties. */
export const keyOf = ({ settings: { customerKey } }: AzurePlace): { customerProvidedKey?: CpkInfo } =>
  customerKey === undefined ? {} : { customerProvidedKey: customerKey }

/** Key and scope, with which what is written is encrypted. */
export const encryptionOf = (place: AzurePlace): { customerProvidedKey?: CpkInfo; encryptionScope?: string } => {
  const { encryptionScope } = place.settings
  return { ...keyOf(place), ...(encryptionScope === undefined ? {} : { encryptionScope }) }
}

/** What the request that makes an object says of it. */
export function objectOptions(place: AzurePlace, { id, ifAbsent }: AzureWrite, crc: number): BlockBlobUploadOptions {
  const { accessTier, metadata, tags } = place.settings
  return {
    conditions: ifAbsent ? { ifNoneMatch: '*' } : {},
    metadata: { ...metadata, [WRITE_ID]: id, [CHECKSUM]: checksumText(crc) },
    ...encryptionOf(place),
    ...(accessTier === undefined ? {} : { tier: accessTier }),
    ...(tags === undefined ? {} : { tags: { ...tags } }),
  }
}

const checksumText = (crc: number): string => crc.toString(16).padStart(8, '0')

/** The MD5 of the bytes, with which the service checks what it is sent; CRC-64 of the SDK costs twice as much. */
export function md5Of({ pieces }: Pieces): Uint8Array {
  const hash = createHash('md5')
  for (const piece of pieces) hash.update(piece)
  return hash.digest()
}

/** The bytes as a request sends them. */
export const bodyOf =
  (object: Pieces, alive: () => void): (() => NodeJS.ReadableStream) =>
  () => {
    countBody(object)
    return Readable.from(slicesOf(object.pieces, alive), { objectMode: false })
  }

function* slicesOf(pieces: readonly Uint8Array[], alive: () => void): Generator<Buffer> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += SLICE_BYTES) {
      alive()
      yield Buffer.from(piece.buffer, piece.byteOffset + at, Math.min(SLICE_BYTES, piece.length - at))
    }
  }
}

/** Writes an object with one request; the service checks its MD5 before the object is there. */
export async function putObject(
  place: AzurePlace,
  { key, object, ifAbsent }: { key: string; object: Pieces; ifAbsent: boolean },
  signal?: AbortSignal,
): Promise<PutOutcome> {
  const write: AzureWrite = { key, id: randomUUID(), ifAbsent }
  const options = { ...objectOptions(place, write, crc32cOfPieces(object)), transactionalContentMD5: md5Of(object) }
  const blob = place.container.getBlockBlobClient(key)
  let attempts = 0
  const act = async ({ number, signal, alive }: RequestAttempt): Promise<PutOutcome> => {
    attempts = number
    try {
      await blob.upload(bodyOf(object, alive), object.bytes, { ...options, abortSignal: signal })
      return 'created'
    } catch (error) {
      if (ifAbsent && isTaken(error)) return 'exists'
      throw error
    }
  }
  const outcome = await place.requests.send({ kind: 'put', key, sentBytes: object.bytes, act }, signal)
  if (outcome === 'created' || attempts === 1) return outcome
  // An earlier attempt may have made the object, and its answer was lost.
  return (await outcomeOf(place, write, signal)) ?? outcome
}

/** What became of a write, by the object that is there; undefined where there is none. */
export async function outcomeOf(
  place: AzurePlace,
  { key, id }: AzureWrite,
  signal?: AbortSignal,
): Promise<PutOutcome | undefined> {
  const blob = place.container.getBlobClient(key)
  const act = async ({ signal }: RequestAttempt): Promise<PutOutcome | undefined> => {
    try {
      const { metadata } = await blob.getProperties({ abortSignal: signal, ...keyOf(place) })
      return metadata?.[WRITE_ID] === id ? 'created' : 'exists'
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }
  return place.requests.send({ kind: 'head', key, act }, signal)
}

/**
 * The object's bytes, or those of the range. A whole object is checked against its CRC-32C.
 * @throws MillpondError `OBJECT_MISSING`.
 */
export async function readObject(place: AzurePlace, key: string, range?: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
  const { start, end } = cutRange(Number.MAX_SAFE_INTEGER, range)
  if (start === end) {
    if ((await sizeOfObject(place, key, signal)) === undefined) throw missingError(key, place.place)
    return new Uint8Array()
  }
  const count = range === undefined ? undefined : end - start
  const blob = place.container.getBlobClient(key)
  const act = async ({ signal, alive }: RequestAttempt): Promise<Uint8Array> => {
    try {
      const answer = await blob.download(start, count, { abortSignal: signal, maxRetryRequests: 0, ...keyOf(place) })
      const bytes = await collect(answer.readableStreamBody, answer.contentLength ?? 0, alive)
      if (range === undefined) checkBytes(bytes, answer.metadata?.[CHECKSUM], key)
      return bytes
    } catch (error) {
      if (isMissing(error)) throw missingError(key, place.place)
      if (refusalOf(error)?.code === 'InvalidRange') return new Uint8Array()
      throw error
    }
  }
  return place.requests.send({ kind: 'get', key, act, receivedBytes: ({ length }) => length }, signal)
}

/** The body of an answer. One that is shorter than its header says is an error. */
async function collect(stream: NodeJS.ReadableStream | undefined, expected: number, alive: () => void): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(expected)
  let filled = 0
  for await (const chunk of (stream ?? []) as AsyncIterable<Buffer>) {
    filled += chunk.copy(bytes, filled)
    alive()
  }
  if (filled !== expected) throw Object.assign(new Error(`${filled} of ${expected} bytes came`), { code: 'ECONNRESET' })
  return new Uint8Array(bytes.buffer, bytes.byteOffset, expected)
}

function checkBytes(bytes: Uint8Array, told: string | undefined, key: string): void {
  if (told === undefined || told === checksumText(crc32c(bytes))) return
  throw new MillpondError('STORE_UNAVAILABLE', `"${key}" was damaged on its way: its CRC-32C is not the one it was stored with`, {
    details: { key },
  })
}

/** The object's size in bytes, or undefined where there is none. */
export async function sizeOfObject(place: AzurePlace, key: string, signal?: AbortSignal): Promise<number | undefined> {
  const blob = place.container.getBlobClient(key)
  const act = async ({ signal }: RequestAttempt): Promise<number | undefined> => {
    try {
      return (await blob.getProperties({ abortSignal: signal, ...keyOf(place) })).contentLength
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }
  return place.requests.send({ kind: 'head', key, act }, signal)
}

/** Removes the object with its snapshots; one that is not there is no error. */
export async function deleteObject(place: AzurePlace, key: string, signal?: AbortSignal): Promise<void> {
  const blob = place.container.getBlobClient(key)
  const act = async ({ signal }: RequestAttempt): Promise<void> => {
    try {
      await blob.delete({ abortSignal: signal, deleteSnapshots: 'include' })
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }
  await place.requests.send({ kind: 'delete', key, act }, signal)
}
