import { MillpondError } from '../../errors.ts'
import type { SinkTarget } from '../../sink/sink.ts'
import type { Cluster } from './cluster.ts'
import { ensureTopic, topicSettings } from './topics.ts'

/** What topics that are made are like. */
export interface TopicsToCreate {
  /** How many partitions the topic gets: as many as its origin has. The cluster's own number where it is not known. */
  readonly partitions?: (target: SinkTarget) => number | undefined
  /** The cluster's own unless given. */
  readonly replicationFactor?: number
  /** What is replayed is often older than brokers keep messages, so `retention.ms` is -1 unless it is set here. */
  readonly settings?: Readonly<Record<string, string>>
}

/** What has to be known of a topic that is written to. */
export interface KnownTopic {
  readonly partitions: number
  readonly maxBatchBytes: number
}

const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
/** What a batch has beside its records. */
const BATCH_HEADER_BYTES = 61

/**
 * What has to be known of a topic before it is written to; made where it is missing and may be made.
 * @throws MillpondError `TOPIC_UNKNOWN` where it may not be made; `INPUT_INVALID` where it takes no messages.
 */
export async function lookUpTopic(
  cluster: Cluster,
  target: SinkTarget,
  creation: false | TopicsToCreate,
  signal: AbortSignal,
): Promise<KnownTopic> {
  const { topic: name } = target
  const made =
    creation === false ? await cluster.topic(name, signal) : await ensureTopic(cluster, newTopic(target, creation), signal)
  // A user may write without being allowed to see settings; then the broker has the last word.
  const setting = (await topicSettings(cluster, name, ['max.message.bytes'], signal)).get('max.message.bytes')
  const maxBatchBytes = Number(setting ?? DEFAULT_MAX_MESSAGE_BYTES)
  if (maxBatchBytes > BATCH_HEADER_BYTES) return { partitions: made.partitions.length, maxBatchBytes }
  throw new MillpondError('INPUT_INVALID', `topic ${name} takes no messages: its max.message.bytes is ${setting}`, {
    details: { topic: name },
  })
}

function newTopic(target: SinkTarget, { partitions: partitionsOf, replicationFactor, settings }: TopicsToCreate) {
  const partitions = partitionsOf?.(target)
  return {
    name: target.topic,
    ...(partitions === undefined ? {} : { partitions }),
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
    settings: { 'retention.ms': '-1', ...settings },
  }
}
