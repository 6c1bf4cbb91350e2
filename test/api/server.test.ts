import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLocalInlet } from '../../src/adapters/local/inlet.ts'
import { openLocalLog, type LocalLog } from '../../src/adapters/local/log.ts'
import { openLocalSource } from '../../src/adapters/local/source.ts'
import { withoutPassed } from '../../src/source/source.ts'
import { createMetrics } from '../../src/api/metrics.ts'
import { createReadiness, type Readiness } from '../../src/api/readiness.ts'
import { closeServer, createServer, listen, type ServerOptions } from '../../src/api/server.ts'
import { messagesOf, type Message } from '../../src/batch/view.ts'
import { MillpondError } from '../../src/errors.ts'

const NOW_MS = Date.UTC(2026, 10, 21)

const OPTIONS: ServerOptions = {
  token: undefined,
  maxBodyBytes: 64 * 1024,
  maxMessageBytes: 4096,
  maxConnections: 100,
  requestTimeoutMs: 10_000,
}

let folder: string
let log: LocalLog
let readiness: Readiness
let errors: MillpondError[]
const servers: FastifyInstance[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-api-'))
  log = await openLocalLog({ path: join(folder, 'log.sqlite'), autoCreate: { partitions: 1 } })
  readiness = createReadiness()
  errors = []
})

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
  await log.close()
  await rm(folder, { recursive: true })
})

function serverWith(
  options: Partial<ServerOptions> = {},
  append: LocalLog['append'] = (...given) => log.append(...given),
): FastifyInstance {
  const parts = {
    append,
    directory: createLocalInlet(log),
    readiness,
    metrics: createMetrics(),
    observe: () => Promise.resolve(),
    nowMs: () => NOW_MS,
    onError: (error: MillpondError) => errors.push(error),
  }
  const server = createServer(parts, { ...OPTIONS, ...options })
  servers.push(server)
  return server
}

/** All messages of a topic with one partition. */
async function messagesIn(topic: string): Promise<Message[]> {
  const found = (await log.topics()).find(({ name }) => name === topic)
  if (found === undefined) return []
  await using source = openLocalSource(log, { topics: [topic], group: 'test', member: 'test' })
  const { next } = await log.range(topic, '0')
  const lane = { topic, topicId: found.topicId, lane: '0', startPosition: 0, revoked: new AbortController().signal }
  const messages: Message[] = []
  for await (const batch of withoutPassed(source.read(lane, 0, AbortSignal.timeout(10_000)))) {
    messages.push(...messagesOf(batch))
    if (messages.length >= next) break
  }
  return messages
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString())

const post = (
  server: FastifyInstance,
  topic: string,
  type: string,
  payload: string | Buffer,
  headers: Record<string, string> = {},
) => server.inject({ method: 'POST', url: `/topics/${topic}/messages`, headers: { 'content-type': type, ...headers }, payload })

