import { giveAway } from '../batch/given-away.ts'
import { MillpondError } from '../errors.ts'
import { decodeBlock, findUnencodable } from './avro-block.ts'
import { blockFrame, isCodec, parseStoredBlock, splitAvroFile } from './avro-container.ts'
import { avroFileHeader, parseAvroFileHeader } from './avro-file.ts'
import type { StoredCodec } from './block.ts'
import { createBlockEncoder } from './block-encoder.ts'
import { decompress } from './codec.ts'
import { withBeyondTime } from './record-times.ts'
import type { SegmentFormat } from './segment-format.ts'

function avroCodec(codec: StoredCodec) {
  if (isCodec(codec)) return codec
  throw new MillpondError('FORMAT_UNSUPPORTED', `the format avro has no codec ${codec}`)
}

/** Avro files that lose nothing; see docs/formats.md. */
export const avroFormat: SegmentFormat = {
  extension: () => 'avro',
  codecs: ['zstandard', 'deflate', 'snappy', 'null'],
  keepsAll: true,
  mixesCodecs: false,
  createEncoder: (options) => createBlockEncoder({ ...options, codec: avroCodec(options.codec) }),
  findUnencodable: (batch) => withBeyondTime(batch, findUnencodable(batch)),
  openFraming: (codec, sync) => ({
    header: avroFileHeader(avroCodec(codec), sync),
    frame: ({ count, bytes }) => [blockFrame(count, bytes.byteLength), bytes, sync],
  }),
  readHeader: parseAvroFileHeader,
  readBlock(stored, codec, header) {
    const { count, payload } = parseStoredBlock(stored, header?.sync)
    return decodeBlock({ codec: avroCodec(codec), bytes: payload, count })
  },
  async rawOf(stored, codec, header) {
    return decompress(avroCodec(codec), parseStoredBlock(stored, header?.sync).payload)
  },
  async split(object) {
    const header = parseAvroFileHeader(object)
    if (header === undefined) throw new MillpondError('SEGMENT_CORRUPT', 'the container file ends within its header')
    return splitAvroFile(object, header.bytes)
  },
  async openBlock(stored, codec, { count, firstPosition, lastPosition }) {
    if (count !== lastPosition - firstPosition + 1) return undefined
    const { payload } = parseStoredBlock(stored)
    const bytes = await decompress(avroCodec(codec), payload)
    // Blocks that were not compressed are parts of what was read.
    return { format: 'avro', bytes: bytes === payload ? bytes : giveAway(bytes), count, firstPosition }
  },
}
