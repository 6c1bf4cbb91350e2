import type { MessageMarks } from '../batch/mark.ts'
import type { RowGroup } from './parquet-row-group.ts'
import type { RecordCodec } from './record-header.ts'
import type { RecordBatchInfo } from './record-set.ts'

/** Formats of other programs, whose objects become part of an archive where they lie; they are only read. */
export type ImportedFormat = 'kafka-backup' | 'dataphos'

/** How a segment's blocks are written; see docs/formats.md. Those that begin with `value-` hold the values alone, as do `csv` and `raw`. */
export type Format =
  | 'avro'
  | 'kafka'
  | 'json'
  | 'parquet'
  | 'value-avro'
  | 'value-json'
  | 'value-json-array'
  | 'value-parquet'
  | 'csv'
  | 'raw'
  | 'persistorrecord'
  | ImportedFormat

/** Compression that can be asked for; the names are those of the Avro specification, which has no `gzip`. */
export type Codec = 'zstandard' | 'deflate' | 'gzip' | 'snappy' | 'null'

/**
 * Compression as blocks and segments have it: in the format `kafka` by Kafka's names, for each record batch says its own; `mixed` where
 * they differ.
 */
export type StoredCodec = Codec | RecordCodec | 'mixed'

/** Kafka's record batches of one lane, as a broker or a segment holds them: each lies whole in `bytes`, in the order of offsets. */
export interface RecordSet {
  readonly bytes: Uint8Array
  readonly batches: readonly RecordBatchInfo[]
  /** Gives `bytes` back, to be filled anew: nobody may look at them any more. It need not be called. */
  readonly release?: () => void
}

/** Avro records that were decompressed, of messages whose positions have no gaps. */
export interface AvroRecords {
  readonly format: 'avro'
  readonly bytes: Uint8Array
  readonly count: number
  readonly firstPosition: number
  /** Headers that the messages have beside those in their records. */
  readonly marks?: MessageMarks
}

/** Kafka's record batches, one behind the other, as a segment holds them. */
export interface StoredRecordBatches {
  readonly format: 'kafka'
  readonly bytes: Uint8Array
  /** As of Avro records. */
  readonly marks?: MessageMarks
}

/** Messages of a block of which no columns were made; that the bytes are what was written was checked. */
export type StoredMessages = AvroRecords | StoredRecordBatches

/** What look-ups may ask for: the key, the id, or the values of one header, named `header:<name>`. */
export type LookupField = 'key' | 'id' | `header:${string}`

/** The fingerprints of the distinct values that one field has in one block, in 1 or a multiple of 128 buckets; see `lookup.ts`. Null values are not in it. */
export interface BlockFilter {
  readonly field: LookupField
  readonly buckets: number
  readonly bits: Uint8Array
}

interface BlockContent {
  /** The compressed records. */
  readonly bytes: Uint8Array
  /** Of `bytes`, where it is known. */
  readonly crc32c?: number
  /** Length of the records before compression. */
  readonly rawBytes: number
  readonly count: number
  readonly firstPosition: number
  readonly lastPosition: number
  /** Smallest and largest timestamp, ms. */
  readonly minTimestamp: number
  readonly maxTimestamp: number
  /** One filter for each look-up field that was asked for, in that order. */
  readonly filters: readonly BlockFilter[]
}

/** Avro records, without the file's framing, so that a block may come from a log as well as from an encoder and be copied as it is. */
export interface AvroBlock extends BlockContent {
  readonly format: 'avro'
  readonly codec: Codec
}

/** Record batches of Kafka's, one behind the other, whose offsets are the positions. */
export interface RecordBlock extends BlockContent {
  readonly format: 'kafka'
  readonly codec: RecordCodec | 'mixed'
}

/** A row group of a Parquet file, and what the file's footer will say of it. */
export interface ParquetBlock extends BlockContent {
  readonly format: 'parquet' | 'value-parquet'
  readonly codec: 'zstandard' | 'gzip' | 'snappy' | 'null'
  readonly rowGroup: RowGroup
}

/** What the other formats make: bytes that lie in the segment as they are, but for its framing. */
export interface PlainBlock extends BlockContent {
  readonly format: Exclude<Format, 'avro' | 'kafka' | 'parquet' | 'value-parquet' | ImportedFormat>
  readonly codec: Codec
}

/** Messages of one lane, encoded and compressed, as a segment will hold them. */
export type EncodedBlock = AvroBlock | RecordBlock | ParquetBlock | PlainBlock
