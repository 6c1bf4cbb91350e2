import type { LaneId } from '../../source/lane.ts'
import type { SourceObserver } from '../../source/source-observer.ts'
import type { Cluster } from './cluster.ts'
import type { GroupIdentity } from './group-commits.ts'
import type { Holdings } from './group-holdings.ts'
import type { TopicWatch } from './group-topics.ts'

/** A member of a consumer group, in either protocol: it keeps its holdings to what the group assigns. */
export interface GroupMember {
  /** Joins, and stays a member until the signal aborts. @throws MillpondError for what does not pass. */
  run(signal: AbortSignal): Promise<void>
  /** Undefined while it is in no generation. */
  identity(): GroupIdentity | undefined
  /** Tells the group that this member is gone; one with a stable name keeps its lanes until its session ends. */
  leave(): Promise<void>
}

export interface MemberOptions {
  readonly cluster: Cluster
  readonly group: string
  readonly holdings: Holdings
  readonly watch: TopicWatch
  /** A stable name of this member: over a restart it has its lanes back at once. */
  readonly instanceId: string | undefined
  /** A member that was not heard of for so long loses its lanes. */
  readonly sessionTimeoutMs: number
  readonly heartbeatMs: number
  /** How long others wait for this member to join with them. */
  readonly rebalanceTimeoutMs: number
  readonly observer: SourceObserver
}

/** Lanes of these partitions, under the ids that their topics have now; those that are not there are left out. */
export function lanesOf(
  watch: TopicWatch,
  assigned: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
): LaneId[] {
  return assigned.flatMap(({ topic, partitions }) => {
    const known = watch.topics.get(topic)
    if (known === undefined) return []
    return partitions
      .filter((partition) => partition < known.partitions.length)
      .map((partition) => ({ topic, topicId: known.topicId, lane: String(partition) }))
  })
}

/** Partitions by `nameOf` their topic, as requests name them. */
export function partitionsBy(
  lanes: readonly LaneId[],
  nameOf: (lane: LaneId) => string,
): { name: string; partitions: number[] }[] {
  return [...Map.groupBy(lanes, nameOf)].map(([name, ofTopic]) => ({
    name,
    partitions: ofTopic.map(({ lane }) => Number(lane)).sort((a, b) => a - b),
  }))
}

/** Resolves after the time, as soon as the signal aborts, or when something else happened. */
export async function waitForAny(milliseconds: number, signal: AbortSignal, others: readonly Promise<void>[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = () => resolve()
  // A process that was stopped for a while comes late.
  const timer = setTimeout(done, Math.max(0, milliseconds))
  signal.addEventListener('abort', done, { once: true })
  if (signal.aborted) done()
  await Promise.race([promise, ...others])
  clearTimeout(timer)
  signal.removeEventListener('abort', done)
}
