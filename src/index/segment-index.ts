import type { StoredCommit } from '../commit/commit.ts'
import type { BlockEntry, SegmentEntry, SegmentLookup } from '../encode/segment.ts'
import type { LaneId } from '../source/lane.ts'

/** A lane as the index knows it. */
export interface IndexedLane extends LaneId {
  readonly firstPosition: number
  readonly nextPosition: number
  /** Key of the newest commit that was added, and the SHA-256 (hex) of that object. */
  readonly headKey: string
  readonly headSha256: string
  readonly commits: number
  /** Rewrites that were applied, and the SHA-256 (hex) of the newest. */
  readonly rewrites: number
  readonly rewriteSha256: string
  /** Those that commits and rewrites name now. */
  readonly segments: number
  readonly blocks: number
  readonly messages: number
  /** Bytes of all segments. */
  readonly bytes: number
  readonly missing: number
  readonly deadLettered: number
  readonly minTimestamp: number | null
  readonly maxTimestamp: number | null
}

/** Half-open ranges: `from` is in, `to` is not. */
export interface SegmentQuery {
  readonly topic?: string
  /** The broker's identity of the topic, where one name had several. */
  readonly topicId?: string
  readonly lanes?: readonly string[]
  readonly positions?: { readonly from?: number; readonly to?: number }
  readonly timestamps?: { readonly from?: number; readonly to?: number }
  /** Values that the layout put in the path, all equal. */
  readonly layout?: Readonly<Record<string, string>>
}

/** A segment with what a reader needs to plan: its lane, its blocks, and where its filters lie. */
export interface IndexedSegment extends Omit<SegmentEntry, 'blocks' | 'lookups' | 'siblings'> {
  readonly lane: LaneId
  /** Of the commit or rewrite that names it. */
  readonly commitKey: string
  readonly blocks: readonly BlockEntry[]
  /** As in the commit, but `offset` counts from the beginning of the commit object. */
  readonly lookups: readonly SegmentLookup[]
}

/**
 * What can be asked of the commits. It follows the chains and never leads them; it can be made anew from the store alone.
 * @throws MillpondError `INDEX_UNAVAILABLE`, `INDEX_CORRUPT`, from every call.
 */
export interface SegmentIndex extends AsyncDisposable {
  /** Text for people, without secrets. */
  readonly name: string
  /**
   * Adds a commit once, however often it comes. The genesis commit comes first.
   * @throws MillpondError `INDEX_GAP` where it is not known and does not follow the newest commit of its lane that is.
   */
  add(commit: StoredCommit): Promise<'added' | 'known'>
  /**
   * Puts the segments of a rewrite in the place of those that it replaces, once, however often it comes. Reading that has begun still gives the older.
   * @throws MillpondError `INDEX_GAP` where it does not follow the newest rewrite of its lane that is known, or replaces commits that are not.
   */
  replace(rewrite: StoredCommit): Promise<'added' | 'known'>
  lane(id: LaneId): Promise<IndexedLane | undefined>
  /** Every lane, by topic, topic id and lane (numbers in their order). */
  lanes(topic?: string): Promise<readonly IndexedLane[]>
  /** Segments that may hold what is asked for, by lane (in the order of `lanes`) and first position. Segments are read in pages. */
  segments(query: SegmentQuery): AsyncIterable<IndexedSegment>
  /** Forgets one lane's commits, or everything. */
  clear(id?: LaneId): Promise<void>
  /**
   * Says that a follower lives for so long from now, by the clock of the database, or with 0 that it leaves. Gives all that live, itself
   * included, in the order of their names. An index without it is followed by everybody alone.
   */
  announce?(follower: string, leaseMs: number): Promise<readonly string[]>
}

/** What a person does about an index that is damaged or does not fit its archive. */
export const REMEDY = '`millpond index rebuild` makes it anew from the archive'