describe('POST /topics/{topic}/messages', () => {
  it.each([
    { type: 'application/json', payload: '{"key":"a","value":{"n":1}}', values: ['{"n":1}'] },
    { type: 'application/json; charset=utf-8', payload: '[{"value":1},{"value":2}]', values: ['1', '2'] },
    { type: 'application/json', payload: '{"messages":[{"valueText":"x"}]}', values: ['x'] },
    { type: 'application/x-ndjson', payload: '{"value":1}\n\n{"value":null}\n', values: ['1', null] },
    { type: 'application/octet-stream', payload: '{"value":1}', values: ['{"value":1}'] },
    { type: 'image/png', payload: '', values: [''] },
  ])('takes $type $payload', async ({ type, payload, values }) => {
    const answer = await post(serverWith(), 'orders', type, payload)
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({
      count: values.length,
      lanes: [{ lane: '0', firstPosition: 0, count: values.length }],
      positions: values.map((_, position) => ({ lane: '0', position })),
    })
    const messages = await messagesIn('orders')
    expect(messages.map(({ value }) => text(value))).toEqual(values)
    expect(messages.map(({ timestamp }) => timestamp)).toEqual(values.map(() => NOW_MS))
  })

  it('takes each line as a value with ?format=lines', async () => {
    const answer = await serverWith().inject({ method: 'POST', url: '/topics/orders/messages?format=lines', payload: 'a\n{b\n' })
    expect(answer.json()).toMatchObject({ count: 2 })
    expect((await messagesIn('orders')).map(({ value }) => text(value))).toEqual(['a', '{b'])
  })

  it('takes key, id, timestamp and headers of one raw message from request headers, as UTF-8', async () => {
    const answer = await post(serverWith(), 'orders', 'text/plain', 'hello', {
      'millpond-key': Buffer.from('kü').toString('latin1'),
      'millpond-id': '7',
      'millpond-timestamp': '2026-11-20T00:00:00.500Z',
      'millpond-header-trace': 'abc',
    })
    expect(answer.statusCode).toBe(200)
    const [message] = await messagesIn('orders')
    expect(message).toMatchObject({ id: '7', timestamp: Date.UTC(2026, 10, 20, 0, 0, 0, 500) })
    expect(text(message!.key)).toBe('kü')
    expect(message!.headers.map(({ name, value }) => [name, text(value)])).toEqual([['trace', 'abc']])
  })

  it('takes keys that are no text as base64', async () => {
    await post(serverWith(), 'orders', 'text/plain', 'x', { 'millpond-key-base64': '/wA=' })
    expect((await messagesIn('orders'))[0]!.key).toEqual(Uint8Array.of(255, 0))
  })

  it('tells lanes alone where there are many messages', async () => {
    const answer = await post(serverWith(), 'orders', 'application/x-ndjson', '{"value":1}\n'.repeat(101))
    expect(answer.json()).toEqual({ count: 101, lanes: [{ lane: '0', firstPosition: 0, count: 101 }] })
  })

  it.each(['a%2Fb', '..%2F..', '%F0%9F%98%80', 'x%00y', 'n'.repeat(1024)])(
    'takes the topic %s by its decoded name',
    async (topic) => {
      expect((await post(serverWith(), topic, 'text/plain', 'x')).statusCode).toBe(200)
      expect((await log.topics()).map(({ name }) => name)).toEqual([decodeURIComponent(topic)])
    },
  )

  it.each([
    {
      type: 'application/x-ndjson',
      payload: `${'{"value":1}\n'.repeat(6)}{"value":\n${'{"value":1}\n'.repeat(3)}`,
      code: 'JSON_INVALID',
      status: 400,
    },
    { type: 'application/json', payload: '{"valeu":1}', code: 'JSON_INVALID', status: 400 },
    { type: 'application/json', payload: '', code: 'JSON_INVALID', status: 400 },
    { type: 'application/json', payload: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), code: 'JSON_INVALID', status: 400 },
    { type: 'text/plain', payload: 'x'.repeat(4097), code: 'MESSAGE_TOO_LARGE', status: 413 },
    { type: 'application/json', payload: `{"valueText":"${'x'.repeat(5000)}"}`, code: 'MESSAGE_TOO_LARGE', status: 413 },
    { type: 'text/plain', payload: 'x'.repeat(65_537), code: 'BODY_TOO_LARGE', status: 413 },
  ])('refuses $code as a whole, with its status', async ({ type, payload, code, status }) => {
    const answer = await post(serverWith(), 'orders', type, payload)
    expect(answer.statusCode).toBe(status)
    expect(answer.json()).toMatchObject({ error: { code } })
    expect(await log.topics()).toEqual([])
  })

  it('names the line that is bad', async () => {
    const answer = await post(serverWith(), 'orders', 'application/x-ndjson', '{"value":1}\n{"value":1\n')
    expect(answer.json()).toMatchObject({ error: { code: 'JSON_INVALID', line: 2 } })
  })

  it('says where a body of several messages is bad, and what is wrong in words', async () => {
    const answer = await post(serverWith(), 'orders', 'application/json', '[{"value":1},{"valeu":2}]')
    expect(answer.json()).toMatchObject({
      error: { message: expect.stringContaining('message 2, line 1: unknown property'), line: 1 },
    })
  })

  it.each([
    { method: 'GET', url: '/topics/orders/messages?format=lines', allow: 'POST' },
    { method: 'DELETE', url: '/topics/orders', allow: 'GET, HEAD, POST' },
    { method: 'PUT', url: '/healthz', allow: 'GET, HEAD' },
  ] as const)('answers $method $url 405 with $allow', async ({ method, url, allow }) => {
    const answer = await serverWith().inject({ method, url })
    expect([answer.statusCode, answer.headers['allow']]).toEqual([405, allow])
    expect(answer.json()).toMatchObject({ error: { code: 'METHOD_NOT_ALLOWED' } })
    const ofRest = await serverWith().inject({ method, url, headers: { accept: 'application/vnd.kafka.v2+json' } })
    expect(ofRest.json()).toEqual({ error_code: 405, message: 'HTTP 405 Method Not Allowed' })
  })

  it.each([
    { url: '/topics/orders/messages?format=xml', headers: {}, status: 400 },
    { url: '/topics/%ff/messages', headers: {}, status: 400 },
    { url: `/topics/${'n'.repeat(1025)}/messages`, headers: {}, status: 400 },
    { url: '/topics/orders/messages', headers: { 'millpond-timestamp': 'soon' }, status: 400 },
    { url: '/topics/orders/messages', headers: { 'millpond-key': '\u00ff' }, status: 400 },
    { url: '/topics/orders/messages', headers: { 'millpond-key-base64': '!' }, status: 400 },
    { url: '/topics/orders/messages', headers: { 'content-encoding': 'gzip' }, status: 415 },
    { url: '/topics/orders/nothing', headers: {}, status: 404 },
  ])('answers $status to $url with $headers', async ({ url, headers, status }) => {
    const answer = await serverWith().inject({
      method: 'POST',
      url,
      headers: { 'content-type': 'text/plain', ...headers },
      payload: 'x',
    })
    expect(answer.statusCode).toBe(status)
    expect(answer.json()).toMatchObject({ error: { code: expect.any(String), message: expect.any(String) } })
    expect(errors).toEqual([])
  })

  it('turns away what would hold too much at once, and takes again once that is answered', async () => {
    const gate = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const body = 'x'.repeat(4000)
    const server = serverWith({ maxHeldBytes: 5000 }, async () => {
      held.resolve()
      await gate.promise
      return { lanes: [] }
    })
    const first = post(server, 'orders', 'text/plain', body)
    await held.promise
    const refused = await post(server, 'orders', 'text/plain', body)
    expect(refused.statusCode).toBe(503)
    expect(refused.headers['retry-after']).toBe('1')
    expect(refused.json()).toMatchObject({ error: { code: 'TOO_BUSY' } })
    gate.resolve()
    expect((await first).statusCode).toBe(200)
    expect((await post(server, 'orders', 'text/plain', body)).statusCode).toBe(200)
  })

  it('answers what the log says, and tells defects', async () => {
    const full = serverWith({}, () => Promise.reject(new MillpondError('LOG_FULL', 'no room')))
    expect((await post(full, 'orders', 'text/plain', 'x')).statusCode).toBe(507)
    const broken = serverWith({}, () => Promise.reject(new Error('secret detail')))
    const answer = await post(broken, 'orders', 'text/plain', 'x')
    expect(answer.statusCode).toBe(500)
    expect(answer.body).not.toContain('secret detail')
    expect(errors.map(({ code }) => code)).toEqual(['LOG_FULL', 'INTERNAL'])
  })

  it('forgets a caller that goes away in the middle of a body', async () => {
    const server = serverWith()
    await listen(server, { host: '127.0.0.1', port: 0 })
    const { port } = server.server.address() as AddressInfo
    const sent = request({ port, path: '/topics/orders/messages', method: 'POST', headers: { 'content-length': '100' } })
    sent.on('error', () => undefined)
    sent.write('half')
    const connected = Promise.withResolvers<void>()
    server.server.once('request', () => connected.resolve())
    await connected.promise
    const closed = Promise.withResolvers<void>()
    server.server.on('request', (_request, response) => response.once('close', () => closed.resolve()))
    sent.destroy()
    await post(server, 'orders', 'text/plain', 'x')
    expect(await messagesIn('orders')).toHaveLength(1)
    expect(errors).toEqual([])
  })
})

