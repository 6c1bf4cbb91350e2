import type { LaneId } from '../../source/lane.ts'
import type { Cluster } from './cluster.ts'
import { groupOffsets } from './groups.ts'
import { partitionName, partitionOffsets, type TopicPartition } from './offsets.ts'

/** How far behind the cluster one partition is, of the archive or of a group. */
export interface PartitionLag extends TopicPartition {
  /** Kafka's id of the topic. */
  readonly topicId: string
  /** The next offset that is to be read; undefined where nothing was read of the partition yet. */
  readonly nextOffset: number | undefined
  /** The oldest offset that the cluster has. */
  readonly oldest: number
  /** The offset behind the last that readers of committed messages are given. */
  readonly end: number
  /** Offsets between the next and the end: messages, and what takes an offset without being one. */
  readonly lag: number
  /** Offsets that the cluster dropped before they were read. */
  readonly lost: number
}

/** Where a lane of the archive goes on. */
export type ArchivedLane = LaneId & { readonly nextPosition: number }

/**
 * How far the archive is behind each partition of these topics. A topic that was made again is not taken for the one that was deleted: it was not
 * read at all yet.
 * @throws MillpondError `TOPIC_UNKNOWN` where the cluster has no such topic.
 */
export async function archiveLag(
  cluster: Cluster,
  topics: readonly string[],
  lanes: readonly ArchivedLane[],
  signal?: AbortSignal,
): Promise<PartitionLag[]> {
  const next = new Map(lanes.map((lane) => [JSON.stringify([lane.topic, lane.topicId, lane.lane]), lane.nextPosition]))
  const known = await Promise.all(topics.map((topic) => cluster.topic(topic, signal)))
  const places = known.flatMap(({ name, topicId, partitions }) =>
    partitions.map(({ partition }) => ({
      topic: name,
      topicId,
      partition,
      nextOffset: next.get(JSON.stringify([name, topicId, String(partition)])),
    })),
  )
  return lagsOf(cluster, places, signal)
}

/**
 * How far a consumer group is behind each partition that it has committed an offset for.
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
  return lagsOf(cluster, places, signal)
}

async function lagsOf(
  cluster: Cluster,
  places: readonly (TopicPartition & { readonly topicId: string; readonly nextOffset: number | undefined })[],
  signal: AbortSignal | undefined,
): Promise<PartitionLag[]> {
  const [oldest, ends] = await Promise.all([
    partitionOffsets(cluster, places, 'oldest', signal),
    partitionOffsets(cluster, places, 'stable-end', signal),
  ])
  return places.map((place) => {
    const first = oldest.get(partitionName(place)) ?? 0
    const end = ends.get(partitionName(place)) ?? 0
    const next = place.nextOffset ?? first
    return { ...place, oldest: first, end, lag: Math.max(0, end - Math.max(next, first)), lost: Math.max(0, first - next) }
  })
}
