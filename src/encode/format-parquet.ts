import { MillpondError } from '../errors.ts'
import { findUnencodable } from './avro-block.ts'
import { filtersOf } from './lookup-filters.ts'
import { createContentEncoder, messageContent } from './parquet-content.ts'
import { createParquetEncoder } from './parquet-encoder.ts'
import { MAGIC, parquetFraming } from './parquet-footer.ts'
import { readParquetObject } from './parquet-object.ts'
import { storedPageCodec } from './parquet-page.ts'
import { readEnvelope } from './parquet-read.ts'
import { withBeyondTime } from './record-times.ts'
import type { ContentRules, SegmentFormat, SegmentHeader } from './segment-format.ts'

/** What every Parquet file begins with. @throws MillpondError `SEGMENT_CORRUPT`. */
export function readParquetHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.byteLength < MAGIC.byteLength) return undefined
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw new MillpondError('SEGMENT_CORRUPT', 'a Parquet file begins with PAR1')
  return { bytes: MAGIC.byteLength, codec: undefined, sync: undefined }
}

const content: ContentRules = {
  createEncoder: (options) => createContentEncoder(messageContent(), 'parquet', options),
  async read(object, blocks, lookups) {
    const { codec } = readParquetObject(object)
    const held = messageContent()
    const filters = []
    for (const { offset, bytes, count } of blocks) {
      const batch = await readEnvelope(object.subarray(offset, offset + bytes), codec)
      if (batch.count !== count)
        throw new MillpondError('SEGMENT_CORRUPT', `a row group holds ${batch.count} rows, its footer says ${count}`)
      held.add(batch)
      filters.push(filtersOf(batch, lookups))
    }
    return { content: held.digest(), codec, filters }
  },
}

/** Parquet files that lose nothing: a row group is a block, and is read without the footer; see docs/formats.md. */
export const parquetFormat: SegmentFormat = {
  extension: () => 'parquet',
  codecs: ['zstandard', 'gzip', 'snappy', 'null'],
  keepsAll: true,
  mixesCodecs: false,
  hasTrailer: true,
  createEncoder: createParquetEncoder,
  findUnencodable: (batch) => withBeyondTime(batch, findUnencodable(batch)),
  openFraming: () => parquetFraming({ about: { 'io.millpond.format': 'message' }, sortedBy: 0 }),
  readHeader: readParquetHeader,
  readBlock: (stored, codec) => readEnvelope(stored, storedPageCodec(codec)),
  openBlock: () => Promise.resolve(undefined),
  split: async (object) => readParquetObject(object).blocks,
  content,
}
