import type { MessageBatch } from '../../batch/batch.ts'
import type { RecordCodec } from '../../encode/record-header.ts'
import { joinBatches } from '../../batch/join.ts'
import { decodeStored } from '../../encode/formats.ts'
import { isMillpondError } from '../../errors.ts'
import { deliveryBroken } from '../../sink/partial.ts'
import type { Delivery, Sink, SinkTarget } from '../../sink/sink.ts'
import type { KafkaOptions } from './cluster-options.ts'
import { type Cluster, openCluster } from './cluster.ts'
import type { Parcel } from './sink-parcel.ts'
import { parcelCount, parcelPosition, parcelsOf, storedParcels } from './sink-parcel.ts'
import type { PartitionChoice } from './sink-partition.ts'
import { lanePartition, shareOut } from './sink-partition.ts'
import { createSharedProducer } from './sink-shared.ts'
import { createJobWriter, type JobWriter } from './sink-job.ts'
import type { Consignment, PartitionParcels } from './sink-transaction.ts'
import { type KnownTopic, lookUpTopic, type TopicsToCreate } from './sink-topic.ts'

export interface KafkaSinkOptions extends KafkaOptions {
  /** `lz4` unless given. */
  readonly codec?: RecordCodec
  /** Effort of gzip or zstd. */
  readonly level?: number
  /** `lane` unless given: the partition that the message was in. */
  readonly partition?: PartitionChoice
  /**
   * Whether what a replay job writes goes in transactions, so that one which is killed and goes on sends nothing twice; true unless given. Without,
   * and for what no job writes, batches are not repeated either while this process lives.
   */
  readonly exactlyOnce?: boolean
  /** Bytes of a record batch before compression, at the most, where the topic takes that much. */
  readonly batchBytes?: number
  /** Makes topics that are missing, or does not. */
  readonly createTopics?: false | TopicsToCreate
  /** For how long a batch is sent again that fails for a reason that passes. */
  readonly deliveryTimeoutMs?: number
  /** When brokers give up a transaction of which they hear nothing more; readers of `read_committed` wait so long for a killed job. */
  readonly transactionTimeoutMs?: number
}

/** The sink takes stored record batches too, as the `kafka` format keeps them. */
export type KafkaSink = Sink & Required<Pick<Sink, 'writeStored'>>

/** Fits `max.message.bytes` as it is by default, 1,048,588, also without compression. */
export const BATCH_BYTES = 1_000_000
/** A transaction costs the brokers a millisecond or two for each of its partitions, as much as thousands of messages. */
const WRITE_BYTES = 4 * 1024 * 1024
/** For how long a batch is sent again that fails for a reason that passes. */
export const DELIVERY_TIMEOUT_MS = 45_000
const TRANSACTION_TIMEOUT_MS = 120_000

/**
 * A sink into topics of a Kafka cluster. Keys, values, headers and timestamps stay; offsets are new, ids are lost. A job's writes are
 * transactions that also keep how far it came, in a consumer group of its own (`progressPlace`). Messages that the topic does not take,
 * for their size or content, are in `failed`.
 * @throws MillpondError `BROKER_UNAVAILABLE`, `BROKER_REFUSED`, `DEPENDENCY_MISSING`.
 */
export async function openKafkaSink(options: KafkaSinkOptions): Promise<KafkaSink> {
  const cluster = await openCluster(options)
  const sink = createKafkaSink(cluster, options)
  return {
    ...sink,
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]()
      await cluster[Symbol.asyncDispose]()
    },
  }
}

