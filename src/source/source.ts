import type { MessageBatch } from '../batch/batch.ts'
import type { AvroBlock, Codec, LookupField, RecordSet } from '../encode/block.ts'
import type { Lane, LaneId } from './lane.ts'

/**
 * Word that positions hold no message (a broker's own records, what was aborted or compacted): none below `passedTo` that was not
 * given before will be given. So a reader can account for positions at the end of a lane, which no message follows.
 */
export interface Passed {
  readonly passedTo: number
}

/** What a source must give where it can hand over blocks that are already encoded. */
export interface BlockRequest {
  readonly codec: Codec
  readonly lookups: readonly LookupField[]
}

/** One subscription of one broker. What was not acknowledged comes again. */
export interface Source extends AsyncDisposable {
  /** Yields lanes as the broker assigns them to this member; a lane's `revoked` aborts when it is taken away. */
  lanes(signal: AbortSignal): AsyncIterable<Lane>
  /**
   * Resolves when `lanes`, which was asked for, has what this member got first, or when `signal` aborts; only where a member waits for its lanes
   * longer than moments.
   */
  joined?(signal: AbortSignal): Promise<void>
  /**
   * Yields non-empty batches of one lane from `position` on, in order, until `signal` aborts; where the broker went over positions
   * that no message follows yet, word of it.
   * @throws MillpondError `POSITION_GONE` where the broker no longer has `position`; its details name the `oldest` it has.
   */
  read(lane: Lane, position: number, signal: AbortSignal): AsyncIterable<MessageBatch | Passed>
  /** As `read`, but as blocks that a segment can take as they are: asked for where the archive's format is `avro`. */
  readBlocks?(lane: Lane, position: number, request: BlockRequest, signal: AbortSignal): AsyncIterable<AvroBlock | Passed>
  /**
   * As `read`, but as the broker's own record batches, to be archived byte for byte or to be unpacked where their messages are written anew.
   * Batches without messages for the reader (control records, what was aborted) are left out of `batches`. The first may begin before
   * `position`: the reader leaves those records out. The reader holds `bytes` as long as it likes; nobody changes them before it releases them. A
   * batch that holds messages which no block can is given as messages instead.
   */
  readRecordSets?(lane: Lane, position: number, signal: AbortSignal): AsyncIterable<RecordSet | MessageBatch | Passed>
  /**
   * The oldest position the broker still has of the lane and the one behind the last that it gives now; undefined where a broker cannot say. `end` is
   * there where it may hold more than it gives, as with open transactions.
   */
  range(lane: LaneId): Promise<{ readonly oldest: number; readonly next: number; readonly end?: number } | undefined>
  /** Tells the broker that everything of the lane below `nextPosition` is in the archive. */
  acknowledge(lane: Lane, nextPosition: number): Promise<void>
}

export const isPassed = (item: MessageBatch | AvroBlock | RecordSet | Passed): item is Passed => 'passedTo' in item

/** The first position that was not given or passed yet, `item` being what the source gave last. */
export const positionBehind = (item: MessageBatch | Passed): number =>
  isPassed(item) ? item.passedTo : item.positions[item.count - 1]! + 1

/** The messages alone, for who does not ask what became of other positions. */
export async function* withoutPassed<T extends MessageBatch | AvroBlock | RecordSet>(
  items: AsyncIterable<T | Passed>,
): AsyncGenerator<T> {
  for await (const item of items) if (!isPassed(item)) yield item
}
