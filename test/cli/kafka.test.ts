import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka as KafkaJs, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archiveAll, postTaken, searched, succeed, verified } from '../live/messages.ts'
import { configure, jsonLines, runProgram, serve } from '../live/program.ts'
import { until } from '../live/until.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { type Kafka, startKafka } from '../servers/kafka.ts'
import { serverMissing } from '../servers/missing.ts'
import type { S3Server } from '../servers/s3.ts'
import { startVersitygw } from '../servers/versitygw.ts'

const COUNT = 3000
const missing = serverMissing('kafka') ?? serverMissing('versitygw')

let kafka: Kafka
let s3: S3Server
let dir: string

const lines = Array.from({ length: COUNT }, (_, i) =>
  JSON.stringify({
    key: `customer-${i % 100}`,
    value: { i, text: `order ${i}` },
    headers: { trace: `t${i}` },
    timestamp: 1_790_000_000_000 + i,
  }),
)

async function run(...words: string[]): Promise<Record<string, unknown>[]> {
  return jsonLines((await succeed(dir, [...words, '--json'])).stdout) as Record<string, unknown>[]
}

const settings = (group: string) => ({
  source: { type: 'kafka', topics: ['orders', 'posted'], group },
  kafka: { brokers: [kafka.bootstrap], sessionTimeout: '6s' },
  store: { type: 's3' },
  s3: {
    bucket: 'pond',
    prefix: 'archive',
    endpoint: s3.endpoint,
    region: s3.region,
    accessKeyId: s3.accessKeyId,
    secretAccessKey: '${SECRET}',
  },
  archive: { rotate: { idle: '300ms' } },
  log: { level: 'warn' },
})

