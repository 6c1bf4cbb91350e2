import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { MillpondError } from '../../errors.ts'
import { crc32c } from '../../kernel/checksum.ts'
import { countBody, crc32cOfPieces, type Pieces } from '../../store/part-writer.ts'
import { cutRange } from '../../store/range.ts'
import type { ByteRange, PutOutcome } from '../../store/store.ts'
import type { GcsClient, GcsExchange } from './client.ts'
import { missingError } from './errors.ts'

/** What new objects are given. */
export interface GcsObjectSettings {
  readonly storageClass?: string | undefined
  readonly kmsKeyName?: string | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** Where objects are kept, and how. */
export interface GcsPlace {
  readonly client: GcsClient
  readonly settings: GcsObjectSettings
}

/** Names one write of one object in its metadata: what tells an answer that was lost from a race that was. */
const WRITE_ID = 'millpond-write'
const PARTIAL = 206
const EXISTS = 412
const MISSING = 404
const RANGE_UNSATISFIABLE = 416
export const OCTETS = 'application/octet-stream'

/** A write of one object. */
export interface GcsWrite {
  readonly key: string
  /** Made for this write alone. */
  readonly id: string
  readonly ifAbsent: boolean
}

const bucketPath = ({ bucket }: GcsClient): string => `/storage/v1/b/${encodeURIComponent(bucket)}/o`
const objectPath = (client: GcsClient, key: string): string => `${bucketPath(client)}/${encodeURIComponent(key)}`

/** A CRC-32C as the service writes it. */
export function checksumText(crc: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc)
  return bytes.toString('base64')
}

/** Where and with which settings an object is uploaded. */
export function uploadExchange(
  { client, settings }: GcsPlace,
  { key, ifAbsent }: GcsWrite,
  uploadType: 'multipart' | 'resumable',
): Pick<GcsExchange, 'method' | 'to' | 'query' | 'accept'> {
  const { kmsKeyName } = settings
  return {
    method: 'POST',
    to: `/upload${bucketPath(client)}`,
    query: {
      uploadType,
      name: key,
      ...(ifAbsent ? { ifGenerationMatch: '0' } : {}),
      ...(kmsKeyName === undefined ? {} : { kmsKeyName }),
    },
    accept: ifAbsent ? [EXISTS] : [],
  }
}

/** The description that is uploaded with an object. */
export function uploadMetadata({ settings }: GcsPlace, { id }: GcsWrite, checksum?: string): Buffer {
  const { storageClass, metadata } = settings
  return Buffer.from(
    JSON.stringify({ contentType: OCTETS, crc32c: checksum, storageClass, metadata: { ...metadata, [WRITE_ID]: id } }),
  )
}

/** Writes an object with one request; the service checks its CRC-32C before the object is there. */
export async function putObject(
  place: GcsPlace,
  { key, object, ifAbsent }: { key: string; object: Pieces; ifAbsent: boolean },
  signal?: AbortSignal,
): Promise<PutOutcome> {
  const write: GcsWrite = { key, id: randomUUID(), ifAbsent }
  const boundary = `millpond-${write.id}`
  const headers = { 'content-type': `multipart/related; boundary=${boundary}` }
  const opening = (type: string) => `--${boundary}\r\ncontent-type: ${type}\r\n\r\n`
  const checksum = checksumText(crc32cOfPieces(object))
  const body = [
    Buffer.from(opening('application/json; charset=UTF-8')),
    uploadMetadata(place, write, checksum),
    Buffer.from(`\r\n${opening(OCTETS)}`),
    ...object.pieces,
    Buffer.from(`\r\n--${boundary}--`),
  ]
  const answered = await place.client.run(
    {
      kind: 'put',
      key,
      sentBytes: object.bytes,
      async act(exchange, attempt) {
        countBody(object)
        const { status } = await exchange({ ...uploadExchange(place, write, 'multipart'), headers, body })
        return { isTaken: status === EXISTS, attempt }
      },
    },
    signal,
  )
  if (!answered.isTaken) return 'created'
  // An earlier attempt may have made the object, and its answer was lost.
  return answered.attempt > 1 ? ((await outcomeOf(place.client, write, signal)) ?? 'exists') : 'exists'
}

/** What became of a write, by the object that is there; undefined where there is none. */
export async function outcomeOf(client: GcsClient, { key, id }: GcsWrite, signal?: AbortSignal): Promise<PutOutcome | undefined> {
  const query = { fields: 'metadata' }
  const exchange: GcsExchange = { method: 'GET', to: objectPath(client, key), query, accept: [MISSING] }
  const { status, body } = await client.ask({ kind: 'head', key }, exchange, signal)
  if (status === MISSING) return undefined
  const { metadata = {} } = JSON.parse(body.toString()) as { metadata?: Record<string, string> }
  return metadata[WRITE_ID] === id ? 'created' : 'exists'
}

/**
 * The object's bytes, or those of the range. A whole object is checked against its CRC-32C.
 * @throws MillpondError `OBJECT_MISSING`.
 */
export async function readObject(client: GcsClient, key: string, range?: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
  const { start, end } = cutRange(Number.MAX_SAFE_INTEGER, range)
  if (start === end) {
    if ((await sizeOfObject(client, key, signal)) === undefined) throw missingError(key, client.bucket)
    return new Uint8Array()
  }
  const exchange: GcsExchange = {
    method: 'GET',
    to: objectPath(client, key),
    query: { alt: 'media' },
    headers: range === undefined ? {} : { range: `bytes=${start}-${end - 1}` },
    accept: [MISSING, RANGE_UNSATISFIABLE],
  }
  return client.run(
    {
      kind: 'get',
      key,
      async act(send) {
        const { status, headers, body } = await send(exchange)
        const bytes = new Uint8Array(body.buffer, body.byteOffset, body.length)
        if (status === MISSING) throw missingError(key, client.bucket)
        if (status === RANGE_UNSATISFIABLE) return new Uint8Array()
        if (status === PARTIAL) return bytes
        checkBytes(bytes, String(headers['x-goog-hash'] ?? ''), key)
        return range === undefined ? bytes : bytes.subarray(start, end)
      },
    },
    signal,
  )
}

function checkBytes(bytes: Uint8Array, hashes: string, key: string): void {
  const told = /crc32c=([^,\s]+)/.exec(hashes)?.[1]
  if (told === undefined || told === checksumText(crc32c(bytes))) return
  throw new MillpondError('STORE_UNAVAILABLE', `"${key}" was damaged on its way: its CRC-32C is not the one it was stored with`, {
    details: { key },
  })
}

/** The object's size in bytes, or undefined where there is none. */
export async function sizeOfObject(client: GcsClient, key: string, signal?: AbortSignal): Promise<number | undefined> {
  const query = { fields: 'size' }
  const exchange: GcsExchange = { method: 'GET', to: objectPath(client, key), query, accept: [MISSING] }
  const { status, body } = await client.ask({ kind: 'head', key }, exchange, signal)
  if (status === MISSING) return undefined
  return Number((JSON.parse(body.toString()) as { size: string }).size)
}

/** Removes the object; one that is not there is no error. */
export async function deleteObject(client: GcsClient, key: string, signal?: AbortSignal): Promise<void> {
  const exchange: GcsExchange = { method: 'DELETE', to: objectPath(client, key), accept: [MISSING] }
  await client.ask({ kind: 'delete', key }, exchange, signal)
}
