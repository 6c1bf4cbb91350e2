/**
 * How values say which schema they have. V0: a byte 0 and the id, 4 bytes, big end first, before the datum. V1: a header with a byte 1 and the
 * schema's GUID, 16 bytes, the datum without a prefix. For Protobuf the indexes of the message follow id or GUID. Source: Confluent's schema
 * registry, "Wire format", and its `SchemaId`, read 2026-11.
 */
import type { MessageBatch } from '../batch/batch.ts'

/** Bytes of V0 before the datum, or before Protobuf's indexes. */
export const PREFIX_BYTES = 5

/** The header of V1 for values, and for keys. */
export const VALUE_HEADER = '__value_schema_id'
export const KEY_HEADER = '__key_schema_id'

const GUID_BYTES = 16

/** Finds the header of V1 of messages. */
export interface GuidFinder {
  /** Where its value begins: the GUID lies a byte behind. -1 where there is none. */
  find(row: number): number
  /** Where the value of the header that was found last ends. */
  readonly end: number
}

/** Looks for the header of that name in messages of the batch. Of several the last one counts, as for Kafka's own `lastHeader`. */
export function createGuidFinder(batch: MessageBatch, header: string): GuidFinder {
  const { bytes, headerFrom, headerNameStart, headerNameEnd, headerValueStart, headerValueEnd } = batch
  if (headerFrom[0] === headerFrom[batch.count]) return { find: () => -1, end: -1 }
  const name = new TextEncoder().encode(header)
  const { length } = name
  const finder = {
    end: -1,
    find(row: number): number {
      const first = headerFrom[row]!
      for (let h = headerFrom[row + 1]! - 1; h >= first; h--) {
        const start = headerNameStart[h]!
        if (headerNameEnd[h]! - start !== length) continue
        let same = 0
        while (same < length && bytes[start + same] === name[same]) same++
        if (same < length) continue
        const value = headerValueStart[h]!
        finder.end = headerValueEnd[h]!
        return value >= 0 && finder.end - value > GUID_BYTES && bytes[value] === 1 ? value : -1
      }
      return -1
    },
  }
  return finder
}

/** The GUID in a header's value that begins at `at`, in lower-case hex with hyphens. */
export function guidAt(bytes: Uint8Array, at: number): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset + at + 1, GUID_BYTES).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** Whether the GUID behind `at` is the one behind `other`. */
export function isSameGuid(bytes: Uint8Array, at: number, other: number): boolean {
  for (let i = 1; i <= GUID_BYTES; i++) if (bytes[at + i] !== bytes[other + i]) return false
  return true
}

/** Where Protobuf's indexes begin in a header's value. */
export const guidEnd = (at: number): number => at + 1 + GUID_BYTES

/** The id of V0 in bytes from `start` to before `end`; undefined where they have no such prefix. */
export function idAt(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (start < 0 || end - start < PREFIX_BYTES || bytes[start] !== 0) return undefined
  return ((bytes[start + 1]! << 24) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 8) | bytes[start + 4]!) >>> 0
}

/** The indexes of a Protobuf message within its file, and where they end. */
export interface MessageIndexes {
  readonly path: readonly number[]
  readonly end: number
}

const MAX_INDEXES = 64

/** Reads the indexes at `at`: their number and each, as zig-zag varints; a single 0 stands for the first message. Undefined where they are none. */
export function readMessageIndexes(bytes: Uint8Array, at: number, end: number): MessageIndexes | undefined {
  const count = readInt(bytes, at, end)
  if (count === undefined || count.value < 0 || count.value > MAX_INDEXES) return undefined
  if (count.value === 0) return { path: [0], end: count.end }
  const path: number[] = []
  let { end: next } = count
  for (let left = count.value; left > 0; left--) {
    const index = readInt(bytes, next, end)
    if (index === undefined || index.value < 0) return undefined
    path.push(index.value)
    next = index.end
  }
  return { path, end: next }
}

function readInt(bytes: Uint8Array, at: number, end: number): { readonly value: number; readonly end: number } | undefined {
  let zigzag = 0
  for (let i = 0; i < 5 && at + i < end; i++) {
    const byte = bytes[at + i]!
    zigzag |= (byte & 0x7f) << (7 * i)
    if (byte < 0x80) return { value: (zigzag >>> 1) ^ -(zigzag & 1), end: at + i + 1 }
  }
  return undefined
}
