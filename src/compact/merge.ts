import { type MessageBatch, selectRows } from '../batch/batch.ts'
import { createCursor, segmentsBatches } from '../commit/archived-batches.ts'
import { messageDifference } from '../commit/message-difference.ts'
import type { EncodedBlock } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { FinishedSegment } from '../encode/segment-builder.ts'
import { MillpondError } from '../errors.ts'
import { type LaneId, laneName } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { copyGroup, readBack } from './copy.ts'
import { type Making, type MergeOptions, openOutput } from './output.ts'
import type { SegmentGroup } from './plan.ts'

/** Blocks that are compressed while others are read. */
const BLOCKS_AHEAD = 4

/**
 * Writes the messages of a group's segments into new ones, and reads them back.
 * @throws MillpondError `COMPACT_UNFIT` for a message that the format cannot hold; `SEGMENT_CORRUPT`, `BLOCK_CORRUPT` where what was read or written
 * is damaged. What was written before stays, for whoever cleans up.
 */
export async function mergeGroup(making: Making, group: SegmentGroup, options: MergeOptions): Promise<FinishedSegment[]> {
  if (isApart(group) && group.copied !== undefined) {
    const made = await copyGroup(making, group, options)
    await readBack(making, made)
    return made
  }
  const made = await writeGroup(making, group, options)
  await compare(making, group, made)
  return made
}

/** Whether the segments lie one behind the other: then their blocks do too. */
const isApart = ({ sources }: SegmentGroup): boolean =>
  sources.every(({ segment }, i) => i === 0 || sources[i - 1]!.segment.lastPosition < segment.firstPosition)

async function writeGroup(making: Making, group: SegmentGroup, options: MergeOptions): Promise<FinishedSegment[]> {
  const { store, lane, signal } = making
  const rules = segmentFormat(group.format)
  const encoder = rules.createEncoder({ ...options, origin: lane })
  const output = openOutput(making, group, options)
  const pending: Promise<EncodedBlock>[] = []
  const push = (blocks: readonly Promise<EncodedBlock>[]) => {
    for (const block of blocks) {
      // Seen when its turn comes.
      block.catch(() => undefined)
      pending.push(block)
    }
  }
  const write = async (most: number) => {
    while (pending.length > most) await output.take(await pending.shift()!)
  }
  try {
    for await (const batch of sourceBatches(store, group, signal)) {
      signal?.throwIfAborted()
      const [unfit] = rules.findUnencodable(batch, options.formatOptions)
      if (unfit !== undefined) throw unfitError(lane, group, batch.positions[unfit.row]!, unfit.reason)
      push(encoder.add(batch))
      making.onRead(batch)
      await write(BLOCKS_AHEAD)
    }
    const last = encoder.flush()
    if (last !== undefined) push([last])
    await write(0)
    return await output.finish()
  } catch (error) {
    await output.abort()
    throw error
  }
}

/** All messages of a group's segments but those that are to be left out. */
async function* sourceBatches(
  store: Store,
  { sources, without }: SegmentGroup,
  signal: AbortSignal | undefined,
): AsyncGenerator<MessageBatch> {
  const segments = sources.map(({ segment }) => segment)
  for await (const batch of segmentsBatches(store, segments, signal)) {
    if (without === undefined) {
      yield batch
      continue
    }
    const rows: number[] = []
    for (let row = 0; row < batch.count; row++) if (!without.has(batch.positions[row]!)) rows.push(row)
    if (rows.length > 0) yield rows.length === batch.count ? batch : selectRows(batch, Int32Array.from(rows))
  }
}

const unfitError = (lane: LaneId, { format }: SegmentGroup, position: number, reason: string): MillpondError =>
  new MillpondError(
    'COMPACT_UNFIT',
    `the message of ${laneName(lane)} at position ${position} cannot be held by the format ${format}: ${reason}; leave --format out, or name another`,
    { details: { ...lane, position, format } },
  )

/** Reads what was there and what is there now, message by message: only what is equal may be replaced. */
async function compare({ store, lane, signal }: Making, group: SegmentGroup, made: readonly FinishedSegment[]): Promise<void> {
  const written = made.map(({ entry }) => entry)
  const before = createCursor(sourceBatches(store, group, signal))
  const after = createCursor(segmentsBatches(store, written, signal))
  try {
    await Promise.all([before.next(), after.next()])
    for (;;) {
      const [{ batch: left, row: leftRow }, { batch: right, row: rightRow }] = [before, after]
      if (left === undefined && right === undefined) return
      if (left === undefined || right === undefined) throw changedError(lane, Math.min(before.position, after.position), 'number')
      const rows = Math.min(left.count - leftRow, right.count - rightRow)
      for (let row = 0; row < rows; row++) {
        const position = left.positions[leftRow + row]!
        const difference =
          right.positions[rightRow + row] === position
            ? messageDifference(left, leftRow + row, right, rightRow + row)
            : 'position'
        if (difference !== undefined) throw changedError(lane, position, difference)
      }
      await Promise.all([before.skipTo(leftRow + rows), after.skipTo(rightRow + rows)])
    }
  } finally {
    await Promise.all([before.end(), after.end()])
  }
}

const changedError = (lane: LaneId, position: number, part: string): MillpondError =>
  new MillpondError(
    'SEGMENT_CORRUPT',
    `the messages of ${laneName(lane)} from position ${position} on are not in the new segment as they were: ${part} differs; nothing was replaced`,
    { details: { ...lane, position } },
  )
