import { crc32 } from 'node:zlib'
import { MillpondError } from '../errors.ts'
import type { StoredCodec } from './block.ts'
import { decompress, MAX_RAW_BYTES } from './codec.ts'
import { readBackupRecords, recordEnds } from './kafka-backup-records.ts'
import { decompressSizedLz4 } from './lz4-block.ts'
import { onlyRead } from './only-read.ts'
import type { FoundBlock, SegmentFormat } from './segment-format.ts'

const HEADER_BYTES = 32
const FOOTER_BYTES = 8
const VERSION = 1
const CODECS = ['none', 'zstd', 'lz4'] as const
/** Blocks of segments that are not compressed, of which any part can be read. */
const BLOCK_BYTES = 1024 * 1024

const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

/**
 * Segments of the program kafka-backup, as they lie in its storage: 32 bytes `KBAK`, version, codec, count, first and last offset; records, compressed
 * as one; 8 bytes with a CRC-32 of all before, and `BKAE`. It keeps all that a message has, and is only read.
 * Source: github.com/osodevops/kafka-backup, segment format version 1, read 2026-11.
 */
export const kafkaBackupFormat: SegmentFormat = {
  ...onlyRead('kafka-backup'),
  extension: (codec) => (codec === 'zstd' ? 'bin.zst' : codec === 'lz4' ? 'bin.lz4' : 'bin'),
  codecs: CODECS,
  keepsAll: true,
  mixesCodecs: false,
  hasTrailer: true,
  readHeader(bytes) {
    if (bytes.byteLength < HEADER_BYTES) return undefined
    return { bytes: HEADER_BYTES, codec: headOf(bytes).codec, sync: undefined }
  },
  readBlock: async (stored, codec) => readBackupRecords(await rawOf(stored, codec)),
  openBlock: () => Promise.resolve(undefined),
  rawOf,
  async split(object) {
    if (object.byteLength < HEADER_BYTES + FOOTER_BYTES) throw corrupt('it is too short for a segment')
    const { codec, count } = headOf(object)
    const footer = object.byteLength - FOOTER_BYTES
    if (text(object.subarray(footer + 4)) !== 'BKAE') throw corrupt('it does not end as a segment does')
    const view = new DataView(object.buffer, object.byteOffset, object.byteLength)
    if (view.getUint32(footer, true) !== crc32(object.subarray(0, footer))) throw corrupt('it does not match its CRC-32')
    const body = object.subarray(HEADER_BYTES, footer)
    const blocks = codec === 'none' ? cut(body) : [{ offset: HEADER_BYTES, bytes: body.byteLength, count }]
    const found = blocks.reduce((sum, block) => sum + block.count, 0)
    if (found !== count) throw corrupt(`it has ${found} records and says ${count}`)
    return blocks
  },
}

function headOf(bytes: Uint8Array): { readonly codec: StoredCodec; readonly count: number } {
  if (text(bytes.subarray(0, 4)) !== 'KBAK') throw corrupt('it does not begin as a segment does')
  if (bytes[4] !== VERSION) throw new MillpondError('FORMAT_UNSUPPORTED', `version ${bytes[4]} of the segment is not known`)
  const codec = CODECS[bytes[5]!]
  if (codec === undefined) throw new MillpondError('FORMAT_UNSUPPORTED', `codec ${bytes[5]} of the segment is not known`)
  return { codec, count: Number(new DataView(bytes.buffer, bytes.byteOffset + 8, 8).getBigUint64(0, true)) }
}

async function rawOf(stored: Uint8Array, codec: StoredCodec): Promise<Uint8Array> {
  if (codec === 'none') return stored
  return codec === 'zstd' ? decompress('zstandard', stored) : decompressSizedLz4(stored, MAX_RAW_BYTES)
}

/** Runs of whole records. */
function cut(body: Uint8Array): FoundBlock[] {
  const blocks: FoundBlock[] = []
  let start = 0
  let count = 0
  const ends = recordEnds(body)
  for (const [row, end] of ends.entries()) {
    count++
    const next = ends[row + 1]
    if (next !== undefined && next - start <= BLOCK_BYTES) continue
    blocks.push({ offset: HEADER_BYTES + start, bytes: end - start, count })
    start = end
    count = 0
  }
  return blocks
}

const corrupt = (message: string) => new MillpondError('SEGMENT_CORRUPT', message)
