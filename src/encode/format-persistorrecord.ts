import { isUtf8 } from 'node:buffer'
import { type MessageBatch, payloadBytes, sliceBatch } from '../batch/batch.ts'
import { compactIfSparse } from '../batch/compact.ts'
import type { UnencodableMessage } from './avro-block.ts'
import { blockFrame, isCodec, parseStoredBlock } from './avro-container.ts'
import { avroFileHeader } from './avro-file.ts'
import type { Codec, PlainBlock, StoredCodec } from './block.ts'
import { type BlockEncoder, createBlockEncoder } from './block-encoder.ts'
import { decompress } from './codec.ts'
import { writePersistorRecords } from './dataphos-write.ts'
import { dataphosFormat } from './format-dataphos.ts'
import { writeValues } from './format-value-avro.ts'
import { withBeyondTime } from './record-times.ts'
import { avroRows, MAX_MESSAGE_BYTES } from './row-writer.ts'
import { type EncoderOptions, notReadable, type SegmentFormat } from './segment-format.ts'
import { MillpondError } from '../errors.ts'

/** The schema of Dataphos Persistor's blobs. Source: dataphos-persistor, `write_to_avro.go`, read 2026-11. */
const PERSISTOR_SCHEMA = JSON.stringify({
  type: 'record',
  name: 'persistorrecord',
  namespace: 'com.syntio.dataphos',
  fields: [
    { name: 'ID', type: 'string' },
    { name: 'Data', type: 'bytes' },
    { name: 'Metadata', type: { type: 'map', values: 'string' } },
  ],
})

/**
 * What Dataphos Persistor writes: id, value and headers of each message, and nothing else. Blobs of its own are read by the format `dataphos`, which has to
 * guess what was never stored; these are not, for their commits know better.
 */
export const persistorrecordFormat: SegmentFormat = {
  extension: () => 'avro',
  codecs: ['zstandard', 'deflate', 'snappy', 'null'],
  keepsAll: false,
  mixesCodecs: false,
  createEncoder: createPersistorEncoder,
  findUnencodable: (batch) => withBeyondTime(batch, findUnencodable(batch)),
  openFraming: (codec, sync) => ({
    header: avroFileHeader(avroCodec(codec), sync, PERSISTOR_SCHEMA),
    frame: ({ count, bytes }) => [blockFrame(count, bytes.byteLength), bytes, sync],
  }),
  readHeader: (bytes) => dataphosFormat.readHeader(bytes),
  ...notReadable('persistorrecord'),
  async countBlock(stored, _codec, header) {
    return parseStoredBlock(stored, header?.sync).count
  },
  async rawOf(stored, codec, header) {
    return decompress(avroCodec(codec), parseStoredBlock(stored, header?.sync).payload)
  },
  split: (object, options) => dataphosFormat.split!(object, options),
}

function avroCodec(codec: StoredCodec): Codec {
  if (isCodec(codec)) return codec
  throw new MillpondError('FORMAT_UNSUPPORTED', `the format persistorrecord has no codec ${codec}`)
}

/** Records of so much content are made at a time. */
const CHUNK_BYTES = 16 * 1024 * 1024

/** The encoder of values, which get records for values. */
function createPersistorEncoder(options: EncoderOptions): BlockEncoder<PlainBlock> {
  const encoder = createBlockEncoder(options, avroRows(writeValues))
  const lane = options.origin?.lane ?? ''
  const toPlain = async (block: ReturnType<typeof encoder.add>[number]): Promise<PlainBlock> => ({
    ...(await block),
    format: 'persistorrecord',
  })
  return {
    get pendingCount() {
      return encoder.pendingCount
    },
    get pendingBytes() {
      return encoder.pendingBytes
    },
    add: (batch) =>
      chunksOf(batch).flatMap((chunk) => encoder.add(writePersistorRecords(compactIfSparse(chunk), lane)).map(toPlain)),
    flush() {
      const block = encoder.flush()
      return block && toPlain(block)
    },
  }
}

function chunksOf(batch: MessageBatch): MessageBatch[] {
  const chunks: MessageBatch[] = []
  for (let from = 0; from < batch.count;) {
    let to = from + 1
    for (let bytes = 0; to < batch.count; to++) {
      bytes += payloadBytes(sliceBatch(batch, to - 1, to))
      if (bytes >= CHUNK_BYTES) break
    }
    chunks.push(sliceBatch(batch, from, to))
    from = to
  }
  return chunks
}

/** Base64 takes a third more. */
const MAX_CONTENT_BYTES = MAX_MESSAGE_BYTES / 2

function findUnencodable(batch: MessageBatch): UnencodableMessage[] {
  const { bytes, count, idStart, idEnd } = batch
  const found: UnencodableMessage[] = []
  for (let row = 0; row < count; row++) {
    const start = idStart[row]!
    if (start !== -1 && !isUtf8(bytes.subarray(start, idEnd[row]))) found.push({ row, reason: 'the id is not UTF-8' })
    else if (payloadBytes(sliceBatch(batch, row, row + 1)) > MAX_CONTENT_BYTES)
      found.push({ row, reason: `more than ${MAX_CONTENT_BYTES} bytes` })
  }
  return found
}
