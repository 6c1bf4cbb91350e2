import { randomBytes } from 'node:crypto'
import type { Producer } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { commitGroupOffsets, groupOffsets, listGroups } from '../../../src/adapters/kafka/groups.ts'
import { groupLag } from '../../../src/adapters/kafka/lag.ts'
import { partitionName, partitionOffsets } from '../../../src/adapters/kafka/offsets.ts'
import { type RestoreOrder, restoreTopic } from '../../../src/adapters/kafka/restore.ts'
import { newestSnapshotOf, readSnapshots, snapshotKafka } from '../../../src/adapters/kafka/snapshot.ts'
import { createTopic, listTopics } from '../../../src/adapters/kafka/topics.ts'
import { verifyAgainstKafka } from '../../../src/adapters/kafka/verify.ts'
import type { Message } from '../../../src/batch/view.ts'
import { verifyArchive } from '../../../src/commit/verify.ts'
import type { Format } from '../../../src/encode/block.ts'
import { type NewMessage, numbered, plain, variedMessages } from '../../contract/source.ts'
import { createRandom } from '../../live/random.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { archiveTopics, type MemoryArchive, openMemoryArchive } from './archive-topics.ts'
import { readTopic } from './read-topic.ts'
import { kafkaJs, kafkaJsMessage } from './source-fixtures.ts'

let kafka: Kafka
let cluster: Cluster

const running = () => new AbortController().signal
const named = (prefix: string) => `${prefix}-${randomBytes(4).toString('hex')}`
const PARTITIONS = 3
const SETTINGS = { 'retention.ms': '-1', 'max.message.bytes': '2000000', 'segment.ms': '3600000' }
/** Compacted some day, but not while the test looks. */
const COMPACTED = { ...SETTINGS, 'cleanup.policy': 'compact,delete', 'min.cleanable.dirty.ratio': '1.0' }

const versions = [
  { version: '4.3.1', server: 'kafka' },
  { version: '3.9.2', server: 'kafka-3.9' },
] as const

