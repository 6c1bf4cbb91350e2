import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { type RestoreOrder, restoreTopic } from '../../../src/adapters/kafka/restore.ts'
import type { RestoreWarning } from '../../../src/adapters/kafka/restore-existing.ts'
import { openKafkaSink } from '../../../src/adapters/kafka/sink.ts'
import { snapshotKafka } from '../../../src/adapters/kafka/snapshot.ts'
import { createTopic } from '../../../src/adapters/kafka/topics.ts'
import { batchOf } from '../../../src/batch/builder.ts'
import type { Format } from '../../../src/encode/block.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { archiveTopics, type MemoryArchive, openMemoryArchive } from './archive-topics.ts'

const PARTITIONS = 2
const YEAR_MS = 365 * 86_400_000
const named = (prefix: string) => `${prefix}-${randomBytes(4).toString('hex')}`

describe.skipIf(serverMissing('kafka') !== undefined)('restoring into a topic that is there already', () => {
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

  /** A topic that took large messages, with some that are a year old and one of 300,000 bytes that nothing compresses. */
  async function archived(archive: MemoryArchive, format: Format = 'avro'): Promise<string> {
    const topic = named('orders')
    const settings = { 'retention.ms': '-1', 'max.message.bytes': '2000000' }
    await createTopic(cluster, { name: topic, partitions: PARTITIONS, settings })
    await using sink = await openKafkaSink({ brokers: [kafka.bootstrap], createTopics: false })
    for (const lane of ['0', '1']) {
      const messages = Array.from({ length: 20 }, (_, position) => ({
        position,
        timestamp: Date.now() - YEAR_MS + position,
        key: Buffer.from(`key ${position}`),
        value: position === 7 ? randomBytes(300_000) : Buffer.from(`value ${position}`),
      }))
      await sink.write({ topic, origin: { topic, lane } }, batchOf(messages), new AbortController().signal)
    }
    await snapshotKafka(cluster, archive.store, { topics: [topic], nowMs: 1000 })
    await archiveTopics([kafka.bootstrap], archive, [topic], format)
    return topic
  }

  const restore = async (archive: MemoryArchive, order: Omit<RestoreOrder, 'jobId' | 'intoExisting'>) => {
    const told: RestoreWarning[] = []
    const parts = { cluster, sink: { brokers: [kafka.bootstrap] }, archive, jobs: archive.jobs, nowMs: Date.now }
    const { warnings, job } = await restoreTopic(
      { ...parts, onWarning: (warning) => void told.push(warning) },
      { ...order, jobId: named('job'), intoExisting: true },
      new AbortController().signal,
    )
    expect(told).toEqual(warnings)
    return { warnings, counts: job.counts }
  }

  it.each<Format>(['avro', 'kafka'])(
    'warns of each setting that changes, refuses or deletes what comes in (%s)',
    async (format) => {
      await using archive = await openMemoryArchive()
      const topic = await archived(archive, format)
      const cases = [
        { 'cleanup.policy': 'compact' },
        { 'retention.ms': '86400000' },
        { 'retention.bytes': '1000', 'retention.ms': '-1' },
        { 'message.timestamp.type': 'LogAppendTime' },
        { 'message.timestamp.before.max.ms': '86400000', 'retention.ms': '-1' },
        { 'max.message.bytes': '200000', 'retention.ms': '-1' },
      ]
      for (const settings of cases) {
        const to = named('target')
        await createTopic(cluster, { name: to, partitions: PARTITIONS, settings })
        const { warnings } = await restore(archive, { topic, to })
        const [setting, value] = Object.entries(settings)[0]!
        expect(warnings.map((warning) => [warning.setting, warning.value])).toEqual([[setting, value]])
      }
    },
  )

  it('says what is in the archive that the setting concerns', async () => {
    await using archive = await openMemoryArchive()
    const topic = await archived(archive)
    const to = named('target')
    const settings = { 'cleanup.policy': 'compact,delete', 'retention.ms': '1000', 'max.message.bytes': '200000' }
    await createTopic(cluster, { name: to, partitions: PARTITIONS, settings })
    const { warnings, counts } = await restore(archive, { topic, to })
    const { minTimestamp } = (await archive.index.lanes(topic))[0]!
    expect(warnings.map(({ setting, reason }) => `${setting}: ${reason}`)).toEqual([
      'cleanup.policy: of messages with the same key only the last stays, and messages without a key are refused',
      expect.stringMatching(`^retention.ms: the oldest message is of ${new Date(minTimestamp!).toISOString().slice(0, 19)}`),
      expect.stringMatching(/^max\.message\.bytes: the archive has blocks of up to 3\d{5} bytes: /u),
    ])
    // As the warning says: the two messages that are larger alone.
    expect(counts).toMatchObject({ delivered: 38, failed: 2 })
  })

  it('warns of nothing where all comes in and stays as it was', async () => {
    await using archive = await openMemoryArchive()
    const topic = await archived(archive)
    const to = named('target')
    const settings = { 'retention.ms': '-1', 'max.message.bytes': '1000000' }
    await createTopic(cluster, { name: to, partitions: PARTITIONS + 1, settings })
    expect(await restore(archive, { topic, to })).toMatchObject({ warnings: [], counts: { delivered: 40, failed: 0 } })
  })

  it('refuses a topic that lacks a partition for a lane, before it sends anything', async () => {
    await using archive = await openMemoryArchive()
    const topic = await archived(archive)
    const to = named('target')
    await createTopic(cluster, { name: to, partitions: 1 })
    await expect(restore(archive, { topic, to })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('has 1 partitions, and the archive has messages of 2'),
    })
    expect(await archive.jobs.list(Date.now())).toEqual([])
  })
})
