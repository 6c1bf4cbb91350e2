import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { MillpondError } from '../errors.ts'
import { createBodyBuffers } from './body-buffers.ts'

/** Bounds what is held of requests. */
export interface BodyLimits {
  /** Of one request. */
  readonly maxBodyBytes: number
  /** Of all requests that are under way, until they are answered. */
  readonly maxHeldBytes: number
}

/** Reads bodies as bytes, within the limits. */
export interface BodyReader {
  readonly heldBytes: number
  /**
   * The whole body.
   * @throws MillpondError `BODY_TOO_LARGE`, `TOO_BUSY`, `MEDIA_TYPE_UNSUPPORTED` for a body that is compressed.
   */
  read(headers: IncomingHttpHeaders, body: Readable): Promise<Buffer>
  /** Says that a request whose body was read is answered: nobody looks at the body any more, for it is written over. */
  release(body: Buffer): void
}

/** Spare buffers for bodies: as many as requests of one moment need. */
const MAX_SPARE_BYTES = 8 * 1024 * 1024

/** A reader for all requests of a server. */
export function createBodyReader({ maxBodyBytes, maxHeldBytes }: BodyLimits): BodyReader {
  let heldBytes = 0
  const buffers = createBodyBuffers(MAX_SPARE_BYTES)
  const buffersOf = new WeakMap<Buffer, Buffer>()
  const tooLarge = (): MillpondError =>
    new MillpondError('BODY_TOO_LARGE', `the body has more than ${maxBodyBytes} bytes (http.maxBodyBytes)`, {
      details: { maxBodyBytes },
    })
  const tooBusy = (): MillpondError =>
    new MillpondError('TOO_BUSY', `requests that are under way hold more than ${maxHeldBytes} bytes; send again in a moment`)
  return {
    get heldBytes() {
      return heldBytes
    },
    read(headers, body) {
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
      const encoding = headers['content-encoding']
      const announcedBytes = Number(headers['content-length'] ?? 0)
      const chunks: Buffer[] = []
      let buffer: Buffer | undefined
      let bytes = 0
      let isWhole = false
      // The rest of a refused body is not read here: Node throws it away, so that the caller can read the answer.
      const refuse = (error: unknown): void => {
        if (isWhole) return
        body.removeListener('data', take)
        heldBytes -= bytes
        bytes = 0
        if (buffer !== undefined) buffers.giveBack(buffer)
        buffer = undefined
        reject(error)
      }
      const take = (chunk: Buffer): void => {
        if (bytes === 0) buffer = buffers.take(announcedBytes)
        // Node gives no more than was announced.
        if (buffer === undefined) chunks.push(chunk)
        else chunk.copy(buffer, bytes)
        bytes += chunk.byteLength
        heldBytes += chunk.byteLength
        if (bytes > maxBodyBytes) refuse(tooLarge())
        else if (heldBytes > maxHeldBytes) refuse(tooBusy())
      }
      const finish = (): void => {
        isWhole = true
        if (buffer === undefined) return resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes))
        const whole = buffer.subarray(0, bytes)
        buffersOf.set(whole, buffer)
        resolve(whole)
      }
      if (encoding !== undefined && encoding !== 'identity') refuse(encodingUnknown(encoding))
      else if (announcedBytes > maxBodyBytes) refuse(tooLarge())
      else {
        body.on('data', take)
        body.once('error', refuse)
        body.once('end', finish)
      }
      return promise
    },
    release(body) {
      heldBytes -= body.byteLength
      const buffer = buffersOf.get(body)
      if (buffer !== undefined) buffers.giveBack(buffer)
    },
  }
}

const encodingUnknown = (encoding: string): MillpondError =>
  new MillpondError(
    'MEDIA_TYPE_UNSUPPORTED',
    `the content encoding ${encoding.slice(0, 40)} is not supported; send the body as it is`,
  )
