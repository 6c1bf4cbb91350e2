/** Where things lie in the header of a record batch of magic 2. Source: Apache Kafka 4.3, `DefaultRecordBatch`. */

/** Codecs of Kafka's record batches, in the order of their numbers. */
export type RecordCodec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** The codecs by their numbers. */
export const CODECS: readonly RecordCodec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Length of a batch's header. */
export const HEADER_BYTES = 61
export const LENGTH_AT = 8
/** Offset and length, which the length leaves out. */
export const LOG_OVERHEAD = 12
export const LEADER_EPOCH_AT = 12
export const MAGIC_AT = 16
export const CRC_AT = 17
/** The CRC covers everything from here on. */
export const ATTRIBUTES_AT = 21
export const LAST_OFFSET_DELTA_AT = 23
export const BASE_TIMESTAMP_AT = 27
export const MAX_TIMESTAMP_AT = 35
export const PRODUCER_ID_AT = 43
export const PRODUCER_EPOCH_AT = 51
export const BASE_SEQUENCE_AT = 53
export const COUNT_AT = 57

export const CODEC_BITS = 0x07
export const APPEND_TIME = 0x08
export const TRANSACTIONAL = 0x10
export const CONTROL = 0x20
export const DELETE_HORIZON = 0x40

export const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
