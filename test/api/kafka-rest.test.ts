import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createLocalInlet } from '../../src/adapters/local/inlet.ts'
import { type LocalLog, openLocalLog } from '../../src/adapters/local/log.ts'
import { openLocalSource } from '../../src/adapters/local/source.ts'
import { createMetrics } from '../../src/api/metrics.ts'
import { createReadiness } from '../../src/api/readiness.ts'
import { createServer, type ServerOptions, type ServerParts } from '../../src/api/server.ts'
import { type Message, messagesOf } from '../../src/batch/view.ts'
import { type ErrorCode, MillpondError } from '../../src/errors.ts'
import { withoutPassed } from '../../src/source/source.ts'

const NOW_MS = Date.UTC(2018, 0, 4)
const V2 = 'application/vnd.kafka.v2+json'
const BINARY = 'application/vnd.kafka.binary.v2+json'
const JSON_TYPE = 'application/vnd.kafka.json.v2+json'
const AVRO = 'application/vnd.kafka.avro.v2+json'

const OPTIONS: ServerOptions = {
  token: undefined,
  maxBodyBytes: 64 * 1024,
  maxMessageBytes: 4096,
  maxConnections: 100,
  requestTimeoutMs: 10_000,
}

let folder: string
let log: LocalLog
const servers: FastifyInstance[] = []

/** One of its own for each test: the log is one for all of them. */
let topic: string
let topics = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-rest-'))
  log = await openLocalLog({ path: join(folder, 'log.sqlite'), autoCreate: { partitions: 3 } })
})
beforeEach(() => {
  topic = `orders-${topics++}`
})
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})
afterAll(async () => {
  await log.close()
  await rm(folder, { recursive: true })
})

function serverWith(options: Partial<ServerOptions> = {}, parts: Partial<ServerParts> = {}): FastifyInstance {
  const inlet = createLocalInlet(log)
  const server = createServer(
    {
      append: (...given) => inlet.append(...given),
      directory: inlet,
      readiness: createReadiness(),
      metrics: createMetrics(),
      observe: () => Promise.resolve(),
      nowMs: () => NOW_MS,
      onError: () => undefined,
      ...parts,
    },
    { ...OPTIONS, ...options },
  )
  servers.push(server)
  return server
}

interface Request {
  readonly url?: string
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
}

const post = (
  server: FastifyInstance,
  body: unknown,
  { url = '/topics/{topic}', type = JSON_TYPE, headers = {} }: Request = {},
) =>
  server.inject({
    method: 'POST',
    url: url.replace('{topic}', topic),
    headers: { 'content-type': type, ...headers },
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  })

/** All messages of a topic, lane by lane. */
async function messagesIn(name: string): Promise<(Message & { readonly lane: string })[]> {
  const found = (await log.topics()).find((each) => each.name === name)
  if (found === undefined) return []
  const messages: (Message & { readonly lane: string })[] = []
  await using source = openLocalSource(log, { topics: [name], group: 'test', member: 'test' })
  for (let number = 0; number < found.partitions; number++) {
    const lane = String(number)
    const { next } = await log.range(name, lane)
    const place = { topic: name, topicId: found.topicId, lane, startPosition: 0, revoked: new AbortController().signal }
    if (next === 0) continue
    for await (const batch of withoutPassed(source.read(place, 0, AbortSignal.timeout(10_000)))) {
      messages.push(...[...messagesOf(batch)].map((message) => ({ ...message, lane })))
      if (batch.positions[batch.count - 1]! + 1 >= next) break
    }
  }
  return messages
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())
const taken = (partition: number, offset: number) => ({ partition, offset, error_code: null, error: null })

