import type { SegmentEntry } from '../encode/segment.ts'
import type { LaneId } from '../source/lane.ts'
import type { Removal } from './removal.ts'

/** What the writer's id of a commit begins with that took over objects of other programs, which stay theirs. */
export const IMPORTER = 'import-'

/** Positions of the lane that hold no message: `missing` of those from `firstPosition` to before `nextPosition`. */
export interface Gap {
  readonly firstPosition: number
  readonly nextPosition: number
  readonly missing: number
  /**
   * `skipped`: the broker went over them; `expired`: it no longer had them when they were to be read; `removed`: the archive had them for as long as was
   * asked for; `forgotten`: they were removed for whose they were. Of the last two, a range may have had positions without a message before.
   */
  readonly reason: 'skipped' | 'expired' | 'removed' | 'forgotten'
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

/**
 * One commit of a lane's chain, or a rewrite of some. The genesis commit covers nothing: its two positions are where the chain begins. A rewrite
 * names other segments with the same messages as those of the data commits whose positions it covers.
 */
export interface Commit extends LaneId {
  readonly kind: 'genesis' | 'data' | 'rewrite'
  readonly firstPosition: number
  readonly nextPosition: number
  readonly segments: readonly SegmentEntry[]
  readonly gaps: readonly Gap[]
  readonly deadLetters: readonly DeadLetter[]
  readonly writer: string
  readonly timeMs: number
  /** SHA-256 (hex) of the commit object before it, for a rewrite of the rewrite before it; of nothing, for genesis and the first rewrite, the empty text. */
  readonly previousSha256: string
  /** Of a rewrite: SHA-256 (hex) of the newest data commit that it replaces, which with its own hashes says what all before were. */
  readonly replacedSha256?: string
  /** Of a rewrite that has fewer messages than what it replaces: which, and why. */
  readonly removal?: Removal
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
