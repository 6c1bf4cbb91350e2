import type { BlockEntry, SegmentEntry, SegmentLookup, StoredCommit } from '../commit/commit.ts'
import type { LaneId } from '../source/lane.ts'

/** A lane as the index knows it. */
export interface IndexedLane extends LaneId {
  readonly firstPosition: number
  readonly nextPosition: number
  /** SHA-256 (hex) of the newest commit that was added. */
  readonly headSha256: string
  readonly commits: number
  readonly segments: number
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
  readonly lanes?: readonly string[]
  readonly positions?: { readonly from?: number; readonly to?: number }
  readonly timestamps?: { readonly from?: number; readonly to?: number }
  /** Values that the layout put in the path, all equal. */
  readonly layout?: Readonly<Record<string, string>>
}

/** A segment with what a reader needs to plan: its lane, its blocks, and where its filters lie. */
export interface IndexedSegment extends Omit<SegmentEntry, 'blocks' | 'lookups'> {
  readonly lane: LaneId
  readonly commitKey: string
  readonly blocks: readonly BlockEntry[]
  /** As in the commit, but `offset` counts from the beginning of the commit object. */
  readonly lookups: readonly SegmentLookup[]
}

/** What can be asked of the commits. It follows the chains and never leads them; it can be made anew from the store alone. */
export interface SegmentIndex extends AsyncDisposable {
  /** Text for people, without secrets. */
  readonly name: string
  /**
   * Adds a commit once, however often it comes. The genesis commit comes first.
   * @throws MillpondError `INDEX_GAP` where it does not follow the newest commit of its lane that is known.
   */
  add(commit: StoredCommit): Promise<'added' | 'known'>
  lane(id: LaneId): Promise<IndexedLane | undefined>
  /** Every lane, by topic, topic id and lane (numbers in their order). */
  lanes(topic?: string): Promise<readonly IndexedLane[]>
  /** Segments that may hold what is asked for, by lane and position. Segments are read in pages. */
  segments(query: SegmentQuery): AsyncIterable<IndexedSegment>
  /** Forgets one lane's commits, or everything. */
  clear(id?: LaneId): Promise<void>
}