describe('producing by the Kafka REST proxy', () => {
  it('takes JSON as it is written, without white space, and tells partition and offset of each record', async () => {
    const body = `{"records": [
      {"key": "a", "value": {"n" : 1.10, "m": 9007199254740993, "s": "\\u00e9 x"}, "partition": 2},
      {"value": null, "partition": 0}, {"key": {"id": 7}, "value": [1, 2], "partition": 2}]}`
    const answer = await post(serverWith(), body)
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['content-type']).toBe(V2)
    expect(answer.json()).toEqual({
      offsets: [taken(2, 0), taken(0, 0), taken(2, 1)],
      key_schema_id: null,
      value_schema_id: null,
    })
    expect((await messagesIn(topic)).map(({ lane, key, value }) => [lane, text(key), text(value)])).toEqual([
      ['0', null, null],
      ['2', '"a"', '{"n":1.10,"m":9007199254740993,"s":"é x"}'],
      ['2', '{"id":7}', '[1,2]'],
    ])
  })

  it('takes base64 as the bytes that it stands for', async () => {
    const answer = await post(
      serverWith(),
      {
        records: [
          { key: '/wA=', value: 'aGk', partition: 1 },
          { value: '', partition: 1 },
        ],
      },
      { type: BINARY },
    )
    expect(answer.json()).toMatchObject({ offsets: [taken(1, 0), taken(1, 1)] })
    expect((await messagesIn(topic)).map(({ key, value }) => [key && [...key], text(value)])).toEqual([
      [[255, 0], 'hi'],
      [null, ''],
    ])
  })

  it('puts records without a partition into that of the path, and those with one into theirs', async () => {
    const records = [{ value: 1 }, { value: 2, partition: 0 }, { key: 'k', value: 3 }]
    const answer = await post(serverWith(), { records }, { url: '/topics/{topic}/partitions/1' })
    expect(answer.json()).toMatchObject({ offsets: [taken(1, 0), taken(0, 0), taken(1, 1)] })
  })

  it('puts a key always into the same partition', async () => {
    const server = serverWith()
    const records = Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, value: i }))
    const [first, second] = [await post(server, { records }), await post(server, { records })]
    const partitions = (answer: typeof first) =>
      answer.json<{ offsets: { partition: number }[] }>().offsets.map(({ partition }) => partition)
    expect(partitions(first)).toEqual(partitions(second))
    expect(new Set(partitions(first)).size).toBe(3)
  })

  it('gives messages the time of their arrival, and takes what is given with a record beside the proxy’s own', async () => {
    const headers = [
      { name: 'trace', value: 'ü' },
      { name: 'raw', valueBase64: '/w==' },
      { name: 'none', value: null },
      { name: 'trace', value: '' },
    ]
    const records = [
      { value: 1, partition: 0 },
      { value: 2, partition: 0, timestamp: 1_514_851_200_123, headers },
      { value: 3, partition: 0, timestamp: '2018-01-02T00:00:00.5+01:00', headers: { a: 'b' } },
    ]
    await post(serverWith(), { records })
    const messages = await messagesIn(topic)
    expect(messages.map(({ timestamp }) => timestamp)).toEqual([NOW_MS, 1_514_851_200_123, Date.UTC(2018, 0, 1, 23, 0, 0, 500)])
    expect(messages.map((message) => message.headers.map(({ name, value }) => [name, value && [...value]]))).toEqual([
      [],
      [
        ['trace', [0xc3, 0xbc]],
        ['raw', [255]],
        ['none', null],
        ['trace', []],
      ],
      [['a', [0x62]]],
    ])
  })

  it('tells which records were not taken, and takes the others', async () => {
    const records = [
      { value: 1, partition: 0 },
      { value: 2, partition: 3 },
      { value: 'x'.repeat(5000) },
      { value: 4, partition: 0 },
    ]
    const answer = await post(serverWith(), { records })
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({
      offsets: [
        taken(0, 0),
        { partition: null, offset: null, error_code: 40402, error: 'Partition not found.' },
        { partition: null, offset: null, error_code: 50002, error: expect.stringContaining('5002 bytes') as string },
        taken(0, 1),
      ],
      key_schema_id: null,
      value_schema_id: null,
    })
    expect((await messagesIn(topic)).map(({ value }) => text(value))).toEqual(['1', '4'])
  })

  it('answers where nothing of a request is taken, record by record too', async () => {
    const answer = await post(serverWith(), { records: [{ value: 1, partition: 9 }, { value: 'x'.repeat(5000) }] })
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toMatchObject({ offsets: [{ error_code: 40402 }, { error_code: 50002 }] })
  })
})

