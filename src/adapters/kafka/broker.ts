import type { Broker } from '../../source/broker.ts'
import { openCluster } from './cluster.ts'
import { topicMatcher } from './group-topics.ts'
import { partitionName, partitionOffsets } from './offsets.ts'
import { snapshotKafka } from './snapshot.ts'
import { type KafkaSourceOptions, openKafkaSource } from './source.ts'

/**
 * A Kafka cluster as the broker of a subscription: it knows the topics that the subscription takes.
 * @throws MillpondError `BROKER_UNAVAILABLE`, `BROKER_REFUSED`, `DEPENDENCY_MISSING`.
 */
export async function openKafkaBroker(options: KafkaSourceOptions): Promise<Broker> {
  const cluster = await openCluster(options)
  const matches = topicMatcher(options.topics)
  return {
    name: `Kafka ${options.brokers.join(', ')}`,
    place: 'Kafka',
    async topics() {
      const { topics } = await cluster.metadata()
      const taken = [...topics.values()].filter(({ name }) => matches(name)).sort((a, b) => (a.name < b.name ? -1 : 1))
      return taken.map(({ name, topicId, partitions }) => ({ name, topicId, partitions: partitions.length }))
    },
    async ranges({ name, partitions }) {
      const places = Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
      const [oldest, next] = await Promise.all([
        partitionOffsets(cluster, places, 'oldest'),
        partitionOffsets(cluster, places, options.isolation === 'uncommitted' ? 'end' : 'stable-end'),
      ])
      return places.map((place) => ({
        oldest: oldest.get(partitionName(place)) ?? 0,
        next: next.get(partitionName(place)) ?? 0,
      }))
    },
    async keepSettings(store, { nowMs, everyMs }, signal) {
      const { topics } = await cluster.metadata(undefined, signal)
      const taken = [...topics.keys()].filter((name) => matches(name))
      if (taken.length > 0) await snapshotKafka(cluster, store, { topics: taken, nowMs, everyMs }, signal)
    },
    openSource: (observer) => openKafkaSource(observer === undefined ? options : { ...options, observer }),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}
