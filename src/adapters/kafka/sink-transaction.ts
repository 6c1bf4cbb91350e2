import { setTimeout as sleep } from 'node:timers/promises'
import type * as Kafka from '@platformatic/kafka'
import { isMillpondError, MillpondError } from '../../errors.ts'
import type { Delivery } from '../../sink/sink.ts'
import {
  addOffsetsVersions,
  addPartitionsVersions,
  endTxnVersions,
  initProducerIdVersions,
  txnOffsetCommitVersions,
} from './admin-apis.ts'
import type { Cluster, Target } from './cluster.ts'
import type { Versions } from './cluster-apis.ts'
import type { Purpose } from './cluster-connections.ts'
import { reasonOf } from './cluster-errors.ts'
import { partitionName } from './offsets.ts'
import type { Parcel, ParcelEncoding } from './sink-parcel.ts'
import type { Appended, PartitionWriter } from './sink-producer.ts'
import { createPartitionWriter } from './sink-producer.ts'
import { type KeptProgress, progressText } from './sink-progress.ts'
import { createSender, isFenced } from './sink-send.ts'

/** Parcels for one partition. */
export interface PartitionParcels {
  readonly partition: number
  readonly parcels: readonly Parcel[]
}

/** Parcels of one batch of the origin's. */
export interface Consignment {
  readonly topic: string
  /** Bytes of a record batch that the topic takes. */
  readonly maxBatchBytes: number
  readonly shares: readonly PartitionParcels[]
  /** Origin position of its first message, and the one behind its last. */
  readonly firstPosition: number
  readonly nextPosition: number
}

/** A consignment, and what is kept as its progress once it is delivered. */
export interface TransactedWrite {
  readonly consignment: Consignment
  /** The consumer group that keeps it. */
  readonly group: string
  readonly progressOf: (appended: readonly Appended[]) => KeptProgress
}

export interface TransactionOptions {
  readonly encoding: Omit<ParcelEncoding, 'isTransactional'>
  readonly deliveryTimeoutMs: number
  /** When the brokers give up a transaction of which nothing is heard any more. */
  readonly transactionTimeoutMs: number
  readonly purpose: Purpose
}

/** One run of a transactional producer, until something breaks it. */
export interface Session {
  readonly id: bigint
  readonly epoch: number
  readonly isBroken: boolean
}

/** A transactional producer. */
export interface TransactionalProducer {
  /**
   * The run that goes on, or a new one. The one before it is ended, in this process or another: its open transaction is aborted, and whoever
   * holds it writes nothing more.
   * @throws MillpondError `JOB_CONFLICT` where another process has begun one since.
   */
  open(signal?: AbortSignal): Promise<Session>
  /**
   * Delivers all of them and keeps their progress, or nothing, in one transaction. Not to be called while another call is under way.
   * @throws what broke the run; then it is not known whether they were delivered, and the next run's progress says it.
   */
  transact(session: Session, writes: readonly TransactedWrite[], signal: AbortSignal): Promise<Delivery[]>
}

const NO_PRODUCER = { id: -1n, epoch: -1 }
const NO_GENERATION = -1
const NO_LEADER_EPOCH = -1
const BUSY_MS = 3
const LONGEST_BUSY_MS = 24
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000

interface OpenSession extends Session {
  readonly writers: Map<string, PartitionWriter>
  isBroken: boolean
}

