import type { MessageInput } from '../../src/batch/builder.ts'
import type { PlainMessage } from '../batch/message-arbitrary.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Bytes by which a number is made longer than it need be, as the format allows; asked for anew for each. */
export type Padding = () => number

function varint(value: number | bigint, padding: Padding, most: number): number[] {
  const wide = BigInt(value)
  let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
  const bytes: number[] = []
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  for (let i = padding(); i > 0 && bytes.length < most; i--) {
    bytes[bytes.length - 1]! |= 128
    bytes.push(0)
  }
  return bytes
}

/** The twin of `writeRecords`: the messages as the records of one batch. Source: Kafka protocol guide, "Record". */
export function writeRecordsTwin(
  messages: readonly MessageInput[],
  { baseOffset, baseTimestamp }: { baseOffset: number; baseTimestamp: number },
  padding: Padding = () => 0,
): Uint8Array {
  const number = (value: number | bigint) => varint(value, padding, 5)
  const field = (content: Uint8Array | string | null | undefined) => {
    if (content === null || content === undefined) return number(-1)
    const bytes = typeof content === 'string' ? encoder.encode(content) : content
    return [...number(bytes.length), ...bytes]
  }
  return Uint8Array.from(
    messages.flatMap(({ position, timestamp, key, value, headers = [] }) => {
      const body = [
        0,
        ...varint(BigInt(timestamp) - BigInt(baseTimestamp), padding, 10),
        ...number(position - baseOffset),
        ...field(key),
        ...field(value),
        ...number(headers.length),
        ...headers.flatMap((header) => [...field(header.name), ...field(header.value)]),
      ]
      return [...number(body.length), ...body]
    }),
  )
}

/** What a batch's header says of its records. */
export interface RecordsOf {
  readonly count: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly timestamp: number
  readonly isAppendTime: boolean
}

/** The twin of `readRecords`: all messages with offsets from `fromOffset` on, or an error. */
export function readRecordsTwin(bytes: Uint8Array, of: RecordsOf, fromOffset = 0): PlainMessage[] {
  let at = 0
  let end = bytes.length
  const byte = () => {
    if (at >= end) throw new Error('truncated')
    return bytes[at++]!
  }
  const wide = (bits: number) => {
    let value = 0n
    for (let shift = 0; shift < bits; shift += 7) {
      const next = byte()
      value |= BigInt(next & 127) << BigInt(shift)
      if (next < 128) {
        if (value >> BigInt(bits) !== 0n) throw new Error('too large')
        return (value >> 1n) ^ -(value & 1n)
      }
    }
    throw new Error('too long')
  }
  const int = () => Number(wide(32))
  const span = () => {
    const length = int()
    if (length < 0) return null
    if (length > end - at) throw new Error('length')
    at += length
    return bytes.subarray(at - length, at)
  }
  const messages: PlainMessage[] = []
  let last = -1
  for (let record = 0; record < of.count; record++) {
    end = bytes.length
    const length = int()
    if (length < 0 || length > end - at) throw new Error('record length')
    end = at + length
    byte()
    const timestampDelta = wide(64)
    const delta = int()
    if (delta <= last || of.baseOffset + delta > of.lastOffset) throw new Error('offset')
    last = delta
    const timestamp = of.isAppendTime ? BigInt(of.timestamp) : BigInt(of.timestamp) + timestampDelta
    if (!Number.isSafeInteger(Number(timestamp))) throw new Error('timestamp')
    const key = span()
    const value = span()
    const headerCount = int()
    if (headerCount < 0 || headerCount > end - at) throw new Error('headers')
    const headers = Array.from({ length: headerCount }, () => {
      const name = span()
      if (name === null) throw new Error('header name')
      const content = span()
      return { name: decoder.decode(name), value: content && [...content] }
    })
    if (at !== end) throw new Error('record length')
    const position = of.baseOffset + delta
    if (position < fromOffset) continue
    messages.push({ position, timestamp: Number(timestamp), key: key && [...key], value: value && [...value], id: null, headers })
  }
  if (at !== bytes.length) throw new Error('trailing')
  return messages
}
