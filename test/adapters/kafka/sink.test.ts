import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka as KafkaJs, logLevel, Partitioners } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { type KafkaSink, type KafkaSinkOptions, openKafkaSink } from '../../../src/adapters/kafka/sink.ts'
import type { TopicsToCreate } from '../../../src/adapters/kafka/sink-topic.ts'
import { setTopicSettings } from '../../../src/adapters/kafka/topics.ts'
import type { MessageBatch } from '../../../src/batch/batch.ts'
import { batchOf } from '../../../src/batch/builder.ts'
import type { RecordCodec } from '../../../src/encode/record-header.ts'
import { writeRecordBatch } from '../../../src/encode/record-batch.ts'
import { scanRecordSet } from '../../../src/encode/record-set.ts'
import type { SinkTarget } from '../../../src/sink/sink.ts'
import { sinkContract } from '../../contract/sink.ts'
import { type NewMessage, numbered, plain, plainInput, variedMessages } from '../../contract/source.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { readTopic, valuesOf } from './read-topic.ts'

let kafka: Kafka
let cluster: Cluster

const running = () => new AbortController().signal
const origin = { topic: 'orders', lane: '0', topicId: 'a' }
const newTopic = () => `topic-${randomBytes(4).toString('hex')}`
const made = (settings: Readonly<Record<string, string>> = {}, partitions = 4): TopicsToCreate => ({
  partitions: () => partitions,
  settings,
})
const open = (options: Partial<KafkaSinkOptions> = {}): Promise<KafkaSink> =>
  openKafkaSink({ brokers: [kafka.bootstrap], createTopics: made(), ...options })
const positioned = (messages: readonly NewMessage[], first = 0): MessageBatch =>
  batchOf(messages.map((message, i) => ({ ...message, position: first + i })))