/** A sink over a cluster that is open already; closing it does not close the cluster. */
export function createKafkaSink(cluster: Cluster, options: KafkaSinkOptions): KafkaSink {
  const { codec = 'lz4', level, partition: choice = 'lane', exactlyOnce = true, batchBytes = BATCH_BYTES } = options
  const { deliveryTimeoutMs = DELIVERY_TIMEOUT_MS, transactionTimeoutMs = TRANSACTION_TIMEOUT_MS } = options
  const encoding = { codec, ...(level === undefined ? {} : { level }) }
  const name = `kafka ${options.brokers.join(',')}`
  const topics = new Map<string, Promise<KnownTopic>>()
  const jobs = new Map<string, { readonly attempt: number | undefined; readonly writer: JobWriter }>()
  const shared = createSharedProducer(cluster, { encoding, deliveryTimeoutMs, purpose: { name: 'produce' } })

  const topicOf = (target: SinkTarget, signal: AbortSignal): Promise<KnownTopic> => {
    const there = topics.get(target.topic)
    if (there !== undefined) return there
    const asked = lookUpTopic(cluster, target, options.createTopics ?? {}, signal)
    topics.set(target.topic, asked)
    // What failed is asked for again.
    asked.catch(() => topics.delete(target.topic))
    return asked
  }
  const jobOf = (job: string, part: SinkTarget['part']): JobWriter => {
    const key = JSON.stringify([job, part?.place])
    const there = jobs.get(key)
    // A part that was taken anew may have been written by another process meanwhile.
    if (there !== undefined && there.attempt === part?.attempt) return there.writer
    const options = { encoding, deliveryTimeoutMs, transactionTimeoutMs, choice }
    const writer = createJobWriter(cluster, { job, part: part?.place }, options)
    jobs.set(key, { attempt: part?.attempt, writer })
    return writer
  }
  const send = async (target: SinkTarget, consignment: Consignment, signal: AbortSignal): Promise<Delivery> => {
    try {
      if (exactlyOnce && target.job !== undefined) return await jobOf(target.job, target.part).write(target, consignment, signal)
      return await shared.write(consignment, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (isMillpondError(error) && !error.retryable) throw error
      const partial = { nextPosition: consignment.firstPosition, delivered: 0, failed: [] }
      throw deliveryBroken(`${name}: ${error instanceof Error ? error.message : String(error)}`, partial, error)
    }
  }
  const consign = (
    target: SinkTarget,
    topic: KnownTopic,
    shares: readonly PartitionParcels[],
    span: readonly [number, number],
  ) => ({
    topic: target.topic,
    maxBatchBytes: topic.maxBatchBytes,
    shares,
    firstPosition: span[0],
    nextPosition: span[1],
  })
  const placeOf = (target: SinkTarget, { partitions }: KnownTopic) => ({
    topic: target.topic,
    partitions,
    lane: target.origin.lane,
    choice,
  })
  const parcel = (batch: MessageBatch, { maxBatchBytes }: KnownTopic): Parcel[] =>
    parcelsOf(batch, Math.min(batchBytes, maxBatchBytes))
  const write: Sink['write'] = async (target, batch, signal) => {
    signal.throwIfAborted()
    if (batch.count === 0) return { delivered: 0, failed: [] }
    const topic = await topicOf(target, signal)
    const shares = shareOut(batch, placeOf(target, topic)).map((share) => ({
      partition: share.partition,
      parcels: parcel(share.batch, topic),
    }))
    return send(target, consign(target, topic, shares, [batch.positions[0]!, batch.positions[batch.count - 1]! + 1]), signal)
  }
  const resumePosition = async (target: SinkTarget): Promise<number | undefined> =>
    target.job === undefined ? undefined : (await jobOf(target.job, target.part).progress(target))?.position
  return {
    name,
    write,
    async writeStored(target, stored, signal) {
      signal.throwIfAborted()
      const topic = await topicOf(target, signal)
      const partition = lanePartition(placeOf(target, topic))
      if (partition === undefined) return write(target, joinBatches(await Promise.all(stored.map(decodeStored))), signal)
      const largest = Math.min(batchBytes, topic.maxBatchBytes)
      const parcels = (await Promise.all(stored.map((each) => storedParcels(each, largest, codec)))).flat()
      const [first, last] = [parcels[0], parcels.at(-1)]
      if (first === undefined || last === undefined) return { delivered: 0, failed: [] }
      const span = [parcelPosition(first, 0), parcelPosition(last, parcelCount(last) - 1) + 1] as const
      return send(target, consign(target, topic, [{ partition, parcels }], span), signal)
    },
    ...(exactlyOnce ? { resumePosition, writeBytes: WRITE_BYTES } : {}),
    async [Symbol.asyncDispose]() {
      shared.close()
      jobs.clear()
    },
  }
}
