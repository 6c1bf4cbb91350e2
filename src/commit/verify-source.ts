import type { MessageBatch } from '../batch/batch.ts'
import { isMillpondError } from '../errors.ts'
import { isPassed, positionBehind, type Source } from '../source/source.ts'
import type { Store } from '../store/store.ts'
import { archivedBatches, createCursor, isUnread } from './archived-batches.ts'
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
  const { store, notes, source, signal } = comparing
  const archived = { letters: new Set<number>(), unread: [] }
  const archive = createCursor(archivedBatches({ store, folder: notes.folder, signal }, { from, to, notes: archived }))
  const reading = new AbortController()
  const stop = signal ? AbortSignal.any([signal, reading.signal]) : reading.signal
  const lane = { ...notes.lane!, startPosition: notes.firstPosition, revoked: reading.signal }
  let compared = 0
  let onlyInArchive = 0
  let notCompared = 0
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
      } else if (archived.letters.has(position)) {
        continue
      } else if (isUnread(archived, position)) {
        notCompared++
      } else {
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
  notes.source = { from, to, compared, onlyInArchive, notCompared }
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