describe.skipIf(serverMissing('kafka') !== undefined)('kafka sink', () => {
  beforeAll(async () => {
    kafka = await startKafka()
    cluster = await openCluster({ brokers: [kafka.bootstrap] })
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]()
    await kafka.stop()
  })

  // Each fixture writes to topics of its own, whatever the contract calls them.
  const fixture = (exactlyOnce: boolean) => async () => {
    const suffix = newTopic()
    const sink = await open({ exactlyOnce })
    const renamed = <T extends { readonly topic: string }>(target: T): T => ({ ...target, topic: target.topic + suffix })
    const resumePosition = sink.resumePosition?.bind(sink)
    return {
      sink: {
        ...sink,
        write: ((target, batch, signal) => sink.write(renamed(target), batch, signal)) satisfies KafkaSink['write'],
        ...(resumePosition && {
          resumePosition: (target: SinkTarget) => resumePosition(renamed(target)),
        }),
      },
      keepsIds: false,
      read: (topic: string) => readTopic(cluster, topic + suffix),
      [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
    }
  }
  sinkContract('kafka, exactly once', fixture(true))
  sinkContract('kafka, without transactions', fixture(false))

  describe('seen by others', () => {
    it.each<RecordCodec>(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
      "gives Kafka's own consumer every message as it was, compressed by %s",
      async (codec) => {
        await using sink = await open({ codec, batchBytes: 4000 })
        const topic = newTopic()
        const sent = variedMessages(300)
        expect(await sink.write({ topic, origin: { ...origin, lane: '2' }, job: 'job' }, positioned(sent), running())).toEqual({
          delivered: 300,
          failed: [],
        })
        expect(await consoleConsumer(topic, 300)).toEqual(sent.map((message, i) => printed(message, 2, i)))
      },
    )

    it("puts keys where Kafka's own partitioner does, and tells kafkajs the same keys, values and headers", async () => {
      await using sink = await open({ codec: 'gzip', partition: 'key' })
      const topic = newTopic()
      const sent = variedMessages(400, 50).filter(({ key }) => key !== null)
      await sink.write({ topic, origin }, positioned(sent), running())
      const place = Partitioners.DefaultPartitioner()
      const partitionMetadata = [0, 1, 2, 3].map((partitionId) => ({
        partitionId,
        leader: 1,
        partitionErrorCode: 0,
        replicas: [1],
        isr: [1],
      }))
      const seen = await kafkaJsConsumer(topic, sent.length)
      expect(seen.length).toBe(sent.length)
      for (const { partition, message } of seen) {
        expect(place({ topic, partitionMetadata, message: { key: message.key, value: null } })).toBe(partition)
      }
      const text = (value: unknown) => JSON.stringify(value)
      expect(seen.map(({ message }) => text(ofKafkaJs(message))).sort()).toEqual(
        sent.map((message) => text(forKafkaJs(message))).sort(),
      )
      expect(new Set(seen.map(({ partition }) => partition)).size).toBe(4)
    })

    it('writes into the log what its own tool reads: idempotent batches, transactions and their ends', async () => {
      await using sink = await open({ codec: 'lz4', batchBytes: 300 })
      const topic = newTopic()
      const target = { topic, origin, job: 'job' }
      await sink.write(target, positioned(numbered(0, 30)), running())
      await sink.write(target, positioned(numbered(30, 60), 30), running())
      // Old messages and new markers do not share a segment.
      const folder = join(kafka.nodes[0]!.folder, 'logs', `${topic}-0`)
      const files = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort()
      const paths = files.map((name) => join(folder, name)).join(',')
      const log = await kafka.tool('DumpLogSegments', ['--files', paths, '--deep-iteration'])
      const batches = log.split('\n').filter((line) => line.startsWith('baseOffset'))
      const data = batches.filter((line) => line.includes('isControl: false'))
      expect(data.length).toBeGreaterThan(2)
      expect(data.every((line) => line.includes('isTransactional: true') && line.includes('isvalid: true'))).toBe(true)
      expect(data.every((line) => line.includes('compresscodec: lz4'))).toBe(true)
      const numbersOf = (name: string) => data.map((line) => Number(new RegExp(`${name}: (-?\\d+)`, 'u').exec(line)?.[1]))
      const counts = numbersOf('count')
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(60)
      expect(numbersOf('baseSequence')).toEqual(counts.map((_, i) => counts.slice(0, i).reduce((sum, count) => sum + count, 0)))
      expect(log.match(/endTxnMarker: COMMIT/gu)).toHaveLength(2)
    })
  })

  describe('messages that a topic does not take', () => {
    const noise = (bytes: number) => randomBytes(bytes)

    it.each([{ job: 'job' }, {}])('names those that are too large, and delivers the others ($job)', async (as) => {
      await using sink = await open({ createTopics: made({ 'max.message.bytes': '3000' }) })
      const topic = newTopic()
      const messages = numbered(0, 40).map((message, i) =>
        i % 10 === 3 ? { ...message, value: noise(5000) } : i % 10 === 7 ? { ...message, value: 'x'.repeat(20_000) } : message,
      )
      const { delivered, failed } = await sink.write({ topic, origin, ...as }, positioned(messages, 100), running())
      expect(failed.map(({ position }) => position)).toEqual([103, 113, 123, 133])
      expect(failed[0]!.reason).toMatch(/max\.message\.bytes/u)
      expect(delivered).toBe(36)
      const kept = messages.filter((_, i) => i % 10 !== 3)
      expect((await readTopic(cluster, topic)).flat().map((message) => plain(message, false))).toEqual(
        kept.map((message) => plainInput(message, false)),
      )
    })

    it.each([{ job: 'job' }, {}])('splits batches that the broker finds too large after all ($job)', async (as) => {
      await using sink = await open({ createTopics: made({}, 1), codec: 'none' })
      const topic = newTopic()
      const target = { topic, origin, ...as }
      await sink.write(target, positioned(numbered(0, 10)), running())
      await setTopicSettings(cluster, topic, { 'max.message.bytes': '700' })
      const messages = numbered(10, 200).map((message, i) => (i === 100 ? { ...message, value: noise(900) } : message))
      const { delivered, failed } = await sink.write(target, positioned(messages, 10), running())
      expect({ delivered, failed }).toEqual({
        delivered: 189,
        failed: [{ position: 110, reason: expect.stringContaining('LARGE') as string }],
      })
      await sink.write(target, positioned(numbered(200, 210), 200), running())
      const values = valuesOf((await readTopic(cluster, topic)).flat())
      expect(values).toEqual(Array.from({ length: 210 }, (_, i) => String(i)).filter((_, i) => i !== 110))
    })

    it.each([{ job: 'job' }, {}])('names those that the broker refuses one by one ($job)', async (as) => {
      await using sink = await open({ createTopics: made({ 'cleanup.policy': 'compact' }), batchBytes: 400 })
      const topic = newTopic()
      const messages = numbered(0, 50, (number) => (number % 9 === 4 ? null : `key-${number}`))
      const { delivered, failed } = await sink.write({ topic, origin, ...as }, positioned(messages), running())
      expect(failed.map(({ position }) => position)).toEqual([4, 13, 22, 31, 40, 49])
      expect(delivered).toBe(44)
      expect(valuesOf((await readTopic(cluster, topic)).flat())).toEqual(
        messages.filter(({ key }) => key !== null).map(({ value }) => value),
      )
    })

    it('refuses lanes that have no partition, and partitions that are not there', async () => {
      await using sink = await open()
      const write = (lane: string) =>
        sink.write({ topic: 'four', origin: { ...origin, lane } }, positioned(numbered(0, 1)), running())
      await expect(write('4')).rejects.toMatchObject({ code: 'INPUT_INVALID' })
      await expect(write('east')).rejects.toMatchObject({ code: 'INPUT_INVALID' })
      await using fixed = await open({ partition: 3, createTopics: false })
      await fixed.write({ topic: 'four', origin: { ...origin, lane: 'east' } }, positioned(numbered(0, 1)), running())
      expect((await readTopic(cluster, 'four')).map(({ length }) => length)).toEqual([0, 0, 0, 1])
      await expect(fixed.write({ topic: newTopic(), origin }, positioned(numbered(0, 1)), running())).rejects.toMatchObject({
        code: 'TOPIC_UNKNOWN',
      })
    })
  })

  describe('stored record batches', () => {
    it.each<RecordCodec>(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
      'are produced as they are, with new offsets (%s)',
      async (codec) => {
        await using sink = await open()
        const topic = newTopic()
        const sent = variedMessages(90)
        const set = await recordSet(sent, { codec, first: 1000, each: 30 })
        const target = { topic, origin, job: 'job' }
        expect(await sink.writeStored(target, [{ format: 'kafka', bytes: set }], running())).toEqual({
          delivered: 90,
          failed: [],
        })
        expect(await sink.resumePosition!(target)).toBe(1090)
        const [messages] = await readTopic(cluster, topic)
        expect(messages!.map((message) => plain(message, false))).toEqual(sent.map((message) => plainInput(message, false)))
        expect(messages!.map(({ position }) => position)).toEqual(sent.map((_, i) => i))
        expect((await consoleConsumer(topic, 90)).length).toBe(90)
      },
    )

    it.each<RecordCodec>(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
      'get the marks that they are to have, also where they are too large with them (%s)',
      async (codec) => {
        await using sink = await open({ createTopics: made({ 'max.message.bytes': '12000' }) })
        const marks = { headers: [{ name: 'job', value: 'x'.repeat(200) }], positionName: 'at' }
        for (const values of [10, 1500]) {
          const topic = newTopic()
          const sent = numbered(0, 30).map((message) => ({ ...message, value: randomBytes(values) }))
          const set = await recordSet(sent, { codec, first: 1000, each: values === 10 ? 30 : 6 })
          const target = { topic, origin, job: 'job' }
          expect(await sink.writeStored(target, [{ format: 'kafka', bytes: set, marks }], running())).toEqual({
            delivered: 30,
            failed: [],
          })
          const [messages] = await readTopic(cluster, topic)
          const shown = messages!.map(({ headers }) =>
            headers.slice(-2).map(({ name, value }) => [name, Buffer.from(value!).toString()]),
          )
          expect(shown).toEqual(
            sent.map((_, i) => [
              ['job', 'x'.repeat(200)],
              ['at', String(1000 + i)],
            ]),
          )
          expect(messages!.map(({ value }) => Buffer.from(value!).toString('hex'))).toEqual(
            sent.map(({ value }) => value.toString('hex')),
          )
        }
      },
    )

    it('are written anew where offsets have gaps, a message is too large, or partitions go by key', async () => {
      await using sink = await open({ createTopics: made({ 'max.message.bytes': '3000' }) })
      await using byKey = await open({ partition: 'key' })
      const sent = numbered(0, 40, (number) => `key-${number}`).map((message, i) =>
        i === 20 ? { ...message, value: randomBytes(4000) } : message,
      )
      const gapped = batchOf(sent.map((message, i) => ({ ...message, position: 10 + i * 3 })))
      const set = await writeRecordBatch(gapped, 0, 40, { codec: 'gzip', baseOffset: 10, keepOffsets: true })
      const values = sent.filter((_, i) => i !== 20).map(({ value }) => value)
      for (const [topic, stored] of [
        [newTopic(), set],
        [newTopic(), await recordSet(sent, { codec: 'lz4', first: 10, each: 40 })],
      ] as const) {
        const { delivered, failed } = await sink.writeStored(
          { topic, origin, job: 'job' },
          [{ format: 'kafka', bytes: stored }],
          running(),
        )
        expect(delivered).toBe(39)
        expect(failed.map(({ position }) => position)).toEqual([stored === set ? 70 : 30])
        expect(valuesOf((await readTopic(cluster, topic)).flat())).toEqual(values)
      }
      const topic = newTopic()
      await byKey.writeStored({ topic, origin, job: 'job' }, [{ format: 'kafka', bytes: set }], running())
      expect((await readTopic(cluster, topic)).filter((messages) => messages.length > 0).length).toBeGreaterThan(1)
    })
  })

  describe('a job', () => {
    it('is taken over by whoever asks last: the one before writes nothing more', async () => {
      await using first = await open()
      await using second = await open()
      const target = { topic: newTopic(), origin, job: 'job' }
      await first.write(target, positioned(numbered(0, 10)), running())
      expect(await second.resumePosition!(target)).toBe(10)
      await expect(first.write(target, positioned(numbered(10, 20), 10), running())).rejects.toMatchObject({
        code: 'JOB_CONFLICT',
      })
      await expect(first.resumePosition!(target)).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
      await second.write(target, positioned(numbered(10, 12), 10), running())
      expect(valuesOf((await readTopic(cluster, target.topic)).flat())).toEqual(Array.from({ length: 12 }, (_, i) => String(i)))
    })

    it('refuses what it has delivered already', async () => {
      await using sink = await open()
      const target = { topic: newTopic(), origin, job: 'job' }
      await sink.write(target, positioned(numbered(0, 10)), running())
      await expect(sink.write(target, positioned(numbered(5, 15), 5), running())).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
      expect((await readTopic(cluster, target.topic)).flat()).toHaveLength(10)
    })

    it('keeps its position where every message is refused', async () => {
      await using sink = await open({ createTopics: made({ 'max.message.bytes': '500' }) })
      const target = { topic: newTopic(), origin, job: 'job' }
      const messages = [{ timestamp: 1, value: randomBytes(2000) }]
      expect(await sink.write(target, positioned(messages, 7), running())).toMatchObject({
        delivered: 0,
        failed: [{ position: 7 }],
      })
      expect(await sink.resumePosition!(target)).toBe(8)
    })
  })
})

