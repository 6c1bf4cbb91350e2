import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { verifyAgainstKafka } from '../../../src/adapters/kafka/verify.ts'
import { verifyArchive } from '../../../src/commit/verify.ts'
import type { Format } from '../../../src/encode/block.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { archiveTopics, openMemoryArchive } from './archive-topics.ts'
import { archivedCommits, archivedMessages } from './source-archive.ts'
import { kafkaJs } from './source-fixtures.ts'

describe.skipIf(serverMissing('kafka') !== undefined)('a Kafka topic with timestamps beyond 2^53', () => {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka()
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  it.each<Format>(['avro', 'kafka'])('is archived, those messages going to the dead letters (%s)', async (format) => {
    const topic = `times-${randomBytes(4).toString('hex')}`
    const config = { 'message.timestamp.after.max.ms': '9223372036854775807', 'retention.ms': '-1' }
    await kafka.createTopic(topic, { config })
    const producer = kafkaJs(kafka.bootstrap).producer()
    await producer.connect()
    const now = Date.now()
    const send = (...timestamps: readonly (number | bigint)[]) =>
      producer.send({
        topic,
        messages: timestamps.map((timestamp) => ({ value: String(timestamp), timestamp: String(timestamp) })),
      })
    await send(now, now + 1)
    await send(now + 2, 2n ** 60n, now + 3)
    await send(now + 4)
    await send(2n ** 62n)
    await send(now + 5, now + 6)
    await producer.disconnect()
    await using archive = await openMemoryArchive()
    await archiveTopics([kafka.bootstrap], archive, [topic], format)
    const archived = await archivedMessages(archive.store)
    expect(archived.map(({ position, value }) => [position, Number(value) - now])).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [4, 3],
      [5, 4],
      [7, 5],
      [8, 6],
    ])
    const letters = (await archivedCommits(archive.store)).flatMap(({ deadLetters }) => deadLetters)
    expect(letters).toEqual([3, 6].map((position) => ({ position, reason: 'the timestamp is beyond 2^53 ms' })))
    await using cluster = await openCluster({ brokers: [kafka.bootstrap] })
    const { lanes } = await verifyAgainstKafka(cluster, archive.store, { topic })
    expect(lanes).toMatchObject([{ problems: [], account: { archived: 7, compared: 7, deadLettered: 2, missing: 0 } }])
    expect(await verifyArchive(archive.store)).toMatchObject({ clean: true, messages: 7 })
  })
})
