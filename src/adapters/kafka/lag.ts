import type { Cluster } from './cluster.ts'
import { groupOffsets } from './groups.ts'
import { partitionName, partitionOffsets, type TopicPartition } from './offsets.ts'

/** How far behind the cluster a group is in one partition. */
export interface PartitionLag extends TopicPartition {
  /** Kafka's id of the topic. */
  readonly topicId: string
  /** The next offset that is to be read. */
  readonly nextOffset: number
  /** The oldest offset that the cluster has. */
  readonly oldest: number
  /** The offset behind the last that readers of committed messages are given. */
  readonly end: number
  /** Offsets between the next and the end: messages, and what takes an offset without being one. */
  readonly lag: number
  /** Offsets that the cluster dropped before they were read. */
  readonly lost: number
}

/**
 * How far a consumer group is behind each partition that it has committed an offset for, by topic and partition.
 * @throws MillpondError `BROKER_REFUSED`.
 */
export async function groupLag(cluster: Cluster, group: string, signal?: AbortSignal): Promise<PartitionLag[]> {
  const [found] = await groupOffsets(cluster, [group], signal)
  const { topics } = await cluster.metadata([...new Set(found?.offsets.map(({ topic }) => topic))], signal)
  // Offsets may outlive their topic.
  const places = (found?.offsets ?? []).flatMap(({ topic, partition, offset }) => {
    const known = topics.get(topic)
    if (known === undefined || partition >= known.partitions.length) return []
    return [{ topic, topicId: known.topicId, partition, nextOffset: offset }]
  })
  const [oldest, ends] = await Promise.all([
    partitionOffsets(cluster, places, 'oldest', signal),
    partitionOffsets(cluster, places, 'stable-end', signal),
  ])
  const lags = places.map((place) => {
    const { nextOffset } = place
    const first = oldest.get(partitionName(place)) ?? 0
    const end = ends.get(partitionName(place)) ?? 0
    return {
      ...place,
      oldest: first,
      end,
      lag: Math.max(0, end - Math.max(nextOffset, first)),
      lost: Math.max(0, first - nextOffset),
    }
  })
  return lags.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}
