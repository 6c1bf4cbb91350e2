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

const encoder = new TextEncoder()

/** Appends messages one by one and gives them as a batch. A class: the columns grow in place in the hot path of single messages. */
export class BatchBuilder {
  #bytes: Uint8Array
  #used = 0
  readonly #positions: number[] = []
  readonly #timestamps: number[] = []
  readonly #spans: number[] = []
  readonly #headerFrom: number[] = [0]
  readonly #headers: number[] = []

  constructor(capacityBytes = 64 * 1024) {
    this.#bytes = new Uint8Array(capacityBytes)
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
    const span = (offset: number) => Int32Array.from({ length: count }, (_, i) => this.#spans[i * 6 + offset]!)
    const header = (offset: number) =>
      Int32Array.from({ length: this.#headers.length / 4 }, (_, i) => this.#headers[i * 4 + offset]!)
    return {
      count,
      bytes: this.#bytes.subarray(0, this.#used),
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
    const bytes = typeof content === 'string' ? encoder.encode(content) : content
    this.#reserve(bytes.byteLength)
    this.#bytes.set(bytes, this.#used)
    spans.push(this.#used, this.#used + bytes.byteLength)
    this.#used += bytes.byteLength
  }

  #reserve(extra: number): void {
    const needed = this.#used + extra
    if (needed <= this.#bytes.byteLength) return
    if (needed > MAX_BATCH_BYTES)
      throw new MillpondError('MESSAGE_TOO_LARGE', `a batch holds at most ${MAX_BATCH_BYTES} bytes, not ${needed}`)
    const grown = new Uint8Array(Math.min(MAX_BATCH_BYTES, Math.max(needed, this.#bytes.byteLength * 2)))
    grown.set(this.#bytes.subarray(0, this.#used))
    this.#bytes = grown
  }
}

/** The batch of these messages. */
export function batchOf(messages: readonly MessageInput[]): MessageBatch {
  const builder = new BatchBuilder()
  for (const message of messages) builder.add(message)
  return builder.build()
}
