import type { MessageBatch } from '../../batch/batch.ts'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { deliveryBroken } from '../../sink/partial.ts'
import type { FailedRow, Inlet, InletAppendOptions, InletTopic, Taken, TakenRun } from '../../sink/inlet.ts'
import { type Cluster, openCluster } from './cluster.ts'
import type { KafkaTopic } from './cluster-topics.ts'
import { partitionName, partitionOffsets } from './offsets.ts'
import { type Parcel, parcelCount, parcelPosition, parcelsOf } from './sink-parcel.ts'
import { choosePartitions, type PartitionShare, shareBy } from './sink-partition.ts'
import { createSharedProducer } from './sink-shared.ts'
import { BATCH_BYTES, DELIVERY_TIMEOUT_MS, type KafkaSinkOptions } from './sink.ts'
import { type KnownTopic, lookUpTopic } from './sink-topic.ts'
import { topicSettings } from './topics.ts'

export type KafkaInletOptions = Omit<KafkaSinkOptions, 'partition' | 'exactlyOnce' | 'transactionTimeoutMs'>

/** For how long a topic is taken to be as it was: it may get more partitions, or another largest batch. */
const KNOWN_MS = 60_000
/** Messages without a key go to the partitions in turn, batch by batch. */
const TURNS = 1_000_000

/**
 * The Kafka cluster as the way in: keys choose partitions as Kafka's own clients do, messages without one are spread by batch. Brokers take each
 * batch once and in order, however often it is sent.
 * @throws MillpondError `BROKER_UNAVAILABLE`, `BROKER_REFUSED`, `DEPENDENCY_MISSING`.
 */
export async function openKafkaInlet(options: KafkaInletOptions): Promise<Inlet> {
  const cluster = await openCluster(options)
  const { codec = 'lz4', level, deliveryTimeoutMs = DELIVERY_TIMEOUT_MS, batchBytes = BATCH_BYTES } = options
  const encoding = { codec, ...(level === undefined ? {} : { level }) }
  const producer = createSharedProducer(cluster, { encoding, deliveryTimeoutMs, purpose: { name: 'produce' } })
  const topicOf = createTopicBook(cluster, options)
  const name = `kafka ${options.brokers.join(',')}`
  const signal = new AbortController().signal
  let turn = 0

  const append = async (topic: string, batch: MessageBatch, appendOptions: InletAppendOptions = {}): Promise<Taken> => {
    if (batch.count === 0) return { lanes: [] }
    const known = await topicOf(topic)
    const lane = String(turn++ % TURNS)
    const { shares, failed: nowhere } = shareRows(numbered(batch), appendOptions.laneOf, { topic, known, lane })
    if (appendOptions.partial !== true) throwFirst(name, nowhere, batch.count)
    const log = createTakenLog(batch.count, appendOptions.rowPositions === true)
    const parcels = shares.map((share) => ({
      partition: share.partition,
      parcels: parcelsOf(share.batch, Math.min(batchBytes, known.maxBatchBytes)),
    }))
    const span = { firstPosition: 0, nextPosition: batch.count }
    const consignment = { topic, maxBatchBytes: known.maxBatchBytes, shares: parcels, ...span }
    const { failed } = await producer
      .write(consignment, signal, (...told) => log.add(...told))
      .catch((error: unknown) => {
        topicOf.forget(topic)
        if (isMillpondError(error) && !error.retryable) throw error
        const partial = { nextPosition: 0, delivered: 0, failed: [] }
        throw deliveryBroken(`${name}: ${error instanceof Error ? error.message : String(error)}`, partial, error)
      })
    const refused = failed.map(({ position, reason }) => ({ row: position, reason, isLaneUnknown: false }))
    if (appendOptions.partial !== true) throwFirst(name, refused, batch.count)
    return log.taken([...nowhere, ...refused].sort((a, b) => a.row - b.row))
  }
  return {
    name,
    append,
    async topics() {
      return [...(await cluster.metadata()).topics.keys()].sort()
    },
    async topic(topic) {
      const found = await freshTopic(cluster, topic)
      const settings = await topicSettings(cluster, topic)
      return inletTopic(found, Object.fromEntries([...settings].sort(([a], [b]) => (a < b ? -1 : 1))))
    },
    async range(topic, lane) {
      const { partitions } = await freshTopic(cluster, topic)
      if (!partitions.some(({ partition }) => partition === lane)) {
        throw new MillpondError('LANE_UNKNOWN', `topic ${topic} has no partition ${lane}`, { details: { topic, lane } })
      }
      const place = { topic, partition: lane }
      const [oldest, next] = await Promise.all([
        partitionOffsets(cluster, [place], 'oldest'),
        partitionOffsets(cluster, [place], 'end'),
      ])
      return { oldest: oldest.get(partitionName(place)) ?? 0, next: next.get(partitionName(place)) ?? 0 }
    },
    async brokers() {
      return [...(await cluster.metadata([])).brokers.keys()].sort((a, b) => a - b)
    },
    async [Symbol.asyncDispose]() {
      producer.close()
      await cluster[Symbol.asyncDispose]()
    },
  }
}

