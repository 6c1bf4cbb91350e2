import { Kafka as KafkaJs, logLevel } from 'kafkajs'
import { expect } from 'vitest'
import { openKafkaSink } from '../../../src/adapters/kafka/sink.ts'
import { type KafkaSourceOptions, openKafkaSource } from '../../../src/adapters/kafka/source.ts'
import { batchOf } from '../../../src/batch/builder.ts'
import type { Source } from '../../../src/source/source.ts'
import type { NewMessage, SourceFixture } from '../../contract/source.ts'
import type { Kafka } from '../../servers/kafka.ts'
import { until } from '../../live/until.ts'

/** An independent client of the brokers. */
export const kafkaJs = (bootstrap: string): KafkaJs =>
  new KafkaJs({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, retries: 20 } })

/** What kafkajs sends for a message; headers of one name become a list, in order. */
export function kafkaJsMessage({ key, value, timestamp, headers }: NewMessage) {
  const byName = new Map<string, Buffer[]>()
  for (const { name, value } of headers ?? []) {
    const bytes = bytesOf(value)
    // It cannot send a header that is null.
    if (bytes !== null) byName.set(name, [...(byName.get(name) ?? []), bytes])
  }
  return {
    key: bytesOf(key),
    value: bytesOf(value),
    timestamp: String(timestamp),
    headers: Object.fromEntries(byName),
  }
}

const bytesOf = (text: string | Uint8Array | null | undefined): Buffer | null =>
  text === null || text === undefined ? null : Buffer.from(text as string)

/** Short times, so that what waits for a timer is soon over. */
export const quick = {
  heartbeatMs: 100,
  sessionTimeoutMs: 6000,
  topicsRefreshMs: 200,
  releaseTimeoutMs: 5000,
} as const satisfies Partial<KafkaSourceOptions>

/** A source that opens by itself, as the contract asks for it. */
export function sourceOf(opening: Promise<Source>): Source {
  opening.catch(() => undefined)
  return {
    async *lanes(signal) {
      yield* (await opening).lanes(signal)
    },
    async *read(lane, position, signal) {
      yield* (await opening).read(lane, position, signal)
    },
    range: async (lane) => (await opening).range(lane),
    acknowledge: async (lane, nextPosition) => (await opening).acknowledge(lane, nextPosition),
    async [Symbol.asyncDispose]() {
      await (await opening)[Symbol.asyncDispose]()
    },
  }
}

/** Topics and groups of the contract on a cluster that all its tests share; they are removed when a test ends. */
export async function openKafkaFixture(kafka: Kafka, options: Partial<KafkaSourceOptions>): Promise<SourceFixture> {
  const client = kafkaJs(kafka.bootstrap)
  const admin = client.admin()
  const brokers = kafka.bootstrap.split(',')
  const sink = await openKafkaSink({ brokers, partition: 'key', createTopics: false })
  await admin.connect()
  const topics: string[] = []
  return {
    keepsIds: false,
    async createTopic(topic, lanes) {
      topics.push(topic)
      // The contract's messages are older than what brokers keep.
      await kafka.createTopic(topic, { partitions: lanes, config: { 'retention.ms': '-1' } })
    },
    async produce(topic, messages) {
      const batch = batchOf(messages.map((message, position) => ({ ...message, position })))
      const { failed } = await sink.write({ topic, origin: { topic, lane: '0' } }, batch, new AbortController().signal)
      expect(failed).toEqual([])
    },
    openSource: ({ topics: names, group }) => sourceOf(openKafkaSource({ brokers, topics: names, group, ...quick, ...options })),
    async [Symbol.asyncDispose]() {
      await admin.deleteTopics({ topics })
      await until(async () => (await admin.listTopics()).every((topic) => !topics.includes(topic)), 'the topics to be gone')
      await Promise.all([admin.disconnect(), sink[Symbol.asyncDispose]()])
    },
  }
}