describe('the token', () => {
  const secured = () => serverWith({ token: 'a-long-token' })

  it.each(['/readyz', '/metrics', '/nothing'])('is asked for at %s', async (url) => {
    const answer = await secured().inject({ url })
    expect(answer.statusCode).toBe(401)
    expect(answer.headers['www-authenticate']).toContain('Bearer')
    expect(answer.json()).toMatchObject({ error: { code: 'UNAUTHORIZED' } })
  })

  it.each(['Bearer wrong', 'Bearer a-long-toke', 'Basic a-long-token', 'a-long-token', 'Bearer '])(
    'is not %j',
    async (authorization) => {
      expect((await post(secured(), 'orders', 'text/plain', 'x', { authorization })).statusCode).toBe(401)
      expect(await log.topics()).toEqual([])
    },
  )

  it('opens everything', async () => {
    expect((await post(secured(), 'orders', 'text/plain', 'x', { authorization: 'Bearer a-long-token' })).statusCode).toBe(200)
  })

  it('is not asked for at /healthz', async () => {
    expect((await secured().inject({ url: '/healthz' })).json()).toEqual({ status: 'ok' })
  })
})

describe('/readyz', () => {
  it('is 200 with troubles that pass and 503 with a part that does not work', async () => {
    const server = serverWith()
    readiness.tell('log', { state: 'green', why: 'fine' })
    readiness.tell('archive', { state: 'amber', why: 'orders/1 tries again' }, 'orders/1')
    const amber = await server.inject({ url: '/readyz' })
    expect(amber.statusCode).toBe(200)
    expect(amber.json()).toEqual({
      ready: true,
      state: 'amber',
      parts: { log: { state: 'green', why: 'fine' }, archive: { state: 'amber', why: 'orders/1 tries again' } },
    })
    readiness.tell('archive', { state: 'red', why: 'orders/2 stopped' }, 'orders/2')
    const red = await server.inject({ url: '/readyz' })
    expect(red.statusCode).toBe(503)
    expect(red.json()).toMatchObject({ ready: false, parts: { archive: { state: 'red', why: 'orders/2 stopped' } } })
    readiness.settle('archive', 'orders/2')
    readiness.settle('archive', 'orders/1')
    expect((await server.inject({ url: '/readyz' })).json()).toMatchObject({ state: 'green' })
  })

  it('counts troubles of one part', () => {
    for (const lane of ['a/0', 'a/1', 'a/2']) readiness.tell('archive', { state: 'red', why: `${lane} stopped` }, lane)
    expect(readiness.report().parts['archive']!.why).toBe('a/0 stopped (and 2 more)')
  })
})

