import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMillpondError, MillpondError } from '../../errors.ts'
import type { Delivery, SinkTarget } from '../../sink/sink.ts'
import {
  addOffsetsVersions,
  addPartitionsVersions,
  endTxnVersions,
  initProducerIdVersions,
  offsetFetchVersions,
  txnOffsetCommitVersions,
} from './admin-apis.ts'
import type { Cluster, Target } from './cluster.ts'
import type { Versions } from './cluster-apis.ts'
import type { Purpose } from './cluster-connections.ts'
import { reasonOf } from './cluster-errors.ts'
import type { Parcel, ParcelEncoding } from './sink-parcel.ts'
import type { Appended, PartitionWriter } from './sink-producer.ts'
import { createPartitionWriter } from './sink-producer.ts'
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

/** How far a job came with one lane of its origin, as the target cluster itself keeps it. */
export interface LaneProgressAtTarget {
  /** The first origin position that is still to be delivered. */
  readonly position: number
  /** The offset behind the last message that was delivered; only where all go to one partition. */
  readonly end: { readonly partition: number; readonly offset: number } | undefined
}

export interface TransactionOptions {
  readonly encoding: Omit<ParcelEncoding, 'isTransactional'>
  readonly deliveryTimeoutMs: number
  /** When the brokers give up a transaction of which nothing is heard any more. */
  readonly transactionTimeoutMs: number
  readonly purpose: Purpose
}

/** One lane of a job's origin: each write is a transaction of the messages and the position behind them. */
export interface TransactionalLane {
  write(consignment: Consignment, signal: AbortSignal): Promise<Delivery>
  /** What the cluster says of earlier writes; their transaction, where it is still open, is ended before. */
  progress(signal?: AbortSignal): Promise<LaneProgressAtTarget | undefined>
}

const PREFIX = 'millpond-'
const HASH_DIGITS = 16
/** Positions are kept under this partition of the target's topic, which every topic has. */
const KEPT_AT = 0
const NO_PRODUCER = { id: -1n, epoch: -1 }
const NO_GENERATION = -1
const NO_LEADER_EPOCH = -1
/** Metadata of an offset may have 4096 bytes (offset.metadata.max.bytes). */
const MAX_NAME_CHARACTERS = 300
const LONGEST_BUSY_MS = 20
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000

/**
 * The name of a job's work on one lane: its transactional id, and the consumer group that keeps its position. Brokers forget a group of
 * which nothing is heard for a week (offsets.retention.minutes).
 */
export function progressGroup({ job = '', origin, topic }: SinkTarget): string {
  const identity = JSON.stringify([origin.topic, origin.topicId ?? null, origin.lane, topic])
  return `${PREFIX}${job}-${createHash('sha256').update(identity).digest('hex').slice(0, HASH_DIGITS)}`
}

/** The progress that is kept under the group's name. Where a transaction of it is open, its outcome is waited for. */
export async function readProgress(
  cluster: Cluster,
  target: SinkTarget,
  signal?: AbortSignal,
): Promise<LaneProgressAtTarget | undefined> {
  const groupId = progressGroup(target)
  const { groups } = await cluster.request(
    { coordinator: 'group', key: groupId },
    offsetFetchVersions(cluster.protocol),
    [[{ groupId, topics: [{ name: target.topic, partitionIndexes: [KEPT_AT] }] }], true],
    signal === undefined ? {} : { signal },
  )
  const kept = groups[0]?.topics[0]?.partitions[0]
  const position = Number(kept?.committedOffset ?? -1)
  return position < 0 ? undefined : { position, end: parseEnd(kept?.metadata ?? null) }
}

function parseEnd(metadata: string | null): LaneProgressAtTarget['end'] {
  try {
    const { end } = JSON.parse(metadata ?? '{}') as { end?: { partition?: unknown; offset?: unknown } }
    const [partition, offset] = [Number(end?.partition ?? NaN), Number(end?.offset ?? NaN)]
    return Number.isSafeInteger(partition) && Number.isSafeInteger(offset) ? { partition, offset } : undefined
  } catch {
    return undefined
  }
}

interface Session {
  readonly id: bigint
  readonly epoch: number
  readonly writers: Map<number, PartitionWriter>
  isBroken: boolean
}

/**
 * Writes of one lane, exactly once. A producer that begins fences the one before it by the epoch of their transactional id, and ends what that one
 * left open; then the kept position says which messages are there. Nothing of a transaction is seen by `read_committed` before it ends.
 */
