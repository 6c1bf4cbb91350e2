import { createHash } from 'node:crypto'
import { openChain } from '../../src/commit/chain.ts'
import type { StoredCommit } from '../../src/commit/commit.ts'
import { rewriteKey } from '../../src/commit/commit-names.ts'
import type { BlockEntry, SegmentEntry } from '../../src/encode/segment.ts'
import type { IndexedLane, IndexedSegment, SegmentIndex, SegmentQuery } from '../../src/index/segment-index.ts'
import type { LaneId } from '../../src/source/lane.ts'
import type { Store } from '../../src/store/store.ts'

/** What one commit of a made-up chain holds. */
export interface CommitPlan {
  readonly segments: readonly {
    readonly count: number
    readonly minTimestamp: number
    readonly maxTimestamp: number
    readonly layout?: Record<string, string>
    readonly blocks?: number
  }[]
  readonly missing?: number
  readonly deadLetters?: number
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The commits of a chain as a store would give them, genesis first; their objects do not exist. */
export function chainOf(lane: LaneId, startPosition: number, plans: readonly CommitPlan[], salt = ''): StoredCommit[] {
  const shared = { ...lane, writer: 'w', timeMs: 1_700_000_000_000, bytes: 700, lookupStart: 500, lookupBytes: 200 }
  const folder = `_millpond/${lane.topic}/${lane.lane}`
  let position = startPosition
  let previousSha256 = ''
  const commits: StoredCommit[] = []
  const push = (
    kind: StoredCommit['kind'],
    nextPosition: number,
    rest: Pick<StoredCommit, 'segments' | 'gaps' | 'deadLetters'>,
  ) => {
    const key = `${folder}/${lane.topicId}-${kind}-${position}`
    const hash = sha256(`${previousSha256}${key}${nextPosition}${salt}`)
    commits.push({ ...shared, ...rest, kind, key, firstPosition: position, nextPosition, previousSha256, sha256: hash })
    previousSha256 = hash
    position = nextPosition
  }
  push('genesis', startPosition, { segments: [], gaps: [], deadLetters: [] })
  for (const plan of plans) {
    let next = position
    const segments = plan.segments.map((segment) => {
      const entry = segmentOf(lane, next, segment)
      next = entry.lastPosition + 1
      return entry
    })
    const { missing = 0, deadLetters = 0 } = plan
    const gaps = missing === 0 ? [] : [{ firstPosition: next, nextPosition: next + missing, missing, reason: 'skipped' as const }]
    next += missing
    const dead = Array.from({ length: deadLetters }, (_, i) => ({ position: next + i, reason: 'too large' }))
    push('data', next + deadLetters, { segments, gaps, deadLetters: dead })
  }
  return commits
}

/** A rewrite of some of these commits, with one segment of the messages of all. */
export function rewriteOf(
  lane: LaneId,
  commits: readonly StoredCommit[],
  place: { readonly sequence: number; readonly previousSha256: string },
): StoredCommit {
  const [first, last] = [commits[0]!, commits.at(-1)!]
  const count = commits.flatMap(({ segments }) => segments).reduce((sum, segment) => sum + segment.count, 0)
  const plan = { count, minTimestamp: 0, maxTimestamp: 9_000_000, blocks: 2 }
  const key = rewriteKey(`${lane.topic}/${lane.lane}`, place.sequence)
  const segment = segmentOf(lane, first.firstPosition, plan)
  return {
    ...last,
    kind: 'rewrite',
    key,
    sha256: sha256(key),
    firstPosition: first.firstPosition,
    segments: [{ ...segment, key: `${segment.key}-${place.sequence}` }],
    previousSha256: place.previousSha256,
    replacedSha256: last.replacedSha256 ?? last.sha256,
  }
}

function segmentOf(lane: LaneId, firstPosition: number, plan: CommitPlan['segments'][number]): SegmentEntry {
  const { count, minTimestamp, maxTimestamp, layout = {}, blocks: blockCount = 1 } = plan
  const blocks: BlockEntry[] = []
  for (let b = 0; b < blockCount; b++) {
    const from = firstPosition + Math.floor((count * b) / blockCount)
    const to = firstPosition + Math.floor((count * (b + 1)) / blockCount)
    const bytes = 1000 + b
    const place = { offset: b === 0 ? 300 : blocks[b - 1]!.offset + blocks[b - 1]!.bytes, bytes, crc32c: (b * 0x1234567) >>> 0 }
    blocks.push({ ...place, count: to - from, firstPosition: from, lastPosition: to - 1, minTimestamp, maxTimestamp })
  }
  return {
    key: `${lane.topic}/${lane.lane}/${firstPosition}-w.avro`,
    bytes: 300 + blocks.reduce((sum, block) => sum + block.bytes, 0),
    crc32c: 0xdeadbeef,
    sha256: sha256(`segment ${firstPosition}`),
    format: 'avro',
    codec: 'zstandard',
    count,
    firstPosition,
    lastPosition: firstPosition + count - 1,
    minTimestamp,
    maxTimestamp,
    layout,
    blocks,
    lookups: [{ field: 'key', slices: 64, buckets: blocks.map(() => 64), offset: 16, bytes: 64 * 32 * blockCount }],
    siblings: [],
  }
}

/** Appends commits whose segments exist in name only. */
export async function grow(store: Store, lane: LaneId, commits: number, writer = 'w'): Promise<void> {
  const chain = await openChain({ store, lane, startPosition: 10, writer, now: () => 1 })
  for (let i = 0; i < commits; i++) {
    const [, made] = chainOf(lane, chain.nextPosition, [
      {
        segments: [{ count: 20, minTimestamp: chain.nextPosition, maxTimestamp: chain.nextPosition + 9, blocks: 2 }],
        missing: i % 3,
      },
    ])
    const { segments, gaps, deadLetters, nextPosition } = made!
    await chain.append({ segments, gaps, deadLetters, nextPosition, lookupBytes: new Uint8Array(8192) })
  }
}

export async function addAll(index: SegmentIndex, commits: readonly StoredCommit[]): Promise<void> {
  for (const commit of commits) await index.add(commit)
}

export async function segmentsOf(index: SegmentIndex, query: SegmentQuery): Promise<IndexedSegment[]> {
  return Array.fromAsync(index.segments(query))
}

/** All that an index answers, for comparing two. */
export async function dumpOf(index: SegmentIndex): Promise<{ lanes: readonly IndexedLane[]; segments: IndexedSegment[] }> {
  return { lanes: await index.lanes(), segments: await segmentsOf(index, {}) }
}
