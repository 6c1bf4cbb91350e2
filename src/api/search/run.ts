import type { MessageBatch } from '../../batch/batch.ts'
import { createReadStats, type ReadStats, search } from '../../search/read.ts'
import type { Archive, SelectedBatch } from '../../search/read.ts'
import type { LaneId } from '../../source/lane.ts'
import { type CursorContent, encodeCursor } from './cursor.ts'
import { type Budget, type SearchLimits, type Stop, tooLarge } from './limits.ts'
import { createProgress } from './progress.ts'

/** Messages of one lane, ready to be written. */
export interface Found {
  readonly lane: LaneId
  readonly batch: MessageBatch
}

/** How a search ended. */
export interface SearchEnd {
  /** Goes on; null where all was given. */
  readonly next: string | null
  /** Why it ended before it had given all; null where it had. */
  readonly stopped: Stop | null
  readonly stats: {
    readonly messages: number
    readonly bytesRead: number
    readonly blocksRead: number
    readonly milliseconds: number
  }
}

/** A search that runs. */
export interface SearchRun {
  /** To be asked once, and to its end. @throws MillpondError `SEARCH_TOO_LARGE`, and as `search`. */
  readonly found: AsyncIterable<Found>
  /** It ends behind what was given. */
  stopHere(): void
  /** How it ended, when all was taken. */
  end(): SearchEnd
}

/** What a search runs with. */
export interface RunOptions {
  readonly archive: Archive
  readonly budget: Budget
  readonly limits: SearchLimits
  /** Messages to give at the most. */
  readonly limit: number
  readonly decode: boolean
}

/** Thrown between two blocks, to go no further. */
const ENOUGH = Symbol('enough')

/** Runs what is left of a search until it is done or its budget is used up; it can go on later, whatever comes into the archive meanwhile. */
export function runSearch(content: CursorContent, { archive, budget, limits, limit, decode }: RunOptions): SearchRun {
  const progress = createProgress(content.spans, content.order)
  const stats = createReadStats()
  const startedMs = performance.now()
  let messages = 0
  let isWhole = false
  let isFull = false
  const stopIfUsedUp = (): void => {
    if (isFull || budget.stop !== undefined) throw ENOUGH
  }
  const limited = { ...archive, store: budget.limit(archive.store) }
  const options = {
    order: content.order,
    spans: content.spans,
    limit,
    stats,
    signal: budget.signal,
    onExamined(lane: LaneId, position: number) {
      progress.reach(lane, position)
      stopIfUsedUp()
    },
  }
  async function* found(): AsyncGenerator<Found> {
    try {
      for await (const selected of search(limited, content.query, options)) {
        const batch = await shown(archive, selected, decode, budget.signal)
        yield { lane: selected.lane, batch }
        messages += batch.count
        progress.reach(selected.lane, selected.nextPosition)
        stopIfUsedUp()
      }
      isWhole = messages < limit
    } catch (error) {
      // An abort at the end of its time comes as any error that a read ended with.
      const isStop = error === ENOUGH || (budget.stop !== undefined && budget.signal.aborted)
      if (!isStop) throw error
      if (budget.stop !== undefined && !progress.hasMoved) throw tooLarge(budget.stop, limits)
    }
  }
  return {
    found: found(),
    stopHere() {
      isFull = true
    },
    end() {
      const left = isWhole ? [] : progress.left()
      const isDone = left.length === 0
      return {
        next: isDone ? null : encodeCursor({ ...content, spans: left }),
        stopped: isDone ? null : (budget.stop ?? (isFull ? 'bytes' : 'limit')),
        stats: statsOf(stats, messages, performance.now() - startedMs),
      }
    },
  }
}

async function shown(
  { values }: Archive,
  { lane, batch }: SelectedBatch,
  decode: boolean,
  signal: AbortSignal,
): Promise<MessageBatch> {
  return decode && values !== undefined ? values.decode(batch, lane.topic, signal) : batch
}

const statsOf = ({ bytesRead, blocksRead }: ReadStats, messages: number, elapsedMs: number): SearchEnd['stats'] => ({
  messages,
  bytesRead,
  blocksRead,
  milliseconds: Math.round(elapsedMs * 10) / 10,
})