export function createTransactionalLane(cluster: Cluster, target: SinkTarget, options: TransactionOptions): TransactionalLane {
  const { protocol } = cluster
  const { purpose, transactionTimeoutMs, deliveryTimeoutMs } = options
  const name = progressGroup(target)
  const atCoordinator: Target = { coordinator: 'transaction', key: name }
  const atGroup: Target = { coordinator: 'group', key: name }
  const send = createSender(cluster, purpose)
  let session: Session | undefined
  let known: LaneProgressAtTarget | undefined

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
          isBusy ? Math.min(LONGEST_BUSY_MS, failures) : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1)),
        )
      }
    }
  }
  const endTransaction = ({ id, epoch }: Session, isCommit: boolean, signal?: AbortSignal) =>
    ask(atCoordinator, endTxnVersions(protocol), [name, id, epoch, isCommit], signal)
  const open = async (signal?: AbortSignal): Promise<Session> => {
    if (session !== undefined && !session.isBroken) return session
    // Where none is open any more, there is nothing to end.
    if (session !== undefined) {
      await endTransaction(session, false, signal).catch((error: unknown) => {
        if (!isMillpondError(error, 'BROKER_REFUSED')) throw error
      })
    }
    const { id, epoch } = session ?? NO_PRODUCER
    const answer = await ask(atCoordinator, initProducerIdVersions(protocol), [name, transactionTimeoutMs, id, epoch], signal)
    known = await readProgress(cluster, target, signal)
    session = { id: answer.producerId, epoch: answer.producerEpoch, writers: new Map(), isBroken: false }
    return session
  }
  const writerOf = (current: Session, partition: number, maxBatchBytes: number): PartitionWriter => {
    const there = current.writers.get(partition)
    if (there !== undefined) return there
    const writer = createPartitionWriter({
      topic: target.topic,
      partition,
      producer: current,
      transactionalId: name,
      encoding: { ...options.encoding, isTransactional: true },
      maxBatchBytes,
      deliveryTimeoutMs,
      send,
      onBroken: () => (current.isBroken = true),
    })
    current.writers.set(partition, writer)
    return writer
  }
  const produce = async (current: Session, { shares, maxBatchBytes }: Consignment, signal: AbortSignal): Promise<Appended[]> => {
    if (shares.length === 0) return []
    const topics = [{ name: target.topic, partitions: shares.map(({ partition }) => partition) }]
    const { id: producerId, epoch: producerEpoch } = current
    const transaction = { transactionalId: name, producerId, producerEpoch, verifyOnly: false, topics }
    await ask(atCoordinator, addPartitionsVersions(protocol), [[transaction]], signal)
    return Promise.all(shares.map(({ partition, parcels }) => writerOf(current, partition, maxBatchBytes).append(parcels)))
  }
  const keep = async ({ id, epoch }: Session, progress: LaneProgressAtTarget, signal: AbortSignal): Promise<void> => {
    const [topic, lane] = [target.origin.topic, target.origin.lane].map((text) => text.slice(0, MAX_NAME_CHARACTERS))
    const kept = {
      partitionIndex: KEPT_AT,
      committedOffset: BigInt(progress.position),
      committedLeaderEpoch: NO_LEADER_EPOCH,
      committedMetadata: JSON.stringify({ origin: { topic, lane }, end: progress.end }),
    }
    const topics = [{ name: target.topic, partitions: [kept] }]
    await ask(atGroup, txnOffsetCommitVersions(protocol), [name, name, id, epoch, NO_GENERATION, '', null, topics], signal)
  }
  const transact = async (current: Session, consignment: Consignment, signal: AbortSignal): Promise<Delivery> => {
    const { id, epoch } = current
    const appended = await produce(current, consignment, signal)
    await ask(atCoordinator, addOffsetsVersions(protocol), [name, id, epoch, name], signal)
    const progress = { position: consignment.nextPosition, end: endOf(consignment, appended, known) }
    await keep(current, progress, signal)
    await endTransaction(current, true, signal)
    known = progress
    const failed = appended.flatMap((each) => each.failed).sort((a, b) => a.position - b.position)
    return { delivered: appended.reduce((sum, { delivered }) => sum + delivered, 0), failed }
  }
  return {
    async write(consignment, signal) {
      const current = await open(signal)
      if (known !== undefined && consignment.firstPosition < known.position) {
        const message = `${name}: position ${consignment.firstPosition} was delivered before; the job goes on at ${known.position}`
        throw new MillpondError('JOB_CONFLICT', message, { details: { job: target.job, position: known.position } })
      }
      const stop = () => {
        current.isBroken = true
        for (const writer of current.writers.values()) writer.break(signal.reason)
      }
      signal.addEventListener('abort', stop, { once: true })
      try {
        return await transact(current, consignment, signal)
      } catch (error) {
        current.isBroken = true
        for (const writer of current.writers.values()) writer.break(error)
        throw isFenced(reasonOf(error)) ? fencedError(name, error) : error
      } finally {
        signal.removeEventListener('abort', stop)
      }
    },
    async progress(signal) {
      await open(signal)
      return known
    },
  }
}

/** Where the last message lies, where all go to one partition; as before where none was delivered. */
function endOf(
  { shares }: Consignment,
  appended: readonly Appended[],
  before: LaneProgressAtTarget | undefined,
): LaneProgressAtTarget['end'] {
  const [share] = shares
  if (shares.length > 1) return undefined
  if (share === undefined || appended[0]?.delivered === 0) return before?.end
  const offset = appended[0]?.nextOffset
  return offset === undefined ? undefined : { partition: share.partition, offset }
}

const fencedError = (name: string, cause: unknown): MillpondError =>
  isMillpondError(cause, 'JOB_CONFLICT')
    ? cause
    : new MillpondError(
        'JOB_CONFLICT',
        `${name}: another process has taken over this job's lane, or its transaction ran out of time`,
        {
          cause,
        },
      )
