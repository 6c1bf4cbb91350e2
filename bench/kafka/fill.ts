import { randomFillSync } from 'node:crypto'
import { openKafkaSink } from '../../src/adapters/kafka/sink.ts'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { createMessageGenerator, FIRST_TIMESTAMP_MS } from '../../src/cli/bench/messages.ts'
import type { RecordCodec } from '../../src/encode/record-header.ts'
import type { Kafka } from '../../test/servers/kafka.ts'

/** A topic that archives are made of, filled before anything is measured. */
export interface SourceTopic {
  readonly name: string
  readonly messages: number
  readonly valueBytes: number
  /** What is in it, for whoever reads the figures. */
  readonly ran: string
  readonly fill: (kafka: Kafka) => Promise<void>
}

interface Filling {
  readonly topic: string
  readonly messages: number
  /** Messages that are handed to the sink at a time. */
  readonly batchCount: number
  /** Of a record batch before compression, at the most. */
  readonly batchBytes: number
  readonly codec: RecordCodec
  readonly maxMessageBytes?: number
  readonly batch: (first: number, count: number) => MessageBatch
}

export const PARTITIONS = 8
const UNDER_WAY = 8
const MiB = 1024 * 1024
const LARGE_VALUE_BYTES = 1_000_000
/** So many of the generated messages make a record batch of 5 MB. */
const LARGE_BATCH_COUNT = 19_000

/** Makes a topic and writes messages into it, evenly over its partitions. */
async function fill(kafka: Kafka, filling: Filling): Promise<void> {
  const { topic, messages, batchCount, batchBytes, codec, maxMessageBytes = MiB } = filling
  // The generated messages are older than a topic keeps them by default.
  const config = { 'retention.ms': '-1', 'max.message.bytes': String(maxMessageBytes) }
  await kafka.createTopic(topic, { partitions: PARTITIONS, config })
  await using sink = await openKafkaSink({ brokers: kafka.bootstrap.split(','), codec, batchBytes })
  const writing = new Set<Promise<unknown>>()
  const never = new AbortController().signal
  for (let first = 0, turn = 0; first < messages; first += batchCount, turn++) {
    const batch = filling.batch(first, Math.min(batchCount, messages - first))
    const write: Promise<unknown> = sink
      .write({ topic, origin: { topic, lane: String(turn % PARTITIONS) } }, batch, never)
      .finally(() => writing.delete(write))
    writing.add(write)
    if (writing.size >= UNDER_WAY) await Promise.race(writing)
  }
  await Promise.all(writing)
}

const shape = '200-byte JSON, 16-byte keys, 3 headers'
const generator = createMessageGenerator({ ids: false, messagesPerMs: 0.03 })
const batch = (first: number, count: number) => generator.batch(first, count)

/** What archives and restores are compared over. */
export function ordersTopic(messages: number): SourceTopic {
  const filling = { topic: 'orders', messages, batchCount: 5000, batchBytes: 64 * 1024, codec: 'lz4' as const, batch }
  const ran = `${messages} messages of ${shape}, lz4, ${PARTITIONS} partitions`
  return { name: 'orders', messages, valueBytes: 200, ran, fill: (kafka) => fill(kafka, filling) }
}

/** The same messages in record batches of 5 MB. */
export function largeBatchesTopic(messages: number): SourceTopic {
  const topic = 'batches-5mb'
  const sizes = { batchCount: LARGE_BATCH_COUNT, batchBytes: 6 * MiB, maxMessageBytes: 8 * MiB }
  const filling = { topic, messages, codec: 'none' as const, ...sizes, batch }
  const ran = `${messages} messages of ${shape}, record batches of 5 MB without compression, ${PARTITIONS} partitions`
  return { name: topic, messages, valueBytes: 200, ran, fill: (kafka) => fill(kafka, filling) }
}

/** Messages of 1 MB, half of which nothing can compress. */
export function largeMessagesTopic(messages: number): SourceTopic {
  const topic = 'messages-1mb'
  const value = Buffer.alloc(LARGE_VALUE_BYTES, 'half of this value is text that says the same again and again. ')
  const batch = (first: number) => {
    randomFillSync(value, 0, LARGE_VALUE_BYTES / 2)
    return batchOf([{ position: first, timestamp: FIRST_TIMESTAMP_MS + first, key: `large-${first}`, value }])
  }
  const sizes = { batchCount: 1, batchBytes: 2 * MiB, maxMessageBytes: 2 * MiB }
  const ran = `${messages} messages of 1 MB, half incompressible, lz4, ${PARTITIONS} partitions`
  const fillTopic = (kafka: Kafka) => fill(kafka, { topic, messages, codec: 'lz4', ...sizes, batch })
  return { name: topic, messages, valueBytes: LARGE_VALUE_BYTES, ran, fill: fillTopic }
}
