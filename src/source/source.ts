import type { MessageBatch } from '../batch/batch.ts'
import type { Codec, EncodedBlock, Format, LookupField } from '../encode/block.ts'
import type { Lane, LaneId } from './lane.ts'

/** What a source must give where it can hand over blocks that are already encoded. */
export interface BlockRequest {
  readonly format: Format
  readonly codec: Codec
  readonly lookups: readonly LookupField[]
}

/** One subscription of one broker. What was not acknowledged comes again. */
export interface Source extends AsyncDisposable {
  /** Yields lanes as the broker assigns them to this member; a lane's `revoked` aborts when it is taken away. */
  lanes(signal: AbortSignal): AsyncIterable<Lane>
  /**
   * Yields non-empty batches of one lane from `position` on, in order, until `signal` aborts.
   * @throws MillpondError `POSITION_GONE` where the broker no longer has `position`; its details name the `oldest` it has.
   */
  read(lane: Lane, position: number, signal: AbortSignal): AsyncIterable<MessageBatch>
  /** As `read`, but in blocks that a segment can take as they are; only where the source holds messages in that form. */
  readBlocks?(lane: Lane, position: number, request: BlockRequest, signal: AbortSignal): AsyncIterable<EncodedBlock>
  /** The oldest position the broker still has of the lane and the one it will give next; undefined where a broker cannot say. */
  range(lane: LaneId): Promise<{ readonly oldest: number; readonly next: number } | undefined>
  /** Tells the broker that everything of the lane below `nextPosition` is in the archive. */
  acknowledge(lane: Lane, nextPosition: number): Promise<void>
}
