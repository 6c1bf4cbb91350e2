import { payloadBytes } from '../../batch/batch.ts'
import { MillpondError } from '../../errors.ts'
import type { Sink, SinkTarget } from '../../sink/sink.ts'

/** What came, so far. */
export interface SinkCounts {
  readonly batches: number
  readonly messages: number
  /** Payload bytes. */
  readonly bytes: number
  readonly lanes: number
}

/** A sink that keeps nothing but counts. */
export interface CountSink extends Sink {
  counts(): SinkCounts
}

/**
 * Counts messages and checks that the positions of each lane rise: to see what a replay would send, and to measure one.
 * Its `write` throws MillpondError `POSITION_INVALID` where a position does not follow the one before it.
 */
export function createCountSink(): CountSink {
  const lastPositions = new Map<string, number>()
  let [batches, messages, bytes] = [0, 0, 0]
  return {
    name: 'count',
    counts: () => ({ batches, messages, bytes, lanes: lastPositions.size }),
    async write(target, batch, signal) {
      signal.throwIfAborted()
      const lane = laneOf(target)
      let last = lastPositions.get(lane) ?? -1
      for (const position of batch.positions) {
        if (!(position > last)) {
          const { topic, lane: name } = target.origin
          throw new MillpondError('POSITION_INVALID', `position ${position} of lane ${topic}/${name} follows ${last}`, {
            details: { position, last },
          })
        }
        last = position
      }
      lastPositions.set(lane, last)
      batches++
      messages += batch.count
      bytes += payloadBytes(batch)
      return { delivered: batch.count, failed: [] }
    },
    async [Symbol.asyncDispose]() {},
  }
}

const laneOf = ({ job, topic, origin, share }: SinkTarget): string =>
  JSON.stringify([job, topic, origin.topic, origin.topicId, origin.lane, share])
