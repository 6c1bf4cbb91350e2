import { findNotRecords, readRecordBlock } from './record-block.ts'
import { createRecordBlockEncoder } from './record-block-encoder.ts'
import { withBeyondTime } from './record-times.ts'
import type { SegmentFormat } from './segment-format.ts'

/** The plain concatenation of record batches, as Kafka's own log files are. */
export const kafkaFormat: SegmentFormat = {
  extension: () => 'kafka',
  codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd', 'mixed'],
  keepsAll: true,
  mixesCodecs: true,
  createEncoder: createRecordBlockEncoder,
  findUnencodable: (batch) => withBeyondTime(batch, findNotRecords(batch)),
  openFraming: () => ({ header: new Uint8Array(0), frame: ({ bytes }) => [bytes] }),
  readHeader: () => ({ bytes: 0, codec: undefined, sync: undefined }),
  readBlock: (stored, codec) => readRecordBlock(stored, codec),
  openBlock: async (bytes) => ({ format: 'kafka', bytes }),
}
