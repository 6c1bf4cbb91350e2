import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { MillpondError } from '../errors.ts'

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
  /** Says that a request whose body was read is answered. */
  release(bytes: number): void
}

/** A reader for all requests of a server. */
export function createBodyReader({ maxBodyBytes, maxHeldBytes }: BodyLimits): BodyReader {
  let heldBytes = 0
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
      const chunks: Buffer[] = []
      let bytes = 0
      // The rest of a refused body is not read here: Node throws it away, so that the caller can read the answer.
      const refuse = (error: unknown): void => {
        body.removeListener('data', take)
        heldBytes -= bytes
        bytes = 0
        reject(error)
      }
      const take = (chunk: Buffer): void => {
        bytes += chunk.byteLength
        heldBytes += chunk.byteLength
        chunks.push(chunk)
        if (bytes > maxBodyBytes) refuse(tooLarge())
        else if (heldBytes > maxHeldBytes) refuse(tooBusy())
      }
      if (encoding !== undefined && encoding !== 'identity') refuse(encodingUnknown(encoding))
      else if (Number(headers['content-length'] ?? 0) > maxBodyBytes) refuse(tooLarge())
      else {
        body.on('data', take)
        body.once('error', refuse)
        body.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes)))
      }
      return promise
    },
    release(bytes) {
      heldBytes -= bytes
    },
  }
}

const encodingUnknown = (encoding: string): MillpondError =>
  new MillpondError(
    'MEDIA_TYPE_UNSUPPORTED',
    `the content encoding ${encoding.slice(0, 40)} is not supported; send the body as it is`,
  )
