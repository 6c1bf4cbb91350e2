import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openKafkaSource } from '../../../src/adapters/kafka/source.ts'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { batchOf } from '../../../src/batch/builder.ts'
import { verifyArchive } from '../../../src/commit/verify.ts'
import { writeRecordBatch } from '../../../src/encode/record-batch.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { archivedMessages, archiveOnce } from './source-archive.ts'
import { kafkaJs, quick } from './source-fixtures.ts'

const FIRST = 2 ** 33 + 17

describe.skipIf(serverMissing('kafka') !== undefined)('a Kafka source of a very long topic', () => {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka()
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  /** Where the broker keeps the partition. */
  const partitionFolder = async (name: string) => {
    const { folder } = kafka.nodes[0]!
    const found = (await readdir(folder, { recursive: true })).find((path) => path.endsWith(`/${name}`))
    return join(folder, found!)
  }

  it.each(['classic', 'consumer'] as const)('knows offsets past 2^33 (%s)', async (groupProtocol) => {
    const topic = `long-${groupProtocol}`
    await kafka.createTopic(topic, { config: { 'retention.ms': '-1' } })
    const client = kafkaJs(kafka.bootstrap)
    const producer = client.producer()
    const admin = client.admin()
    await Promise.all([producer.connect(), admin.connect()])
    // The broker makes the partition's folder a moment after it says that it leads it.
    await producer.send({ topic, messages: [{ value: 'first' }] })
    await kafka.kill()
    // A log whose first segment begins far up, as retention leaves it after years.
    const folder = await partitionFolder(`${topic}-0`)
    const files = await readdir(folder)
    for (const file of files.filter((name) => /^\d{20}\./u.test(name))) await rm(join(folder, file))
    const rows = Array.from({ length: 100 }, (_, i) => ({
      position: i,
      timestamp: 1_700_000_000_000,
      key: null,
      value: String(i),
    }))
    const batch = Buffer.from(await writeRecordBatch(batchOf(rows), 0, rows.length, { codec: 'lz4', baseOffset: FIRST }))
    // The epoch of the first leader.
    batch.writeInt32BE(0, 12)
    await writeFile(join(folder, `${String(FIRST).padStart(20, '0')}.log`), batch)
    await kafka.start()

    const options = { brokers: [kafka.bootstrap], topics: [topic], group: topic, groupProtocol, ...quick }
    await producer.send({ topic, messages: Array.from({ length: 10 }, (_, i) => ({ value: String(100 + i) })) })
    const store = createMemoryStore()
    await archiveOnce(await openKafkaSource(options), store)
    const archived = await archivedMessages(store)
    expect(archived.map(({ position, value }) => [position, value])).toEqual(
      Array.from({ length: 110 }, (_, i) => [FIRST + i, String(i)]),
    )
    const [offsets] = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
    expect(offsets!.partitions.map(({ offset }) => offset)).toEqual([String(FIRST + 110)])
    await using source = await openKafkaSource({ ...options, group: `${topic}-verify` })
    expect(await verifyArchive(store, { against: source })).toMatchObject({ problems: [], compared: 110, missing: 0 })
    await Promise.all([producer.disconnect(), admin.disconnect()])
  })
})
