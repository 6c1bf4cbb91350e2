import { watched } from '../../source/held-lane.ts'
import type { LaneId } from '../../source/lane.ts'
import type { Source } from '../../source/source.ts'
import { type LocalLog, partitionKeyOf } from './log.ts'
import { createMembership } from './membership.ts'
import { tailBatches, tailBlocks } from './tail.ts'

export interface LocalSourceOptions {
  /** Names of topics; `*` stands for any text. */
  readonly topics: readonly string[]
  /** Members of a group share its lanes. */
  readonly group: string
  /** This member's name, another for each member. One that is stable lets a restarted process have its lanes back at once. */
  readonly member: string
  readonly heartbeatMs?: number
  /** A member that was not heard of for so long loses its lanes. */
  readonly sessionMs?: number
  /**
   * Where a lane begins for who has no position of its own: at the oldest message there is, or at what the group acknowledged. The
   * archive knows its positions from its commits, and a new one is to have everything.
   */
  readonly start?: 'oldest' | 'acknowledged'
  /** A lane gives at most one block smaller than usual in this time. */
  readonly smallBlockMs?: number
}

const HEARTBEAT_MS = 1000
const SESSION_MS = 10_000
const SMALL_BLOCK_MS = 1000

/** A subscription of the local log, as a member of a consumer group. Closing it does not close the log. */
export function openLocalSource(log: LocalLog, options: LocalSourceOptions): Source {
  const { group, member, topics, start = 'oldest', smallBlockMs = SMALL_BLOCK_MS } = options
  const { heartbeatMs = HEARTBEAT_MS, sessionMs = SESSION_MS } = options
  const { reader, writer } = log.parts
  const membership = createMembership(log, {
    group,
    member,
    patterns: topics,
    heartbeatMs,
    sessionMs,
    startPosition: ({ partitionKey, oldest }) =>
      start === 'oldest' ? oldest : (reader.groupPosition(group, partitionKey) ?? oldest),
  })
  const partitionOf = (lane: LaneId): number | undefined => {
    const topic = reader.topic(lane.topic)
    return topic?.topicId === lane.topicId ? partitionKeyOf(topic, lane.lane) : undefined
  }
  return {
    lanes: (signal) => membership.lanes(signal),
    async *read(lane, position, signal) {
      const partitionKey = membership.held(lane)?.partitionKey ?? partitionOf(lane)
      if (partitionKey === undefined) return
      const batches = tailBatches({ log, lane, partitionKey, position, signal: AbortSignal.any([signal, lane.revoked]) })
      yield* watched(batches, membership.held(lane), ({ positions, count }) => positions[count - 1]! + 1)
    },
    async *readBlocks(lane, position, request, signal) {
      const partitionKey = membership.held(lane)?.partitionKey ?? partitionOf(lane)
      if (partitionKey === undefined) return
      const tail = { log, lane, partitionKey, position, signal: AbortSignal.any([signal, lane.revoked]) }
      yield* watched(tailBlocks(tail, request, smallBlockMs), membership.held(lane), ({ lastPosition }) => lastPosition + 1)
    },
    async range(lane) {
      const partitionKey = partitionOf(lane)
      return partitionKey === undefined ? undefined : reader.range(partitionKey)
    },
    async acknowledge(lane, nextPosition) {
      const partitionKey = membership.held(lane)?.partitionKey ?? partitionOf(lane)
      if (partitionKey === undefined) return
      await writer.run('acknowledge', { group, partitionKey, nextPosition })
      membership.held(lane)?.acknowledged(nextPosition)
    },
    [Symbol.asyncDispose]: () => membership[Symbol.asyncDispose](),
  }
}
