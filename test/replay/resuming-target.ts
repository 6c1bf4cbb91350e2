import type { Message } from '../../src/batch/view.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { MillpondError } from '../../src/errors.ts'
import type { Sink, SinkTarget } from '../../src/sink/sink.ts'

/** A message at the target, with where it came from. */
export interface Arrived {
  readonly target: SinkTarget
  readonly message: Message
}

/** A target in memory that keeps how far each part came together with its messages, as the local log does. */
export interface ResumingTarget {
  readonly arrived: Arrived[]
  /** A sink into it. `meet` is called before and after each write takes effect; it may throw or wait. */
  sink(meet?: (when: 'before' | 'after', target: SinkTarget) => void | Promise<void>): Sink
  /** `lane@position` of all that arrived, in order, lane by lane. */
  positions(lane: string): number[]
}

const keyOf = ({ job, topic, origin, share }: SinkTarget): string =>
  JSON.stringify([job, topic, origin.topic, origin.topicId, origin.lane, share])

export function createResumingTarget(): ResumingTarget {
  const arrived: Arrived[] = []
  const next = new Map<string, number>()
  return {
    arrived,
    positions: (lane) => arrived.filter(({ target }) => target.origin.lane === lane).map(({ message }) => message.position),
    sink: (meet = () => undefined) => ({
      name: 'memory that resumes',
      async write(target, batch, signal) {
        await meet('before', target)
        signal.throwIfAborted()
        const [key, first] = [keyOf(target), batch.positions[0]!]
        const reached = next.get(key) ?? 0
        if (first < reached) throw new MillpondError('JOB_CONFLICT', `delivered up to ${reached} already, not ${first}`)
        for (const message of messagesOf(batch)) arrived.push({ target, message })
        next.set(key, batch.positions[batch.count - 1]! + 1)
        await meet('after', target)
        return { delivered: batch.count, failed: [] }
      },
      resumePosition: async (target) => next.get(keyOf(target)),
      async [Symbol.asyncDispose]() {},
    }),
  }
}
