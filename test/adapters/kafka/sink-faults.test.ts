import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../../src/adapters/file/store.ts'
import { type Cluster, openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { openKafkaSink } from '../../../src/adapters/kafka/sink.ts'
import { createTopic } from '../../../src/adapters/kafka/topics.ts'
import { openSqliteIndex } from '../../../src/adapters/sqlite/index.ts'
import { openSqliteJobs } from '../../../src/adapters/sqlite/jobs.ts'
import { batchOf } from '../../../src/batch/builder.ts'
import { MillpondError } from '../../../src/errors.ts'
import { planReplay } from '../../../src/replay/plan.ts'
import { runReplay } from '../../../src/replay/replay.ts'
import { numbered } from '../../contract/source.ts'
import { until } from '../../live/until.ts'
import { archiveLanes, laneOf } from '../../replay/archives.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { startToxiproxy, type Toxiproxy } from '../../servers/toxiproxy.ts'
import { readTopic, valuesOf } from './read-topic.ts'
import { places } from './replay-child.ts'

const LANES = ['0', '1', '2']
const CHILD = join(import.meta.dirname, 'replay-child.ts')
const running = () => new AbortController().signal
const newTopic = () => `topic-${randomBytes(4).toString('hex')}`
const TIME_LIMIT_MS = 120_000

let toxiproxy: Toxiproxy
let kafka: Kafka
let cluster: Cluster

const missing = serverMissing('kafka') ?? serverMissing('toxiproxy')

describe.skipIf(missing !== undefined)('kafka sink under fire', () => {
  const folders: string[] = []
  const children = new Set<ChildProcess>()

  beforeAll(async () => {
    toxiproxy = await startToxiproxy()
    kafka = await startKafka({ through: toxiproxy })
    cluster = await openCluster({ brokers: [kafka.bootstrap] })
  }, GET_LIMIT_MS)
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL')
    children.clear()
    await toxiproxy.reset()
    await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })))
  })
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]()
    await kafka.stop()
    await toxiproxy.stop()
  })

  /** An archive of three lanes with a job that replays them into a new topic. */
  async function prepare(messages: number, rateMessagesPerSecond?: number, { on = cluster, blockCount = 200 } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'millpond-kafka-sink-'))
    folders.push(folder)
    const topic = newTopic()
    const { brokers } = await on.metadata([])
    const settings = { 'retention.ms': '-1' }
    await createTopic(on, { name: topic, partitions: LANES.length, replicationFactor: brokers.size, settings })
    const at = places(folder)
    await using store = await openFileStore({ path: at.store, create: true })
    await using index = await openSqliteIndex({ path: at.index })
    await using jobs = await openSqliteJobs({ path: at.jobs })
    const lanes = LANES.map((lane, i) => laneOf('orders', lane, messages, i * 10))
    await archiveLanes(store, index, lanes, { blockCount })
    const target = { kind: 'kafka', topic }
    const options = rateMessagesPerSecond === undefined ? {} : { rateMessagesPerSecond }
    const order = { query: { topic: 'orders' }, target, options }
    await jobs.create(await planReplay(order, { index, id: 'job-1', nowMs: 1 }))
    return { folder, topic, expected: lanes.map((lane) => lane.messages.map(({ value }) => value)) }
  }

  function start(folder: string, bootstrap: string) {
    const child = spawn(process.execPath, [CHILD, folder, bootstrap], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.add(child)
    let stdout = ''
    child.stdout.on('data', (chunk) => (stdout += String(chunk)))
    const ended = new Promise<string>((resolve) => child.once('close', () => resolve(stdout)))
    return { child, ended }
  }

  it(
    'sends nothing twice and loses nothing when the process is killed again and again',
    async () => {
      const { folder, topic, expected } = await prepare(4000, 6000)
      await using jobs = await openSqliteJobs({ path: places(folder).jobs })
      const readOf = async () => (await jobs.get('job-1', Date.now()))!.counts.read
      for (let kills = 0; kills < 5; kills++) {
        const before = await readOf()
        const { child, ended } = start(folder, kafka.bootstrap)
        await until(async () => child.exitCode !== null || (await readOf()) > before, 'the replay to get on')
        expect(child.exitCode).toBeNull()
        child.kill('SIGKILL')
        await ended
      }
      expect(JSON.parse(await start(folder, kafka.bootstrap).ended)).toMatchObject({
        state: 'done',
        counts: { read: 12_000, delivered: 12_000 },
      })
      expect((await readTopic(cluster, topic)).map(valuesOf)).toEqual(expected)
    },
    TIME_LIMIT_MS,
  )

  it(
    'sends nothing twice and loses nothing while connections are cut and slowed and the broker is restarted and killed',
    async () => {
      const { folder, topic, expected } = await prepare(6000, 3000)
      const at = places(folder)
      await using store = await openFileStore({ path: at.store })
      await using index = await openSqliteIndex({ path: at.index })
      await using jobs = await openSqliteJobs({ path: at.jobs })
      await using sink = await openKafkaSink({ brokers: [kafka.proxied()], batchBytes: 3000, createTopics: false })
      const read = { count: 0 }
      const onProgress = ({ counts }: { readonly counts: { readonly read: number } }) => (read.count = counts.read)
      const parts = { archive: { store, index }, sink, jobs, nowMs: Date.now, onProgress }
      const replaying = runReplay('job-1', parts, running())
      let isOver = false
      const over = replaying.finally(() => (isOver = true)).catch(() => undefined)
      const proxy = kafka.nodes[0]!.proxy!
      const getsOn = async () => {
        const before = read.count
        await until(() => isOver || read.count > before, 'the replay to get on', 60_000)
      }
      const faults: (() => Promise<unknown>)[] = [
        async () => {
          await proxy.disable()
          await proxy.enable()
        },
        async () => {
          const heal = await proxy.add('reset_peer', { timeout: 50 }, { toxicity: 0.5 })
          await getsOn()
          await heal()
        },
        async () => {
          const heal = await proxy.add('latency', { latency: 40, jitter: 40 })
          await getsOn()
          await heal()
        },
        async () => {
          // Answers are cut in their middle, so that what they say is not heard.
          const heal = await proxy.add('limit_data', { bytes: 4000 })
          await getsOn()
          await heal()
        },
        () => kafka.restart(),
        async () => {
          await kafka.kill()
          await kafka.start()
        },
      ]
      let hits = 0
      for (const fault of [...faults, ...faults.slice(0, 4)]) {
        await getsOn()
        if (isOver) break
        await fault()
        hits++
      }
      expect(hits).toBeGreaterThan(6)
      const { job } = await replaying
      await over
      expect(job).toMatchObject({ state: 'done', error: null, counts: { read: 18_000, delivered: 18_000, failed: 0 } })
      expect((await readTopic(cluster, topic)).map(valuesOf)).toEqual(expected)
    },
    TIME_LIMIT_MS,
  )

  it(
    'sends blocks as they are stored, with their marks, once, while connections are cut and answers are lost',
    async () => {
      const count = 40_000
      const { folder, topic, expected } = await prepare(count, undefined, { blockCount: 2000 })
      const at = places(folder)
      await using store = await openFileStore({ path: at.store })
      await using index = await openSqliteIndex({ path: at.index })
      await using jobs = await openSqliteJobs({ path: at.jobs })
      await using sink = await openKafkaSink({
        brokers: [kafka.proxied()],
        codec: 'none',
        createTopics: false,
        deliveryTimeoutMs: 500,
      })
      const proxy = kafka.nodes[0]!.proxy!
      // In kB a second: each write takes a while, so that cuts meet it.
      await proxy.add('bandwidth', { rate: 4000 }, { stream: 'upstream' })
      let writes = 0
      let cuts = 0
      const watched = {
        ...sink,
        // Two blocks.
        writeBytes: 200_000,
        writeStored: async (...call: Parameters<typeof sink.writeStored>) => {
          const number = writes++
          const writing = sink.writeStored(...call)
          if (number % 2 === 0 && cuts < 8) {
            cuts++
            await Promise.race([after(50 + cuts * 20), writing])
            await proxy.disable()
            await proxy.enable()
          }
          const delivery = await writing
          if (number % 5 === 1) throw new MillpondError('DELIVERY_FAILED', 'no answer came')
          return delivery
        },
      }
      const { job } = await runReplay('job-1', { archive: { store, index }, sink: watched, jobs, nowMs: Date.now }, running())
      expect(job).toMatchObject({ state: 'done', error: null, counts: { read: 3 * count, delivered: 3 * count, failed: 0 } })
      expect(cuts).toBe(8)
      const partitions = await readTopic(cluster, topic)
      expect(partitions.map(valuesOf)).toEqual(expected)
      for (const [lane, messages] of partitions.entries()) {
        const marks = messages.map(({ headers }) => headers.map(({ value }) => Buffer.from(value!).toString()).slice(1))
        expect(marks).toEqual(messages.map((_, i) => ['job-1', 'orders', String(lane), String(lane * 10 + i)]))
      }
    },
    TIME_LIMIT_MS,
  )

  it(
    'follows the leaders of partitions and coordinators from broker to broker',
    async () => {
      const properties = { 'broker.session.timeout.ms': '3000', 'broker.heartbeat.interval.ms': '500' }
      await using three = await startKafka({ nodeCount: 3, properties })
      await using client = await openCluster({ brokers: three.bootstrap.split(',') })
      const { folder, topic, expected } = await prepare(6000, 2000, { on: client })
      const at = places(folder)
      await using store = await openFileStore({ path: at.store })
      await using index = await openSqliteIndex({ path: at.index })
      await using jobs = await openSqliteJobs({ path: at.jobs })
      await using sink = await openKafkaSink({ brokers: three.bootstrap.split(','), batchBytes: 3000, createTopics: false })
      let read = 0
      const onProgress = ({ counts }: { readonly counts: { readonly read: number } }) => (read = counts.read)
      const replaying = runReplay('job-1', { archive: { store, index }, sink, jobs, nowMs: Date.now, onProgress }, running())
      replaying.catch(() => undefined)
      for (const [i, node] of three.nodes.entries()) {
        await until(() => read > 1000 + i * 4000, 'the replay to get on', 60_000)
        await node.kill()
        const before = read
        await until(() => read > before, 'the replay to get on without one of three', 60_000)
        await node.start()
        // Whoever is killed next must not be the last that has everything.
        const inSync = async () =>
          (await client.metadata([topic])).topics.get(topic)!.partitions.every((each) => each.inSync.length === 3)
        await until(inSync, 'the replicas to catch up', 60_000)
      }
      const { job } = await replaying
      expect(job).toMatchObject({ state: 'done', counts: { read: 18_000, delivered: 18_000, failed: 0 } })
      expect((await readTopic(client, topic)).map(valuesOf)).toEqual(expected)
    },
    2 * TIME_LIMIT_MS,
  )

  it(
    'repeats batches without a job neither, while connections are cut, from several lanes into the same partitions',
    async () => {
      const topic = newTopic()
      await createTopic(cluster, { name: topic, partitions: 3, settings: { 'retention.ms': '-1' } })
      await using sink = await openKafkaSink({
        brokers: [kafka.proxied()],
        batchBytes: 500,
        createTopics: false,
        partition: 'key',
      })
      const proxy = kafka.nodes[0]!.proxy!
      let written = 0
      const write = async (lane: string) => {
        for (let first = 0; first < 4000; first += 200) {
          const messages = numbered(first, first + 200, (number) => `${lane}-${number % 20}`)
          const batch = batchOf(messages.map((message, i) => ({ ...message, position: first + i })))
          await sink.write({ topic, origin: { topic: 'orders', lane } }, batch, running())
          written++
        }
      }
      const writing = Promise.all(LANES.map(write))
      writing.catch(() => undefined)
      for (const share of [5, 15, 30, 45]) {
        await until(() => written >= share, 'lanes to get on')
        await proxy.disable()
        await proxy.enable()
      }
      await writing
      const seen = (await readTopic(cluster, topic)).flat()
      expect(seen).toHaveLength(12_000)
      for (const lane of LANES) {
        for (let key = 0; key < 20; key++) {
          const ofKey = seen.filter((message) => Buffer.from(message.key!).toString() === `${lane}-${key}`)
          expect(valuesOf(ofKey)).toEqual(Array.from({ length: 200 }, (_, i) => String(key + i * 20)))
        }
      }
    },
    TIME_LIMIT_MS,
  )
})
