import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../../src/adapters/file/store.ts'
import { type Cluster, openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { createTopic } from '../../../src/adapters/kafka/topics.ts'
import { openSqliteIndex } from '../../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../../src/adapters/sqlite/jobs.ts'
import type { ReplayOptions } from '../../../src/replay/job.ts'
import { planReplay } from '../../../src/replay/plan.ts'
import { archiveLanes, laneOf } from '../../replay/archives.ts'
import { places } from '../../replay/replay-process.ts'
import { createCrew } from '../../replay/worker-kills.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { readTopic, valuesOf } from './read-topic.ts'

const LANES = ['0', '1', '2']
const MESSAGES = 3000
/** Slow enough that workers are killed in the middle. */
const RATE = 2500

let kafka: Kafka
let cluster: Cluster
let folder: string

describe.skipIf(serverMissing('kafka') !== undefined)('worker processes that share a job into Kafka and are killed', () => {
  beforeAll(async () => {
    kafka = await startKafka()
    cluster = await openCluster({ brokers: [kafka.bootstrap] })
    folder = await mkdtemp(join(tmpdir(), 'millpond-kafka-workers-'))
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]()
    await kafka.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it.each<{ options: Partial<ReplayOptions>; lanes: readonly string[]; kills: number }>([
    { options: {}, lanes: LANES, kills: 3 },
    { options: { order: 'none', split: 3 }, lanes: ['0'], kills: 2 },
  ])(
    'deliver each message once, with $options',
    async ({ options, lanes, kills }) => {
      const topic = `topic-${randomBytes(4).toString('hex')}`
      const settings = { 'retention.ms': '-1' }
      await createTopic(cluster, { name: topic, partitions: lanes.length, replicationFactor: 1, settings })
      const own = join(folder, topic)
      const at = places(own)
      await using store = await openFileStore({ path: at.store, create: true })
      await using index = await openSqliteIndex({ path: at.index })
      await using jobs = await openSqliteJobs({ path: at.jobs })
      const content = lanes.map((lane, i) => laneOf('orders', lane, MESSAGES, i * 10))
      await archiveLanes(store, index, content, { blockCount: 200 })
      const order = { query: { topic: 'orders' }, target: { kind: 'kafka', topic }, isDetached: true }
      const wanted = { ...order, options: { ...options, rateMessagesPerSecond: RATE } }
      await jobs.create(await planReplay(wanted, { index, id: topic, nowMs: 1 }))

      await using crew = createCrew(jobs, [own, kafka.bootstrap])
      const job = await crew.finish(topic, kills)
      const count = lanes.length * MESSAGES
      expect(job).toMatchObject({ state: 'done', error: null, counts: { read: count, delivered: count, failed: 0 } })
      expect(job.parts.reduce((sum, { attempts }) => sum + attempts, 0)).toBeGreaterThan(job.parts.length)
      const expected = content.map(({ messages }) => messages.map(({ value }) => value))
      // Parts without an order come as they come.
      const shape = (values: readonly unknown[]) => (options.order === 'none' ? new Set(values) : values)
      expect((await readTopic(cluster, topic)).flat()).toHaveLength(count)
      const arrived = (await readTopic(cluster, topic)).map(valuesOf)
      expect(arrived.map(shape)).toEqual(expected.map(shape))
    },
    240_000,
  )
})
