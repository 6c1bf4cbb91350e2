import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import avsc from 'avsc'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, openCluster } from '../../src/adapters/kafka/cluster.ts'
import { openKafkaInlet } from '../../src/adapters/kafka/inlet.ts'
import { createMetrics } from '../../src/api/metrics.ts'
import { createReadiness } from '../../src/api/readiness.ts'
import { createServer, listen } from '../../src/api/server.ts'
import type { Inlet } from '../../src/sink/inlet.ts'
import type { SchemaRegistry as RegistryClient } from '../../src/values/schema-registry.ts'
import { readTopic, valuesOf } from '../adapters/kafka/read-topic.ts'
import { openTestRegistry } from '../adapters/registry/client.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { type Kafka, startKafka } from '../servers/kafka.ts'
import { serverMissing } from '../servers/missing.ts'
import { type SchemaRegistry, startSchemaRegistry } from '../servers/schema-registry.ts'

const BINARY = 'application/vnd.kafka.binary.v2+json'
const JSON_TYPE = 'application/vnd.kafka.json.v2+json'
const AVRO = 'application/vnd.kafka.avro.v2+json'
const LIMITS = { maxBodyBytes: 16 * 1024 * 1024, maxMessageBytes: 4 * 1024 * 1024, maxConnections: 100, requestTimeoutMs: 60_000 }

const USER = JSON.stringify({
  type: 'record',
  name: 'User',
  fields: [
    { name: 'name', type: 'string' },
    { name: 'metric_date', type: ['null', 'string'] },
    { name: 'id', type: 'long' },
  ],
})

interface ToldRecord {
  readonly partition: number
  readonly offset: number
  readonly error_code: number | null
}

const missing = serverMissing('kafka') ?? serverMissing('schema-registry')

