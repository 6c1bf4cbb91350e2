import type * as Kafka from '@platformatic/kafka'
import type { Address } from './cluster-connections.ts'
import { kafkaError } from './cluster-errors.ts'

/** One partition of a topic as the cluster knows it. */
export interface KafkaPartition {
  readonly partition: number
  /** The broker that leads it; -1 while none does. */
  readonly leader: number
  /** -1 where the brokers are too old to say. */
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
}

export interface KafkaTopic {
  readonly name: string
  /** Kafka's id of the topic as a UUID; the name where the brokers know no ids (before 2.8). */
  readonly topicId: string
  readonly isInternal: boolean
  /** By number, from 0. */
  readonly partitions: readonly KafkaPartition[]
}

export interface KafkaMetadata {
  readonly clusterId: string | undefined
  /** The broker that requests for the controller go to. */
  readonly controller: number
  readonly brokers: ReadonlyMap<number, Address>
  /** Topics by name; of those that were asked for, the ones that exist. */
  readonly topics: ReadonlyMap<string, KafkaTopic>
}

const UNKNOWN_TOPIC_OR_PARTITION = 3
const LEADER_NOT_AVAILABLE = 5
const NO_TOPIC_ID = '00000000-0000-0000-0000-000000000000'

/** Answers of older versions lack some fields. */
type Older<T, Later extends keyof T> = Omit<T, Later> & Partial<Pick<T, Later>>

type AnsweredTopic = Older<Kafka.metadataV12.MetadataResponseTopic, 'topicId' | 'isInternal'>

/**
 * The topics of an answer that exist. Of all topics, only those that this user may see count.
 * @throws MillpondError of the first that was asked for by name and has an error that says more than that it is missing.
 */
export function topicsOf(answered: readonly AnsweredTopic[], isByName: boolean): Map<string, KafkaTopic> {
  const found = new Map<string, KafkaTopic>()
  for (const each of answered) {
    const name = each.name ?? ''
    if (each.errorCode === UNKNOWN_TOPIC_OR_PARTITION || each.errorCode === LEADER_NOT_AVAILABLE) continue
    if (each.errorCode === 0) found.set(name, topicOf(each))
    else if (isByName) throw kafkaError(each.errorCode, { what: `topic ${name}` })
  }
  return found
}

function topicOf(topic: AnsweredTopic): KafkaTopic {
  const { topicId = NO_TOPIC_ID, isInternal = false } = topic
  const name = topic.name ?? ''
  return {
    name,
    topicId: topicId === NO_TOPIC_ID ? name : topicId,
    isInternal,
    partitions: topic.partitions.map((partition) => partitionOf(partition)).sort((a, b) => a.partition - b.partition),
  }
}

function partitionOf(partition: Older<Kafka.metadataV12.MetadataResponsePartition, 'leaderEpoch'>): KafkaPartition {
  const { partitionIndex, leaderId, leaderEpoch = -1, replicaNodes, isrNodes } = partition
  return { partition: partitionIndex, leader: leaderId, leaderEpoch, replicas: replicaNodes, inSync: isrNodes }
}
