import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { openKafkaSink } from '../../../src/adapters/kafka/sink.ts'
import { createTopic } from '../../../src/adapters/kafka/topics.ts'
import { verifyAgainstKafka } from '../../../src/adapters/kafka/verify.ts'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { batchOf, type MessageInput } from '../../../src/batch/builder.ts'
import { openChain } from '../../../src/commit/chain.ts'
import { until } from '../../live/until.ts'
import { writeLane } from '../../search/archives.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { archiveTopics, openMemoryArchive } from './archive-topics.ts'
import { readTopic } from './read-topic.ts'
import { kafkaJs } from './source-fixtures.ts'

let kafka: Kafka
let cluster: Cluster

const running = () => new AbortController().signal
const newTopic = () => `topic-${randomBytes(4).toString('hex')}`
const messagesTo = (count: number, from = 0): MessageInput[] =>
  Array.from({ length: count }, (_, i) => ({
    position: from + i,
    timestamp: 1_700_000_000_000,
    key: 'k',
    value: String(from + i),
  }))

describe.skipIf(serverMissing('kafka') !== undefined)('verification against Kafka', () => {
  beforeAll(async () => {
    kafka = await startKafka()
    cluster = await openCluster({ brokers: [kafka.bootstrap] })
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]()
    await kafka.stop()
  })

  /** A topic of one partition with these messages at offsets from 0 on. */
  async function topicOf(messages: readonly MessageInput[], settings: Readonly<Record<string, string>> = {}) {
    const name = newTopic()
    const { topicId } = await createTopic(cluster, { name, partitions: 1, settings: { 'retention.ms': '-1', ...settings } })
    await using sink = await openKafkaSink({ brokers: [kafka.bootstrap], exactlyOnce: false, createTopics: false })
    await sink.write({ topic: name, origin: { topic: name, lane: '0' } }, batchOf(messages), running())
    return { topic: name, topicId, lane: '0' }
  }
  const verdictOf = async (store: Parameters<typeof verifyAgainstKafka>[1]) =>
    (await verifyAgainstKafka(cluster, store)).lanes[0]!

  it.each([
    {
      because: 'a message that is missing',
      archived: messagesTo(20).filter(({ position }) => position !== 7),
      problem: { offset: 7, message: 'the cluster has a message, the archive has none' },
      account: { archived: 19, compared: 19, missing: 1, compacted: 0 },
    },
    {
      because: 'a message that is another',
      archived: messagesTo(20).map((message) => (message.position === 7 ? { ...message, value: 'x' } : message)),
      problem: { offset: 7, message: 'the value is not what the cluster has' },
      account: { archived: 20, compared: 20, missing: 0, compacted: 0 },
    },
    {
      because: 'a message that the cluster never had',
      archived: messagesTo(21),
      problem: { offset: 20, message: 'the archive goes on to offset 20, the cluster ends before 20' },
      account: { archived: 20, compared: 20, missing: 0, compacted: 0 },
    },
  ])('finds $because', async ({ archived, problem, account }) => {
    const lane = await topicOf(messagesTo(20))
    const store = createMemoryStore()
    await writeLane(store, lane, 0, [{ segments: [[batchOf(archived)]] }])
    const verdict = await verdictOf(store)
    expect(verdict.problems).toEqual([problem])
    expect(verdict.account).toMatchObject({ from: 0, to: 20, ...account })
  })

  it('finds messages of aborted transactions and records of brokers in the archive', async () => {
    const lane = await topicOf(messagesTo(10))
    const producer = kafkaJs(kafka.bootstrap).producer({ transactionalId: newTopic(), idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic: lane.topic, messages: messagesTo(10).map(({ value }) => ({ value: String(value) })) })
    await transaction.abort()
    await producer.disconnect()
    expect((await readTopic(cluster, lane.topic)).flat()).toHaveLength(10)
    const store = createMemoryStore()
    await writeLane(store, lane, 0, [{ segments: [[batchOf(messagesTo(21))]] }])
    const verdict = await verdictOf(store)
    expect(verdict.problems).toEqual([
      ...Array.from({ length: 10 }, (_, i) => ({
        offset: 10 + i,
        message: 'the archive has a message where the cluster has a message of an aborted transaction',
      })),
      { offset: 20, message: 'the archive has a message where the cluster has a record of its own' },
    ])
    expect(verdict.account).toMatchObject({ from: 0, to: 21, archived: 21, compared: 10, aborted: 0, control: 0 })
  })

  it('counts dead letters', async () => {
    const lane = await topicOf(messagesTo(3))
    const store = createMemoryStore()
    const chain = await openChain({ store, lane, startPosition: 0, writer: 'w', now: () => 1 })
    const deadLetters = [0, 1, 2].map((position) => ({ position, reason: 'a test' }))
    await chain.append({ nextPosition: 3, segments: [], gaps: [], deadLetters, lookupBytes: new Uint8Array(0) })
    expect(await verdictOf(store)).toMatchObject({ problemCount: 0, account: { from: 0, to: 3, deadLettered: 3, archived: 0 } })
  })

  it('counts what was compacted, before it was archived or after', async () => {
    const settings = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01', 'segment.ms': '1000' }
    // Each of these begins a segment, for its time is so much later than that of the one before.
    const messages = Array.from({ length: 30 }, (_, position) => ({
      position,
      timestamp: 1_700_000_000_000 + position * 5000,
      key: `k${position % 4}`,
      value: String(position),
    }))
    const lane = await topicOf(messages, settings)
    await using before = await openMemoryArchive()
    await archiveTopics([kafka.bootstrap], before, [lane.topic])
    await using sink = await openKafkaSink({ brokers: [kafka.bootstrap], exactlyOnce: false, createTopics: false })
    const send = (position: number) =>
      sink.write(
        { topic: lane.topic, origin: { topic: lane.topic, lane: '0' } },
        batchOf([{ position, timestamp: 1_700_000_200_000 + position * 5000, key: 'last', value: 'v' }]),
        running(),
      )
    await send(100)
    await send(101)
    await until(async () => (await readTopic(cluster, lane.topic)).flat().length < 20, 'compaction', 60_000)
    await using after = await openMemoryArchive()
    await archiveTopics([kafka.bootstrap], after, [lane.topic])
    const [early, late] = [await verdictOf(before.store), await verdictOf(after.store)]
    expect([early.problems, late.problems]).toEqual([[], []])
    expect(early.account!.archived + early.account!.compacted).toBe(30)
    expect(late.account!.compacted).toBeGreaterThan(10)
    expect(late.account!.archived).toBe(late.account!.compared)
    expect(late.account!.archived + late.account!.compacted).toBe(32)
  })
})
