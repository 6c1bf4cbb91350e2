import { MillpondError } from '../errors.ts'
import type { MessageBatch } from './batch.ts'
import { MAX_BATCH_BYTES } from './builder.ts'

/** Headers that messages get behind their own: the same for all, and last their position as decimal text. */
export interface MessageMarks {
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  /** The name of the last one. */
  readonly positionName: string
}

/** Digits of the largest safe integer. */
const MAX_DECIMAL_BYTES = 16

const encoder = new TextEncoder()

/** Writes the decimal text of a position, which is never negative, and gives the offset behind it. */
function writeDecimal(bytes: Uint8Array, start: number, position: number): number {
  let end = start + 1
  for (let bound = 10; position >= bound; bound *= 10) end++
  let at = end
  let rest = position
  // Division of 32-bit integers is several times as fast as that of doubles, so doubles serve only while they must.
  while (rest > 0x7fff_ffff) {
    const quotient = Math.floor(rest / 10)
    bytes[--at] = 0x30 + (rest - quotient * 10)
    rest = quotient
  }
  let small = rest | 0
  while (at > start) {
    const quotient = (small / 10) | 0
    bytes[--at] = 0x30 + (small - quotient * 10)
    small = quotient
  }
  return end
}

/** Where the bytes that all messages share begin and end: the names, and the values but for the last. */
function placeConstants({ headers, positionName }: MessageMarks, offset: number) {
  const names = headers.map(({ name }) => name)
  const values = headers.map(({ value }) => value)
  const texts = [...names, positionName, ...values].map((text) => encoder.encode(text))
  const starts: number[] = []
  let end = offset
  for (const text of texts) {
    starts.push(end)
    end += text.byteLength
  }
  return { texts, starts, ends: [...starts.slice(1), end], end }
}

/**
 * The batch with these headers behind each message's own. The batch given is not changed. Hot loop, 0.1 µs a message of 200 bytes and four
 * headers: the payload is copied once, names and values other than the position are shared by all messages.
 * @throws MillpondError `MESSAGE_TOO_LARGE` where the batch would pass 2 GiB.
 */
export function markMessages(batch: MessageBatch, marks: MessageMarks): MessageBatch {
  const { count } = batch
  if (count === 0) return batch
  const last = marks.headers.length
  const { texts, starts, ends, end } = placeConstants(marks, batch.bytes.byteLength)
  const capacity = end + count * MAX_DECIMAL_BYTES
  if (capacity > MAX_BATCH_BYTES) {
    throw new MillpondError(
      'MESSAGE_TOO_LARGE',
      `a batch of ${batch.bytes.byteLength} bytes leaves no room for the marks of ${count} messages`,
    )
  }
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(capacity).buffer)
  bytes.set(batch.bytes)
  for (const [i, text] of texts.entries()) bytes.set(text, starts[i])

  const first = batch.headerFrom[0]!
  const headers = batch.headerFrom[count]! - first + count * (last + 1)
  const headerFrom = new Int32Array(count + 1)
  const nameStart = new Int32Array(headers)
  const nameEnd = new Int32Array(headers)
  const valueStart = new Int32Array(headers)
  const valueEnd = new Int32Array(headers)
  let used = end
  let header = 0
  for (let row = 0; row < count; row++) {
    headerFrom[row] = header
    for (let h = batch.headerFrom[row]!, own = batch.headerFrom[row + 1]!; h < own; h++, header++) {
      nameStart[header] = batch.headerNameStart[h]!
      nameEnd[header] = batch.headerNameEnd[h]!
      valueStart[header] = batch.headerValueStart[h]!
      valueEnd[header] = batch.headerValueEnd[h]!
    }
    for (let mark = 0; mark <= last; mark++, header++) {
      nameStart[header] = starts[mark]!
      nameEnd[header] = ends[mark]!
      if (mark === last) break
      valueStart[header] = starts[last + 1 + mark]!
      valueEnd[header] = ends[last + 1 + mark]!
    }
    valueStart[header] = used
    used = writeDecimal(bytes, used, batch.positions[row]!)
    valueEnd[header++] = used
  }
  headerFrom[count] = header
  return {
    ...batch,
    bytes: bytes.subarray(0, used),
    headerFrom,
    headerNameStart: nameStart,
    headerNameEnd: nameEnd,
    headerValueStart: valueStart,
    headerValueEnd: valueEnd,
  }
}