describe('what the Kafka REST proxy refuses', () => {
  const good = { records: [{ value: 1 }] }

  it.each([
    { request: { type: 'application/json' }, status: 415, code: 415 },
    { request: { type: V2 }, status: 415, code: 415 },
    { request: { type: 'application/vnd.kafka.json.v1+json' }, status: 415, code: 415 },
    { request: { type: 'application/vnd.kafka.xml.v2+json' }, status: 415, code: 415 },
    { request: { headers: { 'content-encoding': 'gzip' } }, status: 415, code: 415 },
    { request: { headers: { accept: 'text/html' } }, status: 406, code: 406 },
    { request: { headers: { accept: `${JSON_TYPE}, ${V2};q=0` } }, status: 406, code: 406 },
    { request: { url: '/topics/{topic}/partitions/7' }, status: 404, code: 40402 },
    { request: { url: '/topics/{topic}/partitions/one' }, status: 404, code: 404 },
    { request: { url: '/consumers/me' }, status: 404, code: 404 },
    { request: { url: `/topics/${'n'.repeat(1025)}` }, status: 400, code: 40002 },
    { request: {}, body: '{"records":[{"value":1}', status: 400, code: 400 },
    { request: {}, body: '{"records":[{"value":tru}]}', status: 400, code: 400 },
    { request: {}, body: '[]', status: 400, code: 400 },
    { request: {}, body: '', status: 400, code: 400 },
    { request: {}, body: { records: [], more: 1 }, status: 400, code: 400 },
    { request: {}, body: { records: [{ value: 1, offset: 2 }] }, status: 400, code: 400 },
    { request: {}, body: { records: {} }, status: 400, code: 400 },
    { request: {}, body: { records: [1] }, status: 400, code: 400 },
    { request: {}, body: { records: [{ value: 1, partition: -1 }] }, status: 400, code: 400 },
    { request: {}, body: { records: [{ value: 1, partition: '1' }] }, status: 400, code: 400 },
    { request: {}, body: { records: [{ value: 1, timestamp: 'soon' }] }, status: 400, code: 400 },
    { request: {}, body: { records: [{ value: 1, timestamp: 1.5 }] }, status: 400, code: 400 },
    { request: {}, body: { records: [{ value: 1, headers: [{ value: 'x' }] }] }, status: 400, code: 400 },
    {
      request: {},
      body: { records: [{ value: 1, headers: [{ name: 'a', value: 'x', valueBase64: 'eA==' }] }] },
      status: 400,
      code: 400,
    },
    { request: {}, body: { records: [{ value: 1, headers: { a: 1 } }] }, status: 400, code: 400 },
    { request: {}, body: { records: [{ value: 1, headers: 'a' }] }, status: 400, code: 400 },
    { request: {}, body: '{"records":[{"value":1,"headers":{"a":"\\ud800"}}]}', status: 400, code: 400 },
    { request: {}, body: { records: [{ value: 1, headers: [{ name: 'a', valueBase64: '!' }] }] }, status: 400, code: 400 },
    { request: {}, body: {}, status: 422, code: 422 },
    { request: {}, body: { records: null }, status: 422, code: 422 },
    { request: {}, body: { records: [] }, status: 422, code: 422 },
    { request: { type: BINARY }, body: { records: [{ value: 'a!b' }] }, status: 400, code: 400 },
    { request: { type: BINARY }, body: { records: [{ value: 1 }] }, status: 400, code: 400 },
    { request: { type: AVRO }, body: { records: [{ value: 1 }] }, status: 422, code: 42202 },
    { request: { type: AVRO }, body: { records: [{ key: 1 }] }, status: 422, code: 42201 },
    { request: { type: AVRO }, body: { ...good, value_schema: '"int"' }, status: 422, code: 42206 },
    { request: { type: AVRO }, body: { ...good, value_schema_id: 'x' }, status: 400, code: 400 },
    { request: { type: AVRO }, body: { ...good, value_schema: {} }, status: 400, code: 400 },
    { request: { type: AVRO }, body: { ...good, value_schema: '"int"', value_schema_id: 1 }, status: 400, code: 400 },
    { request: {}, body: { records: [{ value: 'x'.repeat(70_000) }] }, status: 413, code: 413 },
  ])('answers $status with $code to $request $body', async ({ request, body = good, status, code }) => {
    const answer = await post(serverWith(), body, request)
    expect(answer.statusCode).toBe(status)
    expect(answer.headers['content-type']).toBe(V2)
    expect(answer.json()).toEqual({ error_code: code, message: expect.stringMatching(/./u) as string })
    expect(await messagesIn(topic)).toEqual([])
  })

  it('says nothing of what a message holds', async () => {
    for (const type of [BINARY, JSON_TYPE]) {
      const answer = await post(serverWith(), '{"records":[{"value":"sec!ret},{"value":1}]}', { type })
      expect(answer.body).not.toContain('sec!ret')
    }
  })

  it('is asked for the token', async () => {
    const server = serverWith({ token: 'a-long-token' })
    const refused = await post(server, good)
    expect(refused.statusCode).toBe(401)
    expect(refused.json()).toEqual({ error_code: 40101, message: expect.stringContaining('token') as string })
    expect((await server.inject({ url: '/topics' })).statusCode).toBe(401)
    expect((await post(server, good, { headers: { authorization: 'Bearer a-long-token' } })).statusCode).toBe(200)
  })

  it.each<{ code: ErrorCode; reason?: string; status: number; each?: number; all?: number }>([
    { code: 'DELIVERY_FAILED', status: 200, each: 50003 },
    { code: 'BROKER_UNAVAILABLE', status: 200, each: 50003 },
    { code: 'BROKER_REFUSED', reason: 'CLUSTER_AUTHORIZATION_FAILED', status: 403, each: 40301 },
    { code: 'BROKER_REFUSED', reason: 'TOPIC_AUTHORIZATION_FAILED', status: 403, each: 40301 },
    { code: 'BROKER_REFUSED', reason: 'SASL_AUTHENTICATION_FAILED', status: 401, each: 40101 },
    { code: 'BROKER_REFUSED', reason: 'INVALID_REQUIRED_ACKS', status: 200, each: 50002 },
    { code: 'BROKER_REFUSED', reason: 'INVALID_TOPIC_EXCEPTION', status: 400, all: 40002 },
    { code: 'TOPIC_UNKNOWN', status: 404, all: 40401 },
    { code: 'TOO_BUSY', status: 429, all: 42901 },
    { code: 'LOG_FULL', status: 500, all: 50003 },
    { code: 'STOPPED', status: 500, all: 50003 },
    { code: 'INTERNAL', status: 500, all: 500 },
  ])('answers $status to $code $reason of the broker', async ({ code, reason, status, each, all }) => {
    const error = new MillpondError(code, 'as it is', { details: { reason } })
    const answer = await post(serverWith({}, { append: () => Promise.reject(error) }), { records: [{ value: 1 }, { value: 2 }] })
    expect(answer.statusCode).toBe(status)
    const record = { partition: null, offset: null, error_code: each, error: 'as it is' }
    const ofRecords = { offsets: [record, record], key_schema_id: null, value_schema_id: null }
    expect(answer.json()).toMatchObject(all === undefined ? ofRecords : { error_code: all })
  })

  it('is a defect without a word where it is one', async () => {
    const answer = await post(serverWith({}, { append: () => Promise.reject(new Error('secret detail')) }), good)
    expect(answer.statusCode).toBe(500)
    expect(answer.json()).toMatchObject({ error_code: 500 })
    expect(answer.body).not.toContain('secret')
  })
})

