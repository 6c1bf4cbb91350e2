import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { Kernel } from './kernel.ts'
import { MAX_RECORDS_BYTES } from './record-read.ts'
import { type LoadedRows, withRows } from './rows.ts'

/** What the kernel compresses by itself; other codecs take `plain` records. */
export type RecordForm = 'plain' | 'lz4' | 'snappy'

/** How records are written. */
export interface RecordWriting {
  readonly form: RecordForm
  /** Bytes left free before them, for what the caller puts there. */
  readonly headBytes: number
  /** With `keepOffsets`, offsets are written as what positions are more than this; otherwise they count up from 0. */
  readonly baseOffset: number
  readonly keepOffsets: boolean
  /** What timestamps count from. */
  readonly baseTimestamp: number
}

/** Version 1, blocks of 64 KiB that do not depend on one another, and the checksum of that. Source: lz4_Frame_format.md. */
const LZ4_HEADER = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82)
const LZ4_END = new Uint8Array(4)
/** Magic, version and compatible version. Source: snappy-java 1.1.10, `SnappyCodec`. */
const XERIAL_HEADER = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1)

/** What frames compressed records, and the room that compressing so many bytes takes. */
export const packing = {
  plain: { head: new Uint8Array(0), end: new Uint8Array(0), packedBytes: () => 0 },
  lz4: { head: LZ4_HEADER, end: LZ4_END, packedBytes: (bytes: number) => bytes + Math.ceil(bytes / 128) + 64 },
  snappy: {
    head: XERIAL_HEADER,
    end: new Uint8Array(0),
    packedBytes: (bytes: number) => bytes + Math.ceil(bytes / 6) + Math.ceil(bytes / 1024) + 64,
  },
}

/**
 * All messages of the batch as the records of one record batch, without its header. Their ids are not part of it.
 * @throws MillpondError `POSITION_INVALID`, `MESSAGE_TOO_LARGE`.
 */
export function encodeRecords(batch: MessageBatch, writing: RecordWriting): Uint8Array {
  const { head, end, packedBytes } = packing[writing.form]
  let out = new Uint8Array(0)
  let used = writing.headBytes + head.byteLength
  let rawBytes = 0
  const push = (piece: Uint8Array, growth: number) => {
    const needed = used + piece.byteLength + end.byteLength
    if (needed > out.byteLength) {
      // Messages of a batch are alike: what the first ones took tells what all of them will take. It is not cleared before.
      const { buffer } = Buffer.allocUnsafeSlow(Math.max(needed, Math.ceil(needed * growth)))
      const grown = new Uint8Array(buffer)
      grown.set(out.subarray(0, used))
      out = grown
    }
    out.set(piece, used)
    used += piece.byteLength
  }
  for (let row = 0; row < batch.count;) {
    const from = row
    row = withRows(
      batch,
      from,
      ({ encodedBytes }) => encodedBytes + 64 + packedBytes(encodedBytes),
      (rows) => {
        const { bytes, at, raw } = writeRows(rows, from, writing)
        rawBytes += raw
        if (rawBytes > MAX_RECORDS_BYTES) throw tooLarge(rawBytes)
        push(rows.kernel.bytes.subarray(at, at + bytes), rows.nextRow === batch.count ? 1 : (batch.count / rows.nextRow) * 1.05)
        return rows.nextRow
      },
    )
  }
  out.set(head, writing.headBytes)
  out.set(end, used)
  return out.subarray(0, used + end.byteLength)
}

const tooLarge = (bytes: number) =>
  new MillpondError('MESSAGE_TOO_LARGE', `${bytes} bytes of records are more than one batch can hold`, {
    details: { bytes, maxBytes: MAX_RECORDS_BYTES },
  })

/** Writes the loaded rows, the first of which is `row`, behind them and compresses behind that. */
function writeRows(rows: LoadedRows, row: number, writing: RecordWriting): { bytes: number; at: number; raw: number } {
  const { kernel, columns, bytesAt, free } = rows
  const raw = kernel.exports.writeRecords(
    columns.start,
    columns.count,
    columns.headers,
    bytesAt,
    free,
    writing.baseOffset,
    writing.keepOffsets ? -1 : row,
    writing.baseTimestamp,
    0,
    0,
    0,
  )
  const { at, length } = packIn(kernel, writing.form, { at: free, length: raw })
  return { bytes: length, at, raw }
}

/** Room behind records that `packIn` takes. */
export const packedRoom = (form: RecordForm, bytes: number): number => 128 + packing[form].packedBytes(bytes)

/** Compresses what lies in the kernel behind it; gives where that is. */
export function packIn(
  { exports }: Kernel,
  form: RecordForm,
  { at, length }: { readonly at: number; readonly length: number },
): { readonly at: number; readonly length: number } {
  if (form === 'plain') return { at, length }
  const packedAt = Math.ceil((at + length) / 64) * 64 + 64
  const packed = form === 'lz4' ? exports.lz4CompressBlocks(at, length, packedAt) : exports.xerialCompress(at, length, packedAt)
  return { at: packedAt, length: packed }
}
