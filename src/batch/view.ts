import type { MessageBatch } from './batch.ts'

/** One header of a message; the value's bytes are shared with the batch. */
export interface Header {
  readonly name: string
  readonly value: Uint8Array | null
}

/** One message, made on demand; its bytes are shared with the batch. */
export interface Message {
  readonly position: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly id: string | null
  readonly headers: readonly Header[]
}

// Without `ignoreBOM` a byte order mark at the beginning would be lost, and with it the name that was given.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

const span = (batch: MessageBatch, start: number, end: number): Uint8Array | null =>
  start < 0 ? null : batch.bytes.subarray(start, end)

export const keyAt = (batch: MessageBatch, row: number): Uint8Array | null =>
  span(batch, batch.keyStart[row]!, batch.keyEnd[row]!)
export const valueAt = (batch: MessageBatch, row: number): Uint8Array | null =>
  span(batch, batch.valueStart[row]!, batch.valueEnd[row]!)

/** The id of message `row` as text, or null. */
export function idAt(batch: MessageBatch, row: number): string | null {
  const bytes = span(batch, batch.idStart[row]!, batch.idEnd[row]!)
  return bytes === null ? null : decoder.decode(bytes)
}

/** Names that were decoded last, by a few bits of them: messages of a stream have the same headers. */
const recentNames: { readonly bytes: Uint8Array; readonly name: string }[] = []
const RECENT_NAMES = 64
const LONGEST_RECENT_BYTES = 64

/** A header's name that lies there. */
export function headerNameIn(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start
  if (length === 0) return ''
  if (length > LONGEST_RECENT_BYTES) return decoder.decode(bytes.subarray(start, end))
  const slot = (length * 7 + bytes[start]! + bytes[end - 1]! * 3) % RECENT_NAMES
  const recent = recentNames[slot]
  if (recent?.bytes.byteLength === length) {
    let same = 0
    while (same < length && recent.bytes[same] === bytes[start + same]) same++
    if (same === length) return recent.name
  }
  const name = decoder.decode(bytes.subarray(start, end))
  recentNames[slot] = { bytes: bytes.slice(start, end), name }
  return name
}

/** The headers of message `row` in their order. */
export function headersAt(batch: MessageBatch, row: number): Header[] {
  const headers: Header[] = []
  for (let h = batch.headerFrom[row]!; h < batch.headerFrom[row + 1]!; h++) {
    headers.push({
      name: headerNameIn(batch.bytes, batch.headerNameStart[h]!, batch.headerNameEnd[h]!),
      value: span(batch, batch.headerValueStart[h]!, batch.headerValueEnd[h]!),
    })
  }
  return headers
}

/** Message `row` of the batch. */
export function messageAt(batch: MessageBatch, row: number): Message {
  return {
    position: batch.positions[row]!,
    timestamp: batch.timestamps[row]!,
    key: keyAt(batch, row),
    value: valueAt(batch, row),
    id: idAt(batch, row),
    headers: headersAt(batch, row),
  }
}

/** Every message of the batch, in order. */
export function* messagesOf(batch: MessageBatch): Generator<Message> {
  for (let row = 0; row < batch.count; row++) yield messageAt(batch, row)
}