/** What is known of topics that are written to, asked for again now and then. */
function createTopicBook(cluster: Cluster, { createTopics = {} }: KafkaInletOptions) {
  const topics = new Map<string, { readonly asked: Promise<KnownTopic>; readonly untilMs: number }>()
  const topicOf = (topic: string): Promise<KnownTopic> => {
    const there = topics.get(topic)
    if (there !== undefined && performance.now() < there.untilMs) return there.asked
    const asked = lookUpTopic(cluster, { topic, origin: { topic, lane: '' } }, createTopics, new AbortController().signal)
    topics.set(topic, { asked, untilMs: performance.now() + KNOWN_MS })
    asked.catch(() => topics.delete(topic))
    return asked
  }
  return Object.assign(topicOf, { forget: (topic: string) => void topics.delete(topic) })
}

/** The batch with its rows as positions. */
function numbered(batch: MessageBatch): MessageBatch {
  const positions = new Float64Array(batch.count)
  for (let row = 0; row < batch.count; row++) positions[row] = row
  return { ...batch, positions }
}

interface ShareTarget {
  readonly topic: string
  readonly known: KnownTopic
  readonly lane: string
}

/** The messages by partition: as `laneOf` says, else by their keys. */
function shareRows(
  batch: MessageBatch,
  laneOf: Int32Array | undefined,
  { topic, known: { partitions }, lane }: ShareTarget,
): { readonly shares: readonly PartitionShare[]; readonly failed: readonly FailedRow[] } {
  const chosen = choosePartitions(batch, { partitions, lane })
  const failed: FailedRow[] = []
  for (let row = 0; row < batch.count; row++) {
    const wanted = laneOf?.[row] ?? -1
    if (wanted < 0) continue
    const isThere = wanted < partitions
    chosen[row] = isThere ? wanted : -1
    if (!isThere) failed.push({ row, reason: `topic ${topic} has no partition ${wanted}`, isLaneUnknown: true })
  }
  return { shares: shareBy(batch, chosen, partitions), failed }
}

/** Fails where messages were not taken. */
function throwFirst(name: string, [first, ...others]: readonly FailedRow[], count: number): void {
  if (first === undefined) return
  const failed = others.length + 1
  const message = `${name} did not take ${failed} of ${count} messages: ${first.reason}`
  throw new MillpondError(first.isLaneUnknown ? 'LANE_UNKNOWN' : 'MESSAGE_TOO_LARGE', message, { details: { failed } })
}

/** Gathers where messages went. */
function createTakenLog(count: number, rowPositions: boolean) {
  const lanes: TakenRun[] = []
  const laneIndex = new Int32Array(rowPositions ? count : 0).fill(-1)
  const positions = new Float64Array(rowPositions ? count : 0).fill(-1)
  return {
    add(partition: number, parcel: Parcel, baseOffset: number): void {
      const parcels = parcelCount(parcel)
      const isKnown = baseOffset >= 0
      if (rowPositions) {
        for (let i = 0; i < parcels; i++) {
          const row = parcelPosition(parcel, i)
          laneIndex[row] = lanes.length
          if (isKnown) positions[row] = baseOffset + i
        }
      }
      lanes.push({ lane: String(partition), firstPosition: isKnown ? baseOffset : -1, count: parcels })
    },
    taken: (failed: readonly FailedRow[]): Taken => ({
      lanes,
      ...(rowPositions ? { rows: { laneIndex, positions } } : {}),
      ...(failed.length === 0 ? {} : { failed }),
    }),
  }
}

async function freshTopic(cluster: Cluster, name: string): Promise<KafkaTopic> {
  const found = (await cluster.metadata([name])).topics.get(name)
  if (found !== undefined) return found
  throw new MillpondError('TOPIC_UNKNOWN', `Kafka has no topic ${name}`, { details: { topic: name } })
}

const inletTopic = ({ name, partitions }: KafkaTopic, settings: InletTopic['settings']): InletTopic => ({
  name,
  settings,
  lanes: partitions.map(({ partition, leader, replicas, inSync }) => ({
    lane: partition,
    leader,
    replicas: replicas.map((broker) => ({ broker, inSync: inSync.includes(broker) })),
  })),
})
