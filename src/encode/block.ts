/** How a segment's blocks are written. Others (`parquet`, `json`, `raw`, `kafka`, `value-avro`) come as formats of their own. */
export type Format = 'avro'

/** Compression of a block; the names are those of the Avro specification. */
export type Codec = 'zstandard' | 'deflate' | 'snappy' | 'null'

/** What look-ups may ask for: the key, the id, or the values of one header, named `header:<name>`. */
export type LookupField = 'key' | 'id' | `header:${string}`

/**
 * A split-block Bloom filter over the distinct values that one field has in one block; see `lookup.ts`.
 * `bits` holds `buckets` times 32 bytes; `buckets` is 1, 2, 4, 8, 16, 32 or a multiple of 64. Null values are not in it.
 */
export interface BlockFilter {
  readonly field: LookupField
  readonly buckets: number
  readonly bits: Uint8Array
}

/**
 * Messages of one lane, encoded and compressed, as a segment will hold them; without the file's framing, so that a block may come
 * from a log as well as from an encoder and be copied as it is.
 */
export interface EncodedBlock {
  readonly format: Format
  readonly codec: Codec
  /** The compressed records. */
  readonly bytes: Uint8Array
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