/** A producer under a transactional id, by whose epoch brokers tell its last run from those before. */
export function createTransactionalProducer(cluster: Cluster, name: string, options: TransactionOptions): TransactionalProducer {
  const { purpose, transactionTimeoutMs, deliveryTimeoutMs } = options
  const atCoordinator: Target = { coordinator: 'transaction', key: name }
  const send = createSender(cluster, { purpose, transactionalId: name, timeoutMs: deliveryTimeoutMs })
  let session: OpenSession | undefined
  let opening: Promise<OpenSession> | undefined

  const ask = async <Args extends readonly unknown[], Answer>(
    at: Target,
    versions: Versions<Args, Answer>,
    args: Args,
    signal?: AbortSignal,
  ): Promise<Answer> => {
    const endMs = performance.now() + deliveryTimeoutMs
    for (let failures = 1; ; failures++) {
      signal?.throwIfAborted()
      try {
        return await cluster.request(at, versions, args, { once: true, purpose, ...(signal === undefined ? {} : { signal }) })
      } catch (error) {
        if (isFenced(reasonOf(error))) throw fencedError(name, error)
        if (!isMillpondError(error, 'BROKER_UNAVAILABLE') || performance.now() > endMs) throw error
        // The markers of the transaction before are still being written, which takes some milliseconds.
        const isBusy = reasonOf(error) === 'CONCURRENT_TRANSACTIONS'
        await sleep(
          isBusy
            ? Math.min(LONGEST_BUSY_MS, BUSY_MS * failures)
            : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1)),
        )
      }
    }
  }
  const endTransaction = ({ id, epoch }: Session, isCommit: boolean, signal?: AbortSignal) =>
    ask(atCoordinator, endTxnVersions, [name, id, epoch, isCommit], signal)
  const begin = async (signal?: AbortSignal): Promise<OpenSession> => {
    // Where none is open any more, there is nothing to end.
    if (session !== undefined) {
      await endTransaction(session, false, signal).catch((error: unknown) => {
        if (!isMillpondError(error, 'BROKER_REFUSED')) throw error
      })
    }
    const { id, epoch } = session ?? NO_PRODUCER
    const answer = await ask(atCoordinator, initProducerIdVersions, [name, transactionTimeoutMs, id, epoch], signal)
    session = { id: answer.producerId, epoch: answer.producerEpoch, writers: new Map(), isBroken: false }
    return session
  }
  const writerOf = (current: OpenSession, { topic, maxBatchBytes }: Consignment, partition: number): PartitionWriter => {
    const key = partitionName({ topic, partition })
    const there = current.writers.get(key)
    if (there !== undefined) return there
    const writer = createPartitionWriter({
      topic,
      partition,
      producer: current,
      encoding: { ...options.encoding, isTransactional: true },
      maxBatchBytes,
      deliveryTimeoutMs,
      send,
      onBroken: () => (current.isBroken = true),
    })
    current.writers.set(key, writer)
    return writer
  }
  const addPartitions = async (
    { id, epoch }: Session,
    writes: readonly TransactedWrite[],
    signal: AbortSignal,
  ): Promise<void> => {
    const added = new Map<string, Set<number>>()
    for (const { consignment } of writes) {
      const { topic, shares } = consignment
      if (shares.length > 0) added.set(topic, new Set([...(added.get(topic) ?? []), ...shares.map(({ partition }) => partition)]))
    }
    if (added.size === 0) return
    const topics = [...added].map(([topic, partitions]) => ({ name: topic, partitions: [...partitions] }))
    const transaction = { transactionalId: name, producerId: id, producerEpoch: epoch, verifyOnly: false, topics }
    await ask(atCoordinator, addPartitionsVersions, [[transaction]], signal)
  }
  const addOffsets = async ({ id, epoch }: Session, writes: readonly TransactedWrite[], signal: AbortSignal): Promise<void> => {
    for (const group of new Set(writes.map(({ group }) => group))) {
      await ask(atCoordinator, addOffsetsVersions, [name, id, epoch, group], signal)
    }
  }
  const keep = async ({ id, epoch }: Session, kept: readonly KeptProgress[], signal: AbortSignal): Promise<void> => {
    for (const [group, ofGroup] of Map.groupBy(kept, ({ place }) => place.group)) {
      const topics = [...Map.groupBy(ofGroup, ({ place }) => place.topic)].map(([topic, ofTopic]) => ({
        name: topic,
        partitions: ofTopic.map(({ place, target, progress }) => ({
          partitionIndex: place.partition,
          committedOffset: BigInt(progress.position),
          committedLeaderEpoch: NO_LEADER_EPOCH,
          committedMetadata: progressText(target, progress),
        })),
      }))
      const args = [name, group, id, epoch, NO_GENERATION, '', null, topics] as Parameters<
        typeof Kafka.txnOffsetCommitV3.createRequest
      >
      await ask({ coordinator: 'group', key: group }, txnOffsetCommitVersions, args, signal)
    }
  }
  const deliver = async (current: OpenSession, writes: readonly TransactedWrite[], signal: AbortSignal): Promise<Delivery[]> => {
    await addPartitions(current, writes, signal)
    // The coordinator takes one request of a transaction at a time, and this one while messages are on their way.
    const adding = addOffsets(current, writes, signal)
    adding.catch(() => undefined)
    const appended = await Promise.all(
      writes.map(({ consignment }) =>
        Promise.all(
          consignment.shares.map(({ partition, parcels }) => writerOf(current, consignment, partition).append(parcels)),
        ),
      ),
    )
    await adding
    const kept = writes.map(({ progressOf }, i) => progressOf(appended[i]!))
    await keep(current, kept, signal)
    await endTransaction(current, true, signal)
    return appended.map((shares) => ({
      delivered: shares.reduce((sum, { delivered }) => sum + delivered, 0),
      failed: shares.flatMap(({ failed }) => failed).sort((a, b) => a.position - b.position),
    }))
  }
  return {
    async open(signal) {
      if (session !== undefined && !session.isBroken) return session
      opening ??= begin(signal).finally(() => (opening = undefined))
      return opening
    },
    async transact(given, writes, signal) {
      const current = session
      if (current !== given || current.isBroken)
        throw new MillpondError('DELIVERY_FAILED', `${name}: a transaction before this one failed`)
      const stop = () => breakDown(current, signal.reason)
      signal.addEventListener('abort', stop, { once: true })
      try {
        return await deliver(current, writes, signal)
      } catch (error) {
        breakDown(current, error)
        throw isFenced(reasonOf(error)) ? fencedError(name, error) : error
      } finally {
        signal.removeEventListener('abort', stop)
      }
    },
  }
}

function breakDown(session: OpenSession, error: unknown): void {
  session.isBroken = true
  for (const writer of session.writers.values()) writer.break(error)
}

const fencedError = (name: string, cause: unknown): MillpondError =>
  isMillpondError(cause, 'JOB_CONFLICT')
    ? cause
    : new MillpondError('JOB_CONFLICT', `${name}: another process has taken this job over, or its transaction ran out of time`, {
        cause,
      })