describe('what the Kafka REST proxy tells', () => {
  const lane = (partition: number) => ({ partition, leader: 0, replicas: [{ broker: 0, leader: true, in_sync: true }] })

  beforeAll(async () => {
    await log.createTopic('orders', { partitions: 2, retentionMs: 1000 })
    await log.createTopic('a b', { partitions: 1 })
    await post(serverWith(), { records: [{ value: 1 }, { value: 2 }] }, { url: '/topics/orders/partitions/1' })
  })

  it.each([
    { url: '/', told: {} },
    { url: '/topics', told: expect.arrayContaining(['a b', 'orders']) as string[] },
    { url: '/brokers', told: { brokers: [0] } },
    {
      url: '/topics/orders',
      told: { name: 'orders', configs: { 'retention.bytes': '-1', 'retention.ms': '1000' }, partitions: [lane(0), lane(1)] },
    },
    { url: '/topics/a%20b/partitions', told: [lane(0)] },
    { url: '/topics/orders/partitions/1', told: lane(1) },
    { url: '/topics/orders/partitions/1/offsets', told: { beginning_offset: 0, end_offset: 2 } },
  ])('is at $url', async ({ url, told }) => {
    const answer = await serverWith().inject({ url })
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['content-type']).toBe(V2)
    expect(answer.json()).toEqual(told)
  })

  it.each([
    { url: '/topics/nothing', code: 40401 },
    { url: '/topics/nothing/partitions', code: 40401 },
    { url: '/topics/nothing/partitions/0/offsets', code: 40401 },
    { url: '/topics/orders/partitions/2', code: 40402 },
    { url: '/topics/orders/partitions/2/offsets', code: 40402 },
    { url: '/topics/orders/partitions/x', code: 404 },
  ])('is 404 with $code at $url', async ({ url, code }) => {
    const answer = await serverWith().inject({ url })
    expect(answer.statusCode).toBe(404)
    expect(answer.json()).toMatchObject({ error_code: code })
  })

  it.each([
    { accept: 'application/json', type: 'application/json' },
    { accept: `${V2}, application/vnd.kafka+json, application/json`, type: V2 },
    { accept: `application/json, ${V2};q=0.5`, type: 'application/json' },
    { accept: 'text/html, application/*;q=0.5', type: V2 },
    { accept: '*/*', type: V2 },
    { accept: 'APPLICATION/VND.KAFKA.V2+JSON', type: V2 },
  ])('is $type for who accepts $accept', async ({ accept, type }) => {
    expect((await serverWith().inject({ url: '/topics', headers: { accept } })).headers['content-type']).toBe(type)
  })
})
