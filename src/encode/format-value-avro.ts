import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import { checkResult } from '../kernel/fault.ts'
import type { ValueKind } from '../values/values.ts'
import { compressBlock, type UnencodableMessage } from './avro-block.ts'
import { avroFileHeader, blockFrame, isCodec, parseContainerHeader, parseStoredBlock, splitAvroFile } from './avro-file.ts'
import type { PlainBlock, StoredCodec } from './block.ts'
import { decompress } from './codec.ts'
import { type BlockEncoder, createRowEncoder } from './block-encoder.ts'
import { MAX_MESSAGE_BYTES, type RowWriter } from './row-writer.ts'
import { withBeyondTime } from './record-times.ts'
import { type EncoderOptions, notReadable, type SegmentFormat } from './segment-format.ts'

/**
 * Values that are Avro data under one registered schema, copied as they are into a container file of that schema: any Avro tool reads the very records
 * that producers wrote. Keys, headers and positions are not in it. Batches have their values behind the wire format's prefix.
 */
export const valueAvroFormat: SegmentFormat = {
  extension: () => 'avro',
  codecs: ['zstandard', 'deflate', 'snappy', 'null'],
  keepsAll: false,
  byKind: true,
  mixesCodecs: false,
  createEncoder: createValueEncoder,
  findUnencodable: (batch) => withBeyondTime(batch, findUnencodable(batch)),
  openFraming: (codec, sync, options) => ({
    header: avroFileHeader(avroCodec(codec), sync, schemaOf(options?.kind)),
    frame: ({ count, bytes }) => [blockFrame(count, bytes.byteLength), bytes, sync],
  }),
  readHeader: parseContainerHeader,
  async rawOf(stored, codec, header) {
    return decompress(avroCodec(codec), parseStoredBlock(stored, header?.sync).payload)
  },
  async split(object) {
    const header = parseContainerHeader(object)
    if (header === undefined) throw new MillpondError('SEGMENT_CORRUPT', 'the container file ends within its header')
    return splitAvroFile(object, header.bytes)
  },
  async countBlock(stored, _codec, header) {
    return parseStoredBlock(stored, header?.sync).count
  },
  ...notReadable('value-avro'),
}

function avroCodec(codec: StoredCodec) {
  if (isCodec(codec)) return codec
  throw new MillpondError('FORMAT_UNSUPPORTED', `the format value-avro has no codec ${codec}`)
}

function schemaOf(kind: ValueKind | undefined): string {
  if (kind?.type === 'avro') return kind.text
  throw new MillpondError('INTERNAL', `a segment of Avro values has a schema of Avro, not of ${kind?.type ?? 'nothing'}`)
}

/** Values alone, one behind the other. */
const valueWriter: RowWriter = {
  scratchBytes: ({ encodedBytes }) => encodedBytes,
  isTooLarge: ({ encodedBytes }) => encodedBytes > MAX_MESSAGE_BYTES,
  write({ kernel, columns: { start, count }, bytesAt, free }, { from, to, pendingBytes, blockBytes }) {
    const result = kernel.arenaStart
    const taken = kernel.exports.writeValues(start, count, from, to, bytesAt, free, pendingBytes, blockBytes, result)
    checkResult(taken, 'INTERNAL', 'values cannot be written')
    return {
      count: taken,
      start: free,
      bytes: kernel.i32[result / 4]!,
      minTimestamp: kernel.f64[result / 8 + 1]!,
      maxTimestamp: kernel.f64[result / 8 + 2]!,
    }
  },
}

/** The encoder of values; batches come as columns alone, for records of Kafka have values with the prefix of the wire format. */
function createValueEncoder(options: EncoderOptions): BlockEncoder<PlainBlock> {
  const encoder = createRowEncoder<PlainBlock>(
    {
      writer: valueWriter,
      areEncodable: () => false,
      compressBlock: async (raw, records, compression) => ({
        ...(await compressBlock(raw, records, { ...options, ...compression })),
        format: 'value-avro',
      }),
    },
    options,
  )
  return {
    get pendingCount() {
      return encoder.pendingCount
    },
    get pendingBytes() {
      return encoder.pendingBytes
    },
    add: (batch) => encoder.add(batch),
    flush: () => encoder.flush(),
  }
}

/** A message without a value is no datum: there is nothing that could be written for it. */
function findUnencodable({ count, valueStart, valueEnd }: MessageBatch): UnencodableMessage[] {
  const found: UnencodableMessage[] = []
  for (let row = 0; row < count; row++) {
    if (valueStart[row] === -1) found.push({ row, reason: 'it has no value' })
    else if (valueEnd[row]! - valueStart[row]! > MAX_MESSAGE_BYTES)
      found.push({ row, reason: `more than ${MAX_MESSAGE_BYTES} bytes` })
  }
  return found
}
