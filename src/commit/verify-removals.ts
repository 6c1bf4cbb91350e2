import type { SegmentEntry } from '../encode/segment.ts'
import type { StoredCommit } from './commit.ts'
import { parseRewriteKey, rewriteOf } from './commit-names.ts'
import type { RemovedSegment } from './removal.ts'
import { removalNote } from './removals.ts'
import type { LaneNotes } from './verify-report.ts'

/** Compares what rewrites say that they removed, or left as it was, with what commits and rewrites before them say of the same objects. */
export interface RemovalsCheck {
  /** Takes a rewrite, in their order. */
  addRewrite(rewrite: StoredCommit): void
  /** Takes a data commit. */
  addCommit(commit: StoredCommit): void
  /** Notes what is wrong, once all were taken. */
  end(): void
}

type Told = Pick<SegmentEntry, keyof RemovedSegment>

/** What a removal says of an object: that it goes, or stays as it was. */
interface Claim {
  readonly rewrite: StoredCommit
  readonly segment: Told
}

/** A check of one lane; what it learns of removals goes into the notes. */
export function createRemovalsCheck(notes: LaneNotes): RemovalsCheck {
  const claims = new Map<string, Claim[]>()
  const found = new Map<string, Told>()
  /** Objects of rewrites, for those of data commits come after. */
  const made = new Map<string, Told>()
  const claim = (rewrite: StoredCommit, segment: Told) => {
    const known = claims.get(segment.key)
    if (known === undefined) claims.set(segment.key, [{ rewrite, segment }])
    else known.push({ rewrite, segment })
    const before = made.get(segment.key)
    if (before !== undefined) found.set(segment.key, before)
  }
  return {
    addRewrite(rewrite) {
      const { removal, segments } = rewrite
      const sequence = parseRewriteKey(rewrite.key)
      const isNew = ({ key }: Told) => rewriteOf(key) === sequence
      if (removal !== undefined) {
        const kept = segments.filter((segment) => !isNew(segment))
        for (const segment of [...removal.segments, ...kept]) claim(rewrite, segment)
        const fault = sumFault(rewrite, segments.filter(isNew))
        if (fault !== undefined) notes.note('CHAIN_BROKEN', rewrite.key, fault, rewrite.firstPosition)
        notes.removals.push(removalNote(rewrite, removal))
      }
      for (const segment of segments) if (isNew(segment)) made.set(segment.key, segment)
    },
    addCommit({ segments }) {
      for (const segment of segments) if (claims.has(segment.key)) found.set(segment.key, segment)
    },
    end() {
      for (const [key, some] of claims) {
        const was = found.get(key)
        for (const { rewrite, segment } of some) {
          if (was !== undefined && isSame(was, segment)) continue
          const message = `it says of segment ${key} what no commit before it says`
          notes.note('CHAIN_BROKEN', rewrite.key, message, segment.firstPosition)
        }
      }
    },
  }
}

/** Messages that go are those of the objects that go, without those of the objects that take their place. */
function sumFault({ removal }: StoredCommit, made: readonly Told[]): string | undefined {
  const before = removal!.segments.reduce((sum, { count }) => sum + count, 0)
  const after = made.reduce((sum, { count }) => sum + count, 0)
  if (before - after === removal!.messages) return undefined
  return `it removes ${removal!.messages} messages, but names ${before} in segments that go and ${after} in those that take their place`
}

const isSame = (left: Told, right: Told): boolean =>
  left.sha256 === right.sha256 &&
  left.bytes === right.bytes &&
  left.count === right.count &&
  left.firstPosition === right.firstPosition &&
  left.lastPosition === right.lastPosition &&
  left.minTimestamp === right.minTimestamp &&
  left.maxTimestamp === right.maxTimestamp
