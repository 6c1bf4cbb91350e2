import { sliceBatch } from '../batch/batch.ts'
import type { MessageBatch } from '../batch/batch.ts'
import type { StoredMessages } from '../encode/block.ts'
import type { LaneId } from '../source/lane.ts'
import { firstRowFrom } from './match.ts'

/** Messages of one lane, in order; reading goes on at `nextPosition` after them. */
export interface LaneBatch {
  readonly lane: LaneId
  readonly batch: MessageBatch
  readonly nextPosition: number
}

/** Messages of one lane as blocks hold them, all of which are meant. */
export interface LaneStored {
  readonly lane: LaneId
  /** In order; more than one where they were put together. */
  readonly stored: readonly StoredMessages[]
  readonly count: number
  readonly nextPosition: number
}

/** What a block gave: no batch where none of it is meant. */
export interface BlockSelection {
  readonly lane: LaneId
  readonly batch: MessageBatch | undefined
  readonly lastPosition: number
  /** No later block of the lane holds a position below this one. */
  readonly safeBefore: number
}

/**
 * Gives what the blocks hold in the order of positions. Blocks that follow each other pass as they are; where segments of one
 * commit lie across each other, messages are held back until nothing that comes can precede them. What is stored passes at once: it is
 * of segments that no other lies across. `onExamined` is told below which position all that is meant was given.
 */
export function inPositionOrder(
  blocks: AsyncIterable<BlockSelection>,
  onExamined?: (lane: LaneId, position: number) => void,
): AsyncGenerator<LaneBatch>
export function inPositionOrder(blocks: AsyncIterable<BlockSelection | LaneStored>): AsyncGenerator<LaneBatch | LaneStored>
export async function* inPositionOrder(
  blocks: AsyncIterable<BlockSelection | LaneStored>,
  onExamined?: (lane: LaneId, position: number) => void,
): AsyncGenerator<LaneBatch | LaneStored> {
  let held: MessageBatch[] = []
  for await (const block of blocks) {
    if ('stored' in block) {
      yield block
      continue
    }
    const { lane, batch, lastPosition, safeBefore } = block
    if (held.length === 0 && lastPosition < safeBefore) {
      if (batch !== undefined) yield { lane, batch, nextPosition: lastPosition + 1 }
      onExamined?.(lane, lastPosition + 1)
      continue
    }
    if (batch !== undefined) held.push(batch)
    for (const merged of mergeBelow(held, safeBefore)) yield { lane, batch: merged, nextPosition: merged.positions.at(-1)! + 1 }
    held = held.flatMap((batch) => {
      const from = firstRowFrom(batch, safeBefore)
      return from === batch.count ? [] : [sliceBatch(batch, from, batch.count)]
    })
    onExamined?.(lane, safeBefore === Infinity ? lastPosition + 1 : safeBefore)
  }
}

/** Runs of messages below `position`, in order, of batches whose positions interleave. */
function* mergeBelow(batches: readonly MessageBatch[], position: number): Generator<MessageBatch> {
  const cursors = batches.map((batch) => ({ batch, row: 0, end: firstRowFrom(batch, position) })).filter(({ end }) => end > 0)
  const headOf = ({ batch, row }: { batch: MessageBatch; row: number }): number => batch.positions[row]!
  while (cursors.length > 0) {
    cursors.sort((a, b) => headOf(a) - headOf(b))
    const [first, rival] = cursors
    const end = rival === undefined ? first!.end : Math.min(first!.end, firstRowFrom(first!.batch, headOf(rival)))
    yield sliceBatch(first!.batch, first!.row, end)
    first!.row = end
    if (end === first!.end) cursors.shift()
  }
}
