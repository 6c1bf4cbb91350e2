import type { Codec, Format, LookupField } from '../encode/block.ts'
import type { LaneId } from '../source/lane.ts'

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
 * holding that part of every block's filter, so that a look-up reads one part; see `encode/lookup.ts`.
 */
export interface SegmentLookup {
  readonly field: LookupField
  readonly slices: number
  /** Buckets of each block's filter, in the order of the blocks. */
  readonly buckets: readonly number[]
  /** First byte of slice 0, counted from the beginning of the commit's look-up bytes. */
  readonly offset: number
  /** Bytes of all slices. */
  readonly bytes: number
}

/** One immutable data object, as its commit describes it. */
export interface SegmentEntry {
  readonly key: string
  readonly bytes: number
  readonly crc32c: number
  /** Lower-case hex. */
  readonly sha256: string
  readonly format: Format
  readonly codec: Codec
  readonly count: number
  readonly firstPosition: number
  readonly lastPosition: number
  readonly minTimestamp: number
  readonly maxTimestamp: number
  /** What the layout put in the path, by name. */
  readonly layout: Readonly<Record<string, string>>
  readonly blocks: readonly BlockEntry[]
  readonly lookups: readonly SegmentLookup[]
}

/** Positions of the lane that hold no message: `missing` of those from `firstPosition` to before `nextPosition`. */
export interface Gap {
  readonly firstPosition: number
  readonly nextPosition: number
  readonly missing: number
  /** `skipped`: the broker went over them; `expired`: it no longer had them when they were to be read. */
  readonly reason: 'skipped' | 'expired'
}

/** A message that could not be encoded; its bytes are with the dead-letter sink. */
export interface DeadLetter {
  readonly position: number
  readonly reason: string
}

/** What a writer hands over to be committed. */
export interface CommitDraft {
  readonly nextPosition: number
  readonly segments: readonly SegmentEntry[]
  readonly gaps: readonly Gap[]
  readonly deadLetters: readonly DeadLetter[]
  /** The look-up bytes that the segments' `lookups` point into. */
  readonly lookupBytes: Uint8Array
}

/** One commit of a lane's chain. The genesis commit covers nothing: its two positions are where the chain begins. */
export interface Commit extends LaneId {
  readonly kind: 'genesis' | 'data'
  readonly firstPosition: number
  readonly nextPosition: number
  readonly segments: readonly SegmentEntry[]
  readonly gaps: readonly Gap[]
  readonly deadLetters: readonly DeadLetter[]
  readonly writer: string
  readonly timeMs: number
  /** SHA-256 (hex) of the commit object before it; of nothing, for genesis, the empty text. */
  readonly previousSha256: string
}

/** A commit as it lies in the store. */
export interface StoredCommit extends Commit {
  readonly key: string
  /** Bytes of the commit object. */
  readonly bytes: number
  /** SHA-256 (hex) of the commit object. */
  readonly sha256: string
  /** First byte of the look-up bytes within the commit object, and how many they are. */
  readonly lookupStart: number
  readonly lookupBytes: number
}