describe.skipIf(missing !== undefined)('Kafka into S3, by commands', { timeout: 240_000 }, () => {
  beforeAll(async () => {
    // As real clusters have it: a group waits for its members before lanes are shared.
    kafka = await startKafka({ properties: { 'group.initial.rebalance.delay.ms': '2000' } })
    s3 = await startVersitygw()
    await s3.createBucket('pond')
    process.env['SECRET'] = s3.secretAccessKey
    dir = await mkdtemp(join(tmpdir(), 'millpond-kafka-'))
    await configure(dir, settings('pond'))
    await kafka.createTopic('orders', { partitions: 4, config: { 'retention.ms': '-1', 'max.message.bytes': '2000000' } })
    await succeed(dir, ['ingest', 'orders'], { input: lines.join('\n') })
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true })
    await s3?.stop()
    await kafka?.stop()
  })

  it('archive takes everything once, and lag and topics say so', async () => {
    expect(await run('lag')).toHaveLength(4)
    const [archived] = await run('archive', '--once')
    expect(archived).toMatchObject({ messages: COUNT, left: 0, requests: { put: expect.any(Number) } })
    expect(await run('archive', '--once')).toMatchObject([{ messages: 0, left: 0 }])
    const lag = await run('lag', '--topic', 'orders')
    expect(lag.map((lane) => lane['lag'])).toEqual([0, 0, 0, 0])
    expect(lag.reduce((sum, lane) => sum + Number(lane['next']), 0)).toBe(COUNT)
    const ofGroup = await run('lag', '--group', 'pond')
    expect(ofGroup.map((lane) => lane['lane'])).toEqual(['0', '1', '2', '3'])
    expect(ofGroup.map((lane) => lane['next'])).toEqual(lag.map((lane) => lane['next']))
    const nothing = await succeed(dir, ['lag', '--group', 'pond', '--topic', 'posted'])
    expect(String(nothing.stdout)).toBe('pond has committed nothing of posted\n')
    expect(await run('topics')).toMatchObject([{ topic: 'orders', lanes: 4, inSource: COUNT, archived: COUNT, lag: 0 }])
    const [shown] = await run('topics', 'show', 'orders')
    const lanes = shown!['lanes'] as { lane: string; source: { oldest: number; next: number }; archive: { messages: number } }[]
    expect(lanes.map(({ lane }) => lane)).toEqual(['0', '1', '2', '3'])
    expect(lanes.map(({ source, archive }) => source.next - source.oldest - archive.messages)).toEqual([0, 0, 0, 0])
  })

  it('verify accounts for every offset', async () => {
    expect(await verified(dir, '--against', 'kafka')).toMatchObject({
      messages: COUNT,
      kafka: { clean: true, lanes: expect.arrayContaining([expect.objectContaining({ problemCount: 0 })]) },
    })
  })

  it('search finds what Kafka was given, with its headers and time', async () => {
    const found = await searched(dir, '--key', 'customer-42')
    expect(found).toHaveLength(COUNT / 100)
    expect(found[0]).toMatchObject({
      key: 'customer-42',
      value: { i: 42, text: 'order 42' },
      headers: [{ name: 'trace', value: 't42' }],
      timestamp: 1_790_000_000_042,
    })
    expect(jsonLines((await succeed(dir, ['tail', 'orders', '-n', '2'])).stdout)).toHaveLength(2)
    // The same tests of messages, of which no index knows.
    const early = found.filter(({ timestamp }) => timestamp < 1_790_000_001_000)
    const tailed = await succeed(dir, ['tail', 'orders', '-n', '1000', '--key', 'customer-42', '--where', '.i < 1000'])
    expect(jsonLines(tailed.stdout)).toEqual(early.toSorted((a, b) => a.timestamp - b.timestamp))
    expect(early.length).toBeGreaterThan(5)
  })

  it('the kafka format holds the same', async () => {
    const verbatim = await mkdtemp(join(tmpdir(), 'millpond-kafka-'))
    try {
      const config = settings('verbatim')
      await configure(verbatim, {
        ...config,
        s3: { ...config.s3, prefix: 'verbatim' },
        archive: { ...config.archive, format: 'kafka' },
      })
      await archiveAll(verbatim)
      expect(await verified(verbatim, '--against', 'kafka')).toMatchObject({ messages: COUNT })
      const sorted = async (folder: string) =>
        (await searched(folder, '--topic', 'orders')).map((message) => JSON.stringify(message)).sort()
      expect(await sorted(verbatim)).toEqual(await sorted(dir))
    } finally {
      await rm(verbatim, { recursive: true })
    }
  })

  it('restore brings the topic back, with its settings and the offsets of groups', async () => {
    const client = new KafkaJs({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING })
    const admin = client.admin()
    await admin.connect()
    try {
      const committed = [0, 1, 2, 3].map((partition) => ({ partition, offset: '100' }))
      await admin.setOffsets({ groupId: 'billing', topic: 'orders', partitions: committed })
      await succeed(dir, ['archive', '--once'])
      const [restored] = await run('restore', '--topic', 'orders', '--as', 'orders-restored', '--group', 'billing')
      expect(restored).toMatchObject({
        topic: 'orders-restored',
        partitions: 4,
        job: { state: 'done', counts: { delivered: COUNT } },
      })
      expect(restored!['offsets']).toHaveLength(4)
      const [{ partitions } = { partitions: [] }] = await admin.fetchOffsets({ groupId: 'billing', topics: ['orders-restored'] })
      expect(partitions.map(({ offset }) => Number(offset))).toEqual([100, 100, 100, 100])
      const text = await kafka.tool('consumer.ConsoleConsumer', [
        '--bootstrap-server',
        kafka.bootstrap,
        '--topic',
        'orders-restored',
        '--from-beginning',
        '--timeout-ms',
        '8000',
        '--isolation-level',
        'read_committed',
        '--formatter-property',
        'print.key=true',
        '--formatter-property',
        'print.headers=true',
        '--formatter-property',
        'print.timestamp=true',
      ])
      const printed = text.trim().split('\n')
      expect(printed).toHaveLength(COUNT)
      expect(printed).toContain('CreateTime:1790000000042\ttrace:t42\tcustomer-42\t{"i":42,"text":"order 42"}')
      const again = await runProgram(['restore', '--topic', 'orders', '--as', 'orders-restored', '--dir', dir])
      expect([again.exitCode === 0, again.stderr]).toEqual([false, expect.stringContaining('TOPIC_EXISTS')])
    } finally {
      await admin.disconnect()
    }
  })

  it('restore into a topic that is there warns of what its settings change', async () => {
    await kafka.createTopic('appended', { partitions: 4, config: { 'message.timestamp.type': 'LogAppendTime' } })
    const words = ['restore', '--topic', 'orders', '--as', 'appended', '--no-groups', '--into-existing']
    const ended = await succeed(dir, [...words, '--json'])
    const warning = { setting: 'message.timestamp.type', value: 'LogAppendTime', reason: expect.any(String) }
    expect(jsonLines(ended.stdout)).toMatchObject([{ warnings: [warning], job: { counts: { delivered: COUNT } } }])
    expect(ended.stderr).toContain('warning: appended has message.timestamp.type=LogAppendTime: every timestamp is replaced')
  })

  it('serve writes what is posted to Kafka, and archives it', async () => {
    const served = await serve(dir)
    try {
      await postTaken(served, 'posted', [
        { key: 'a', value: { n: 1 } },
        { key: 'b', value: { n: 2 }, headers: { h: 'x' } },
      ])
      await until(
        async () => (await searched(dir, '--topic', 'posted').catch(() => [])).length === 2,
        'both to be archived',
        60_000,
      )
      const metrics = await (await fetch(`${served.url}/metrics`)).text()
      expect(metrics).toMatch(/^millpond_store_requests_total\{kind="put",outcome="ok"\} [1-9]/mu)
      expect(metrics).toMatch(/^millpond_store_bytes_total\{direction="sent"\} [1-9]/mu)
    } finally {
      expect((await served.stop()).exitCode).toBe(0)
    }
    expect(await verified(dir, '--against', 'kafka')).toMatchObject({ messages: COUNT + 2 })
  })

  it('archivers in two threads share the lanes', async () => {
    const threads = await mkdtemp(join(tmpdir(), 'millpond-kafka-'))
    try {
      const config = settings('threads')
      await configure(threads, {
        ...config,
        source: { ...config.source, topics: ['orders'] },
        s3: { ...config.s3, prefix: 'threads' },
      })
      const { stdout } = await succeed(threads, ['archive', '--once', '--threads', '2', '--json'])
      expect(jsonLines(stdout)).toMatchObject([{ messages: COUNT, left: 0 }])
      expect(await verified(threads, '--against', 'kafka')).toMatchObject({ messages: COUNT })
    } finally {
      await rm(threads, { recursive: true })
    }
  })
})