describe.skipIf(missing !== undefined)('the calls of the Kafka REST proxy, with Kafka and a schema registry', () => {
  let kafka: Kafka
  let registry: SchemaRegistry
  let cluster: Cluster
  let inlet: Inlet
  let client: RegistryClient
  let server: FastifyInstance
  let url: string
  let topics = 0
  const newTopic = async (partitions = 3, config: Readonly<Record<string, string>> = {}): Promise<string> => {
    const topic = `orders-${topics++}`
    await kafka.createTopic(topic, { partitions, config })
    return topic
  }
  const serverWith = (registryClient: RegistryClient | undefined) =>
    createServer(
      {
        append: (...given) => inlet.append(...given),
        directory: inlet,
        ...(registryClient === undefined ? {} : { registry: registryClient }),
        readiness: createReadiness(),
        metrics: createMetrics(),
        observe: () => Promise.resolve(),
        nowMs: Date.now,
        onError: () => undefined,
      },
      { token: undefined, ...LIMITS },
    )

  beforeAll(async () => {
    ;[kafka, registry] = await Promise.all([startKafka(), startSchemaRegistry()])
    cluster = await openCluster({ brokers: [kafka.bootstrap] })
    inlet = await openKafkaInlet({ brokers: [kafka.bootstrap] })
    client = openTestRegistry([registry.url])
    server = serverWith(client)
    url = await listen(server, { host: '127.0.0.1', port: 0 })
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await server.close()
    for (const opened of [inlet, client, cluster]) await opened[Symbol.asyncDispose]()
    await Promise.all([kafka.stop(), registry.stop()])
  })

  const post = async (path: string, body: unknown, type = JSON_TYPE) => {
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify(body) })
    return { status: answer.status, body: (await answer.json()) as { offsets: ToldRecord[]; [name: string]: unknown } }
  }

  it('says of each record where it is, whoever else writes', async () => {
    const topic = await newTopic()
    const requests = Array.from({ length: 40 }, (_, request) => ({
      records: Array.from({ length: 1 + (request % 7) }, (_, i) => ({
        ...(i % 3 === 0 ? {} : { key: `k${i}` }),
        partition: i % 5 === 4 ? request % 3 : undefined,
        value: `${request}-${i}`,
      })),
    }))
    const answers = await Promise.all(requests.map((request) => post(`/topics/${topic}`, request)))
    const there = await readTopic(cluster, topic)
    const records = requests.flatMap((request) => request.records)
    const told = answers.flatMap(({ body }) => body.offsets)
    expect(answers.map(({ status }) => status)).toEqual(requests.map(() => 200))
    const found = told.map(({ partition, offset }) => valuesOf(there[partition]!.slice(offset, offset + 1)))
    expect(found).toEqual(records.map(({ value }) => [JSON.stringify(value)]))
    expect(told.map(({ partition }, i) => records[i]!.partition ?? partition)).toEqual(told.map(({ partition }) => partition))
    expect(new Set(told.map(({ partition, offset }) => `${partition}/${offset}`)).size).toBe(there.flat().length)
  })

  it('is right about it where a request becomes several batches, and one record is too large for the topic', async () => {
    const topic = await newTopic(1, { 'max.message.bytes': '20000' })
    // Random text, which does not become smaller.
    const noise = (bytes: number) =>
      Buffer.from(Array.from({ length: bytes }, () => Math.floor(Math.random() * 256))).toString('base64')
    const records = Array.from({ length: 30 }, (_, i) => ({ value: noise(i === 11 ? 30_000 : 3000) }))
    const { status, body } = await post(`/topics/${topic}`, { records }, BINARY)
    expect(status).toBe(200)
    expect(body.offsets[11]).toMatchObject({
      partition: null,
      offset: null,
      error_code: 50002,
      error: expect.stringContaining('20000'),
    })
    const [there] = await readTopic(cluster, topic)
    expect(there).toHaveLength(29)
    const taken = body.offsets
      .filter((_, i) => i !== 11)
      .map(({ offset }) => Buffer.from(there![offset]!.value!).toString('base64'))
    expect(taken).toEqual(records.filter((_, i) => i !== 11).map(({ value }) => value))
  })

  it('is right about it when a broker is away for a while', async () => {
    const topic = await newTopic(1)
    await post(`/topics/${topic}`, { records: [{ value: 0 }] })
    await kafka.kill()
    const answer = post(`/topics/${topic}`, { records: [{ value: 1 }, { value: 2 }] })
    await kafka.start()
    expect((await answer).body.offsets).toEqual([1, 2].map((offset) => ({ partition: 0, offset, error_code: null, error: null })))
    expect((await readTopic(cluster, topic)).map(valuesOf)).toEqual([['0', '1', '2']])
  })

  it('writes Avro that consumers of Confluent’s read', async () => {
    const topic = await newTopic(1)
    const record = { name: 'Ada', metric_date: { string: '2018-01-04' }, id: 7 }
    const first = await post(
      `/topics/${topic}`,
      { value_schema: USER, key_schema: '"string"', records: [{ key: 'a', value: record }] },
      AVRO,
    )
    expect(first.status).toBe(200)
    const { key_schema_id: keyId, value_schema_id: valueId } = first.body as unknown as Record<string, number>
    const second = { value_schema_id: valueId, records: [{ value: { ...record, metric_date: null } }, { value: null }] }
    expect((await post(`/topics/${topic}`, second, AVRO)).body).toMatchObject({ key_schema_id: null, value_schema_id: valueId })

    const subjects = (await (await fetch(`${registry.url}/subjects`)).json()) as string[]
    expect(subjects).toEqual(expect.arrayContaining([`${topic}-key`, `${topic}-value`]))
    const type = avsc.Type.forSchema(JSON.parse(USER) as avsc.Schema)
    const [there] = await readTopic(cluster, topic)
    const framed = there!.map(
      ({ value }) =>
        value && { id: Buffer.from(value).readInt32BE(1), user: type.fromBuffer(Buffer.from(value.subarray(5))) as object },
    )
    expect(framed.map((each) => each && { ...each, user: { ...each.user } })).toEqual([
      { id: valueId, user: { name: 'Ada', metric_date: '2018-01-04', id: 7 } },
      { id: valueId, user: { name: 'Ada', metric_date: null, id: 7 } },
      null,
    ])
    expect(Buffer.from(there![0]!.key!).toString('hex')).toBe(`00${Number(keyId).toString(16).padStart(8, '0')}0261`)
  })

  it('takes schemas that refer to others', async () => {
    const topic = await newTopic(1)
    await registry.register('place', {
      schema: '{"type":"record","name":"Place","namespace":"geo","fields":[{"name":"x","type":"int"}]}',
    })
    const id = await registry.register(`${topic}-value`, {
      schema: '{"type":"record","name":"Trip","fields":[{"name":"to","type":"geo.Place"}]}',
      references: [{ name: 'geo.Place', subject: 'place', version: 1 }],
    })
    expect((await post(`/topics/${topic}`, { value_schema_id: id, records: [{ value: { to: { x: 3 } } }] }, AVRO)).status).toBe(
      200,
    )
    const [there] = await readTopic(cluster, topic)
    expect([...there![0]!.value!.subarray(5)]).toEqual([6])
  })

  it.each([
    { body: { records: [{ value: 1 }] }, status: 422, code: 42202 },
    { body: { value_schema: '"int"', records: [{ key: 1, value: 1 }] }, status: 422, code: 42201 },
    { body: { value_schema: '"int"', records: [{ value: 1 }, { value: 'x' }] }, status: 422, code: 42203 },
    { body: { value_schema: '{', records: [{ value: 1 }] }, status: 422, code: 42205 },
    { body: { value_schema: '["string","string"]', records: [{ value: 1 }] }, status: 422, code: 42205 },
    { body: { value_schema: '{"type":"record"}', records: [{ value: 1 }] }, status: 422, code: 42205 },
    { body: { value_schema_id: 987_654, records: [{ value: 1 }] }, status: 422, code: 42207 },
  ])('answers $status with $code to $body', async ({ body, status, code }) => {
    const topic = await newTopic(1)
    const answer = await post(`/topics/${topic}`, body, AVRO)
    expect([answer.status, answer.body['error_code']]).toEqual([status, code])
    expect(answer.body['message']).toEqual(expect.stringMatching(/./u))
    expect(await readTopic(cluster, topic)).toEqual([[]])
  })

  it('says that a schema of another type is none', async () => {
    const topic = await newTopic(1)
    const id = await registry.register('other', { schema: '{"type":"object"}', schemaType: 'JSON' })
    expect((await post(`/topics/${topic}`, { value_schema_id: id, records: [{ value: {} }] }, AVRO)).body['error_code']).toBe(
      42205,
    )
  })

  it('says that it may pass where the registry is away', async () => {
    const away = openTestRegistry(['http://127.0.0.1:1'])
    const other = serverWith(away)
    const answer = await other.inject({
      method: 'POST',
      url: `/topics/${await newTopic(1)}`,
      headers: { 'content-type': AVRO },
      payload: { value_schema: '"int"', records: [{ value: 1 }] },
    })
    expect([answer.statusCode, answer.json<{ error_code: number }>().error_code]).toEqual([500, 50003])
    expect(answer.headers['retry-after']).toBe('1')
    await other.close()
    await away[Symbol.asyncDispose]()
  })

  it('makes a topic with its first message, and refuses names that Kafka does not take', async () => {
    expect((await post('/topics/made-now', { records: [{ value: 1 }] })).body.offsets).toMatchObject([
      { partition: 0, offset: 0 },
    ])
    const answer = await post('/topics/no%20name', { records: [{ value: 1 }] })
    expect([answer.status, answer.body['error_code']]).toEqual([400, 40002])
  })

  it('tells topics, partitions and brokers as Kafka knows them', async () => {
    const topic = await newTopic(2, { 'retention.ms': '-1' })
    const get = async (path: string) => (await fetch(`${url}${path}`)).json()
    const lane = (partition: number) => ({ partition, leader: 1, replicas: [{ broker: 1, leader: true, in_sync: true }] })
    expect(await get('/topics')).toEqual(expect.arrayContaining([topic]))
    expect(await get(`/topics/${topic}`)).toEqual({
      name: topic,
      configs: expect.objectContaining({ 'retention.ms': '-1', 'cleanup.policy': 'delete' }) as object,
      partitions: [lane(0), lane(1)],
    })
    expect(await get(`/topics/${topic}/partitions/1`)).toEqual(lane(1))
    expect(await get(`/topics/${topic}/partitions/2`)).toMatchObject({ error_code: 40402 })
    expect(await get('/topics/nowhere')).toMatchObject({ error_code: 40401 })
    expect(await get('/topics/nowhere/partitions/0/offsets')).toMatchObject({ error_code: 40401 })
    expect(await get('/brokers')).toEqual({ brokers: [1] })
  })

  it('is as docs/kafka-rest.md says, command by command', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/kafka-rest.md'), 'utf8')
    const steps = [...page.matchAll(/^ {4}(?<command>curl .*)\n {4}(?<printed>\{.*)$/gmu)].map(({ groups }) => groups!)
    expect(steps.length).toBeGreaterThan(5)
    const { value_schema_id: before } = (await post('/topics/any', { value_schema: '"double"', records: [{ value: 1 }] }, AVRO))
      .body
    for (const { command, printed } of steps) {
      // Ids are given in the order of registration; others of this file came before.
      const numbered = (text: string) => text.replaceAll(/("value_schema_id":)1\b/gu, `$1${Number(before) + 1}`)
      const words = numbered(command!).replace('localhost:7070', url)
      const { stdout } = await promisify(execFile)('bash', ['-c', words.replace('curl', 'curl -sS')])
      expect(stdout).toBe(numbered(printed!))
    }
  })
})