/** Record batches of `each` messages, one behind the other. */
async function recordSet(
  messages: readonly NewMessage[],
  { codec, first, each }: { readonly codec: RecordCodec; readonly first: number; readonly each: number },
): Promise<Uint8Array> {
  const batch = positioned(messages, first)
  const batches: Uint8Array[] = []
  for (let from = 0; from < batch.count; from += each) {
    batches.push(await writeRecordBatch(batch, from, from + each, { codec, baseOffset: first + from }))
  }
  const set = Buffer.concat(batches)
  expect(scanRecordSet(set).batches).toHaveLength(batches.length)
  return set
}

const SEPARATOR = '<|>'

/** Lines of Kafka's own console consumer, one a message, all bytes kept (latin1). */
async function consoleConsumer(topic: string, count: number): Promise<string[]> {
  const shown = ['timestamp', 'partition', 'offset', 'headers', 'key', 'value'].map((part) => `print.${part}=true`)
  const separators = [`key.separator=${SEPARATOR}`, 'headers.separator=<,>', 'line.separator=<end>', 'null.literal=<null>']
  const words = `--bootstrap-server ${kafka.bootstrap} --topic ${topic} --from-beginning --isolation-level read_committed`.split(
    ' ',
  )
  const limits = ['--max-messages', String(count), '--timeout-ms', '20000']
  const format = [...shown, ...separators].flatMap((property) => ['--formatter-property', property])
  const output = await kafka.tool('consumer.ConsoleConsumer', [...words, ...limits, ...format], { encoding: 'latin1' })
  return output.split('<end>').slice(0, -1)
}

