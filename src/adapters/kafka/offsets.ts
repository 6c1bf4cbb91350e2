import { setTimeout as sleep } from 'node:timers/promises'
import { isMillpondError } from '../../errors.ts'
import type { Cluster } from './cluster.ts'
import { pauseAfter } from './waiting.ts'
import { kafkaError } from './cluster-errors.ts'
import { listOffsetsVersions } from './admin-apis.ts'

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/**
 * Which offset of a partition: the oldest that is kept; the one behind the last message; the one behind the last that readers of committed
 * messages are given, which is before the first open transaction.
 */
export type OffsetKind = 'oldest' | 'end' | 'stable-end' | { readonly sinceMs: number }

const READ_UNCOMMITTED = 0
const READ_COMMITTED = 1
/** Source: Apache Kafka 4.3, `ListOffsetsRequest`. */
const LATEST = -1n
const OLDEST = -2n
const CONSUMER = -1
const NO_EPOCH = -1

const RETRY_TIMEOUT_MS = 30_000

/** Partitions as a key of a map. */
export const partitionName = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

/**
 * Offsets of these partitions, by `partitionName`; one request to each of their leaders.
 * @throws MillpondError `TOPIC_UNKNOWN`, `BROKER_REFUSED`, `BROKER_UNAVAILABLE`.
 */
export async function partitionOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  kind: OffsetKind,
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  const offsets = new Map<string, number>()
  const endMs = performance.now() + RETRY_TIMEOUT_MS
  let open = partitions
  for (let failures = 1; open.length > 0; failures++) {
    const { found, failed } = await askPartitionOffsets(cluster, open, kind, signal)
    for (const [name, offset] of found) offsets.set(name, offset)
    open = failed.map(({ place }) => place)
    const lasting = failed.find(({ error }) => !isMillpondError(error) || !error.retryable || performance.now() > endMs)
    if (lasting !== undefined) throw lasting.error
    // The leader may have changed.
    for (const { topic } of open) cluster.forget(topic)
    if (open.length > 0) await sleep(pauseAfter(failures), undefined, { signal })
  }
  return offsets
}

/** What leaders answered of some partitions. */
export interface OffsetAnswers {
  readonly found: readonly (readonly [name: string, offset: number])[]
  readonly failed: readonly OffsetFailure[]
}

interface OffsetFailure {
  readonly place: TopicPartition
  readonly error: unknown
}

/** As `partitionOffsets`, but each leader is asked once, and what fails keeps nothing from what does not. */
export async function askPartitionOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  kind: OffsetKind,
  signal?: AbortSignal,
): Promise<OffsetAnswers> {
  const { byLeader, failed } = await findLeaders(cluster, partitions, signal)
  const answers = await Promise.all([...byLeader].map(([leader, led]) => askLeader(cluster, { leader, led, kind }, signal)))
  return { found: answers.flatMap(({ found }) => found), failed: [...failed, ...answers.flatMap((answer) => answer.failed)] }
}

async function findLeaders(
  cluster: Cluster,
  places: readonly TopicPartition[],
  signal: AbortSignal | undefined,
): Promise<{ readonly byLeader: ReadonlyMap<number, TopicPartition[]>; readonly failed: readonly OffsetFailure[] }> {
  const byLeader = new Map<number, TopicPartition[]>()
  const failed: OffsetFailure[] = []
  for (const place of places) {
    try {
      const topic = await cluster.topic(place.topic, signal)
      const leader = topic.partitions.find(({ partition }) => partition === place.partition)?.leader ?? -1
      const others = byLeader.get(leader)
      if (others === undefined) byLeader.set(leader, [place])
      else others.push(place)
    } catch (error) {
      failed.push({ place, error })
    }
  }
  return { byLeader, failed }
}

async function askLeader(
  cluster: Cluster,
  { leader, led, kind }: { readonly leader: number; readonly led: readonly TopicPartition[]; readonly kind: OffsetKind },
  signal: AbortSignal | undefined,
): Promise<OffsetAnswers> {
  const byTopic = Map.groupBy(led, ({ topic }) => topic)
  const timestamp = timestampOf(kind)
  const topics = [...byTopic].map(([name, places]) => ({
    name,
    partitions: places.map(({ partition }) => ({ partitionIndex: partition, currentLeaderEpoch: NO_EPOCH, timestamp })),
  }))
  const isolation = kind === 'stable-end' || typeof kind === 'object' ? READ_COMMITTED : READ_UNCOMMITTED
  const options = { partial: true, once: true, ...(signal === undefined ? {} : { signal }) }
  try {
    const answer = await cluster.request({ node: leader }, listOffsetsVersions, [CONSUMER, isolation, topics], options)
    const answered = answer.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode, offset }) => ({ topic: name, partition: partitionIndex, errorCode, offset })),
    )
    return {
      found: answered.filter(({ errorCode }) => errorCode === 0).map((place) => [partitionName(place), Number(place.offset)]),
      failed: answered
        .filter(({ errorCode }) => errorCode !== 0)
        .map((place) => ({
          place,
          error: kafkaError(place.errorCode, { what: `offsets of ${partitionName(place)}` }),
        })),
    }
  } catch (error) {
    return { found: [], failed: led.map((place) => ({ place, error })) }
  }
}

function timestampOf(kind: OffsetKind): bigint {
  if (typeof kind === 'object') return BigInt(kind.sinceMs)
  return kind === 'oldest' ? OLDEST : LATEST
}
