import { randomUUID } from 'node:crypto'
import { MillpondError } from '../../errors.ts'
import { countBody, crc32cOfPieces, type PartUpload, type Pieces } from '../../store/part-writer.ts'
import type { GcsClient, GcsExchange } from './client.ts'
import type { HttpResponse } from './http.ts'
import { checksumText, OCTETS, outcomeOf, uploadExchange, uploadMetadata } from './objects.ts'
import type { GcsPlace, GcsWrite } from './objects.ts'

/** Parts have to be a multiple of this, save the last one (cloud.google.com/storage/docs/resumable-uploads, read 2026-11). */
export const PART_UNIT_BYTES = 256 * 1024

const MORE = 308
const EXISTS = 412
const CANCELLED = 499
/** What the service says of an upload that it has finished, given up or never had. */
const GONE = [404, 410]

type Send = (request: GcsExchange) => Promise<HttpResponse>

/** How far an upload is: up to which byte the service has it, or what became of it. */
type Progress = { readonly state: 'open'; readonly bytes: number } | { readonly state: 'created' | 'exists' | 'gone' }

/** An upload that the service has begun. */
interface Session {
  readonly key: string
  readonly url: URL
}

/** Bytes of an object that are sent. */
interface Stretch {
  readonly bytes: Pieces
  /** Where they lie in the object. */
  readonly start: number
  /** With the last of the object: how long that is, and the CRC-32C of all of it. */
  readonly whole?: { readonly bytes: number; readonly crc: number }
}

/**
 * Begins a resumable upload that makes the object if its key is free at the end. One session takes one part after another; after a failure
 * the service is asked how far it has come, and gets what it does not have.
 */
export async function openUpload(place: GcsPlace, key: string, signal: AbortSignal): Promise<PartUpload> {
  const { client } = place
  const write: GcsWrite = { key, id: randomUUID(), ifAbsent: true }
  const begun = await client.ask(
    { kind: 'begin', key },
    {
      ...uploadExchange(place, write, 'resumable'),
      headers: { 'content-type': 'application/json; charset=UTF-8', 'x-upload-content-type': OCTETS },
      body: [uploadMetadata(place, write)],
    },
    signal,
  )
  if (begun.status === EXISTS) return takenUpload
  return createUpload(client, { key, url: client.uploadUrl(String(begun.headers.location)) }, { write, signal })
}

/** An upload to a key that was taken when it began: nothing has to be sent to know how it ends. */
const takenUpload: PartUpload = {
  send: async () => undefined,
  finish: async () => 'exists',
  abandon: async () => undefined,
}

function createUpload(
  client: GcsClient,
  session: Session,
  { write, signal }: { write: GcsWrite; signal: AbortSignal },
): PartUpload {
  const { key, url } = session
  let sentBytes = 0
  let crc = 0
  return {
    async send(part) {
      crc = crc32cOfPieces(part, crc)
      const act = async (send: Send, attempt: number) => {
        const { state } = await sendMissing(session, send, { bytes: part, start: sentBytes }, attempt)
        if (state !== 'open') throw goneError(key)
      }
      await client.run({ kind: 'part', key, sentBytes: part.bytes, act }, signal)
      sentBytes += part.bytes
    },
    async finish(last) {
      const whole = { bytes: sentBytes + last.bytes, crc: crc32cOfPieces(last, crc) }
      const act = async (send: Send, attempt: number) => {
        const { state } = await sendMissing(session, send, { bytes: last, start: sentBytes, whole }, attempt)
        return { state, attempt }
      }
      const { state, attempt } = await client.run({ kind: 'complete', key, sentBytes: last.bytes, act }, signal)
      if (state === 'created' || (state === 'exists' && attempt === 1)) return state
      // An earlier attempt may have made the object, and its answer was lost.
      const outcome = await outcomeOf(client, write, signal)
      if (outcome !== undefined) return outcome
      throw goneError(key)
    },
    async abandon() {
      await client.ask({ kind: 'abort', key }, { method: 'DELETE', to: url, accept: [CANCELLED, ...GONE] })
    },
  }
}

/** Sends what the service does not have yet: all of it at first, later what it says. */
async function sendMissing(session: Session, send: Send, stretch: Stretch, attempt: number): Promise<Progress> {
  const { bytes, start, whole } = stretch
  if (attempt === 1) return sendFrom(session, send, stretch, start)
  const found = await exchange(session, send, { range: `*/${whole?.bytes ?? '*'}` })
  const isComplete = found.state !== 'open' || (whole === undefined && found.bytes === start + bytes.bytes)
  return isComplete ? found : sendFrom(session, send, stretch, found.bytes)
}

/** Sends the bytes from `from` on until the service has them all; it may take some of what it is sent. */
async function sendFrom(session: Session, send: Send, { bytes, start, whole }: Stretch, from: number): Promise<Progress> {
  const end = start + bytes.bytes
  for (let at = from; ;) {
    if (at < start || at > end) throw lostError(session.key, at, start)
    const range = `${at === end ? '*' : `${at}-${end - 1}`}/${whole?.bytes ?? '*'}`
    countBody(bytes)
    const progress = await exchange(session, send, { range, body: piecesFrom(bytes, at - start), crc: whole?.crc })
    if (progress.state !== 'open' || (progress.bytes === end && whole === undefined)) return progress
    if (progress.bytes <= at)
      throw new MillpondError('STORE_UNAVAILABLE', `the service took nothing of a part of "${session.key}"`)
    at = progress.bytes
  }
}

interface Sent {
  // As in the header; without bytes it asks how far the upload is.
  readonly range: string
  readonly body?: readonly Uint8Array[]
  readonly crc?: number | undefined
}

async function exchange({ url }: Session, send: Send, { range, body = [], crc }: Sent): Promise<Progress> {
  const hash: Record<string, string> = crc === undefined ? {} : { 'x-goog-hash': `crc32c=${checksumText(crc)}` }
  const headers = { 'content-range': `bytes ${range}`, ...hash }
  const answer = await send({ method: 'PUT', to: url, headers, body, accept: [MORE, EXISTS, ...GONE] })
  if (answer.status === MORE) return { state: 'open', bytes: endOfRange(answer.headers.range) }
  if (answer.status === EXISTS) return { state: 'exists' }
  return { state: GONE.includes(answer.status) ? 'gone' : 'created' }
}

/** The pieces without the first `offset` bytes. */
function piecesFrom({ pieces }: Pieces, offset: number): Uint8Array[] {
  let skipped = 0
  return pieces.flatMap((piece) => {
    const start = Math.max(0, offset - skipped)
    skipped += piece.length
    return start < piece.length ? [piece.subarray(start)] : []
  })
}

/** The number of bytes that `bytes=0-41` stands for; without such a header there are none. */
function endOfRange(range: string | string[] | undefined): number {
  const last = /^bytes=0-(\d+)$/.exec(String(range))?.[1]
  return last === undefined ? 0 : Number(last) + 1
}

const goneError = (key: string): MillpondError =>
  new MillpondError('STORE_UNAVAILABLE', `the service no longer has the upload of "${key}"`, { details: { key } })

const lostError = (key: string, at: number, start: number): MillpondError =>
  new MillpondError('STORE_UNAVAILABLE', `the service has ${at} bytes of the upload of "${key}", and had ${start} before`, {
    details: { key },
  })