/** What the console consumer prints of a message. */
function printed(message: NewMessage, partition: number, offset: number): string {
  const { key, value, headers } = plainInput(message)
  const text = (part: string | null) => part ?? '<null>'
  const named = headers.map(({ name, value: content }) => `${name}:${text(content)}`).join('<,>')
  return [
    `CreateTime:${message.timestamp}`,
    `Partition:${partition}`,
    `Offset:${offset}`,
    headers.length === 0 ? 'NO_HEADERS' : named,
    text(key),
    text(value),
  ].join(SEPARATOR)
}

interface KafkaJsMessage {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly timestamp: string
  readonly headers?: Record<string, Buffer | string | (Buffer | string)[] | undefined>
}

const latin1 = (content: Buffer | string | null | undefined) =>
  content === null || content === undefined ? null : Buffer.from(content).toString('latin1')

const ofKafkaJs = ({ key, value, timestamp, headers = {} }: KafkaJsMessage) => ({
  timestamp: Number(timestamp),
  key: latin1(key),
  value: latin1(value),
  headers: Object.entries(headers).map(([name, content]) => [
    name,
    (Array.isArray(content) ? content : [content]).map((one) => latin1(one) ?? ''),
  ]),
})

/** What kafkajs makes of a message: headers of one name are put together, and a null among their values is empty. */
function forKafkaJs(message: NewMessage) {
  const { timestamp, key, value, headers } = plainInput(message)
  const byName = Map.groupBy(headers, ({ name }) => name)
  return {
    timestamp,
    key,
    value,
    headers: [...byName].map(([name, all]) => [name, all.map(({ value: content }) => content ?? '')]),
  }
}

async function kafkaJsConsumer(topic: string, count: number) {
  const client = new KafkaJs({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING })
  const consumer = client.consumer({ groupId: newTopic(), readUncommitted: false })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const seen: { readonly partition: number; readonly message: KafkaJsMessage }[] = []
  const all = Promise.withResolvers<void>()
  await consumer.run({
    async eachMessage({ partition, message }) {
      seen.push({ partition, message })
      if (seen.length === count) all.resolve()
    },
  })
  await all.promise
  await consumer.disconnect()
  return seen
}
