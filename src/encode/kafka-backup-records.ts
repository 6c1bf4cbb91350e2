import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'

/** The least that a record takes behind its length: time, offset, two lengths and the number of headers. */
const MIN_RECORD_BYTES = 8 + 8 + 4 + 4 + 2
const TWO_32 = 2 ** 32

/** Where the records of a segment end, one after the other. @throws MillpondError `BLOCK_CORRUPT`. */
export function recordEnds(raw: Uint8Array): number[] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  const ends: number[] = []
  for (let at = 0; at < raw.byteLength;) {
    const end = at + 4 <= raw.byteLength ? at + 4 + view.getUint32(at, true) : Infinity
    if (end > raw.byteLength || end - at - 4 < MIN_RECORD_BYTES) throw corrupt(`the record at ${at} does not fit`, at)
    ends.push(end)
    at = end
  }
  return ends
}

/**
 * The messages of records as kafka-backup writes them; they share `raw`. Numbers are little-endian: length of the rest (4), timestamp (8), offset
 * (8), length of the key (4, -1 for null) and key, the same for the value, number of headers (2), for each length of its name (2), name,
 * length of its value (4, -1 for null), value. Source: github.com/osodevops/kafka-backup, segment format version 1, read 2026-11.
 * @throws MillpondError `BLOCK_CORRUPT` for anything else, and for offsets that do not rise.
 */
export function readBackupRecords(raw: Uint8Array): MessageBatch {
  const ends = recordEnds(raw)
  const count = ends.length
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  const ints = () => new Int32Array(count)
  const columns = {
    positions: new Float64Array(count),
    timestamps: new Float64Array(count),
    keyStart: ints(),
    keyEnd: ints(),
    valueStart: ints(),
    valueEnd: ints(),
    headerFrom: new Int32Array(count + 1),
  }
  const headers: number[] = []
  let at = 0
  let end = 0
  /** Takes bytes of which a length stands before; gives where they begin, -1 for null. `at` is behind them then. */
  const takeBytes = (lengthBytes: 2 | 4): number => {
    if (at + lengthBytes > end) throw corrupt(`the record before ${end} ends early`, at)
    const length = lengthBytes === 2 ? view.getUint16(at, true) : view.getInt32(at, true)
    at += lengthBytes
    if (length < 0) return -1
    if (at + length > end) throw corrupt(`the record before ${end} ends early`, at)
    at += length
    return at - length
  }
  for (let row = 0; row < count; row++) {
    at = (row === 0 ? 0 : ends[row - 1]!) + 4
    end = ends[row]!
    const timestamp = longAt(view, at)
    const position = longAt(view, at + 8)
    if (!isPosition(position) || (row > 0 && position <= columns.positions[row - 1]!) || !Number.isSafeInteger(timestamp))
      throw corrupt(`the record at ${at} has the offset ${position} and the timestamp ${timestamp}`, at)
    columns.timestamps[row] = timestamp
    columns.positions[row] = position
    at += 16
    columns.keyStart[row] = takeBytes(4)
    columns.keyEnd[row] = columns.keyStart[row]! < 0 ? -1 : at
    columns.valueStart[row] = takeBytes(4)
    columns.valueEnd[row] = columns.valueStart[row]! < 0 ? -1 : at
    if (at + 2 > end) throw corrupt(`the record before ${end} ends early`, at)
    const headerCount = view.getUint16(at, true)
    at += 2
    for (let h = 0; h < headerCount; h++) {
      headers.push(takeBytes(2), at)
      const start = takeBytes(4)
      headers.push(start, start < 0 ? -1 : at)
    }
    columns.headerFrom[row + 1] = headers.length / 4
    if (at !== end) throw corrupt(`the record before ${end} has ${end - at} bytes too many`, at)
  }
  const none = ints().fill(-1)
  const header = (offset: number) => Int32Array.from({ length: headers.length / 4 }, (_, h) => headers[4 * h + offset]!)
  return {
    count,
    bytes: raw,
    ...columns,
    idStart: none,
    idEnd: none,
    headerNameStart: header(0),
    headerNameEnd: header(1),
    headerValueStart: header(2),
    headerValueEnd: header(3),
  }
}

const isPosition = (position: number): boolean =>
  Number.isSafeInteger(position) && position >= 0 && position < Number.MAX_SAFE_INTEGER

/** A number of 64 bits; one that is no safe integer comes near enough to be none. */
const longAt = (view: DataView, at: number): number => view.getUint32(at, true) + view.getInt32(at + 4, true) * TWO_32

const corrupt = (message: string, offset: number) => new MillpondError('BLOCK_CORRUPT', message, { details: { offset } })
