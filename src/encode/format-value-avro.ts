import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { ValueKind } from '../values/values.ts'
import type { UnencodableMessage } from './avro-block.ts'
import { blockFrame, isCodec, parseContainerHeader, parseStoredBlock, splitAvroFile } from './avro-container.ts'
import { avroFileHeader } from './avro-file.ts'
import type { PlainBlock, StoredCodec } from './block.ts'
import { decompress } from './codec.ts'
import { type BlockEncoder, createBlockEncoder } from './block-encoder.ts'
import { withBeyondTime } from './record-times.ts'
import { avroRows, MAX_MESSAGE_BYTES, type WriteRows } from './row-writer.ts'
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
  findUnencodable: (batch, _options, kind) =>
    kind === undefined || kind.type === 'avro' ? withBeyondTime(batch, findUnencodable(batch)) : findSchemaless(batch),
  openFraming: (codec, sync, kind) => ({
    header: avroFileHeader(avroCodec(codec), sync, schemaOf(kind)),
    frame: ({ count, bytes }) => [blockFrame(count, bytes.byteLength), bytes, sync],
  }),
  readHeader: parseContainerHeader,
  ...notReadable('value-avro'),
  async countBlock(stored, _codec, header) {
    return parseStoredBlock(stored, header?.sync).count
  },
  async rawOf(stored, codec, header) {
    return decompress(avroCodec(codec), parseStoredBlock(stored, header?.sync).payload)
  },
  async split(object) {
    const header = parseContainerHeader(object)
    if (header === undefined) throw new MillpondError('SEGMENT_CORRUPT', 'the container file ends within its header')
    return splitAvroFile(object, header.bytes)
  },
}

function avroCodec(codec: StoredCodec) {
  if (isCodec(codec)) return codec
  throw new MillpondError('FORMAT_UNSUPPORTED', `the format value-avro has no codec ${codec}`)
}

function schemaOf(kind: ValueKind | undefined): string {
  if (kind?.type === 'avro') return kind.text
  throw new MillpondError('INTERNAL', `a segment of Avro values has a schema of Avro, not of ${kind?.type ?? 'nothing'}`)
}

/** Writes values one behind the other, as they are. */
export const writeValues: WriteRows = ({ kernel, columns, bytesAt, free }, { from, to, pendingBytes, blockBytes }) =>
  kernel.exports.writeValues(columns.start, columns.count, from, to, bytesAt, free, pendingBytes, blockBytes, kernel.arenaStart)

/** The encoder of messages, but that it writes values alone. */
function createValueEncoder(options: EncoderOptions): BlockEncoder<PlainBlock> {
  const encoder = createBlockEncoder(options, avroRows(writeValues))
  const toPlain = async (block: ReturnType<typeof encoder.add>[number]): Promise<PlainBlock> => ({
    ...(await block),
    format: 'value-avro',
  })
  return {
    get pendingCount() {
      return encoder.pendingCount
    },
    get pendingBytes() {
      return encoder.pendingBytes
    },
    add: (batch) => encoder.add(batch).map(toPlain),
    flush() {
      const block = encoder.flush()
      return block && toPlain(block)
    },
  }
}

/** None of these values is described by Avro. */
const findSchemaless = ({ count }: MessageBatch): UnencodableMessage[] =>
  Array.from({ length: count }, (_, row) => ({ row, reason: 'its value names no Avro schema' }))

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
