import type { StoredCommit } from '../commit/commit.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { rangeMayHold } from './segment-directory.ts'
import type { IndexedLane, IndexedSegment, SegmentQuery } from './segment-index.ts'

/** A lane of which nothing is known but its genesis commit. */
export function newLane(genesis: StoredCommit): IndexedLane {
  return {
    topic: genesis.topic,
    topicId: genesis.topicId,
    lane: genesis.lane,
    firstPosition: genesis.firstPosition,
    nextPosition: genesis.nextPosition,
    headKey: genesis.key,
    headSha256: genesis.sha256,
    commits: 1,
    rewrites: 0,
    rewriteSha256: '',
    segments: 0,
    blocks: 0,
    messages: 0,
    bytes: 0,
    missing: 0,
    deadLettered: 0,
    minTimestamp: null,
    maxTimestamp: null,
  }
}

/** What totals need of a commit or rewrite. */
export interface CountedCommit extends Pick<StoredCommit, 'nextPosition' | 'key' | 'sha256'> {
  readonly segments: readonly Pick<SegmentEntry, 'blocks' | 'count' | 'bytes' | 'minTimestamp' | 'maxTimestamp'>[]
  readonly gaps: readonly { readonly missing: number }[]
  readonly deadLetters: { readonly length: number }
}

/** The lane with one commit more. */
export function extendedLane(lane: IndexedLane, commit: CountedCommit): IndexedLane {
  const { segments, gaps } = commit
  return {
    ...lane,
    nextPosition: commit.nextPosition,
    headKey: commit.key,
    headSha256: commit.sha256,
    commits: lane.commits + 1,
    segments: lane.segments + segments.length,
    blocks: segments.reduce((sum, segment) => sum + segment.blocks.length, lane.blocks),
    messages: segments.reduce((sum, segment) => sum + segment.count, lane.messages),
    bytes: segments.reduce((sum, segment) => sum + segment.bytes, lane.bytes),
    missing: gaps.reduce((sum, gap) => sum + gap.missing, lane.missing),
    deadLettered: lane.deadLettered + commit.deadLetters.length,
    minTimestamp: segments.reduce((least, segment) => Math.min(least ?? Infinity, segment.minTimestamp), lane.minTimestamp),
    maxTimestamp: segments.reduce((most, segment) => Math.max(most ?? -Infinity, segment.maxTimestamp), lane.maxTimestamp),
  }
}

/** The lane with the segments of a rewrite in the place of others. */
export function rewrittenLane(lane: IndexedLane, rewrite: CountedCommit, replaced: readonly IndexedSegment[]): IndexedLane {
  const { segments } = rewrite
  const change = (of: (segment: Pick<SegmentEntry, 'bytes' | 'blocks' | 'count'>) => number) =>
    segments.reduce((sum, segment) => sum + of(segment), 0) - replaced.reduce((sum, segment) => sum + of(segment), 0)
  // Every position is a message, missing or a dead letter: what is no message any more is missing.
  const messages = change(({ count }) => count)
  return {
    ...lane,
    rewrites: lane.rewrites + 1,
    rewriteSha256: rewrite.sha256,
    segments: lane.segments + segments.length - replaced.length,
    blocks: lane.blocks + change(({ blocks }) => blocks.length),
    messages: lane.messages + messages,
    bytes: lane.bytes + change(({ bytes }) => bytes),
    missing: lane.missing - messages,
  }
}

/** Whether the lane's totals leave room for what is asked. */
export function laneMayHold(lane: IndexedLane, query: SegmentQuery): boolean {
  if (lane.minTimestamp === null || lane.maxTimestamp === null) return false
  if (query.topicId !== undefined && query.topicId !== lane.topicId) return false
  if (query.lanes !== undefined && !query.lanes.includes(lane.lane)) return false
  const { firstPosition, nextPosition, minTimestamp, maxTimestamp } = lane
  return rangeMayHold({ firstPosition, lastPosition: nextPosition - 1, minTimestamp, maxTimestamp }, query)
}

/** Whether the layout put all these values into the segment's path. */
export const hasLayout = (segment: Pick<IndexedSegment, 'layout'>, layout: Readonly<Record<string, string>>): boolean =>
  Object.entries(layout).every(([name, value]) => Object.hasOwn(segment.layout, name) && segment.layout[name] === value)
