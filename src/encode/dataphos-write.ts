import { isUtf8 } from 'node:buffer'
import type { MessageBatch } from '../batch/batch.ts'

const encoder = new TextEncoder()

/**
 * The messages with records of Dataphos Persistor as values, Avro data of `{ID: string, Data: bytes, Metadata: map of string}`. The id of a message without
 * one is `<lane>_<position>`, as Dataphos calls those of Kafka. Of headers with the same name the last one counts, what is no text becomes base64, and null is
 * empty, as is the value of a message that has none: there is nothing else in these records for it.
 */
export function writePersistorRecords(batch: MessageBatch, lane: string): MessageBatch {
  const { bytes, count, positions, idStart, idEnd, valueStart, valueEnd } = batch
  const output = new Output(bytes)
  const starts = new Int32Array(count)
  const ends = new Int32Array(count)
  for (let row = 0; row < count; row++) {
    starts[row] = output.used
    const id = idStart[row]!
    if (id === -1) output.writeText(encoder.encode(`${lane}_${positions[row]}`))
    else output.writeSpan(id, idEnd[row]!)
    const value = valueStart[row]!
    output.writeSpan(Math.max(value, 0), value === -1 ? 0 : valueEnd[row]!)
    writeMetadata(output, batch, row)
    ends[row] = output.used
  }
  return { ...batch, bytes: output.bytes.subarray(0, output.used), valueStart: starts, valueEnd: ends }
}

function writeMetadata(output: Output, batch: MessageBatch, row: number): void {
  const { headerFrom, headerNameStart, headerNameEnd, headerValueStart, headerValueEnd } = batch
  const end = headerFrom[row + 1]!
  const last: number[] = []
  for (let header = headerFrom[row]!; header < end; header++) if (!comesAgain(batch, header, end)) last.push(header)
  if (last.length > 0) output.writeLong(last.length)
  for (const header of last) {
    output.writeSpanAsText(headerNameStart[header]!, headerNameEnd[header]!)
    const start = headerValueStart[header]!
    output.writeSpanAsText(Math.max(start, 0), start === -1 ? 0 : headerValueEnd[header]!)
  }
  output.writeLong(0)
}

/** Whether a header behind it has its name. */
function comesAgain({ bytes, headerNameStart, headerNameEnd }: MessageBatch, header: number, end: number): boolean {
  const name = bytes.subarray(headerNameStart[header], headerNameEnd[header])
  for (let other = header + 1; other < end; other++) {
    if (headerNameEnd[other]! - headerNameStart[other]! !== name.byteLength) continue
    if (Buffer.compare(bytes.subarray(headerNameStart[other], headerNameEnd[other]), name) === 0) return true
  }
  return false
}

/** A batch's bytes and what is written behind them. A class: it is on the hot path, and its buffer grows. */
class Output {
  readonly #from: Uint8Array
  bytes: Uint8Array
  used: number

  constructor(from: Uint8Array) {
    this.#from = from
    this.bytes = new Uint8Array(2 * from.byteLength + 1024)
    this.bytes.set(from)
    this.used = from.byteLength
  }

  /** A length or a count, zigzag: none is negative. */
  writeLong(value: number): void {
    this.#reserve(10)
    let rest = value * 2
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.bytes[this.used++] = (rest % 128) | 128
    this.bytes[this.used++] = rest
  }

  writeText(content: Uint8Array): void {
    this.writeLong(content.byteLength)
    this.#reserve(content.byteLength)
    this.bytes.set(content, this.used)
    this.used += content.byteLength
  }

  writeSpan(start: number, end: number): void {
    this.writeText(this.#from.subarray(start, end))
  }

  writeSpanAsText(start: number, end: number): void {
    const content = this.#from.subarray(start, end)
    this.writeText(isUtf8(content) ? content : encoder.encode(Buffer.from(content).toString('base64')))
  }

  #reserve(more: number): void {
    if (this.used + more <= this.bytes.byteLength) return
    const grown = new Uint8Array(Math.max(this.used + more, 2 * this.bytes.byteLength))
    grown.set(this.bytes.subarray(0, this.used))
    this.bytes = grown
  }
}
