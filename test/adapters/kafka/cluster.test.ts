import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { protocol } from '../../../src/adapters/kafka/protocol.ts'
import { openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { parseAddress } from '../../../src/adapters/kafka/cluster-connections.ts'
import type { KafkaOptions, KafkaSasl, KafkaTls } from '../../../src/adapters/kafka/cluster-options.ts'
import { createSecret } from '../../../src/secret.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka, unsecuredToken } from '../../servers/kafka.ts'
import type { KafkaListener } from '../../servers/kafka/settings.ts'
import { serverMissing } from '../../servers/missing.ts'

describe('parseAddress', () => {
  it.each([
    ['broker', { host: 'broker', port: 9092 }],
    ['broker.example:19092', { host: 'broker.example', port: 19_092 }],
    ['[::1]:9093', { host: '::1', port: 9093 }],
    ['[::1]', { host: '::1', port: 9092 }],
  ])('reads %s', (text, address) => {
    expect(parseAddress(text)).toEqual(address)
  })

  it.each(['', 'a:b', 'a:0', 'a:70000', '::1:9092', 'http://a:9092', 'a b'])('refuses %j', (text) => {
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})

const listeners: readonly KafkaListener[] = [
  'tls',
  'mutual-tls',
  'plain',
  'scram-sha-256',
  'scram-sha-512+tls',
  'oauthbearer',
  'plain+tls',
]

describe.skipIf(serverMissing('kafka') !== undefined)('a Kafka cluster', () => {
  let kafka: Kafka
  let ca: string
  let own: KafkaTls
  beforeAll(async () => {
    kafka = await startKafka({ listeners })
    const { client, ca: authority } = kafka.certificates!
    ca = authority
    own = { ca, certificate: client.certificate, key: createSecret(client.key) }
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  const connect = async (listener: KafkaListener, options: Omit<KafkaOptions, 'brokers'>) => {
    await using cluster = await openCluster({ brokers: [kafka.listener(listener)], retryTimeoutMs: 500, ...options })
    const { brokers } = await cluster.metadata([])
    return brokers.size
  }
  const password = (mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512', text: string = kafka.user.password): KafkaSasl => ({
    mechanism,
    username: kafka.user.username,
    password: createSecret(text),
  })
  const token = (text: string): KafkaSasl => ({ mechanism: 'OAUTHBEARER', token: { kind: 'static', token: createSecret(text) } })
  /** Everything that an error shows. */
  const shown = (error: unknown): string => {
    if (!(error instanceof Error)) return String(error)
    return `${error.message} ${error.stack} ${JSON.stringify((error as { details?: unknown }).details)} ${shown(error.cause)}`
  }
  const failure = async (listener: KafkaListener, options: Omit<KafkaOptions, 'brokers'>) => {
    const error: unknown = await connect(listener, options).then(
      () => undefined,
      (caught: unknown) => caught,
    )
    expect(shown(error)).not.toMatch(/wrong-secret|millpond-secret|eyJ|PRIVATE KEY/u)
    return error
  }

  it('is reached by TLS with an authority of its own, and by a client certificate', async () => {
    expect(await connect('tls', { tls: { ca } })).toBe(1)
    expect(await connect('mutual-tls', { tls: own })).toBe(1)
    expect(await connect('tls', { tls: { verify: false } })).toBe(1)
  })

  it('is reached by each SASL mechanism', async () => {
    expect(await connect('plain', { sasl: password('PLAIN') })).toBe(1)
    expect(await connect('plain+tls', { sasl: password('PLAIN'), tls: { ca } })).toBe(1)
    expect(await connect('scram-sha-256', { sasl: password('SCRAM-SHA-256') })).toBe(1)
    expect(await connect('scram-sha-512+tls', { sasl: password('SCRAM-SHA-512'), tls: { ca } })).toBe(1)
    expect(await connect('oauthbearer', { sasl: token(unsecuredToken()) })).toBe(1)
  })

  it('takes a token from a file, as it is when a connection is made', async () => {
    const path = join(tmpdir(), `token-${randomBytes(6).toString('hex')}`)
    await writeFile(path, `${unsecuredToken()}\n`)
    const sasl: KafkaSasl = { mechanism: 'OAUTHBEARER', token: { kind: 'file', path } }
    expect(await connect('oauthbearer', { sasl })).toBe(1)
    await writeFile(path, 'wrong-secret')
    expect(await failure('oauthbearer', { sasl })).toMatchObject({ code: 'BROKER_REFUSED' })
    const missing: KafkaSasl = { mechanism: 'OAUTHBEARER', token: { kind: 'file', path: `${path}-missing` } }
    expect(await failure('oauthbearer', { sasl: missing })).toMatchObject({ code: 'BROKER_REFUSED' })
  })

  describe('with a token endpoint', () => {
    let endpoint: Server
    let asked: { authorization: string | undefined; body: string }[] = []
    let answer: () => { status: number; body: object }
    beforeAll(async () => {
      endpoint = createServer((request, response) => {
        let body = ''
        request.on('data', (chunk: Buffer) => (body += chunk.toString()))
        request.on('end', () => {
          asked.push({ authorization: request.headers.authorization, body })
          const { status, body: said } = answer()
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said))
        })
      })
      await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve))
    })
    afterAll(() => void endpoint.close())
    const credentials = (): KafkaSasl => ({
      mechanism: 'OAUTHBEARER',
      token: {
        kind: 'client-credentials',
        endpoint: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token`,
        clientId: 'mill:pond',
        clientSecret: createSecret('wrong-secret'),
        scope: 'kafka',
      },
    })

    it('asks once for a token that lasts, with the client credentials', async () => {
      asked = []
      answer = () => ({ status: 200, body: { access_token: unsecuredToken(), expires_in: 3600 } })
      await using cluster = await openCluster({ brokers: [kafka.listener('oauthbearer')], sasl: credentials() })
      const target = { node: 1 }
      for (const name of ['one', 'two']) {
        const versions = [protocol.metadataV12.api]
        await cluster.request(target, versions, [[], false, false], { purpose: { name } })
      }
      const authorization = `Basic ${Buffer.from('mill%3Apond:wrong-secret').toString('base64')}`
      expect(asked).toEqual([{ authorization, body: 'grant_type=client_credentials&scope=kafka' }])
    })

    it('says what the endpoint answered, and no secret', async () => {
      answer = () => ({ status: 401, body: { error: 'invalid_client' } })
      expect(await failure('oauthbearer', { sasl: credentials() })).toMatchObject({
        code: 'BROKER_REFUSED',
        message: expect.stringContaining('401') as string,
      })
      answer = () => ({ status: 503, body: {} })
      expect(await failure('oauthbearer', { sasl: credentials() })).toMatchObject({ code: 'BROKER_UNAVAILABLE' })
      answer = () => ({ status: 200, body: {} })
      expect(await failure('oauthbearer', { sasl: credentials() })).toMatchObject({ code: 'BROKER_REFUSED' })
    })
  })

  it.each<[string, KafkaListener, () => Omit<KafkaOptions, 'brokers'>, RegExp]>([
    ['a wrong password by PLAIN', 'plain', () => ({ sasl: password('PLAIN', 'wrong-secret') }), /password/u],
    ['a wrong password by SCRAM', 'scram-sha-256', () => ({ sasl: password('SCRAM-SHA-256', 'wrong-secret') }), /password/u],
    ['a mechanism that the listener lacks', 'plain', () => ({ sasl: password('SCRAM-SHA-512') }), /mechanism/u],
    ['a token that is none', 'oauthbearer', () => ({ sasl: token('wrong-secret') }), /token/u],
    ['an authority that is not known', 'tls', () => ({ tls: {} }), /authority|certificate/u],
    ['a name that is not in the certificate', 'tls', () => ({ tls: { ca, serverName: 'other.example' } }), /certificate/u],
    ['no TLS where the port speaks it', 'tls', () => ({}), /TLS/u],
  ])('refuses %s, and says what to do', async (_, listener, options, remedy) => {
    expect(await failure(listener, options())).toMatchObject({
      code: 'BROKER_REFUSED',
      message: expect.stringMatching(remedy) as string,
    })
  })

  it.each<[string, KafkaListener, () => Omit<KafkaOptions, 'brokers'>, RegExp]>([
    ['no SASL where the port wants it', 'plain', () => ({}), /SASL/u],
    ['TLS where the port speaks none', 'plain', () => ({ tls: { ca } }), /TLS/u],
    ['no certificate where the port wants one', 'mutual-tls', () => ({ tls: { ca } }), /certificate|TLS/iu],
  ])('does not get through with %s, and says what to look at', async (_, listener, options, remedy) => {
    expect(await failure(listener, options())).toMatchObject({ message: expect.stringMatching(remedy) as string })
  })

  it('tries every broker that is named, and says so where none is there', async () => {
    await using cluster = await openCluster({ brokers: ['127.0.0.1:1', kafka.bootstrap] })
    expect((await cluster.metadata([])).brokers.size).toBe(1)
    const nobody = openCluster({ brokers: ['127.0.0.1:1', '127.0.0.1:2'], retryTimeoutMs: 300 })
    await expect(nobody).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:') as string,
    })
  })

  it('gives up on a broker that does not answer, in the time that is set, and goes on when it does', async () => {
    await using cluster = await openCluster({ brokers: [kafka.bootstrap], requestTimeoutMs: 300, retryTimeoutMs: 900 })
    kafka.pause()
    try {
      await expect(cluster.metadata([])).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' })
    } finally {
      kafka.resume()
    }
    await expect(cluster.metadata([])).resolves.toMatchObject({ brokers: { size: 1 } })
  })

  it('leaves no failure unheard of a request that nobody waits for any more', async () => {
    const unheard: unknown[] = []
    const hear = (error: unknown) => unheard.push(error)
    const cluster = await openCluster({ brokers: [kafka.bootstrap] })
    const stop = new AbortController()
    process.on('unhandledRejection', hear)
    kafka.pause()
    try {
      const versions = [protocol.metadataV12.api]
      const asked = cluster.request('any', versions, [[], false, false], { once: true, signal: stop.signal })
      stop.abort(new Error('enough'))
      await expect(asked).rejects.toThrow('enough')
      await cluster[Symbol.asyncDispose]()
      await new Promise((resolve) => {
        setTimeout(resolve, 50)
      })
      expect(unheard).toEqual([])
    } finally {
      kafka.resume()
      process.off('unhandledRejection', hear)
    }
  })

  it('replaces a connection whose session ends, while requests go on', async () => {
    await using own = await startKafka({
      listeners: ['plain'],
      properties: { 'listener.name.plain.plain.connections.max.reauth.ms': '1500', 'connections.max.reauth.ms': '1500' },
    })
    await using cluster = await openCluster({ brokers: [own.listener('plain')], sasl: password('PLAIN') })
    const endMs = performance.now() + 5000
    let answers = 0
    while (performance.now() < endMs) {
      await cluster.request('any', [protocol.metadataV12.api], [[], false, false], { once: true })
      answers += 1
    }
    expect(answers).toBeGreaterThan(50)
  })

  it('answers nothing any more once it is closed', async () => {
    const cluster = await openCluster({ brokers: [kafka.bootstrap] })
    await cluster[Symbol.asyncDispose]()
    await expect(cluster.metadata([])).rejects.toMatchObject({ code: 'STOPPED' })
  })

  it('knows topics by their ids, and says which are not there', async () => {
    await kafka.createTopic('known', { partitions: 3 })
    await using cluster = await openCluster({ brokers: [kafka.bootstrap] })
    const topic = await cluster.topic('known')
    expect(topic.topicId).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/u)
    expect(topic.partitions.map(({ partition, leader, replicas }) => [partition, leader, replicas])).toEqual([
      [0, 1, [1]],
      [1, 1, [1]],
      [2, 1, [1]],
    ])
    await expect(cluster.topic('unknown')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    expect((await cluster.metadata(['unknown'])).topics.size).toBe(0)
    expect((await cluster.metadata()).topics.has('known')).toBe(true)
  })
})
