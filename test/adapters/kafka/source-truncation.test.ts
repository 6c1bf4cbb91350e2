import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { partitionName, partitionOffsets } from '../../../src/adapters/kafka/offsets.ts'
import { type KafkaSourceOptions, openKafkaSource } from '../../../src/adapters/kafka/source.ts'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { verifyArchive } from '../../../src/commit/verify.ts'
import { collectLanes } from '../../contract/source.ts'
import { until } from '../../live/until.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { archivedCount, archivedMessages, archiveOnce, type Archiver, startArchiver } from './source-archive.ts'
import { kafkaJs, quick } from './source-fixtures.ts'

const unique = (name: string): string => `${name}-${randomBytes(4).toString('hex')}`
const values = (word: string, from: number, to: number) => Array.from({ length: to - from }, (_, i) => `${word} ${from + i}`)
const KEPT = values('kept', 0, 50)
const LOST = values('lost', 50, 100)
const NEW = values('new', 50, 130)

const stopped = ({ events }: Archiver) => events.filter(({ kind }) => kind === 'lane-stopped')

describe.skipIf(serverMissing('kafka') !== undefined)('a Kafka source whose cluster loses messages', () => {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka({ nodeCount: 3, properties: { 'unclean.leader.election.interval.ms': '1000' } })
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  const open = (options: Partial<KafkaSourceOptions> & Pick<KafkaSourceOptions, 'topics' | 'group'>) =>
    openKafkaSource({ brokers: kafka.bootstrap.split(','), ...quick, ...options })
  /** To the leader alone: a copy that is away is no longer waited for. */
  const send = async (topic: string, sent: readonly string[]) => {
    const producer = kafkaJs(kafka.bootstrap).producer({ allowAutoTopicCreation: false })
    await producer.connect()
    await producer.send({ topic, acks: -1, messages: sent.map((value) => ({ value, partition: 0 })) })
    await producer.disconnect()
  }
  const endOf = async (topic: string): Promise<number | undefined> => {
    await using cluster = await openCluster({ brokers: kafka.bootstrap.split(',') })
    const place = { topic, partition: 0 }
    return (await partitionOffsets(cluster, [place], 'end')).get(partitionName(place))
  }
  const createTopic = (topic: string) =>
    kafka.createTopic(topic, {
      replicas: [[1, 2]],
      config: { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' },
    })

  it('stops the lane where the archive holds what was lost, also after a restart; otherwise reads it again', async () => {
    // One is archived before its messages are lost, the other only read.
    const [archived, read] = [unique('archived'), unique('read')]
    const topics = [archived, read]
    for (const topic of topics) await createTopic(topic)
    for (const topic of topics) await send(topic, KEPT)
    const stores = { [archived]: createMemoryStore(), [read]: createMemoryStore() }
    for (const topic of topics) await archiveOnce(await open({ topics: [topic], group: topic }), stores[topic]!)

    const [first, second] = kafka.nodes
    await second!.kill()
    for (const topic of topics) await send(topic, LOST)
    const archiver = startArchiver(await open({ topics: [archived], group: archived }), stores[archived]!)
    await until(async () => (await archivedCount(stores[archived]!)) === 100, 'all to be archived')
    const never = { maxCount: 1e6, maxBytes: 1 << 30, maxSpanMs: Infinity, maxAgeMs: Infinity, idleMs: Infinity }
    const source = await open({ topics: [read], group: read })
    let readTo = 0
    const watched = {
      ...source,
      async *readRecordSets(...words: Parameters<typeof source.read>) {
        for await (const set of source.readRecordSets!(...words)) {
          if ('batches' in set) readTo = set.batches.at(-1)!.lastOffset + 1
          yield set
        }
      },
    }
    const reader = startArchiver(watched, stores[read]!, { rotate: never })
    await until(() => readTo === 100, 'all to be read')

    await first!.kill()
    await second!.start()
    for (const topic of topics)
      await until(async () => (await endOf(topic).catch(() => -1)) === 50, `${topic} to be cut back`, 60_000)
    await until(() => stopped(archiver).length > 0, 'the lane to stop', 60_000)
    expect(stopped(archiver)).toMatchObject([
      { error: { code: 'SOURCE_TRUNCATED', details: { topic: archived, position: 100, end: 50 } } },
    ])
    await expect(archiver.stop()).rejects.toMatchObject({ code: 'SOURCE_TRUNCATED' })

    const once = startArchiver(await open({ topics: [archived], group: archived }), stores[archived]!, { untilCaughtUp: true })
    await expect(once.done).rejects.toMatchObject({ code: 'SOURCE_TRUNCATED', details: { position: 100, end: 50 } })
    await once.stop().catch(() => undefined)

    // By its positions alone the log is one that has just grown.
    for (const topic of topics) await send(topic, NEW)
    const again = startArchiver(await open({ topics: [archived], group: archived }), stores[archived]!)
    await until(() => stopped(again).length > 0, 'the lane to stop again')
    await expect(again.stop()).rejects.toMatchObject({ code: 'SOURCE_TRUNCATED', details: { position: 100, end: 50 } })
    expect((await archivedMessages(stores[archived]!)).map(({ value }) => value)).toEqual([...KEPT, ...LOST])

    await until(() => readTo === 130, 'the other lane to be read again')
    await reader.stop()
    expect(stopped(reader)).toEqual([])
    expect((await archivedMessages(stores[read]!)).map(({ value }) => value)).toEqual([...KEPT, ...NEW])
    await using against = await open({ topics: [read], group: unique('verify') })
    expect(await verifyArchive(stores[read]!, { against })).toMatchObject({ problems: [], compared: 130 })
    await first!.start()
  }, 240_000)

  it('stops a lane that is archived further than the log reaches, and names both positions', async () => {
    const topic = unique('short')
    await createTopic(topic)
    await send(topic, KEPT)
    await using source = await open({ topics: [topic], group: topic })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 1, 'the lane')
    const reading = Array.fromAsync(source.read(lanes[0]!, 70, stop.signal))
    await expect(reading).rejects.toMatchObject({
      code: 'SOURCE_TRUNCATED',
      message: expect.stringMatching(/up to position 70, .* only up to 50: /u),
    })
    stop.abort()
    await done
  })
})
