import * as protocol from '@platformatic/kafka'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProduceApi } from '../../src/adapters/kafka/sink-produce.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { isProducible, rebaseRecordBatch, writeRecordBatch } from '../../src/encode/record-batch.ts'
import type { RecordCodec } from '../../src/encode/record-header.ts'
import { controlType, readRecordBatches, scanRecordSet } from '../../src/encode/record-set.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { type Kafka, startKafka } from '../servers/kafka.ts'
import { serverMissing } from '../servers/missing.ts'

const codecs: readonly RecordCodec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Messages as text: what Kafka's own tools print and take. */
interface TextMessage {
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string])[]
}

const messages: readonly TextMessage[] = Array.from({ length: 2000 }, (_, i) => ({
  key: i % 7 === 0 ? null : `customer-${i % 100}`,
  value: i % 11 === 0 ? null : `{"order":${i},"text":"${'grüße '.repeat(i % 40)}"}`,
  headers: i % 3 === 0 ? [] : [['type', 'order'] as const, ['trace', `${i * 7919}`] as const, ['type', 'again'] as const],
}))

const line = ({ key, value, headers }: TextMessage) =>
  [headers.map(([name, content]) => `${name}:${content}`).join(',') || 'NULL', key ?? 'NULL', value ?? 'NULL'].join('\t')

describe.skipIf(serverMissing('kafka') !== undefined)('record sets and Apache Kafka', () => {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka()
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  /** The log of a topic's only partition: record batches one behind the other. */
  const logOf = (topic: string) => readFileSync(join(kafka.nodes[0]!.folder, 'logs', `${topic}-0`, '00000000000000000000.log'))

  /** Sends one batch, acknowledged; gives the offset it got. */
  async function produce(topic: string, pieces: readonly Uint8Array[]): Promise<number> {
    const connection = new protocol.Connection('millpond-test')
    const [host, port] = kafka.bootstrap.split(':')
    await connection.connect(host!, Number(port))
    try {
      const request = { batches: [{ topic, partition: 0, pieces }], transactionalId: null, timeoutMs: 10_000 }
      const [answer] = await createProduceApi().async(connection, request)
      expect(answer).toMatchObject({ topic, partition: 0, code: 0, message: null })
      return answer!.baseOffset
    } finally {
      await connection.close()
    }
  }

  async function consumed(topic: string, count: number): Promise<string[]> {
    const properties = ['print.timestamp', 'print.offset', 'print.headers', 'print.key', 'print.value'].map(
      (name) => `${name}=true`,
    )
    const words = [...properties, 'headers.separator=,', 'null.literal=NULL'].flatMap((property) => [
      '--formatter-property',
      property,
    ])
    const options = ['--bootstrap-server', kafka.bootstrap, '--topic', topic, '--from-beginning', '--max-messages', String(count)]
    const output = await kafka.tool('consumer.ConsoleConsumer', [...options, ...words])
    return output.trimEnd().split('\n')
  }

  it.each(codecs)("reads what Kafka's own producer wrote under %s", { timeout: GET_LIMIT_MS }, async (codec) => {
    const topic = `java-${codec}`
    await kafka.createTopic(topic)
    const properties = ['parse.key=true', 'parse.headers=true', 'null.marker=NULL'].flatMap((property) => [
      '--reader-property',
      property,
    ])
    await kafka.tool(
      'ConsoleProducer',
      [
        '--bootstrap-server',
        kafka.bootstrap,
        '--topic',
        topic,
        '--compression-codec',
        codec,
        '--batch-size',
        '65536',
        ...properties,
      ],
      { input: messages.map((message) => `${line(message)}\n`).join('') },
    )
    const set = logOf(topic)
    const { batches, restBytes } = scanRecordSet(set)
    expect(restBytes).toBe(0)
    expect(new Set(batches.map((batch) => batch.codec))).toEqual(new Set([codec]))
    const read = [...messagesOf(await readRecordBatches(set, batches, 0))]
    const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString())
    expect(read.map(({ position }) => position)).toEqual(messages.map((_, i) => i))
    expect(
      read.map(({ key, value, headers }) => ({
        key: text(key),
        value: text(value),
        headers: headers.map((header) => [header.name, text(header.value)]),
      })),
    ).toEqual(messages)
  })

  it.each(codecs)('writes batches under %s that Kafka takes and reads back', { timeout: GET_LIMIT_MS }, async (codec) => {
    const topic = `ours-${codec}`
    // The messages are years old.
    // The messages are years old: a topic of usual settings would drop them at once.
    await kafka.createTopic(topic, { config: { 'retention.ms': '-1' } })
    const timestamp = (i: number) => 1_700_000_000_000 + ((i * 7919) % 100_000)
    const batch = batchOf(
      messages.map(({ key, value, headers }, i): MessageInput => ({
        position: 5 * i,
        timestamp: timestamp(i),
        key,
        value,
        headers: headers.map(([name, content]) => ({ name, value: content })),
      })),
    )
    const bytes = await writeRecordBatch(batch, 0, 1500, { codec })
    expect(await produce(topic, [bytes])).toBe(0)
    expect(await produce(topic, [await writeRecordBatch(batch, 1500, 2000, { codec })])).toBe(1500)
    // The broker keeps what it is given, but for its offset and its epoch.
    const stored = logOf(topic)
    expect(Buffer.compare(stored.subarray(17, bytes.byteLength), bytes.subarray(17))).toBe(0)
    expect(await consumed(topic, 2000)).toEqual(
      messages.map((message, i) =>
        [
          `CreateTime:${timestamp(i)}`,
          `Offset:${i}`,
          message.headers.length === 0 ? 'NO_HEADERS' : message.headers.map(([name, content]) => `${name}:${content}`).join(','),
          message.key ?? 'NULL',
          message.value ?? 'NULL',
        ].join('\t'),
      ),
    )
    // And it takes its own batches again.
    const [first] = scanRecordSet(stored).batches
    expect(isProducible(first!)).toBe(true)
    expect(await produce(topic, rebaseRecordBatch(stored, first!, { baseOffset: 0 }))).toBe(2000)
  })

  it('tells transactions and their ends apart', { timeout: GET_LIMIT_MS }, async () => {
    await kafka.createTopic('transactions')
    const options = ['--topic', 'transactions', '--num-records', '500', '--record-size', '100', '--throughput', '1000']
    const transactional = ['--transaction-duration-ms', '100', '--bootstrap-server', kafka.bootstrap]
    await kafka.tool('ProducerPerformance', [...options, ...transactional])
    const set = logOf('transactions')
    const { batches } = scanRecordSet(set)
    const ends = batches.filter(({ isControl }) => isControl)
    expect(ends.length).toBeGreaterThan(1)
    expect(new Set(ends.map((end) => controlType(set, end)))).toEqual(new Set(['commit']))
    expect(batches.every(({ isTransactional }) => isTransactional)).toBe(true)
    expect((await readRecordBatches(set, batches, 0)).count).toBe(500)
  })
})
