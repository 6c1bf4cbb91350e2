import { randomUUID } from 'node:crypto'
import { MillpondError } from '../../errors.ts'
import type { PartUpload, Pieces } from '../../store/part-writer.ts'
import type { GcsExchange } from './client.ts'
import type { HttpResponse } from './http.ts'
import { checksumText, crcOf, outcomeOf, uploadExchange, uploadMetadata } from './objects.ts'
import type { GcsPlace, GcsWrite } from './objects.ts'

/** Parts have to be a multiple of this, save the last one (cloud.google.com/storage/docs/resumable-uploads, read 2026-11). */
export const PART_UNIT_BYTES = 256 * 1024

const MORE = 308
const EXISTS = 412
const CANCELLED = 499
/** What the service says of an upload that it has finished, given up or never had. */
const GONE = [404, 410]

type Send = (request: GcsExchange) => Promise<HttpResponse>

/** How far an upload is: up to which byte the service has it, or that the object is there. */
type Progress = { readonly state: 'open'; readonly bytes: number } | { readonly state: 'created' | 'exists' | 'gone' }

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
      headers: { 'content-type': 'application/json; charset=UTF-8', 'x-upload-content-type': 'application/octet-stream' },
      body: [uploadMetadata(place, write)],
    },
    signal,
  )
  if (begun.status === EXISTS) return takenUpload
  const session = { to: client.uploadUrl(String(begun.headers.location)), method: 'PUT' } as const
  let sentBytes = 0
  let crc = 0

  const progressOf = ({ status, headers }: HttpResponse): Progress => {
    if (status === MORE) return { state: 'open', bytes: endOfRange(headers.range) }
    if (status === EXISTS) return { state: 'exists' }
    return { state: GONE.includes(status) ? 'gone' : 'created' }
  }
  const exchange = async (send: Send, range: string, body: readonly Uint8Array[], headers = {}): Promise<Progress> => {
    const contentRange = { 'content-range': `bytes ${range}` }
    const accept = [MORE, EXISTS, ...GONE]
    return progressOf(await send({ ...session, headers: { ...contentRange, ...headers }, body, accept }))
  }
  /** Sends bytes, which begin at `start`, until the service has them all; `total` with the last of the object. */
  const sendBytes = async (send: Send, part: Pieces, { start, from, total }: Stretch): Promise<Progress> => {
    const end = start + part.bytes
    const hash = total === undefined ? {} : { 'x-goog-hash': `crc32c=${checksumText(crc)}` }
    for (let at = from; ;) {
      if (at < start || at > end) throw lostError(key, at, start)
      const range = at === end ? '*' : `${at}-${end - 1}`
      const progress = await exchange(send, `${range}/${total ?? '*'}`, piecesFrom(part, at - start), hash)
      if (progress.state !== 'open' || (progress.bytes === end && total === undefined)) return progress
      if (progress.bytes <= at) throw new MillpondError('STORE_UNAVAILABLE', `the service took nothing of a part of "${key}"`)
      at = progress.bytes
    }
  }
  const sendFrom = async (send: Send, part: Pieces, attempt: number, total?: number): Promise<Progress> => {
    const start = sentBytes
    if (attempt === 1) return sendBytes(send, part, { start, from: start, total })
    const found = await exchange(send, `*/${total ?? '*'}`, [])
    if (found.state !== 'open' || (total === undefined && found.bytes === start + part.bytes)) return found
    return sendBytes(send, part, { start, from: found.bytes, total })
  }

  return {
    async send(part) {
      crc = crcOf(part, crc)
      const act = async (send: Send, attempt: number) => {
        const progress = await sendFrom(send, part, attempt)
        if (progress.state !== 'open') throw goneError(key)
      }
      await client.run({ kind: 'part', key, sentBytes: part.bytes, act }, signal)
      sentBytes += part.bytes
    },
    async finish(last) {
      crc = crcOf(last, crc)
      const act = async (send: Send, attempt: number) => {
        const { state } = await sendFrom(send, last, attempt, sentBytes + last.bytes)
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
      const accept = [CANCELLED, ...GONE]
      await client.ask({ kind: 'abort', key }, { ...session, method: 'DELETE', accept })
    },
  }
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

/** Where bytes lie in their object, and from where on they are sent. */
interface Stretch {
  readonly start: number
  readonly from: number
  readonly total: number | undefined
}

/** An upload to a key that was taken when it began: nothing has to be sent to know how it ends. */
const takenUpload: PartUpload = {
  send: async () => undefined,
  finish: async () => 'exists',
  abandon: async () => undefined,
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
