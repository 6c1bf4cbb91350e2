import type { Format, LookupField, StoredCodec } from './block.ts'

/** One data block of a segment: where it lies and what it holds. */
export interface BlockEntry {
  /** First byte of the block in the segment, its framing included. */
  readonly offset: number
  /** Bytes of the block in the segment, its framing included. */
  readonly bytes: number
  /** CRC-32C of those bytes. */
  readonly crc32c: number
  readonly count: number
  readonly firstPosition: number
  readonly lastPosition: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
}

/**
 * Where the filters of one field of one segment lie in the commit object. They are stored in `slices` parts of equal length, each
 * holding that part of every block's filter and a checksum, so that a look-up reads one part; see `lookup.ts`.
 */
export interface SegmentLookup {
  readonly field: LookupField
  readonly slices: number
  /** Buckets of each block's filter, in the order of the blocks. */
  readonly buckets: readonly number[]
  /** First byte of slice 0, counted from the beginning of the commit's look-up bytes. */
  readonly offset: number
  /** Bytes of all slices, their checksums included. */
  readonly bytes: number
}

/** An object beside a segment, which holds the keys or the headers of the same messages in the same order. */
export interface SiblingEntry {
  readonly role: 'keys' | 'headers'
  readonly key: string
  readonly bytes: number
  readonly crc32c: number
  /** Lower-case hex. */
  readonly sha256: string
}

/** One immutable data object, as its commit describes it. */
export interface SegmentEntry {
  readonly key: string
  readonly bytes: number
  readonly crc32c: number
  /** Lower-case hex. */
  readonly sha256: string
  readonly format: Format
  readonly codec: StoredCodec
  readonly count: number
  readonly firstPosition: number
  readonly lastPosition: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
  /** What the layout put in the path, by name. */
  readonly layout: Readonly<Record<string, string>>
  readonly blocks: readonly BlockEntry[]
  readonly lookups: readonly SegmentLookup[]
  readonly siblings: readonly SiblingEntry[]
}
