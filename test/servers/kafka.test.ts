import { existsSync } from 'node:fs'
import { Kafka as Client, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../live/until.ts'
import { GET_LIMIT_MS } from './cache.ts'
import type { KafkaVersion } from './kafka/files.ts'
import { KAFKA_USER } from './kafka/settings.ts'
import { type Kafka, startKafka, unsecuredToken } from './kafka.ts'
import { serverMissing } from './missing.ts'
import { isRunning } from './process.ts'
import { startToxiproxy } from './toxiproxy.ts'

/** What a consumer of Kafka's own gets from the topic. */
async function consumed(kafka: Kafka, topic: string, count: number, bootstrap = kafka.bootstrap): Promise<string> {
  const words = ['--bootstrap-server', bootstrap, '--topic', topic, '--from-beginning', '--max-messages', String(count)]
  return kafka.tool('consumer.ConsoleConsumer', words)
}

async function produce(kafka: Kafka, topic: string, lines: string, bootstrap = kafka.bootstrap): Promise<void> {
  const tool = kafka.version === '3.9.2' ? 'kafka.tools.ConsoleProducer' : 'ConsoleProducer'
  await kafka.tool(tool, ['--bootstrap-server', bootstrap, '--topic', topic], { input: lines })
}

const versions: readonly { version: KafkaVersion; name: 'kafka' | 'kafka-3.9' }[] = [
  { version: '4.3.1', name: 'kafka' },
  { version: '3.9.2', name: 'kafka-3.9' },
]

describe.each(versions)('Apache Kafka $version', ({ version, name }) => {
  it.skipIf(serverMissing(name) !== undefined)(
    'serves when it is given, keeps its data over restart and kill, and leaves nothing behind',
    { timeout: GET_LIMIT_MS },
    async () => {
      const kafka = await startKafka({ version, partitions: 3 })
      const [node] = kafka.nodes
      await kafka.createTopic('orders', { config: { 'retention.ms': '123456' } })
      await expect(kafka.createTopic('orders')).rejects.toThrow(/error 36 .*orders/u)
      await produce(kafka, 'orders', 'one\n')
      const [before] = kafka.pids()
      await kafka.restart()
      expect(isRunning(before!)).toBe(false)
      await produce(kafka, 'orders', 'two\n')
      await kafka.kill()
      expect(kafka.pids().some(isRunning)).toBe(false)
      await kafka.start()
      expect((await consumed(kafka, 'orders', 2)).trim().split('\n').sort()).toEqual(['one', 'two'])
      expect(await kafka.tool('TopicCommand', ['--bootstrap-server', kafka.bootstrap, '--describe'])).toMatch(
        /PartitionCount: 3\s.*retention.ms=123456/u,
      )
      await expect(kafka.tool('TopicCommand', ['--no-such-word'])).rejects.toThrow('no-such-word')
      await kafka.stop()
      expect([kafka.pids().some(isRunning), existsSync(node!.folder)]).toEqual([false, false])
    },
  )
})

describe.skipIf(serverMissing('kafka') !== undefined)('the listeners of Kafka', () => {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka({
      listeners: [
        'tls',
        'mutual-tls',
        'plain',
        'scram-sha-256',
        'scram-sha-512',
        'oauthbearer',
        'plain+tls',
        'scram-sha-512+tls',
      ],
    })
    await kafka.createTopic('orders')
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  const topics = async ({ sasl, ...config }: KafkaConfig) => {
    // The client keeps what it made of the first password in the object that it was given.
    const security = sasl === undefined ? {} : { sasl: { ...sasl } }
    const admin = new Client({ logLevel: logLevel.NOTHING, retry: { retries: 0 }, ...config, ...security }).admin()
    try {
      await admin.connect()
      return await admin.listTopics()
    } finally {
      await admin.disconnect()
    }
  }
  const plain: SASLOptions = { mechanism: 'plain', ...KAFKA_USER }
  const scram256: SASLOptions = { mechanism: 'scram-sha-256', ...KAFKA_USER }
  const scram512: SASLOptions = { mechanism: 'scram-sha-512', ...KAFKA_USER }
  const oauth: SASLOptions = { mechanism: 'oauthbearer', oauthBearerProvider: () => Promise.resolve({ value: unsecuredToken() }) }
  const late: SASLOptions = {
    mechanism: 'oauthbearer',
    oauthBearerProvider: () => Promise.resolve({ value: unsecuredToken('x', -60) }),
  }
  const ssl = () => ({ ca: [kafka.certificates!.ca] })
  const withClient = () => {
    const { certificate: cert, key } = kafka.certificates!.client
    return { ...ssl(), cert, key }
  }

  it('let in who they are for', async () => {
    const { listener } = kafka
    const ways: KafkaConfig[] = [
      { brokers: [kafka.bootstrap] },
      { brokers: [listener('tls')], ssl: ssl() },
      { brokers: [listener('mutual-tls')], ssl: withClient() },
      { brokers: [listener('plain')], sasl: plain },
      { brokers: [listener('scram-sha-256')], sasl: scram256 },
      { brokers: [listener('scram-sha-512')], sasl: scram512 },
      { brokers: [listener('oauthbearer')], sasl: oauth },
      { brokers: [listener('plain+tls')], ssl: ssl(), sasl: plain },
      { brokers: [listener('scram-sha-512+tls')], ssl: ssl(), sasl: scram512 },
    ]
    for (const way of ways) expect(await topics(way)).toEqual(['orders'])
  })

  it('refuse everyone else', async () => {
    const { listener } = kafka
    await expect(topics({ brokers: [listener('tls')], ssl: true })).rejects.toThrow(/self-signed|unable to verify/u)
    await expect(topics({ brokers: [listener('mutual-tls')], ssl: ssl() })).rejects.toThrow('alert')
    await expect(topics({ brokers: [listener('plain')], sasl: { ...plain, password: 'other' } })).rejects.toThrow(
      'Invalid username',
    )
    await expect(topics({ brokers: [listener('scram-sha-256')], sasl: plain })).rejects.toThrow('mechanism')
    await expect(topics({ brokers: [listener('oauthbearer')], sasl: late })).rejects.toThrow('No brokers')
    expect(() => listener('oauthbearer+tls')).toThrow('without the listener oauthbearer+tls')
  })
})

describe.skipIf((serverMissing('kafka') ?? serverMissing('toxiproxy')) !== undefined)('a cluster of three', () => {
  it('is reached through proxies, and goes on when one of its nodes is killed', { timeout: GET_LIMIT_MS }, async () => {
    await using toxiproxy = await startToxiproxy()
    await using kafka = await startKafka({ nodeCount: 3, through: toxiproxy })
    await kafka.createTopic('orders', { replicas: [[2, 3, 1]] })
    await produce(kafka, 'orders', 'one\n', kafka.proxied())
    expect(await consumed(kafka, 'orders', 1, kafka.proxied())).toBe('one\n')

    await kafka.nodes[0]!.proxy!.disable()
    await expect(fetch(`http://${kafka.nodes[0]!.proxy!.address}`)).rejects.toThrow('fetch failed')

    await kafka.nodes[1]!.kill()
    const bootstrap = kafka.nodes[2]!.bootstrap
    const admin = new Client({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const leader = async () => (await admin.fetchTopicMetadata({ topics: ['orders'] })).topics[0]!.partitions[0]!.leader
    try {
      await until(async () => (await leader()) === 3, 'another leader', 60_000)
    } finally {
      await admin.disconnect()
    }
    await produce(kafka, 'orders', 'two\n', bootstrap)
    expect(await consumed(kafka, 'orders', 2, bootstrap)).toBe('one\ntwo\n')
    await kafka.nodes[1]!.start()
    expect(isRunning(kafka.nodes[1]!.pid)).toBe(true)
  })
})
