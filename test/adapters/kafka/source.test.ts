import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { partitionName, partitionOffsets } from '../../../src/adapters/kafka/offsets.ts'
import { type KafkaSourceOptions, openKafkaSource } from '../../../src/adapters/kafka/source.ts'
import { createMemoryStore } from '../../../src/adapters/memory/store.ts'
import { messagesOf } from '../../../src/batch/view.ts'
import { verifyArchive } from '../../../src/commit/verify.ts'
import { isPassed, type Source, withoutPassed } from '../../../src/source/source.ts'
import type { Store } from '../../../src/store/store.ts'
import { collectLanes, ownedBy } from '../../contract/source.ts'
import { until } from '../../live/until.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import {
  type ArchivedMessage,
  archivedCommits,
  archivedCount,
  archivedMessages,
  archiveOnce,
  startArchiver,
} from './source-archive.ts'
import { kafkaJs, quick } from './source-fixtures.ts'

const unique = (name: string): string => `${name}-${randomBytes(4).toString('hex')}`
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i))
const valuesOf = (messages: readonly ArchivedMessage[]) => messages.map(({ value }) => value)

describe.skipIf(serverMissing('kafka') !== undefined).each(['4.3.1', '3.9.2'] as const)('a Kafka source on %s', (version) => {
  let kafka: Kafka
  beforeAll(async () => {
    const properties = {
      'log.cleaner.backoff.ms': '100',
      'group.consumer.min.session.timeout.ms': '3000',
      'group.consumer.session.timeout.ms': '4000',
      'group.consumer.min.heartbeat.interval.ms': '200',
      'group.consumer.heartbeat.interval.ms': '500',
      'transaction.state.log.min.isr': '1',
    }
    kafka = await startKafka({ version, properties })
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  const open = (options: Partial<KafkaSourceOptions> & Pick<KafkaSourceOptions, 'topics'>): Promise<Source> =>
    openKafkaSource({ brokers: [kafka.bootstrap], group: unique('group'), ...quick, ...options })
  const withProducer = async <T>(
    use: (
      client: ReturnType<typeof kafkaJs>,
      send: (topic: string, values: readonly string[], partition?: number) => Promise<void>,
    ) => Promise<T>,
  ): Promise<T> => {
    const client = kafkaJs(kafka.bootstrap)
    const producer = client.producer({ allowAutoTopicCreation: false })
    await producer.connect()
    try {
      return await use(client, async (topic, values, partition = 0) => {
        await producer.send({ topic, messages: values.map((value) => ({ key: `key-${value}`, value, partition })) })
      })
    } finally {
      await producer.disconnect()
    }
  }
  /** A transaction that was ended is so for readers a moment later. */
  const isEnded = async (topic: string, next: number) => {
    await using cluster = await openCluster({ brokers: [kafka.bootstrap] })
    const place = { topic, partition: 0 }
    const isAtEnd = async () => (await partitionOffsets(cluster, [place], 'stable-end')).get(partitionName(place)) === next
    await until(isAtEnd, 'the end of the last transaction')
  }
  const clean = async (store: Store, topic: string) => {
    await using source = await open({ topics: [topic] })
    const report = await verifyArchive(store, { against: source })
    expect(report.problems).toEqual([])
    return report
  }

  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])("reads what Kafka's own producer compresses with %s", async (codec) => {
    const topic = unique('codec')
    await kafka.createTopic(topic)
    const lines = numbers(0, 3000).map((number) => `key-${number}\tvalue ${number} ${'x'.repeat(Number(number) % 97)}`)
    const words = ['--bootstrap-server', kafka.bootstrap, '--topic', topic, '--compression-codec', codec]
    const property = version === '3.9.2' ? '--property' : '--reader-property'
    const tool = version === '3.9.2' ? 'kafka.tools.ConsoleProducer' : 'ConsoleProducer'
    await kafka.tool(tool, [...words, property, 'parse.key=true'], { input: `${lines.join('\n')}\n` })
    const store = createMemoryStore()
    await archiveOnce(await open({ topics: [topic] }), store)
    expect((await archivedMessages(store)).map(({ key, value }) => `${key}\t${value}`)).toEqual(lines)
    expect(await clean(store, topic)).toMatchObject({ messages: 3000, compared: 3000, missing: 0 })
  })

  it('leaves out aborted transactions and control records, whose positions become gaps, and ends behind the last of them', async () => {
    const topic = unique('transactions')
    await kafka.createTopic(topic)
    const kept: string[] = []
    await withProducer(async (client, send) => {
      const transactional = client.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 })
      await transactional.connect()
      let number = 0
      const next = (count: number) => numbers(number, (number += count))
      for (let round = 0; round < 6; round++) {
        const transaction = await transactional.transaction()
        const inside = [next(3), next(2)]
        await transaction.send({ topic, messages: inside[0]!.map((value) => ({ value })) })
        const between = next(2)
        await send(topic, between)
        await transaction.send({ topic, messages: inside[1]!.map((value) => ({ value })) })
        if (round % 2 === 0) {
          await transaction.abort()
          kept.push(...between)
        } else {
          await transaction.commit()
          kept.push(...inside[0]!, ...between, ...inside[1]!)
        }
      }
      const last = await transactional.transaction()
      await last.send({ topic, messages: next(4).map((value) => ({ value })) })
      await last.abort()
      await transactional.disconnect()
    })
    await isEnded(topic, 53)
    const store = createMemoryStore()
    await archiveOnce(await open({ topics: [topic] }), store)
    expect(valuesOf(await archivedMessages(store))).toEqual(kept)
    // Six rounds of five, two and an end; then four that were aborted and their end.
    const report = await clean(store, topic)
    expect(report).toMatchObject({ messages: kept.length, compared: kept.length })
    expect(report.lanes.map(({ nextPosition, missing }) => [nextPosition, missing])).toEqual([[6 * 8 + 5, 53 - kept.length]])
  })

  it('gives aborted messages too where isolation is uncommitted, and control records in no case', async () => {
    const topic = unique('uncommitted')
    await kafka.createTopic(topic)
    await withProducer(async (client) => {
      const producer = client.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      for (const end of ['abort', 'commit'] as const) {
        const transaction = await producer.transaction()
        await transaction.send({ topic, messages: [{ value: `${end} 1` }, { value: `${end} 2` }] })
        await transaction[end]()
      }
      await producer.disconnect()
    })
    await isEnded(topic, 6)
    const store = createMemoryStore()
    await archiveOnce(await open({ topics: [topic], isolation: 'uncommitted' }), store)
    expect((await archivedMessages(store)).map(({ position, value }) => [position, value])).toEqual([
      [0, 'abort 1'],
      [1, 'abort 2'],
      [3, 'commit 1'],
      [4, 'commit 2'],
    ])
  })

  it('waits at an open transaction, and goes on when it ends', async () => {
    const topic = unique('open')
    await kafka.createTopic(topic)
    const store = createMemoryStore()
    await withProducer(async (client, send) => {
      const producer = client.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      await send(topic, ['before'])
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ value: 'inside' }] })
      await send(topic, ['after'])
      const archiver = startArchiver(await open({ topics: [topic] }), store)
      await until(async () => (await archivedCount(store)) === 1, 'what lies before the transaction')
      await using source = await open({ topics: [topic] })
      const { topicId } = (await archivedMessages(store))[0]!
      expect(await source.range({ topic, topicId, lane: '0' })).toEqual({ oldest: 0, next: 1, end: 3 })
      await transaction.commit()
      await until(async () => (await archivedCount(store)) === 3, 'all messages')
      await archiver.stop()
      await producer.disconnect()
    })
    expect(valuesOf(await archivedMessages(store))).toEqual(['before', 'inside', 'after'])
  })

  it('goes over what compaction removed', async () => {
    const topic = unique('compacted')
    const config = {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
      'max.compaction.lag.ms': '100',
    }
    await kafka.createTopic(topic, { config })
    await withProducer(async (client, send) => {
      const producer = client.producer()
      await producer.connect()
      const write = (key: string, value: string) => producer.send({ topic, messages: [{ key, value }] })
      for (let round = 0; round < 20; round++) for (const key of ['a', 'b', 'c']) await write(key, `${key}${round}`)
      await producer.disconnect()
      await using source = await open({ topics: [topic] })
      const stop = new AbortController()
      const { lanes, done } = collectLanes(source, stop.signal)
      await until(() => lanes.length === 1, 'the lane')
      const countNow = async () => {
        let count = 0
        const reading = new AbortController()
        const { next } = (await source.range(lanes[0]!))!
        for await (const item of source.read(lanes[0]!, 0, reading.signal)) {
          if (!isPassed(item)) count += item.count
          if ((isPassed(item) ? item.passedTo : item.positions[item.count - 1]! + 1) >= next) reading.abort()
        }
        return count
      }
      // The newest segment is not compacted: each message begins another one.
      const isCompacted = async () => {
        await send(topic, ['end'])
        return (await countNow()) < 50
      }
      await until(isCompacted, 'compaction', 50_000)
      stop.abort()
      await done
    })
    const store = createMemoryStore()
    await archiveOnce(await open({ topics: [topic] }), store)
    const archived = await archivedMessages(store)
    expect(archived.findLast(({ key }) => key === 'c')!.value).toBe('c19')
    const report = await clean(store, topic)
    expect(report.missing).toBeGreaterThan(10)
    expect(report.messages + report.missing).toBe(report.lanes[0]!.nextPosition)
  }, 90_000)

  it('records what retention removed before it was read, tells it, and goes on behind', async () => {
    const topic = unique('retention')
    await kafka.createTopic(topic)
    const store = createMemoryStore()
    await withProducer(async (client, send) => {
      const admin = client.admin()
      await admin.connect()
      await send(topic, numbers(0, 10))
      const archiver = startArchiver(await open({ topics: [topic] }), store)
      await until(async () => (await archivedCount(store)) === 10, 'ten messages')
      await archiver.stop()
      await send(topic, numbers(10, 30))
      // Without it, the client does not know the topic.
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '24' }] })
      const second = startArchiver(await open({ topics: [topic] }), store)
      await until(async () => (await archivedCount(store)) === 16, 'what was left')
      expect(second.events.filter(({ kind }) => kind === 'expired')).toMatchObject([
        { gap: { firstPosition: 10, nextPosition: 24, missing: 14, reason: 'expired' } },
      ])
      await second.stop()
      await admin.disconnect()
    })
    expect(valuesOf(await archivedMessages(store))).toEqual([...numbers(0, 10), ...numbers(24, 30)])
    await clean(store, topic)
  })

  it('begins a new chain for a topic that was deleted and made again', async () => {
    const topic = unique('again')
    await kafka.createTopic(topic)
    const store = createMemoryStore()
    const archiver = startArchiver(await open({ topics: [`${topic.slice(0, -1)}*`] }), store)
    await withProducer(async (client, send) => {
      const admin = client.admin()
      await admin.connect()
      await send(topic, numbers(0, 20))
      await until(async () => (await archivedCount(store)) === 20, 'the first topic')
      await admin.deleteTopics({ topics: [topic] })
      await until(async () => !(await admin.listTopics()).includes(topic), 'the topic to be gone')
      await kafka.createTopic(topic)
      await send(topic, numbers(100, 105))
      await until(async () => (await archivedCount(store)) === 25, 'the second topic')
      await admin.disconnect()
    })
    await archiver.stop()
    const archived = await archivedMessages(store)
    const byId = Map.groupBy(archived, ({ topicId }) => topicId)
    expect([...byId.values()].map((messages) => messages.length).sort((a, b) => b - a)).toEqual([20, 5])
    for (const messages of byId.values()) expect(messages.map(({ position }) => position)).toEqual(messages.map((_, i) => i))
    expect((await verifyArchive(store)).problems).toEqual([])
  })

  it.each(['classic', 'consumer'] as const)(
    'begins at the end where it is told so, but takes a topic and a partition that come later from their beginning (%s)',
    async (groupProtocol) => {
      const prefix = unique('latest')
      const group = unique('group')
      const topics = [`${prefix}*`]
      await kafka.createTopic(`${prefix}-old`)
      const store = createMemoryStore()
      await withProducer(async (client, send) => {
        const admin = client.admin()
        await admin.connect()
        await send(`${prefix}-old`, numbers(0, 5))
        const first = startArchiver(await open({ topics, group, groupProtocol, first: 'latest' }), store)
        await until(
          async () => (await admin.fetchOffsets({ groupId: group, topics: [`${prefix}-old`] }))[0]!.partitions[0]!.offset === '5',
          'the first position to be noted',
        )
        await send(`${prefix}-old`, ['new'])
        await kafka.createTopic(`${prefix}-later`)
        await send(`${prefix}-later`, ['later 1', 'later 2'])
        await admin.createPartitions({ topicPartitions: [{ topic: `${prefix}-old`, count: 2 }] })
        // Another producer: this one does not know the new partition.
        await withProducer((_, send) => send(`${prefix}-old`, ['other partition'], 1))
        await until(async () => (await archivedCount(store)) === 4, 'the first four')
        await first.stop()
        // What comes between two runs is no less new.
        await kafka.createTopic(`${prefix}-between`)
        await send(`${prefix}-between`, ['between'])
        const second = startArchiver(await open({ topics, group, groupProtocol, first: 'latest' }), store)
        await until(async () => (await archivedCount(store)) === 5, 'the fifth')
        await second.stop()
        await admin.disconnect()
      })
      expect(new Set(valuesOf(await archivedMessages(store)))).toEqual(
        new Set(['between', 'later 1', 'later 2', 'new', 'other partition']),
      )
    },
  )

  it('begins at a time, and at the end where nothing is that young', async () => {
    const topic = unique('time')
    await kafka.createTopic(topic, { partitions: 2, config: { 'retention.ms': '-1' } })
    const store = createMemoryStore()
    await withProducer(async (client) => {
      const producer = client.producer()
      await producer.connect()
      const at = (second: number, partition: number) => ({
        value: String(second),
        timestamp: String(1_700_000_000_000 + second * 1000),
        partition,
      })
      // One partition a time: of two, kafkajs sends both again where the topic is so new that one has no leader yet.
      await producer.send({ topic, messages: [0, 1, 2, 3, 4].map((second) => at(second, 0)) })
      await producer.send({ topic, messages: [at(1, 1)] })
      const source = await open({ topics: [topic], first: { sinceMs: 1_700_000_000_000 + 2500 } })
      const archiver = startArchiver(source, store)
      const openedLanes = () =>
        new Set(archiver.events.flatMap((event) => (event.kind === 'lane-opened' ? [event.lane.lane] : [])))
      await until(() => openedLanes().size === 2, 'both lanes')
      await producer.send({ topic, messages: [at(5, 1)] })
      await until(async () => (await archivedCount(store)) === 3, 'three messages')
      await archiver.stop()
      await producer.disconnect()
    })
    expect(new Set(valuesOf(await archivedMessages(store)))).toEqual(new Set(['3', '4', '5']))
  })

  it('reads batches that are larger than what it asks for at a time', async () => {
    const topic = unique('large')
    await kafka.createTopic(topic, { partitions: 3, config: { 'max.message.bytes': '20000000' } })
    const store = createMemoryStore()
    const large = randomBytes(3_000_000).toString('latin1')
    await withProducer(async (_, send) => {
      for (const partition of [0, 1, 2]) {
        for (const value of ['small', large, 'small']) await send(topic, [value], partition)
      }
      await archiveOnce(await open({ topics: [topic], bufferBytes: 64 * 1024 }), store)
    })
    const archived = await archivedMessages(store)
    expect(archived.map(({ value }) => value!.length)).toEqual([0, 1, 2].flatMap(() => [5, large.length, 5]))
    expect(archived.filter(({ value }) => value!.length > 5).every(({ value }) => value === large)).toBe(true)
  })

  it('lets a lane that nobody reads on starve no other', async () => {
    const topic = unique('slow')
    await kafka.createTopic(topic, { partitions: 2 })
    await withProducer(async (_, send) => {
      const value = randomBytes(1000).toString('hex')
      for (const partition of [0, 1])
        for (let i = 0; i < 5; i++)
          await send(
            topic,
            Array.from({ length: 100 }, () => value),
            partition,
          )
    })
    await using source = await open({ topics: [topic], bufferBytes: 200_000 })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 2, 'two lanes')
    const count = { slow: 0, fast: 0 }
    const slow = withoutPassed(source.read(lanes[0]!, 0, stop.signal))[Symbol.asyncIterator]()
    count.slow += (await slow.next()).value!.count
    for await (const batch of withoutPassed(source.read(lanes[1]!, 0, stop.signal))) {
      count.fast += batch.count
      if (count.fast === 500) break
    }
    expect(count.slow).toBeLessThan(500)
    while (count.slow < 500) count.slow += (await slow.next()).value!.count
    stop.abort()
    await done
    expect(count).toEqual({ slow: 500, fast: 500 })
  })

  it('gives the same batches byte for byte to an archive of the format kafka', async () => {
    const topic = unique('verbatim')
    await kafka.createTopic(topic, { partitions: 2 })
    await withProducer(async (_, send) => {
      for (let from = 0; from < 300; from += 30) await send(topic, numbers(from, from + 30), from % 60 === 0 ? 0 : 1)
    })
    const store = createMemoryStore()
    await archiveOnce(await open({ topics: [topic] }), store, { format: 'kafka' })
    const archived = await archivedMessages(store)
    expect(
      valuesOf(archived)
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 300 }, (_, i) => i))
    await clean(store, topic)
  })

  it.each(['classic', 'consumer'] as const)(
    'shares lanes while members come and go, with every message archived once (%s)',
    async (groupProtocol) => {
      const topic = unique('shared')
      const group = unique('group')
      await kafka.createTopic(topic, { partitions: 6 })
      const store = createMemoryStore()
      const member = async () => startArchiver(await open({ topics: [topic], group, groupProtocol }), store)
      let sent = 0
      await withProducer(async (_, send) => {
        let isOver = false
        const producing = (async () => {
          while (!isOver)
            for (let partition = 0; partition < 6; partition++) await send(topic, numbers(sent, (sent += 5)), partition)
        })()
        const isAt = async (count: number) => until(async () => (await archivedCount(store)) >= count, `${count} messages`)
        const members = [await member()]
        await isAt(200)
        members.push(await member(), await member())
        await until(() => members.every(({ events }) => events.some(({ kind }) => kind === 'committed')), 'commits of all three')
        const before = await archivedCount(store)
        await members.shift()!.stop()
        await isAt(before + 500)
        members.push(await member())
        await until(() => members.at(-1)!.events.some(({ kind }) => kind === 'committed'), 'commits of the newest')
        isOver = true
        await producing
        await isAt(sent)
        await Promise.all(members.map((each) => each.stop()))
        const lost = members.flatMap(({ events }) => events.filter(({ kind }) => kind === 'race-lost'))
        expect(lost).toEqual([])
      })
      const archived = await archivedMessages(store)
      expect(
        valuesOf(archived)
          .map(Number)
          .sort((a, b) => a - b),
      ).toEqual(Array.from({ length: sent }, (_, i) => i))
      expect((await clean(store, topic)).compared).toBe(sent)
    },
  )

  it.each(['classic', 'consumer'] as const)('keeps the offsets of the group at what is archived (%s)', async (groupProtocol) => {
    const topic = unique('offsets')
    const group = unique('group')
    await kafka.createTopic(topic, { partitions: 2 })
    const store = createMemoryStore()
    await withProducer(async (client, send) => {
      const admin = client.admin()
      await admin.connect()
      await send(topic, numbers(0, 7), 0)
      await send(topic, numbers(7, 20), 1)
      await archiveOnce(await open({ topics: [topic], group, groupProtocol }), store)
      const [offsets] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      expect(new Map(offsets!.partitions.map(({ partition, offset }) => [partition, offset]))).toEqual(
        new Map([
          [0, '7'],
          [1, '13'],
        ]),
      )
      await admin.disconnect()
    })
  })

  it('is told where another process has its instance id', async () => {
    const topic = unique('static')
    const group = unique('group')
    await kafka.createTopic(topic)
    await using first = await open({ topics: [topic], group, groupInstanceId: 'one' })
    const stop = new AbortController()
    const one = collectLanes(first, stop.signal)
    const failure = one.done.then(
      () => undefined,
      (error: unknown) => error,
    )
    await until(() => one.lanes.length === 1, 'the lane')
    await using second = await open({ topics: [topic], group, groupInstanceId: 'one' })
    const two = collectLanes(second, stop.signal)
    await until(() => two.lanes.length === 1, 'the lane at the other')
    expect(await failure).toMatchObject({ code: 'MEMBER_REPLACED' })
    expect(ownedBy(one.lanes)).toEqual([])
    stop.abort()
    await two.done
  })

  it.each(['classic', 'consumer'] as const)(
    'gives a static member its lanes back after a restart (%s)',
    async (groupProtocol) => {
      const topic = unique('static')
      const group = unique('group')
      await kafka.createTopic(topic, { partitions: 4 })
      const join = async (groupInstanceId: string) => {
        const source = await open({ topics: [topic], group, groupInstanceId, groupProtocol })
        const stop = new AbortController()
        const { lanes, done } = collectLanes(source, stop.signal)
        return {
          names: () =>
            ownedBy(lanes)
              .map(({ lane }) => lane)
              .sort(),
          given: () => lanes.length,
          async close() {
            await source[Symbol.asyncDispose]()
            stop.abort()
            await done
          },
        }
      }
      const one = await join('one')
      const two = await join('two')
      await until(() => one.names().length === 2 && two.names().length === 2, 'two lanes for each')
      const names = two.names()
      const given = one.given()
      await two.close()
      const again = await join('two')
      await until(() => again.names().length === 2, 'its lanes')
      expect(again.names()).toEqual(names)
      expect(one.given()).toBe(given)
      await Promise.all([one.close(), again.close()])
    },
  )

  it('goes on after its broker was away', async () => {
    const topic = unique('restart')
    const group = unique('group')
    await kafka.createTopic(topic, { partitions: 2 })
    const store = createMemoryStore()
    const archiver = startArchiver(await open({ topics: [topic], group }), store)
    const send = (from: number, to: number) =>
      withProducer(async (_, send) => {
        for (const partition of [0, 1]) await send(topic, numbers(from, to), partition)
      })
    await send(0, 50)
    await until(async () => (await archivedCount(store)) === 100, 'what came before')
    await kafka.restart()
    await send(50, 80)
    await until(async () => (await archivedCount(store)) === 160, 'what came after', 40_000)
    await archiver.stop()
    expect(archiver.events.filter(({ kind }) => kind === 'lane-stopped')).toEqual([])
    await clean(store, topic)
  }, 90_000)

  it('holds what every commit of a lane holds: no position twice, none unaccounted for', async () => {
    const topic = unique('commits')
    await kafka.createTopic(topic)
    const store = createMemoryStore()
    await withProducer(async (_, send) => {
      const archiver = startArchiver(await open({ topics: [topic] }), store)
      for (let from = 0; from < 100; from += 10) {
        await send(topic, numbers(from, from + 10))
        await until(async () => (await archivedCount(store)) === from + 10, `${from + 10} messages`)
      }
      await archiver.stop()
    })
    const commits = await archivedCommits(store)
    expect(commits.length).toBeGreaterThan(5)
    await clean(store, topic)
  })

  it('reads a lane from the middle of a batch', async () => {
    const topic = unique('middle')
    await kafka.createTopic(topic)
    await withProducer((_, send) => send(topic, numbers(0, 50)))
    await using source = await open({ topics: [topic] })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 1, 'the lane')
    for (const from of [0, 1, 25, 49]) {
      const reading = new AbortController()
      for await (const batch of withoutPassed(source.read(lanes[0]!, from, reading.signal))) {
        expect([...messagesOf(batch)].map(({ position }) => position)).toEqual(
          Array.from({ length: 50 - from }, (_, i) => from + i),
        )
        reading.abort()
      }
    }
    stop.abort()
    await done
  })
})