describe('/metrics', () => {
  it('counts messages, bytes and errors', async () => {
    const server = serverWith()
    await post(server, 'orders', 'application/x-ndjson', '{"value":1}\n{"value":2}\n')
    await post(server, 'orders', 'application/json', '{')
    const answer = await server.inject({ url: '/metrics' })
    expect(answer.headers['content-type']).toContain('text/plain')
    expect(answer.body).toContain('millpond_messages_in_total{topic="orders"} 2')
    expect(answer.body).toContain('millpond_bytes_in_total{topic="orders"} 24')
    expect(answer.body).toContain('millpond_requests_failed_total{code="JSON_INVALID"} 1')
    expect(answer.body).toContain('nodejs_eventloop_lag_seconds')
  })
})

describe('listen', () => {
  it('says that an address is taken', async () => {
    const first = serverWith()
    await listen(first, { host: '127.0.0.1', port: 0 })
    const { port } = first.server.address() as AddressInfo
    await expect(listen(serverWith(), { host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
  })

  it('says that an address is not of this machine', async () => {
    await expect(listen(serverWith(), { host: '192.0.2.1', port: 0 })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('closeServer', () => {
  it('answers what is under way, and leaves a caller that stopped sending', async () => {
    const gate = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const server = serverWith({}, async () => {
      held.resolve()
      await gate.promise
      return { lanes: [] }
    })
    const url = await listen(server, { host: '127.0.0.1', port: 0 })
    const answer = fetch(`${url}/topics/orders/messages`, { method: 'POST', body: 'x' })
    await held.promise
    const arrived = once(server.server, 'request')
    const stalled = request(`${url}/topics/orders/messages`, { method: 'POST', headers: { 'content-length': '100' } })
    const left = new Promise((resolve) => stalled.once('error', resolve))
    stalled.write('half')
    await arrived
    const closed = closeServer(server, 500)
    gate.resolve()
    expect((await answer).status).toBe(200)
    await closed
    expect(await left).toBeInstanceOf(Error)
  })
})
