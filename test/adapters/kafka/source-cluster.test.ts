import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openKafkaSource } from '../../../src/adapters/kafka/source.ts'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { verifyArchive } from '../../../src/commit/verify.ts'
import { until } from '../../live/until.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { archivedCount, archivedMessages, startArchiver } from './source-archive.ts'
import { kafkaJs, quick } from './source-fixtures.ts'

describe.skipIf(serverMissing('kafka') !== undefined)('a Kafka source of a cluster of three', () => {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka({ nodeCount: 3 })
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  it.each(['classic', 'consumer'] as const)(
    'goes on while each broker in turn is killed and comes back (%s)',
    async (groupProtocol) => {
      const topic = `leaders-${randomBytes(4).toString('hex')}`
      const config = { 'min.insync.replicas': '2' }
      await kafka.createTopic(topic, { partitions: 6, replicationFactor: 3, config })
      const store = createMemoryStore()
      const options = { brokers: kafka.bootstrap.split(','), topics: [topic], group: topic, groupProtocol, ...quick }
      const archiver = startArchiver(await openKafkaSource(options), store)
      const producer = kafkaJs(kafka.bootstrap).producer({ idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      let sent = 0
      const send = async () => {
        const messages = Array.from({ length: 60 }, (_, i) => ({ value: String(sent + i), partition: i % 6 }))
        sent += messages.length
        await producer.send({ topic, messages, acks: -1 })
      }
      const isArchived = () => until(async () => (await archivedCount(store)) === sent, `${sent} messages`, 60_000)
      await send()
      await isArchived()
      for (const node of kafka.nodes) {
        await node.kill()
        await send()
        await isArchived()
        await node.start()
        await send()
        await isArchived()
      }
      await producer.disconnect()
      await archiver.stop()
      expect(archiver.events.filter(({ kind }) => kind === 'lane-stopped')).toEqual([])
      const archived = await archivedMessages(store)
      expect(archived.map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, i) => i))
      await using source = await openKafkaSource({ ...options, group: `${topic}-verify` })
      expect(await verifyArchive(store, { against: source })).toMatchObject({ problems: [], compared: sent })
    },
    240_000,
  )
})
