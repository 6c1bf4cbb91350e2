import type { Delivery } from '../../sink/sink.ts'
import { initProducerIdVersions } from './admin-apis.ts'
import type { Cluster } from './cluster.ts'
import type { Purpose } from './cluster-connections.ts'
import type { ParcelEncoding } from './sink-parcel.ts'
import type { OnTaken, PartitionWriter } from './sink-producer.ts'
import { createPartitionWriter } from './sink-producer.ts'
import { createSender } from './sink-send.ts'
import type { Consignment } from './sink-transaction.ts'

export interface SharedOptions {
  readonly encoding: Omit<ParcelEncoding, 'isTransactional'>
  readonly deliveryTimeoutMs: number
  readonly purpose: Purpose
}

/** Told of messages that a partition took, and the offset of the first of them, -1 where nobody knows it. */
type OnTakenThere = (partition: number, ...taken: Parameters<OnTaken>) => void

/** Writes of all lanes through one idempotent producer, without transactions. */
export interface SharedProducer {
  write(consignment: Consignment, signal: AbortSignal, onTaken?: OnTakenThere): Promise<Delivery>
  /** Ends what is under way. */
  close(): void
}

interface Session {
  readonly id: bigint
  readonly epoch: number
  readonly writers: Map<string, PartitionWriter>
}

/**
 * A producer whose batches brokers take once and in order, however often they are sent. Where the fate of one stays open, the producer is given
 * up with all that is under way, and the next write begins another: who repeats that write may send it twice.
 */
export function createSharedProducer(cluster: Cluster, { encoding, deliveryTimeoutMs, purpose }: SharedOptions): SharedProducer {
  const send = createSender(cluster, { purpose, transactionalId: null, timeoutMs: deliveryTimeoutMs })
  let opening: Promise<Session> | undefined

  const begin = async (): Promise<Session> => {
    const args = [null, deliveryTimeoutMs, -1n, -1] as [null, number, bigint, number]
    const { producerId, producerEpoch } = await cluster.request('any', initProducerIdVersions, args)
    return { id: producerId, epoch: producerEpoch, writers: new Map() }
  }
  const open = (): Promise<Session> => {
    if (opening === undefined) {
      const begun = begin()
      opening = begun
      begun.catch(() => {
        if (opening === begun) opening = undefined
      })
    }
    return opening
  }
  const giveUp = (session: Session, error: unknown): void => {
    opening = undefined
    for (const writer of session.writers.values()) writer.break(error)
  }
  const writerOf = (session: Session, partition: number, { topic, maxBatchBytes }: Consignment): PartitionWriter => {
    const key = `${topic}/${partition}`
    const there = session.writers.get(key)
    if (there !== undefined) return there
    let isBroken = false
    const writer = createPartitionWriter({
      topic,
      partition,
      producer: session,
      encoding: { ...encoding, isTransactional: false },
      maxBatchBytes,
      deliveryTimeoutMs,
      send,
      onBroken(error) {
        if (!isBroken) giveUp(session, error)
        isBroken = true
      },
    })
    session.writers.set(key, writer)
    return writer
  }
  return {
    async write(consignment, signal, onTaken) {
      const session = await open()
      signal.throwIfAborted()
      const stop = () => giveUp(session, signal.reason)
      signal.addEventListener('abort', stop, { once: true })
      try {
        const appending = consignment.shares.map(({ partition, parcels }) =>
          writerOf(session, partition, consignment).append(
            parcels,
            onTaken && ((parcel, baseOffset) => onTaken(partition, parcel, baseOffset)),
          ),
        )
        const appended = await Promise.all(appending)
        const failed = appended.flatMap((each) => each.failed).sort((a, b) => a.position - b.position)
        return { delivered: appended.reduce((sum, { delivered }) => sum + delivered, 0), failed }
      } finally {
        signal.removeEventListener('abort', stop)
      }
    },
    close() {
      void opening?.then((session) => giveUp(session, new Error('the sink is closed'))).catch(() => undefined)
    },
  }
}
