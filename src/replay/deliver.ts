import type { MessageBatch } from '../batch/batch.ts'
import { payloadBytes, sliceBatch } from '../batch/batch.ts'
import { free } from '../batch/given-away.ts'
import { joinBatches } from '../batch/join.ts'
import { decodeStored } from '../encode/formats.ts'
import { isMillpondError } from '../errors.ts'
import type { PartialDelivery } from '../sink/partial.ts'
import { partialOf } from '../sink/partial.ts'
import type { SelectedStored } from '../search/read.ts'
import type { Delivery, FailedMessage, Sink, SinkTarget } from '../sink/sink.ts'
import type { ReplayFailure } from './job.ts'
import { storedBytes } from './joined.ts'
import type { Pace } from './pace.ts'
import type { PartStep } from './recorder.ts'
import type { SharedPace } from './shared-pace.ts'
import type { Stride } from './stride.ts'

/** How often and with which pauses a delivery is repeated that got nothing through. */
export interface DeliveryRetry {
  /** Deliveries without any success in a row. */
  readonly maxAttempts: number
  readonly firstDelayMs: number
  readonly maxDelayMs: number
}

/** About half a minute in all; then the replay is interrupted and can go on later. */
export const standardDeliveryRetry: DeliveryRetry = { maxAttempts: 9, firstDelayMs: 100, maxDelayMs: 10_000 }

/** A clock that never goes back, and waiting by it. */
export interface Clock {
  readonly nowMs: () => number
  readonly wait: (delayMs: number, signal: AbortSignal) => Promise<void>
}

/** What the deliveries of one lane share. */
export interface LaneDelivery {
  readonly sink: Sink
  readonly target: SinkTarget
  readonly pace: Pace | SharedPace | undefined
  readonly stride: Stride
  readonly retry: DeliveryRetry
  readonly clock: Clock
  /** From 0 to below 1: lanes that fail together do not come back together. */
  readonly random: () => number
  readonly signal: AbortSignal
  /** Told of everything that is dealt with, as soon as it is. */
  readonly onStep: (step: PartStep) => Promise<void>
}

/** The first row at or behind the position. */
function rowFrom(batch: MessageBatch, position: number): number {
  let [low, high] = [0, batch.count]
  while (low < high) {
    const middle = (low + high) >> 1
    if (batch.positions[middle]! < position) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Delivers messages as blocks hold them, to a sink that takes them so. Where that breaks off they are decoded, and what is left goes on as
 * columns.
 * @throws as `deliver`.
 */
export async function deliverStored(lane: LaneDelivery, selected: SelectedStored): Promise<void> {
  const { sink, target, signal, onStep } = lane
  const { stored, count, nextPosition } = selected
  signal.throwIfAborted()
  let broken: { readonly error: unknown } | undefined
  try {
    const { delivered, failed } = await sink.writeStored!(target, stored, signal)
    const counts = { read: count, delivered, failed: failed.length, bytes: storedBytes(selected) }
    await onStep({ nextPosition, counts, failures: failuresOf(target, failed) })
  } catch (error) {
    broken = { error }
  }
  if (broken === undefined) return stored.forEach(({ bytes }) => free(bytes))
  await deliver(lane, joinBatches(await Promise.all(stored.map(decodeStored))), nextPosition, broken)
}

/**
 * Delivers the messages in order, in portions where there is a pace. What is refused for a reason that passes is repeated from where it broke
 * off, as the target itself tells where it can. `broken` is how a delivery of the whole batch ended that was tried before.
 * @throws the sink's error when repeating does not help; the signal's reason.
 */
export async function deliver(
  lane: LaneDelivery,
  batch: MessageBatch,
  nextPosition: number,
  broken?: { readonly error: unknown },
): Promise<void> {
  const { pace, stride, clock, signal, onStep } = lane
  let row = 0
  let failures = 0
  const settle = async (to: number, { delivered, failed }: Delivery) => {
    if (to === row) return
    const part = sliceBatch(batch, row, to)
    row = to
    failures = 0
    await onStep({
      nextPosition: to === batch.count ? nextPosition : batch.positions[to]!,
      counts: { read: part.count, delivered, failed: failed.length, bytes: payloadBytes(part) },
      failures: failuresOf(lane.target, failed),
    })
  }
  const recover = async (error: unknown, to: number) => {
    const before = row
    const partial = partialOf(error)
    if (partial !== undefined) await settle(Math.min(to, rowFrom(batch, partial.nextPosition)), partial)
    if (!isMillpondError(error) || !error.retryable || signal.aborted) throw error
    if (row === before && ++failures >= lane.retry.maxAttempts) throw error
    await clock.wait(delayMs(lane, failures), signal)
    // An answer that never came may have been a success: what the target holds already must not be sent again.
    const reached = await lane.sink.resumePosition?.(lane.target)
    if (reached !== undefined) await settleReached(Math.min(to, rowFrom(batch, reached)))
  }
  if (broken !== undefined) await recover(broken.error, batch.count)
  while (row < batch.count) {
    signal.throwIfAborted()
    const most = Math.min(stride.count, batch.count - row)
    const to = row + (pace?.portion(most) ?? most)
    const waitMs = (await pace?.reserve(to - row, clock.nowMs())) ?? 0
    if (waitMs > 0) await clock.wait(waitMs, signal)
    try {
      const part = to - row === batch.count ? batch : sliceBatch(batch, row, to)
      const beganMs = clock.nowMs()
      const delivery = await lane.sink.write(lane.target, part, signal)
      stride.took(part.count, clock.nowMs() - beganMs)
      await settle(to, delivery)
    } catch (error) {
      await recover(error, to)
    }
  }
  async function settleReached(to: number): Promise<void> {
    const reached: PartialDelivery = { nextPosition: 0, delivered: to - row, failed: [] }
    if (to > row) await settle(to, reached)
  }
}

const failuresOf = ({ origin: { topic, topicId, lane } }: SinkTarget, failed: readonly FailedMessage[]): ReplayFailure[] =>
  failed.map(({ position, reason }) => ({ topic, ...(topicId === undefined ? {} : { topicId }), lane, position, reason }))

function delayMs({ retry, random }: LaneDelivery, failures: number): number {
  const longest = Math.min(retry.maxDelayMs, retry.firstDelayMs * 2 ** Math.max(0, failures - 1))
  return longest * (0.5 + random() / 2)
}
