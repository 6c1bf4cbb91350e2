import { sliceBatch } from '../batch/batch.ts'
import type { LaneBatch } from './position-order.ts'

/** A lane to be merged, opened only when its turn comes. */
export interface LaneStream {
  /** No message of the lane is older, ms. */
  readonly minTimestamp: number
  readonly open: () => AsyncGenerator<LaneBatch>
}

/** Lanes opened before their turn, so that their first reads overlap. */
const OPEN_AHEAD = 8

/**
 * Merges lanes by timestamp, those with equal ones in the order of the lanes given. Within a lane the order of positions stays: where
 * a lane's timestamps go back, so do those of the result. Holds a block or two of each lane whose time has come.
 */
export async function* inTimeOrder(lanes: readonly LaneStream[]): AsyncGenerator<LaneBatch> {
  const cursors = lanes.map((lane, order) => new Cursor(lane, order))
  // The next in turn is last.
  const waiting = cursors.toSorted((a, b) => b.compare(a))
  try {
    for (;;) {
      const cursor = waiting.pop()
      if (cursor === undefined) return
      if (cursor.current === undefined) {
        for (const next of waiting.slice(-OPEN_AHEAD)) next.prefetch()
      } else {
        yield cursor.take(waiting.at(-1))
      }
      if (cursor.current !== undefined || (await cursor.advance())) insert(waiting, cursor)
    }
  } finally {
    for (const cursor of cursors) cursor.close()
  }
}

function insert(waiting: Cursor[], cursor: Cursor): void {
  let low = 0
  let high = waiting.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (waiting[middle]!.compare(cursor) > 0) low = middle + 1
    else high = middle
  }
  waiting.splice(low, 0, cursor)
}

/** Where the merge stands in one lane. A class: it moves with every run of messages. */
class Cursor {
  readonly #lane: LaneStream
  readonly #order: number
  #stream: AsyncGenerator<LaneBatch> | undefined
  #coming: Promise<IteratorResult<LaneBatch, unknown>> | undefined
  #row = 0
  #timestamp: number
  current: LaneBatch | undefined

  constructor(lane: LaneStream, order: number) {
    this.#lane = lane
    this.#order = order
    this.#timestamp = lane.minTimestamp
  }

  compare(other: Cursor): number {
    return this.#timestamp - other.#timestamp || this.#order - other.#order
  }

  /** Asks for the lane's next batch without waiting for it. */
  prefetch(): void {
    if (this.current !== undefined || this.#coming !== undefined) return
    this.#stream ??= this.#lane.open()
    this.#coming = this.#stream.next()
    // Whoever waits for it hears of a failure.
    this.#coming.catch(() => {})
  }

  /** Goes to the lane's next batch; false where there is none. */
  async advance(): Promise<boolean> {
    this.prefetch()
    const next = await this.#coming
    this.#coming = undefined
    if (next === undefined || next.done === true) return false
    this.current = next.value
    this.#row = 0
    this.#timestamp = this.current.batch.timestamps[0]!
    return true
  }

  /** The messages that come before the rival's next one. */
  take(rival: Cursor | undefined): LaneBatch {
    const { lane, batch, nextPosition } = this.current!
    const from = this.#row
    // Timestamps are whole numbers.
    const before = rival === undefined ? Infinity : rival.#timestamp + (this.#order < rival.#order ? 1 : 0)
    let row = from + 1
    while (row < batch.count && batch.timestamps[row]! < before) row++
    if (row === batch.count) {
      this.current = undefined
      return { lane, batch: from === 0 ? batch : sliceBatch(batch, from, row), nextPosition }
    }
    this.#row = row
    this.#timestamp = batch.timestamps[row]!
    return { lane, batch: sliceBatch(batch, from, row), nextPosition: batch.positions[row - 1]! + 1 }
  }

  /** Not waited for: the lane may be waiting for a read that the caller is about to abort. */
  close(): void {
    this.#stream?.return(undefined).catch(() => {})
  }
}