for (const { version, server } of versions) {
  describe.skipIf(serverMissing(server) !== undefined)(`a topic of Kafka ${version} that is archived and restored`, () => {
    beforeAll(async () => {
      kafka = await startKafka({ version })
      cluster = await openCluster({ brokers: [kafka.bootstrap] })
    }, GET_LIMIT_MS)
    afterAll(async () => {
      await cluster[Symbol.asyncDispose]()
      await kafka.stop()
    })

    /** A topic with plain messages, transactions that were committed, and some that were aborted: its offsets have gaps of all kinds. */
    async function produceMixed(topic: string): Promise<void> {
      const client = kafkaJs(kafka.bootstrap)
      const plainly = client.producer({ allowAutoTopicCreation: false })
      const transactional = client.producer({ transactionalId: named('tx'), idempotent: true, maxInFlightRequests: 1 })
      await Promise.all([plainly.connect(), transactional.connect()])
      const send = (producer: Pick<Producer, 'send'>, messages: readonly NewMessage[], partition: number) =>
        producer.send({ topic, acks: -1, messages: messages.map((message) => ({ ...kafkaJsMessage(message), partition })) })
      const messages = variedMessages(240).map((message) => ({ ...message, key: message.key ?? 'no key' }))
      for (let i = 0; i < 24; i++) {
        const part = messages.slice(i * 10, i * 10 + 10)
        const partition = (i * 7) % PARTITIONS
        if (i % 3 === 0) {
          await send(plainly, part, partition)
          continue
        }
        const transaction = await transactional.transaction()
        await send(transaction, part, partition)
        await (i % 3 === 1 ? transaction.commit() : transaction.abort())
      }
      await Promise.all([plainly.disconnect(), transactional.disconnect()])
    }

    /** Groups with offsets everywhere: on messages, on markers, in aborted transactions, at both ends. */
    async function commitEverywhere(topic: string, prefix: string): Promise<Map<string, number[]>> {
      const random = createRandom(7)
      const [description] = await listTopics(cluster, [topic])
      const ends = await endsOf(topic)
      const committed = new Map<string, number[]>()
      for (let i = 0; i < 12; i++) {
        const offsets = description!.partitions.map((_, partition) => {
          const end = ends[partition]!
          return i === 0 ? 0 : i === 1 ? end : Math.floor(random() * (end + 1))
        })
        committed.set(`${prefix}-${i}`, offsets)
        const metadata = `note ${i}`
        await commitGroupOffsets(cluster, {
          group: `${prefix}-${i}`,
          offsets: offsets.map((offset, partition) => ({ topic, partition, offset, metadata })),
        })
      }
      return committed
    }

    const endsOf = async (topic: string): Promise<number[]> => {
      const places = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }))
      const ends = await partitionOffsets(cluster, places, 'stable-end')
      return places.map((place) => ends.get(partitionName(place))!)
    }

    const restore = (archive: MemoryArchive, order: RestoreOrder, signal = running()) =>
      restoreTopic(
        { cluster, sink: { brokers: [kafka.bootstrap], batchBytes: 1500 }, archive, jobs: archive.jobs, nowMs: Date.now },
        order,
        signal,
      )

    const contents = (lanes: readonly (readonly Message[])[]) => lanes.map((lane) => lane.map((message) => plain(message, false)))

    it.each<Format>(['avro', 'kafka'])(
      'has its settings, its messages and its groups back, each group where it was (%s)',
      async (format) => {
        await using archive = await openMemoryArchive()
        const [topic, to, prefix] = [named('orders'), named('restored'), named('group')]
        await createTopic(cluster, { name: topic, partitions: PARTITIONS, settings: COMPACTED })
        await produceMixed(topic)
        const committed = await commitEverywhere(topic, prefix)
        const { key, outcome } = await snapshotKafka(cluster, archive.store, { topics: [topic], nowMs: 1_000 })
        expect(outcome).toBe('created')
        await archiveTopics([kafka.bootstrap], archive, [topic], format)

        const verdict = await verifyAgainstKafka(cluster, archive.store, { topic })
        expect(verdict.lanes.flatMap(({ problems }) => problems)).toEqual([])
        expect(verdict.clean).toBe(true)
        const sums = verdict.lanes.map(({ account }) => account!)
        const sum = (of: (account: (typeof sums)[number]) => number) => sums.reduce((total, account) => total + of(account), 0)
        expect([sum(({ archived }) => archived), sum(({ compared }) => compared)]).toEqual([160, 160])
        expect([sum(({ aborted }) => aborted), sum(({ control }) => control), sum(({ missing }) => missing)]).toEqual([80, 16, 0])
        expect(sum(({ from, to: end }) => end - from)).toBe(256)
        expect((await archive.index.lanes(topic)).map(({ nextPosition }) => nextPosition)).toEqual(await endsOf(topic))

        const report = await restore(archive, { topic, to, jobId: 'restore-1' })
        expect(report).toMatchObject({ topic: to, partitions: PARTITIONS, snapshotKey: key, refused: [] })
        expect(report.job).toMatchObject({ state: 'done', counts: { delivered: 160, failed: 0 } })
        const [before, after] = [await readTopic(cluster, topic), await readTopic(cluster, to)]
        expect(contents(after)).toEqual(contents(before))
        const [described] = await listTopics(cluster, [to])
        expect(described!.settings).toEqual(COMPACTED)

        // A consumer that goes on at its new offset gets what it would have got at the old one.
        expect(report.offsets).toHaveLength(committed.size * PARTITIONS)
        const restored = await groupOffsets(cluster, [...committed.keys()])
        for (const { group, offsets } of restored) {
          const ofTopic = offsets.filter((offset) => offset.topic === to)
          expect(ofTopic.map(({ metadata }) => metadata)).toEqual(
            Array(PARTITIONS).fill(`note ${group.slice(prefix.length + 1)}`),
          )
          for (const { partition, offset } of ofTopic) {
            const from = (lanes: readonly (readonly Message[])[], first: number) =>
              contents([lanes[partition]!.filter(({ position }) => position >= first)])
            expect(from(after, offset)).toEqual(from(before, committed.get(group)![partition]!))
          }
        }
        const lag = await groupLag(cluster, `${prefix}-1`)
        expect(lag.filter((each) => each.topic === to).map((each) => each.lag)).toEqual([0, 0, 0])
        expect((await listGroups(cluster)).filter((group) => group.includes('restore-1'))).toEqual([])
        await expect(restore(archive, { topic, to, jobId: 'restore-1' })).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
        await expect(restore(archive, { topic, to, jobId: 'restore-2' })).rejects.toMatchObject({ code: 'TOPIC_EXISTS' })
      },
    )

    it('goes on where it was interrupted, however often, and sends nothing twice', async () => {
      await using archive = await openMemoryArchive()
      const [topic, to] = [named('orders'), named('restored')]
      await createTopic(cluster, { name: topic, partitions: PARTITIONS, settings: SETTINGS })
      await produceMixed(topic)
      await commitEverywhere(topic, topic)
      await snapshotKafka(cluster, archive.store, { topics: [topic], nowMs: 1_000 })
      await archiveTopics([kafka.bootstrap], archive, [topic])
      const order = { topic, to, jobId: 'job', rateMessagesPerSecond: 200 }
      let interruptions = 0
      for (;;) {
        const stop = new AbortController()
        const parts = { cluster, sink: { brokers: [kafka.bootstrap] }, archive, jobs: archive.jobs, nowMs: Date.now }
        const before = (await archive.jobs.get('job', Date.now()))?.counts.read ?? 0
        const onProgress = ({ counts }: { readonly counts: { readonly read: number } }) => {
          if (counts.read > before && interruptions < 3) stop.abort()
        }
        const { job, offsets } = await restoreTopic({ ...parts, onProgress }, order, stop.signal).catch(
          async (error: unknown) => {
            if (!stop.signal.aborted) throw error
            return { job: (await archive.jobs.get('job', Date.now()))!, offsets: [] }
          },
        )
        if (job.state === 'done' && offsets.length > 0) break
        interruptions++
      }
      expect(interruptions).toBe(3)
      expect(contents(await readTopic(cluster, to))).toEqual(contents(await readTopic(cluster, topic)))
    })

    it('is known to the archive by snapshots that prove themselves and are no garbage', async () => {
      await using archive = await openMemoryArchive()
      const { store } = archive
      const topic = named('orders')
      await createTopic(cluster, { name: topic, partitions: 2, settings: SETTINGS })
      const take = (nowMs: number) => snapshotKafka(cluster, store, { topics: [topic], nowMs })
      const first = await take(1000)
      expect(await take(2000)).toEqual({ ...first, outcome: 'unchanged' })
      await commitGroupOffsets(cluster, { group: topic, offsets: [{ topic, partition: 1, offset: 0, metadata: '' }] })
      const second = await take(3000)
      expect(second.outcome).toBe('created')
      expect((await Array.fromAsync(readSnapshots(store))).map(({ key }) => key)).toEqual([second.key, first.key])
      const newest = await newestSnapshotOf(store, { topic })
      expect(newest!.topic).toMatchObject({ name: topic, partitions: 2, settings: SETTINGS, ends: [0, 0] })
      expect(newest!.snapshot.groups).toEqual([{ group: topic, offsets: [{ topic, partition: 1, offset: 0, metadata: '' }] }])
      expect(await newestSnapshotOf(store, { topic, topicId: 'another' })).toBeUndefined()
      expect(await verifyArchive(store)).toMatchObject({ clean: true, lanes: [] })
      const bytes = Buffer.from(await store.read(second.key))
      await store.put(second.key, Buffer.from(bytes.toString().replace('"offset": 0', '"offset": 7')))
      await expect(newestSnapshotOf(store, { topic })).rejects.toMatchObject({ code: 'COMMIT_CORRUPT' })
    })

    it('shows what differs: messages that are missing, and what the cluster has dropped', async () => {
      await using archive = await openMemoryArchive()
      const topic = named('orders')
      await createTopic(cluster, { name: topic, partitions: 1, settings: SETTINGS })
      const client = kafkaJs(kafka.bootstrap)
      const [producer, admin] = [client.producer(), client.admin()]
      await Promise.all([producer.connect(), admin.connect()])
      await producer.send({ topic, messages: numbered(0, 50).map(kafkaJsMessage) })
      await archiveTopics([kafka.bootstrap], archive, [topic])
      await producer.send({ topic, messages: numbered(50, 60).map(kafkaJsMessage) })
      await admin.fetchTopicMetadata({ topics: [topic] })
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '20' }] })
      const [verdict] = (await verifyAgainstKafka(cluster, archive.store, { topic })).lanes
      expect(verdict!.account).toMatchObject({ from: 20, to: 50, archived: 30, compared: 30, gone: 20, missing: 0 })
      expect((await archive.index.lanes(topic)).map(({ nextPosition }) => nextPosition)).toEqual([50])
      // Another topic of that name is none that was archived.
      await admin.deleteTopics({ topics: [topic] })
      await createTopicAgain(topic)
      expect((await verifyAgainstKafka(cluster, archive.store, { topic })).lanes[0]!.account).toBeUndefined()
      await Promise.all([producer.disconnect(), admin.disconnect()])
    })

    const createTopicAgain = async (name: string): Promise<void> => {
      for (;;) {
        try {
          await createTopic(cluster, { name, partitions: 1 })
          return
        } catch (error) {
          if ((error as { code?: unknown }).code !== 'TOPIC_EXISTS') throw error
        }
      }
    }
  })
}
