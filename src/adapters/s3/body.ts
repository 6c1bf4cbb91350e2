import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { MillpondError } from '../../errors.ts'
import { countBody, joinPieces } from '../../store/part-writer.ts'
import type { Pieces } from '../../store/part-writer.ts'

/** Up to here a body goes in one write, where joining its pieces costs less than a stream does. */
const SMALL_BYTES = 64 * 1024
/** What is written into the socket at once: each such step counts as progress. */
const STEP_BYTES = 256 * 1024

/** The bytes as a body of a request, for one attempt; larger ones are not copied. Calls `alive` as they leave. */
export function requestBody(object: Pieces, alive: () => void): Buffer | Readable {
  countBody(object)
  if (object.bytes <= SMALL_BYTES) {
    const { buffer, byteOffset, length } = joinPieces(object)
    return Buffer.from(buffer, byteOffset, length)
  }
  const steps = stepsOf(object)
  return new Readable({
    highWaterMark: STEP_BYTES,
    read() {
      alive()
      const step = steps.next()
      this.push(step.done === true ? null : step.value)
    },
  })
}

function* stepsOf({ pieces }: Pieces): Generator<Uint8Array> {
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; from += STEP_BYTES) yield piece.subarray(from, from + STEP_BYTES)
  }
}

/** What came with the head of an answer. */
interface AnswerBody {
  readonly body: unknown
  /** Undefined where the server did not say. */
  readonly bytes: number | undefined
}

/**
 * All bytes of an answer.
 * @throws MillpondError `STORE_UNAVAILABLE` where it has fewer or more than were announced.
 */
export async function readAnswer({ body, bytes }: AnswerBody, alive: () => void): Promise<Uint8Array> {
  if (!(body instanceof Readable)) return new Uint8Array()
  return bytes === undefined ? collect(body, alive) : fill(body, bytes, alive)
}

async function fill(body: Readable, bytes: number, alive: () => void): Promise<Uint8Array> {
  const filled = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
  let at = 0
  body.on('data', (chunk: Buffer) => {
    alive()
    if (at + chunk.length <= bytes) filled.set(chunk, at)
    at += chunk.length
  })
  await finished(body, { writable: false })
  if (at !== bytes) throw wrongLength(at, bytes)
  return filled
}

async function collect(body: Readable, alive: () => void): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of body as AsyncIterable<Buffer>) {
    alive()
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

const wrongLength = (came: number, bytes: number): MillpondError =>
  new MillpondError('STORE_UNAVAILABLE', `${came} bytes of an answer of ${bytes} came`, { details: { came, bytes } })
