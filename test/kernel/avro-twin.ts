import type { MessageInput } from '../../src/batch/builder.ts'
import type { PlainMessage } from '../batch/message-arbitrary.ts'

/** Choices that Avro leaves to the writer; each is asked for anew. The defaults are those of Millpond. */
export interface WriterChoices {
  /** Bytes by which a long is made longer than it need be. */
  readonly padding: () => number
  /** How many of the headers that are left the next array block takes. */
  readonly blockCount: (left: number) => number
  /** Whether an array block tells its size. */
  readonly sized: () => boolean
}

const plain: WriterChoices = { padding: () => 0, blockCount: (left) => left, sized: () => false }
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

function long(value: number, padding = 0): number[] {
  const wide = BigInt(value)
  let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
  const bytes: number[] = []
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  for (let i = 0; i < padding && bytes.length < 10; i++) {
    bytes[bytes.length - 1]! |= 128
    bytes.push(0)
  }
  return bytes
}

/** The twin of `writeRows`: the messages as Avro records. */
export function writeRecordsTwin(messages: readonly MessageInput[], choices: WriterChoices = plain): Uint8Array {
  const number = (value: number) => long(value, choices.padding())
  const bytes = (content: Uint8Array | string) => {
    const raw = typeof content === 'string' ? encoder.encode(content) : content
    return [...number(raw.length), ...raw]
  }
  const optional = (content: Uint8Array | string | null | undefined) =>
    content === null || content === undefined ? number(0) : [...number(1), ...bytes(content)]
  const array = (headers: NonNullable<MessageInput['headers']>) => {
    const out: number[] = []
    for (let at = 0; at < headers.length;) {
      const count = choices.blockCount(headers.length - at)
      const items = headers.slice(at, at + count).flatMap(({ name, value }) => [...bytes(name), ...optional(value)])
      out.push(...(choices.sized() ? [...number(-count), ...number(items.length)] : number(count)), ...items)
      at += count
    }
    return [...out, ...number(0)]
  }
  return Uint8Array.from(
    messages.flatMap(({ position, timestamp, key, value, headers, id }) => [
      ...number(position),
      ...number(timestamp),
      ...optional(key),
      ...optional(value),
      ...array(headers ?? []),
      ...optional(id),
    ]),
  )
}

/** The twin of `readRows`: `count` messages that are all the bytes hold, or an error. */
export function readRecordsTwin(bytes: Uint8Array, count: number): PlainMessage[] {
  let at = 0
  const wide = () => {
    let value = 0n
    for (let i = 0; i < 10; i++) {
      const byte = bytes[at++]
      if (byte === undefined || (i === 9 && byte > 1)) throw new Error('no long')
      value |= BigInt(byte & 127) << BigInt(7 * i)
      if (byte < 128) return (value >> 1n) ^ -(value & 1n)
    }
    throw new Error('no long')
  }
  const safe = () => {
    const value = wide()
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER)) throw new Error('unsafe')
    return Number(value)
  }
  const span = () => {
    const length = wide()
    if (length < 0n || length > BigInt(bytes.length - at)) throw new Error('length')
    at += Number(length)
    return bytes.subarray(at - Number(length), at)
  }
  const optional = () => {
    const branch = wide()
    if (branch === 0n) return null
    if (branch !== 1n) throw new Error('branch')
    return span()
  }
  const array = () => {
    const headers: { name: string; value: number[] | null }[] = []
    for (;;) {
      let left = wide()
      let end: bigint | undefined
      if (left === 0n) return headers
      if (left < 0n) {
        const size = wide()
        if (size < 0n || size > BigInt(bytes.length - at)) throw new Error('size')
        end = BigInt(at) + size
        left = -left
      }
      for (; left > 0n; left--) {
        const name = decoder.decode(span())
        const value = optional()
        headers.push({ name, value: value && [...value] })
      }
      if (end !== undefined && end !== BigInt(at)) throw new Error('size')
    }
  }
  const messages: PlainMessage[] = []
  for (let row = 0; row < count; row++) {
    const position = safe()
    if (row > 0 && position <= messages[row - 1]!.position) throw new Error('rising')
    const timestamp = safe()
    const key = optional()
    const value = optional()
    const headers = array()
    const id = optional()
    messages.push({
      position,
      timestamp,
      key: key && [...key],
      value: value && [...value],
      headers,
      id: id && decoder.decode(id),
    })
  }
  if (at !== bytes.length) throw new Error('trailing')
  return messages
}

/** The twin of `writeValues`: how many rows fit, and their values one behind the other; or its error where one that would fit is null. */
export function valuesTwin(messages: readonly MessageInput[], pendingBytes: number, blockBytes: number): [number, number[]] {
  const out: number[] = []
  for (const [row, { value }] of messages.entries()) {
    if (value === null || value === undefined) return [-10, []]
    const raw = typeof value === 'string' ? encoder.encode(value) : value
    if (out.length + raw.length > blockBytes - pendingBytes && (pendingBytes > 0 || row > 0)) return [row, out]
    out.push(...raw)
  }
  return [messages.length, out]
}
