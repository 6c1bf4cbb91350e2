import { MillpondError } from '../errors.ts'
import type { MessageBatch } from './batch.ts'

/** One message as a plain object: for edges and tests; the stream path moves batches. Strings stand for their UTF-8 bytes. */
export interface MessageInput {
  readonly position: number
  readonly timestamp: number
  readonly key?: Uint8Array | string | null
  readonly value?: Uint8Array | string | null
  readonly id?: string | null
  readonly headers?: readonly { readonly name: string; readonly value: Uint8Array | string | null }[]
}

/** Bytes that one batch can hold at the most: its columns are 32-bit. */
export const MAX_BATCH_BYTES = 0x7fff_ffff

/** Of a string's UTF-16 units each takes three bytes of UTF-8 at the most; longer strings are measured before. */
const SHORT_CHARACTERS = 16 * 1024

/** Appends messages one by one and gives them as a batch. A class: the columns grow in place in the hot path of single messages. */
export class BatchBuilder {
  #bytes: Buffer
  #used = 0
  readonly #positions: number[] = []
  readonly #timestamps: number[] = []
  readonly #spans: number[] = []
  readonly #headerFrom: number[] = [0]
  readonly #headers: number[] = []

  constructor(capacityBytes = 64 * 1024) {
    this.#bytes = bufferOf(capacityBytes)
  }

  get count(): number {
    return this.#positions.length
  }

  /** Bytes of payload held so far. */
  get bytes(): number {
    return this.#used
  }

  /**
   * Copies the message in.
   * @throws MillpondError `POSITION_INVALID` where position or timestamp is no safe integer or the position does not rise;
   * `MESSAGE_TOO_LARGE` where the batch would pass 2 GiB.
   */
  add(message: MessageInput): void {
    const last = this.#positions.at(-1)
    if (!Number.isSafeInteger(message.position) || message.position < 0 || (last !== undefined && message.position <= last)) {
      throw new MillpondError('POSITION_INVALID', `position ${message.position} does not follow ${last ?? 'nothing'}`)
    }
    if (!Number.isSafeInteger(message.timestamp)) {
      throw new MillpondError(
        'POSITION_INVALID',
        `timestamp ${message.timestamp} ms at position ${message.position} is no safe integer`,
      )
    }
    this.#append(this.#spans, message.key)
    this.#append(this.#spans, message.value)
    this.#append(this.#spans, message.id)
    for (const header of message.headers ?? []) {
      this.#append(this.#headers, header.name)
      this.#append(this.#headers, header.value)
    }
    this.#headerFrom.push(this.#headers.length / 4)
    this.#positions.push(message.position)
    this.#timestamps.push(message.timestamp)
  }

  /** The batch of all that was added; the builder must not be used afterwards. */
  build(): MessageBatch {
    const count = this.#positions.length
    const span = (offset: number) => everyNth(this.#spans, 6, offset)
    const header = (offset: number) => everyNth(this.#headers, 4, offset)
    return {
      count,
      bytes: new Uint8Array(this.#bytes.buffer, 0, this.#used),
      positions: Float64Array.from(this.#positions),
      timestamps: Float64Array.from(this.#timestamps),
      keyStart: span(0),
      keyEnd: span(1),
      valueStart: span(2),
      valueEnd: span(3),
      idStart: span(4),
      idEnd: span(5),
      headerFrom: Int32Array.from(this.#headerFrom),
      headerNameStart: header(0),
      headerNameEnd: header(1),
      headerValueStart: header(2),
      headerValueEnd: header(3),
    }
  }

  #append(spans: number[], content: Uint8Array | string | null | undefined): void {
    if (content === null || content === undefined) {
      spans.push(-1, -1)
      return
    }
    const start = this.#used
    if (typeof content === 'string') {
      this.#reserve(content.length > SHORT_CHARACTERS ? Buffer.byteLength(content) : content.length * 3)
      this.#used += this.#bytes.write(content, start)
    } else {
      this.#reserve(content.byteLength)
      this.#bytes.set(content, start)
      this.#used += content.byteLength
    }
    spans.push(start, this.#used)
  }

  #reserve(extra: number): void {
    const needed = this.#used + extra
    if (needed <= this.#bytes.byteLength) return
    if (needed > MAX_BATCH_BYTES)
      throw new MillpondError('MESSAGE_TOO_LARGE', `a batch holds at most ${MAX_BATCH_BYTES} bytes, not ${needed}`)
    const grown = bufferOf(Math.min(MAX_BATCH_BYTES, Math.max(needed, this.#bytes.byteLength * 2)))
    grown.set(this.#bytes.subarray(0, this.#used))
    this.#bytes = grown
  }
}

/** Of rows of `width` numbers those at `offset`. Hot loop. */
function everyNth(rows: readonly number[], width: number, offset: number): Int32Array {
  const column = new Int32Array(rows.length / width)
  for (let row = 0, at = offset; row < column.length; row++, at += width) column[row] = rows[at]!
  return column
}

/** Memory of its own, all of which is written before it is looked at. */
const bufferOf = (bytes: number): Buffer => Buffer.allocUnsafeSlow(bytes)

/** The batch of these messages. */
export function batchOf(messages: readonly MessageInput[]): MessageBatch {
  const builder = new BatchBuilder()
  for (const message of messages) builder.add(message)
  return builder.build()
}
