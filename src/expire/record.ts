import { randomBytes } from 'node:crypto'
import { type Gap, IMPORTER, type StoredCommit } from '../commit/commit.ts'
import { hashOf } from '../commit/commit-objects.ts'
import { isTopicHeld } from '../commit/holds.ts'
import type { Removal } from '../commit/removal.ts'
import { appendRewrite, headOf, linkOf, type RewriteHead } from '../commit/rewrites.ts'
import { type FinishedSegment, joinSegments } from '../encode/segment-builder.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { MillpondError } from '../errors.ts'
import type { LaneId } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { withRemoved } from './gaps.ts'

/** The lane that messages are removed of, and who asks for it. */
export interface RemovalPlace {
  readonly store: Store
  readonly lane: LaneId
  readonly folder: string
  readonly by: string
  readonly why: string
  readonly nowMs: () => number
  /** Whether nothing of a topic may be removed, beside what the store says of that. */
  readonly isHeld: (topic: string) => boolean
  readonly signal: AbortSignal | undefined
}

/** Commits in a row, and what goes of them. */
export interface RemovalRun extends Pick<Removal, 'kind' | 'salt' | 'subjects' | 'messages'> {
  readonly commits: readonly StoredCommit[]
  /** Keys of the segments that go, those included that others take the place of. */
  readonly removed: ReadonlySet<string>
  /** What takes their place. */
  readonly made: readonly FinishedSegment[]
  readonly gaps: readonly Gap[]
}

/** @throws MillpondError `TOPIC_HELD` where nothing of the topic may be removed. */
export async function refuseHeld({ store, lane, isHeld, signal }: RemovalPlace): Promise<void> {
  const isConfigured = isHeld(lane.topic)
  if (!isConfigured && !(await isTopicHeld(store, lane.topic, signal))) return
  const where = isConfigured ? 'archive.expire.holds says so' : '`millpond hold list` says why'
  throw new MillpondError('TOPIC_HELD', `nothing of ${lane.topic} may be removed: it is under legal hold (${where})`, {
    details: { topic: lane.topic },
  })
}

/**
 * Puts the record of a removal behind the known rewrites; undefined where another has the place, which is so for good. Nothing is deleted: what is no
 * longer named goes when the time of readers at work has come.
 * @throws MillpondError `TOPIC_HELD`; `COMMIT_CORRUPT` where a commit has changed since it was read.
 */
export async function appendRemoval(place: RemovalPlace, head: RewriteHead, run: RemovalRun): Promise<RewriteHead | undefined> {
  const { store, lane, folder, by, why, nowMs, signal } = place
  const { commits, removed, made, kind, salt, subjects, messages } = run
  const kept: FinishedSegment[] = []
  for (const commit of commits) kept.push(...(await keptSegments(store, commit, removed, signal)))
  const all = [...kept, ...made].sort((a, b) => a.entry.firstPosition - b.entry.firstPosition)
  const last = commits.at(-1)!
  const segments = commits.flatMap((commit) => commit.segments.filter(({ key }) => removed.has(key)))
  const draft = {
    firstPosition: commits[0]!.firstPosition,
    nextPosition: last.nextPosition,
    replacedSha256: last.replacedSha256 ?? last.sha256,
    ...joinSegments(all),
    gaps: withRemoved(
      commits.flatMap(({ gaps }) => gaps),
      run.gaps,
    ),
    deadLetters: commits.flatMap(({ deadLetters }) => deadLetters),
    removal: { kind, by, why, salt, subjects, messages, segments: segments.map(removedOf) },
  }
  // What others have imported stays theirs, also where this names it again.
  const namesImported = commits.some((commit) => isImported(commit) && commit.segments.some(({ key }) => !removed.has(key)))
  const writer = `${namesImported ? IMPORTER : ''}${randomBytes(6).toString('hex')}`
  await refuseHeld(place)
  const rewrite = await appendRewrite({ store, lane, folder, writer, now: nowMs }, head, draft, signal)
  return rewrite && headOf([linkOf(rewrite)])
}

/** Whether the commit names objects of other programs, which stay theirs. */
export const isImported = ({ writer }: StoredCommit): boolean => writer.startsWith(IMPORTER)

const removedOf = (segment: SegmentEntry): Removal['segments'][number] => {
  const { key, bytes, sha256, count, firstPosition, lastPosition, minTimestamp, maxTimestamp } = segment
  return { key, bytes, sha256, count, firstPosition, lastPosition, minTimestamp, maxTimestamp }
}

/** The segments of a commit that stay, with their filters, as for a commit of their own. */
async function keptSegments(
  store: Store,
  commit: StoredCommit,
  removed: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<FinishedSegment[]> {
  const segments = commit.segments.filter(({ key }) => !removed.has(key))
  if (segments.length === 0) return []
  const lookupBytes = segments.some(({ lookups }) => lookups.length > 0)
    ? await readLookups(store, commit, signal)
    : new Uint8Array(0)
  return segments.map((entry) => {
    let offset = 0
    const parts: Uint8Array[] = []
    const lookups = entry.lookups.map((lookup) => {
      parts.push(lookupBytes.subarray(lookup.offset, lookup.offset + lookup.bytes))
      const moved = { ...lookup, offset }
      offset += lookup.bytes
      return moved
    })
    return { entry: { ...entry, lookups }, lookupBytes: Buffer.concat(parts) }
  })
}

/** The look-up bytes of a commit, every one of them checked. @throws MillpondError `COMMIT_CORRUPT`. */
export async function readLookups(store: Store, commit: StoredCommit, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const object = await store.read(commit.key, undefined, signal)
  if (hashOf(object) === commit.sha256) return object.subarray(commit.lookupStart, commit.lookupStart + commit.lookupBytes)
  throw new MillpondError('COMMIT_CORRUPT', `commit ${commit.key} has changed since it was read`, {
    details: { key: commit.key },
  })
}
