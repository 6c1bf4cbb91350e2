import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { ValueKind } from '../values/values.ts'
import type { EncodeOptions, UnencodableMessage } from './avro-block.ts'
import type { EncodedBlock, Format, StoredCodec, StoredMessages } from './block.ts'
import type { BlockEncoder, BufferPool } from './block-encoder.ts'
import type { FormatOptions } from './format-options.ts'
import type { BlockEntry } from './segment.ts'

/** How a segment is framed. */
export interface SegmentFraming {
  /** Written first; it may be empty. */
  readonly header: Uint8Array
  /** The chunks to write for a block, in order. */
  frame(block: EncodedBlock): Uint8Array[]
  /** Written last, where the format has something there. */
  trailer?(): Uint8Array
}

/** What the beginning of a segment says. */
export interface SegmentHeader {
  /** Where the first block begins; undefined where only the commit knows. */
  readonly bytes: number | undefined
  /** Undefined where each block says its own. */
  readonly codec: StoredCodec | undefined
  /** What each block ends in, where there is such a thing. */
  readonly sync: Uint8Array | undefined
}

/** A block as it is found in an object, its framing included. */
export interface FoundBlock {
  readonly offset: number
  readonly bytes: number
  readonly count: number
}

/** How blocks of a segment are made. */
export interface EncoderOptions extends EncodeOptions {
  readonly blockBytes: number
  readonly pool?: BufferPool
  /** The schema that all values have, for formats by schema; then values are data without the wire format's prefix. */
  readonly kind?: ValueKind
  /** Whose messages they are; formats that say so in each message leave it out otherwise. */
  readonly origin?: { readonly topic: string; readonly lane: string }
  readonly formatOptions?: FormatOptions | undefined
}

/** All that differs between formats: how blocks are made, how a segment holds them, and how they are read again. */
export interface SegmentFormat {
  /** The end of a file's name, without its dot: what the format is called, and its compression where names tell it. */
  extension(codec: StoredCodec, options?: FormatOptions): string
  /** What a segment's codec may be. */
  readonly codecs: readonly StoredCodec[]
  /** Whether the blocks of one segment may have different codecs. */
  readonly mixesCodecs: boolean
  /** Whether something lies behind the last block: `SegmentFraming.trailer`. */
  readonly hasTrailer?: boolean
  /**
   * Whether all that a message has can be read again. Where not, a segment is neither searched nor replayed, and `readBlock` and `openBlock` are
   * those of `notReadable`.
   */
  readonly keepsAll: boolean
  /** Whether all values of a segment have one schema, which its encoder and its framing are told. */
  readonly byKind?: boolean
  createEncoder(options: EncoderOptions): BlockEncoder
  /** Messages of a source that no block of the format can hold: one entry a message, rising by row. Formats by schema are told which. */
  findUnencodable(batch: MessageBatch, options?: FormatOptions, kind?: ValueKind): UnencodableMessage[]
  /** How a new segment of blocks in `codec` is framed; `sync` is 16 random bytes. Formats by schema are told which. */
  openFraming(codec: StoredCodec, sync: Uint8Array, kind?: ValueKind, options?: FormatOptions): SegmentFraming
  /**
   * Reads the beginning of a segment; undefined where `bytes` end too early.
   * @throws MillpondError `SEGMENT_CORRUPT`, `FORMAT_UNSUPPORTED`.
   */
  readHeader(bytes: Uint8Array): SegmentHeader | undefined
  /**
   * The messages of one block from its bytes as they lie in the segment; with the segment's header also their framing is checked. `block` is what
   * the commit says of it, for formats that do not say positions themselves.
   * @throws MillpondError `BLOCK_CORRUPT`.
   */
  readBlock(stored: Uint8Array, codec: StoredCodec, header?: SegmentHeader, block?: BlockEntry): Promise<MessageBatch>
  /**
   * How many messages the block holds, for formats that keep not all of them; left out where the bytes do not say.
   * @throws MillpondError `BLOCK_CORRUPT`.
   */
  countBlock?(stored: Uint8Array, codec: StoredCodec, header?: SegmentHeader): Promise<number>
  /** The content of a block before compression; that of all blocks of an object is the same, wherever they were cut. */
  rawOf?(stored: Uint8Array, codec: StoredCodec, header?: SegmentHeader): Promise<Uint8Array>
  /** Takes a whole object apart into its blocks, as another writer left it. @throws MillpondError `SEGMENT_CORRUPT`, `BLOCK_CORRUPT`. */
  split?(object: Uint8Array, options?: FormatOptions): Promise<readonly FoundBlock[]>
  /** What `decodeStored` makes messages of; undefined where that is no less work than `readBlock`. @throws MillpondError `BLOCK_CORRUPT`. */
  openBlock(stored: Uint8Array, codec: StoredCodec, block: BlockEntry): Promise<StoredMessages | undefined>
}

/** How a format reads blocks that do not hold all that messages had: not at all. @throws MillpondError `FORMAT_NOT_READABLE`. */
export function notReadable(format: Format): Pick<SegmentFormat, 'readBlock' | 'openBlock'> {
  const refuse = async (): Promise<never> => {
    throw new MillpondError('FORMAT_NOT_READABLE', `a block in ${format} does not hold all that its messages had`)
  }
  return { readBlock: refuse, openBlock: refuse }
}
