import { setTimeout as after } from 'node:timers/promises'
import { CompressionTypes, Kafka as KafkaJs, logLevel, type Producer, Partitioners } from 'kafkajs'
import type { Ledger } from './ledger.ts'
import { messageOf } from './message.ts'

const BATCHES_A_SECOND = 10
/** Over these a batch is given up, some ten seconds: longer than most restarts of a broker, shorter than some. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 8 }

export interface ProducerOptions {
  /** Ways to the brokers, which the partitions take in turn. */
  readonly ways: readonly (readonly string[])[]
  readonly topic: string
  /** Where what was sent is written down, a partition after the other side by side. */
  readonly ledger: Ledger
  /** Of all partitions together. */
  readonly messagesPerSecond: number
  /** The timestamp of the first message of each partition. */
  readonly startMs: number
}

/** Sends messages until it is stopped. */
export interface Producers {
  /** Ends when what is under way is answered or given up. */
  readonly stop: () => Promise<void>
}

/**
 * An idempotent producer a partition, by a client that shares no code with the program. What it gives up is not sent again: the broker
 * may have it or not. The next batch then goes out under a new producer id, so that it cannot be taken for the lost one.
 */
export function startProducers({ ways, topic, ledger, messagesPerSecond, startMs }: ProducerOptions): Producers {
  const clients = ways.map(
    (brokers) =>
      new KafkaJs({
        brokers: [...brokers],
        logLevel: logLevel.NOTHING,
        connectionTimeout: 2_000,
        requestTimeout: 5_000,
        retry: RETRY,
      }),
  )
  const stopping = new AbortController()
  const count = Math.ceil(messagesPerSecond / ledger.partitions.length / BATCHES_A_SECOND)

  const openProducer = async (partition: number): Promise<Producer> => {
    for (;;) {
      const producer = clients[partition % clients.length]!.producer({
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: false,
        createPartitioner: Partitioners.DefaultPartitioner,
        retry: RETRY,
      })
      try {
        await producer.connect()
        return producer
      } catch {
        await close(producer)
      }
    }
  }
  const run = async (partition: number) => {
    // They differ, so that the archive meets batches that are compressed and others.
    const compression = partition % 4 < 2 ? CompressionTypes.None : CompressionTypes.GZIP
    let producer = await openProducer(partition)
    for (let first = 0; !stopping.signal.aborted; first += count) {
      const due = performance.now() + 1_000 / BATCHES_A_SECOND
      const messages = Array.from({ length: count }, (_, at) => {
        const { timestamp, headers, ...message } = messageOf({ partition, number: first + at }, startMs)
        return {
          ...message,
          partition,
          timestamp: String(timestamp),
          headers: Object.fromEntries(headers.map(({ name, value }) => [name, value])),
        }
      })
      const baseOffset = await send(producer, { topic, acks: -1, compression, messages })
      ledger.add(partition, { first, count, baseOffset })
      if (baseOffset === undefined) {
        await close(producer)
        if (!stopping.signal.aborted) producer = await openProducer(partition)
      }
      await after(Math.max(0, due - performance.now()), undefined, { signal: stopping.signal }).catch(() => undefined)
    }
    await close(producer)
  }
  const running = Promise.all(ledger.partitions.map((_, partition) => run(partition)))
  // It is awaited when it is stopped; until then an error must not end the process.
  running.catch(() => undefined)
  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}

/** Gives the offset of the first message; undefined where the batch was given up. */
async function send(producer: Producer, record: Parameters<Producer['send']>[0]): Promise<number | undefined> {
  try {
    const [answer] = await producer.send(record)
    const offset = Number(answer?.baseOffset ?? -1)
    return answer?.errorCode === 0 && offset >= 0 ? offset : undefined
  } catch {
    return undefined
  }
}

/** A broker that is away cannot be said goodbye to. */
const close = (producer: Producer): Promise<void> => producer.disconnect().catch(() => undefined)
