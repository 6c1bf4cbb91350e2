import type { Lane, LaneId } from '../../source/lane.ts'
import type { Source } from '../../source/source.ts'
import type { MessageGenerator } from './messages.ts'

/** Messages of one generated batch. */
export const BATCH_COUNT = 10_000

/**
 * A source of generated messages: lanes take turns in pieces of {@link BATCH_COUNT}, so that every lane spans the whole time. Positions
 * count each lane's own messages.
 */
export function createGeneratedSource(
  topic: string,
  generator: MessageGenerator,
  { messages, lanes }: { readonly messages: number; readonly lanes: number },
): Source {
  const perLane = Math.floor(messages / lanes)
  return {
    async *lanes(signal) {
      for (let lane = 0; lane < lanes && !signal.aborted; lane++) {
        const id: LaneId = { topic, topicId: topic, lane: String(lane) }
        yield { ...id, startPosition: 0, revoked: new AbortController().signal } satisfies Lane
      }
    },
    async *read(lane, position, signal) {
      for (let from = position; from < perLane && !signal.aborted; from += BATCH_COUNT) {
        const count = Math.min(BATCH_COUNT, perLane - from)
        const batch = generator.batch(from * lanes + Number(lane.lane) * count, count)
        yield { ...batch, positions: batch.positions.map((_, i) => from + i) }
      }
    },
    async range() {
      return { oldest: 0, next: perLane }
    },
    async acknowledge() {},
    async [Symbol.asyncDispose]() {},
  }
}
