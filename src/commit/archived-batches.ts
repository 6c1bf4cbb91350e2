import type { MessageBatch } from '../batch/batch.ts'
import { sliceBatch } from '../batch/batch.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { checkStoredBlock, readStoredBlock, segmentFormat } from '../encode/formats.ts'
import type { Store } from '../store/store.ts'
import type { StoredCommit } from './commit.ts'
import { createHeap } from './heap.ts'
import { readLiveCommits } from './rewrites.ts'

/** Steps through the rows of batches; at the first after one call of `next`. */
export function createCursor(batches: AsyncGenerator<MessageBatch>) {
  let batch: MessageBatch | undefined
  let row = 0
  const skipTo = async (to: number): Promise<void> => {
    row = to
    if (batch !== undefined && row < batch.count) return
    const { value, done } = await batches.next()
    batch = done ? undefined : value
    row = 0
  }
  return {
    get batch() {
      return batch
    },
    get row() {
      return row
    },
    get position() {
      return batch?.positions[row] ?? Infinity
    },
    next: () => skipTo(row + 1),
    /** Goes to another row of the batch, or to the first of the next one where it has no such row. */
    skipTo,
    end: () => batches.return(undefined),
  }
}

type Cursor = ReturnType<typeof createCursor>

/** Positions from a first to a last one. */
type PositionRange = Pick<SegmentEntry, 'firstPosition' | 'lastPosition'>

/** What is noted on the way, each before what follows it. */
export interface ArchiveNotes {
  /** Positions of dead letters. */
  readonly letters: Set<number>
  /** Where messages lie in segments that do not hold all of them, or were removed; they are not given. */
  readonly unread: PositionRange[]
}

/** Whether the position lies where messages are in segments that do not hold all of them, or were removed. */
export const isUnread = ({ unread }: ArchiveNotes, position: number): boolean =>
  unread.some(({ firstPosition, lastPosition }) => position >= firstPosition && position <= lastPosition)

/** What the commits of a folder and their rewrites hold from `from` to before `to`, in order. */
export async function* archivedBatches(
  { store, folder, signal }: { readonly store: Store; readonly folder: string; readonly signal: AbortSignal | undefined },
  { from, to, notes }: { readonly from: number; readonly to: number; readonly notes: ArchiveNotes },
): AsyncGenerator<MessageBatch> {
  for await (const commit of readLiveCommits(store, folder, signal)) {
    if (commit.nextPosition <= from) continue
    if (commit.firstPosition >= to) return
    for (const { position } of commit.deadLetters) notes.letters.add(position)
    const segments = commit.segments.filter(({ format }) => segmentFormat(format).keepsAll)
    if (segments.length < commit.segments.length) noteUnread(notes, commit)
    for (const { firstPosition, nextPosition, reason } of commit.gaps)
      if (reason === 'removed' || reason === 'forgotten') notes.unread.push({ firstPosition, lastPosition: nextPosition - 1 })
    for await (const batch of segmentsBatches(store, segments, signal)) {
      const first = rowAt(batch, from)
      const end = rowAt(batch, to)
      if (first < end) yield sliceBatch(batch, first, end)
    }
  }
}

/** The first row, from one on, whose position is not before `position`. */
function rowAt({ positions, count }: MessageBatch, position: number, from = 0): number {
  if (from < count && positions[from]! >= position) return from
  if (positions[count - 1]! < position) return count
  let row = from
  while (positions[row]! < position) row++
  return row
}

/** Neighbours become one: there may be as many as segments. */
function noteUnread({ unread }: ArchiveNotes, { segments }: StoredCommit): void {
  for (const { format, firstPosition, lastPosition } of segments) {
    if (segmentFormat(format).keepsAll) continue
    const last = unread.at(-1)
    if (last !== undefined && firstPosition <= last.lastPosition + 1) {
      unread[unread.length - 1] = { ...last, lastPosition: Math.max(last.lastPosition, lastPosition) }
    } else unread.push({ firstPosition, lastPosition })
  }
}

/** All messages of some segments, by position. @throws MillpondError `BLOCK_CORRUPT`, also for a block that is not what its commit says. */
export async function* segmentsBatches(
  store: Store,
  segments: readonly SegmentEntry[],
  signal?: AbortSignal,
): AsyncGenerator<MessageBatch> {
  const isApart = segments.every((segment, i) => i === 0 || segments[i - 1]!.lastPosition < segment.firstPosition)
  if (isApart) {
    for (const segment of segments) yield* segmentBatches(store, segment, signal)
    return
  }
  // A layout that splits a lane leaves its messages side by side.
  const open = createHeap<Cursor>((left, right) => left.position < right.position)
  for (let next = 0; ;) {
    const begins = () => segments[next]?.firstPosition ?? Infinity
    while (next < segments.length && begins() <= (open.first?.position ?? Infinity)) {
      const cursor = createCursor(segmentBatches(store, segments[next++]!, signal))
      await cursor.next()
      open.add(cursor)
    }
    const least = open.first
    if (least?.batch === undefined) return
    open.removeFirst()
    // One at the least: in a damaged archive two may have one position.
    const end = rowAt(least.batch, Math.min(open.first?.position ?? Infinity, begins()), least.row + 1)
    yield sliceBatch(least.batch, least.row, end)
    await least.skipTo(end)
    if (least.batch !== undefined) open.add(least)
  }
}

async function* segmentBatches(store: Store, segment: SegmentEntry, signal?: AbortSignal): AsyncGenerator<MessageBatch> {
  for (const block of segment.blocks) {
    const { offset, bytes } = block
    const stored = await store.read(segment.key, { start: offset, end: offset + bytes }, signal)
    checkStoredBlock(stored, block)
    yield readStoredBlock(segment, stored, block)
  }
}
