import type { MessageBatch } from '../batch/batch.ts'
import { sliceBatch } from '../batch/batch.ts'
import { readStoredBlock } from '../encode/segment-format.ts'
import { isMillpondError } from '../errors.ts'
import { isPassed, positionBehind, type Source } from '../source/source.ts'
import type { Store } from '../store/store.ts'
import { readCommits } from './chain.ts'
import type { StoredCommit } from './commit.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { commitKey } from './commit-names.ts'
import { messageDifference } from './message-difference.ts'
import type { LaneNotes } from './verify-report.ts'

/** A source that gives nothing for so long has nothing more to give; shorter when all that the archive holds has been seen. */
const SILENCE_MS = 10_000
const SILENCE_AT_END_MS = 500
/** A source may drop its oldest messages while they are compared; then comparing begins anew this often. */
const ATTEMPTS = 3

interface Comparing {
  readonly store: Store
  readonly source: Pick<Source, 'range' | 'read'>
  readonly notes: LaneNotes
  readonly signal: AbortSignal | undefined
}

/** Compares every message that the source still has, below the end of the chain, with the archive's; notes what differs. */
export async function compareWithSource(comparing: Comparing): Promise<void> {
  const { source, notes } = comparing
  const range = await source.range(notes.lane!)
  if (range === undefined) return
  const to = Math.min(range.next, notes.nextPosition)
  let from = Math.max(range.oldest, notes.firstPosition)
  for (let attempt = 1; ; attempt++) {
    try {
      if (from < to) await compare(comparing, from, to)
      return
    } catch (error) {
      const oldest = isMillpondError(error, 'POSITION_GONE') ? Number(error.details['oldest']) : NaN
      if (attempt < ATTEMPTS && oldest > from) from = oldest
      else return notes.noteError(error, commitKey(notes.folder, from), from)
    }
  }
}

async function compare(comparing: Comparing, from: number, to: number): Promise<void> {
  const { notes, source, signal } = comparing
  const letters = new Set<number>()
  const archive = createCursor(archivedBatches(comparing, { from, to, letters }))
  const reading = new AbortController()
  const stop = signal ? AbortSignal.any([signal, reading.signal]) : reading.signal
  const lane = { ...notes.lane!, startPosition: notes.firstPosition, revoked: reading.signal }
  let compared = 0
  let onlyInArchive = 0
  const compareBatch = async (batch: MessageBatch) => {
    for (let row = 0; row < batch.count && batch.positions[row]! < to; row++) {
      const position = batch.positions[row]!
      for (; archive.batch !== undefined && archive.position < position; await archive.next()) onlyInArchive++
      if (archive.batch !== undefined && archive.position === position) {
        compared++
        const difference = messageDifference(batch, row, archive.batch, archive.row)
        if (difference !== undefined)
          noteDifference(notes, position, `the ${difference} of position ${position} is not what the source has`)
        await archive.next()
      } else if (!letters.has(position)) {
        noteDifference(notes, position, `the source has a message at position ${position}, the archive has none`)
      }
    }
  }
  try {
    await archive.next()
    const silenceMs = () => (archive.batch === undefined ? SILENCE_AT_END_MS : SILENCE_MS)
    for await (const given of untilSilent(source.read(lane, from, stop)[Symbol.asyncIterator](), silenceMs)) {
      if (!isPassed(given)) await compareBatch(given)
      if (positionBehind(given) >= to) break
    }
    for (; archive.batch !== undefined; await archive.next()) onlyInArchive++
  } finally {
    reading.abort()
    await archive.end()
  }
  signal?.throwIfAborted()
  notes.source = { from, to, compared, onlyInArchive }
}

const noteDifference = (notes: LaneNotes, position: number, message: string) =>
  notes.note('SOURCE_DIFFERS', `${notes.folder}/`, message, position)

/** What the iterator gives, until it ends or gives nothing for `silenceMs()`. */
async function* untilSilent<T>(given: AsyncIterator<T>, silenceMs: () => number): AsyncGenerator<T> {
  for (;;) {
    const silence = Promise.withResolvers<undefined>()
    const timer = setTimeout(silence.resolve, silenceMs(), undefined)
    const next = given.next()
    // Whoever loses the race must not end the process.
    next.catch(() => undefined)
    const found = await Promise.race([next, silence.promise]).finally(() => clearTimeout(timer))
    if (found === undefined || found.done) return
    yield found.value
  }
}

/** Steps through the rows of batches. */
function createCursor(batches: AsyncGenerator<MessageBatch>) {
  let batch: MessageBatch | undefined
  let row = 0
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
    async next(): Promise<void> {
      row++
      if (batch !== undefined && row < batch.count) return
      const { value, done } = await batches.next()
      batch = done ? undefined : value
      row = 0
    },
    end: () => batches.return(undefined),
  }
}

type Cursor = ReturnType<typeof createCursor>

/** What the archive holds from `from` to before `to`, in order; dead letters are put into `letters` before what follows them. */
async function* archivedBatches(
  { store, notes, signal }: Comparing,
  { from, to, letters }: { readonly from: number; readonly to: number; readonly letters: Set<number> },
): AsyncGenerator<MessageBatch> {
  for await (const commit of readCommits(store, notes.folder, {}, signal)) {
    if (commit.nextPosition <= from) continue
    if (commit.firstPosition >= to) return
    for (const { position } of commit.deadLetters) letters.add(position)
    for await (const batch of commitBatches(store, commit, signal)) {
      const first = rowAt(batch, from)
      const end = rowAt(batch, to)
      if (first < end) yield sliceBatch(batch, first, end)
    }
  }
}

/** The first row whose position is not before `position`. */
function rowAt({ positions, count }: MessageBatch, position: number): number {
  if (positions[0]! >= position) return 0
  if (positions[count - 1]! < position) return count
  return positions.findIndex((one) => one >= position)
}

async function* commitBatches(store: Store, { segments }: StoredCommit, signal?: AbortSignal): AsyncGenerator<MessageBatch> {
  const isApart = segments.every((segment, i) => i === 0 || segments[i - 1]!.lastPosition < segment.firstPosition)
  if (isApart) {
    for (const segment of segments) yield* segmentBatches(store, segment, signal)
    return
  }
  // A layout that splits a lane leaves its messages side by side.
  const cursors = segments.map((segment) => createCursor(segmentBatches(store, segment, signal)))
  for (const cursor of cursors) await cursor.next()
  for (;;) {
    const least = cursors.reduce((left: Cursor, right) => (right.position < left.position ? right : left))
    if (least.batch === undefined) return
    yield sliceBatch(least.batch, least.row, least.row + 1)
    await least.next()
  }
}

async function* segmentBatches(store: Store, segment: SegmentEntry, signal?: AbortSignal): AsyncGenerator<MessageBatch> {
  for (const { offset, bytes } of segment.blocks) {
    yield readStoredBlock(segment, await store.read(segment.key, { start: offset, end: offset + bytes }, signal))
  }
}
