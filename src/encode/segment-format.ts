import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import { crc32c } from '../kernel/checksum.ts'
import { type EncodeOptions, decodeBlock, findUnencodable, readRecords, type UnencodableMessage } from './avro-block.ts'
import { avroFileHeader, blockFrame, isCodec, parseAvroFileHeader, parseStoredBlock } from './avro-file.ts'
import type { EncodedBlock, Format, StoredCodec, StoredMessages } from './block.ts'
import { decompress } from './codec.ts'
import { type BlockEncoder, type BufferPool, createBlockEncoder } from './block-encoder.ts'
import { findNotRecords, readRecordBlock } from './record-block.ts'
import { createRecordBlockEncoder } from './record-block-encoder.ts'
import { withBeyondTime } from './record-times.ts'
import type { BlockEntry } from './segment.ts'

/** How a segment is framed. */
export interface SegmentFraming {
  /** Written first; it may be empty. */
  readonly header: Uint8Array
  /** The chunks to write for a block, in order. */
  frame(block: EncodedBlock): Uint8Array[]
}

/** What the beginning of a segment says. */
export interface SegmentHeader {
  /** Where the first block begins. */
  readonly bytes: number
  /** Undefined where each block says its own. */
  readonly codec: StoredCodec | undefined
  /** What each block ends in, where there is such a thing. */
  readonly sync: Uint8Array | undefined
}

/** All that differs between formats: how blocks are made, how a segment holds them, and how they are read again. */
export interface SegmentFormat {
  /** What the format is called in file names. */
  readonly extension: string
  /** Whether the blocks of one segment may have different codecs. */
  readonly mixesCodecs: boolean
  createEncoder(options: EncodeOptions & { readonly blockBytes: number; readonly pool?: BufferPool }): BlockEncoder
  /** Messages of a source that no block of the format can hold: one entry a message, rising by row. */
  findUnencodable(batch: MessageBatch): UnencodableMessage[]
  /** How a new segment of blocks in `codec` is framed; `sync` is 16 random bytes. */
  openFraming(codec: StoredCodec, sync: Uint8Array): SegmentFraming
  /**
   * Reads the beginning of a segment; undefined where `bytes` end too early.
   * @throws MillpondError `SEGMENT_CORRUPT`, `FORMAT_UNSUPPORTED`.
   */
  readHeader(bytes: Uint8Array): SegmentHeader | undefined
  /**
   * The messages of one block from its bytes as they lie in the segment; with the segment's header also their framing is checked.
   * @throws MillpondError `BLOCK_CORRUPT`.
   */
  readBlock(stored: Uint8Array, codec: StoredCodec, header?: SegmentHeader): Promise<MessageBatch>
  /** What `decodeStored` makes messages of; undefined where that is no less work than `readBlock`. @throws MillpondError `BLOCK_CORRUPT`. */
  openBlock(stored: Uint8Array, codec: StoredCodec, block: BlockEntry): Promise<StoredMessages | undefined>
}

function avroCodec(codec: StoredCodec) {
  if (isCodec(codec)) return codec
  throw new MillpondError('FORMAT_UNSUPPORTED', `the format avro has no codec ${codec}`)
}

const avro: SegmentFormat = {
  extension: 'avro',
  mixesCodecs: false,
  createEncoder: createBlockEncoder,
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
  async openBlock(stored, codec, { count, firstPosition, lastPosition }) {
    if (count !== lastPosition - firstPosition + 1) return undefined
    const { payload } = parseStoredBlock(stored)
    return { format: 'avro', bytes: await decompress(avroCodec(codec), payload), count, firstPosition }
  },
}

/** The plain concatenation of record batches, as Kafka's own log files are. */
const kafka: SegmentFormat = {
  extension: 'kafka',
  mixesCodecs: true,
  createEncoder: createRecordBlockEncoder,
  findUnencodable: (batch) => withBeyondTime(batch, findNotRecords(batch)),
  openFraming: () => ({ header: new Uint8Array(0), frame: ({ bytes }) => [bytes] }),
  readHeader: () => ({ bytes: 0, codec: undefined, sync: undefined }),
  readBlock: (stored, codec) => readRecordBlock(stored, codec),
  openBlock: async (bytes) => ({ format: 'kafka', bytes }),
}

const formats: Readonly<Record<Format, SegmentFormat>> = { avro, kafka }

/** The rules of a format. */
export const segmentFormat = (format: Format): SegmentFormat => formats[format]

/**
 * The messages of a block from its bytes as they lie in this segment.
 * @throws MillpondError `BLOCK_CORRUPT`.
 */
export const readStoredBlock = (
  segment: { readonly format: Format; readonly codec: StoredCodec },
  stored: Uint8Array,
): Promise<MessageBatch> => formats[segment.format].readBlock(stored, segment.codec)

/** The messages of a block of this segment without columns; undefined where that is no less work than reading it. @throws MillpondError `BLOCK_CORRUPT`. */
export const openStoredBlock = (
  segment: { readonly format: Format; readonly codec: StoredCodec },
  stored: Uint8Array,
  block: BlockEntry,
): Promise<StoredMessages | undefined> => formats[segment.format].openBlock(stored, segment.codec, block)

/** The messages of what `openBlock` gave. @throws MillpondError `BLOCK_CORRUPT`. */
export const decodeStored = async (stored: StoredMessages): Promise<MessageBatch> =>
  stored.format === 'kafka' ? readRecordBlock(stored.bytes, 'mixed') : readRecords(stored.bytes, stored.count)

/** Compares a block's bytes with what its commit says of them. @throws MillpondError `BLOCK_CORRUPT`. */
export function checkStoredBlock(
  stored: Uint8Array,
  { bytes, offset, crc32c: expected }: Pick<BlockEntry, 'bytes' | 'offset' | 'crc32c'>,
): void {
  if (stored.byteLength !== bytes) throw corrupt(`the block at ${offset} has ${stored.byteLength} of its ${bytes} bytes`, offset)
  if (crc32c(stored) !== expected) throw corrupt(`the block at ${offset} does not match its CRC-32C`, offset)
}

const corrupt = (message: string, offset: number) => new MillpondError('BLOCK_CORRUPT', message, { details: { offset } })
