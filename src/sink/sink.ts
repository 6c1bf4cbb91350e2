import type { MessageBatch } from '../batch/batch.ts'
import type { StoredMessages } from '../encode/block.ts'

/** A message that the target did not take, and why. */
export interface FailedMessage {
  readonly position: number
  readonly reason: string
}

/** What became of a batch: everything not in `failed` is durable at the target. */
export interface Delivery {
  readonly delivered: number
  readonly failed: readonly FailedMessage[]
}

/** Where the messages of a batch come from, and where they go. */
export interface SinkTarget {
  /** The topic to write to. */
  readonly topic: string
  /** The topic and lane that the batch was read from; `topicId` tells a topic from one of its name that was deleted before. */
  readonly origin: { readonly topic: string; readonly lane: string; readonly topicId?: string }
  /** The replay job that writes, where one does. */
  readonly job?: string
  /**
   * The part of the job that writes, where several processes do, and how often it was taken: each part is written by the one who took it last.
   */
  readonly part?: { readonly place: number; readonly attempt: number }
  /** What of the lane is written, where several parts write one lane: how far each came is kept apart. */
  readonly share?: string
}

/** Where messages go. Batches of one origin lane (and share of it) are written one after another, in order; others may be written side by side. */
export interface Sink extends AsyncDisposable {
  /** Text for people, without secrets: `local topic orders-replayed`. */
  readonly name: string
  /** Bytes that one write should bring, about, where each costs the target much: smaller batches are joined before. */
  readonly writeBytes?: number
  /**
   * Writes the batch and resolves when it is durable at the target. Positions of the batch are those of the origin.
   * @throws MillpondError `DELIVERY_FAILED` where nothing more can be delivered now (the target is away).
   */
  write(target: SinkTarget, batch: MessageBatch, signal: AbortSignal): Promise<Delivery>
  /**
   * As `write`, for messages as blocks hold them, in order: only where the target has less work with them than with columns. It decodes what it
   * cannot take.
   */
  writeStored?(target: SinkTarget, stored: readonly StoredMessages[], signal: AbortSignal): Promise<Delivery>
  /**
   * The first origin position that the job still has to deliver from this lane, known by the target itself together with the
   * messages it holds; only where the target can tell, so that a resumed job sends nothing twice.
   */
  resumePosition?(target: SinkTarget): Promise<number | undefined>
}
