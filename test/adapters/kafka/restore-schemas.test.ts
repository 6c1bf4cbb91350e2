import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { restoreTopic } from '../../../src/adapters/kafka/restore.ts'
import { createTopic } from '../../../src/adapters/kafka/topics.ts'
import { batchOf } from '../../../src/batch/builder.ts'
import { createSchemaKeeper } from '../../../src/schemas/keep-schemas.ts'
import { restoreSchemas } from '../../../src/schemas/restore-schemas.ts'
import { rewriteSchemaIds } from '../../../src/schemas/rewrite-ids.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { startSchemaRegistry } from '../../servers/schema-registry.ts'
import { openTestRegistry } from '../registry/client.ts'
import { archiveTopics, openMemoryArchive } from './archive-topics.ts'
import { readTopic } from './read-topic.ts'
import { kafkaJs } from './source-fixtures.ts'

const { signal } = new AbortController()
const framed = (id: number, ...datum: number[]) => {
  const bytes = Buffer.alloc(5 + datum.length)
  bytes.writeUInt32BE(id, 1)
  bytes.set(datum, 5)
  return bytes
}

describe.skipIf((serverMissing('kafka') ?? serverMissing('schema-registry')) !== undefined)(
  'a topic whose values have schemas',
  () => {
    let kafka: Kafka
    let cluster: Cluster
    beforeAll(async () => {
      kafka = await startKafka()
      cluster = await openCluster({ brokers: [kafka.bootstrap] })
    }, GET_LIMIT_MS)
    afterAll(async () => {
      await cluster[Symbol.asyncDispose]()
      await kafka.stop()
    })

    it(
      'is restored with the ids of another registry, also where its blocks are those of Kafka',
      { timeout: GET_LIMIT_MS },
      async () => {
        await using origin = await startSchemaRegistry()
        await using target = await startSchemaRegistry()
        for (const name of ['a', 'b', 'c'])
          await target.register(name, { schema: JSON.stringify({ type: 'enum', name, symbols: [] }) })
        const topic = `orders-${randomBytes(4).toString('hex')}`
        const id = await origin.register(`${topic}-value`, { schema: '"long"' })
        await createTopic(cluster, { name: topic, partitions: 1, settings: {} })
        const producer = kafkaJs(kafka.bootstrap).producer()
        await producer.connect()
        const values = [framed(id, 2), framed(id, 4), Buffer.from('plain'), framed(id, 0x80), null]
        await producer.send({ topic, messages: values.map((value, i) => ({ key: `key ${i}`, value, headers: { h: 'x' } })) })
        await producer.disconnect()

        for (const format of ['avro', 'kafka'] as const) {
          await using archive = await openMemoryArchive()
          await archiveTopics([kafka.bootstrap], archive, [topic], format)
          const keeper = createSchemaKeeper(archive.store, openTestRegistry([origin.url]), Date.now)
          const batch = batchOf(values.map((value, position) => ({ position, timestamp: 0, value })))
          await keeper.keep(topic, batch, signal)

          const to = `${topic}-${format}`
          const { ids } = await restoreSchemas(archive.store, { registry: openTestRegistry([target.url]), topic, to }, signal)
          const now = ids.get(id)!.id
          expect(now).toBe(4)
          const parts = {
            cluster,
            sink: { brokers: [kafka.bootstrap] },
            archive,
            jobs: archive.jobs,
            nowMs: Date.now,
            rewrite: (batch: Parameters<typeof rewriteSchemaIds>[0]) => rewriteSchemaIds(batch, ids),
          }
          const report = await restoreTopic(parts, { topic, to, jobId: randomBytes(6).toString('hex') }, signal)
          expect(report.job).toMatchObject({ state: 'done', counts: { delivered: values.length } })
          const restored = (await readTopic(cluster, to))[0] ?? []
          const expected = [framed(now, 2), framed(now, 4), Buffer.from('plain'), framed(id, 0x80), null]
          expect(restored.map(({ value }) => value && Buffer.from(value).toString('hex'))).toEqual(
            expected.map((value) => value && value.toString('hex')),
          )
        }
      },
    )
  },
)
