import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InjectOptions } from 'fastify'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LocalLog, openLocalLog } from '../../../src/adapters/local/log.ts'
import { callerOf, requireAccess } from '../../../src/api/access.ts'
import { routesOf } from '../../../src/api/auth/route-access.ts'
import { type Guarded, guarded } from './guarded.ts'

const KEYS = [
  { name: 'shop', key: 'the-key-of-the-shop', scopes: [{ scope: 'write', topics: ['orders*'] }] },
  { name: 'desk', key: 'the-key-of-the-desk', scopes: [{ scope: 'read', topics: ['orders', 'people'] }] },
  { name: 'boss', key: 'the-key-of-the-boss', scopes: [{ scope: 'admin' }] },
  { name: 'idle', key: 'the-key-of-the-idle' },
]
const keyOf = (name: string) => ({ 'x-api-key': `the-key-of-the-${name}` })

let folder: string
let log: LocalLog
const open: Guarded[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-guard-'))
  log = await openLocalLog({ path: join(folder, 'log.sqlite'), autoCreate: { partitions: 1 } })
})
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]()
  await log.close()
  await rm(folder, { recursive: true })
})

async function serverWith(http: object = { keys: KEYS }): Promise<Guarded> {
  const made = await guarded(log, folder, http)
  open.push(made)
  return made
}

const put = (topic: string, headers: Record<string, string> = {}): InjectOptions => ({
  method: 'POST',
  url: `/topics/${topic}/messages`,
  headers: { 'content-type': 'text/plain', ...headers },
  payload: 'x',
})

describe('every route of the server', () => {
  it('says who may call it', async () => {
    const { server } = await serverWith()
    await server.ready()
    const routes = routesOf(server)
    expect(routes.length).toBeGreaterThan(25)
    expect(routes.filter(({ access }) => access === undefined)).toEqual([])
    expect(routes.filter(({ access }) => access === 'open').map(({ url }) => url)).toEqual(['/healthz', '/healthz'])
  })

  it('answers nobody that has no key, but for /healthz', async () => {
    const { server } = await serverWith({ keys: KEYS, limits: { refusedPerMinute: 1000 } })
    await server.ready()
    for (const { method, url } of routesOf(server)) {
      const answer = await server.inject({ method: method as 'GET', url: url.replaceAll(/:\w+/gu, 'orders') })
      expect([method, url, answer.statusCode]).toEqual([method, url, url === '/healthz' ? 200 : 401])
    }
    expect(await log.topics()).toEqual([])
  })

  it('that says nothing is for who may do everything', async () => {
    const { server } = await serverWith()
    server.get('/undeclared', () => 'told')
    const statuses = ['shop', 'desk', 'idle', 'boss'].map(async (name) => {
      const answer = await server.inject({ url: '/undeclared', headers: keyOf(name) })
      return answer.statusCode
    })
    expect(await Promise.all(statuses)).toEqual([403, 403, 403, 200])
  })

  it('that asks for itself and forgot to is kept back', async () => {
    const { server, errors } = await serverWith()
    const config = { access: { scope: 'read', of: 'asks' } } as const
    server.get('/forgot', { config }, () => 'told')
    server.get('/asked', { config }, (request) => {
      requireAccess(callerOf(request), 'read', 'people')
      return 'told'
    })
    const forgot = await server.inject({ url: '/forgot', headers: keyOf('boss') })
    expect([forgot.statusCode, forgot.body.includes('told')]).toEqual([500, false])
    expect(errors.map(({ error }) => error.message)).toEqual(['/forgot did not ask what its caller may do'])
    expect((await server.inject({ url: '/asked', headers: keyOf('desk') })).body).toBe('told')
    expect((await server.inject({ url: '/asked', headers: keyOf('shop') })).statusCode).toBe(403)
  })
})

describe('scopes', () => {
  it.each([
    { name: 'shop', topic: 'orders-eu', status: 200 },
    { name: 'shop', topic: 'people', status: 403 },
    { name: 'desk', topic: 'orders', status: 403 },
    { name: 'idle', topic: 'orders', status: 403 },
    { name: 'boss', topic: 'people', status: 200 },
  ])('let $name put into $topic with $status', async ({ name, topic, status }) => {
    const { server } = await serverWith()
    expect((await server.inject(put(topic, keyOf(name)))).statusCode).toBe(status)
    expect((await log.topics()).length).toBe(status === 200 ? 1 : 0)
  })

  it('are named by a refusal, which is the same whether the topic is there or not', async () => {
    const { server } = await serverWith()
    await server.inject(put('secret', keyOf('boss')))
    const refusals = await Promise.all(['secret', 'absent'].map((topic) => server.inject(put(topic, keyOf('shop')))))
    expect(refusals.map((answer) => answer.json().error)).toEqual(
      ['secret', 'absent'].map((topic) => ({
        code: 'FORBIDDEN',
        message: `shop may not write topic ${topic}`,
        scope: 'write',
        topic,
        requestId: expect.any(String),
      })),
    )
  })

  it('hold for the name that a topic has, not for how the address writes it', async () => {
    const { server } = await serverWith()
    for (const topic of ['%6frders', 'orders%2F..%2Fpeople']) {
      expect((await server.inject(put(topic, keyOf('shop')))).statusCode).toBe(200)
    }
    for (const url of ['/topics/orders/../people/messages', '//topics/people/messages', '/topics/people%2Fmessages']) {
      const answer = await server.inject({ ...put('x', keyOf('shop')), url })
      expect([url, answer.statusCode >= 400]).toEqual([url, true])
    }
    expect((await log.topics()).map(({ name }) => name).sort()).toEqual(['orders', 'orders/../people'])
  })

  it('hold for the calls of the Kafka REST proxy too, which tell of topics that are not the caller’s as little', async () => {
    const { server } = await serverWith()
    for (const topic of ['orders', 'people', 'secret']) await server.inject(put(topic, keyOf('boss')))
    const seen = async (name: string) => (await server.inject({ url: '/topics', headers: keyOf(name) })).json() as string[]
    expect([await seen('boss'), await seen('shop'), await seen('desk'), await seen('idle')]).toEqual([
      ['orders', 'people', 'secret'],
      ['orders'],
      ['orders', 'people'],
      [],
    ])
    for (const topic of ['secret', 'absent']) {
      const answer = await server.inject({ url: `/topics/${topic}`, headers: keyOf('shop') })
      expect(answer.statusCode).toBe(403)
      expect(answer.json()).toEqual({ error_code: 40301, message: `shop may not read topic ${topic}` })
    }
    const produced = await server.inject({
      method: 'POST',
      url: '/topics/people',
      headers: { 'content-type': 'application/vnd.kafka.json.v2+json', ...keyOf('shop') },
      payload: '{"records":[{"value":1}]}',
    })
    expect([produced.statusCode, produced.json().error_code]).toEqual([403, 40301])
  })
})

describe('a key', () => {
  it.each([
    { by: 'Bearer', headers: { authorization: 'Bearer the-key-of-the-boss' } },
    { by: 'x-api-key', headers: { 'x-api-key': 'the-key-of-the-boss' } },
    { by: 'Basic', headers: { authorization: `Basic ${btoa('anybody:the-key-of-the-boss')}` } },
  ])('comes by $by', async ({ headers }) => {
    const { server } = await serverWith()
    expect((await server.inject({ url: '/readyz', headers })).statusCode).toBe(200)
  })

  it('that is wrong is told as RFC 6750 and RFC 7617 say', async () => {
    const { server } = await serverWith()
    const challenge = async (headers: Record<string, string>) =>
      (await server.inject({ url: '/readyz', headers })).headers['www-authenticate']
    expect(await challenge({})).toBe('Bearer realm="millpond", Basic realm="millpond", charset="UTF-8"')
    expect(await challenge({ 'x-api-key': 'wrong' })).toBe(
      'Bearer realm="millpond", error="invalid_token", Basic realm="millpond", charset="UTF-8"',
    )
  })

  it('is not looked at where an address had too many refused, even when it is right', async () => {
    const { server, metrics } = await serverWith({ keys: KEYS, limits: { refusedPerMinute: 3 } })
    const ask = async (key: string) => (await server.inject({ url: '/readyz', headers: { 'x-api-key': key } })).statusCode
    expect([await ask('a'), await ask('b'), await ask('c'), await ask('the-key-of-the-boss')]).toEqual([401, 401, 401, 429])
    expect((await server.inject('/healthz')).statusCode).toBe(200)
    expect(await metrics.registry.metrics()).toContain('millpond_requests_failed_total{code="TOO_MANY_REQUESTS"} 1')
  })

  it('may ask so often, and is told when again', async () => {
    const { server } = await serverWith({ keys: KEYS, limits: { rate: 1, burst: 2 } })
    const ask = (name: string) => server.inject({ url: '/readyz', headers: keyOf(name) })
    const answers = [await ask('boss'), await ask('boss'), await ask('boss'), await ask('desk')]
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 429, 200])
    expect(answers[2]!.headers).toMatchObject({ 'retry-after': '1', 'ratelimit-limit': '2', 'ratelimit-remaining': '0' })
    expect(answers[2]!.json()).toMatchObject({ error: { code: 'TOO_MANY_REQUESTS' } })
  })

  it('has limits of its own where the configuration names it', async () => {
    const callers = [{ name: 'boss', rate: 100 }]
    const { server } = await serverWith({ keys: KEYS, limits: { rate: 1, burst: 2, concurrent: 8, callers } })
    const limitOf = async (name: string) =>
      (await server.inject({ url: '/readyz', headers: keyOf(name) })).headers['ratelimit-limit']
    expect([await limitOf('boss'), await limitOf('desk')]).toEqual(['100', '2'])
  })
})

describe('probes', () => {
  it('answer whoever asks where the configuration says so, and nothing else does', async () => {
    const { server } = await serverWith({ keys: KEYS, openProbes: true })
    const statuses = ['/healthz', '/readyz', '/metrics', '/topics', '/nothing'].map(
      async (url) => (await server.inject(url)).statusCode,
    )
    expect(await Promise.all(statuses)).toEqual([200, 200, 200, 401, 401])
  })
})

describe('the id of a request', () => {
  it.each([
    { given: 'trace-1/a:b=c', kept: true },
    { given: 'x'.repeat(128), kept: true },
    { given: 'x'.repeat(129), kept: false },
    { given: 'a b', kept: false },
    { given: 'a"b', kept: false },
    { given: '<script>', kept: false },
    { given: '', kept: false },
  ])('is $given: $kept', async ({ given, kept }) => {
    const { server } = await serverWith()
    const answer = await server.inject({ url: '/nothing', headers: { 'x-request-id': given, ...keyOf('boss') } })
    const id = String(answer.headers['x-request-id'])
    expect(id === given).toBe(kept)
    expect(id).toMatch(kept ? /./u : /^[\da-f-]{36}$/u)
    expect(answer.json()).toMatchObject({ error: { code: 'NOT_FOUND', requestId: id } })
  })

  it('is in every answer', async () => {
    const { server } = await serverWith()
    for (const url of ['/healthz', '/readyz', '/nothing', '/topics', '/%zz', `/topics/${'x'.repeat(4000)}`]) {
      const answer = await server.inject({ url })
      expect([url, typeof answer.headers['x-request-id']]).toEqual([url, 'string'])
      expect(answer.headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      })
    }
  })
})

describe('web pages', () => {
  const page = 'https://console.example'
  const http = { keys: KEYS, cors: { origins: [page] } }

  it('may call where their origin is in the list, exactly', async () => {
    const { server } = await serverWith(http)
    const allowed = async (origin: string) =>
      (await server.inject({ url: '/healthz', headers: { origin } })).headers['access-control-allow-origin']
    expect(await allowed(page)).toBe(page)
    for (const other of ['http://console.example', 'https://console.example.evil.example', 'https://a.console.example', 'null']) {
      expect(await allowed(other)).toBeUndefined()
    }
  })

  it('are told before they call what they may, and nothing where nothing is configured', async () => {
    const ask: InjectOptions = {
      method: 'OPTIONS',
      url: '/topics/orders/messages',
      headers: {
        origin: page,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'X-Api-Key, millpond-key, cookie',
      },
    }
    const answer = await (await serverWith(http)).server.inject(ask)
    expect(answer.statusCode).toBe(204)
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-allow-headers': 'x-api-key, millpond-key',
    })
    expect(answer.headers['access-control-allow-credentials']).toBeUndefined()
    const closed = await (await serverWith()).server.inject(ask)
    expect([closed.statusCode, closed.headers['access-control-allow-origin']]).toEqual([401, undefined])
  })

  it.each([
    { what: 'a page of another site', headers: { origin: 'https://evil.example' }, status: 403 },
    { what: 'a name that leads here from elsewhere', headers: { host: 'evil.example:7070' }, status: 403 },
    { what: 'a page of this service', headers: { origin: 'http://localhost:7070', host: 'localhost:7070' }, status: 200 },
    { what: 'an address', headers: { host: '127.0.0.1:7070' }, status: 200 },
    { what: 'an address of version 6', headers: { host: '[::1]:7070' }, status: 200 },
    { what: 'a program', headers: {}, status: 200 },
  ])('cannot use a service without keys through a browser on its machine: $what', async ({ headers, status }) => {
    const { server } = await serverWith({})
    expect((await server.inject(put('orders', headers as Record<string, string>))).statusCode).toBe(status)
    expect((await server.inject({ url: '/topics', headers })).statusCode).toBe(status)
  })
})

describe('behind a proxy', () => {
  it.each([
    { behindProxy: true, forwarded: '203.0.113.9', blocked: true },
    { behindProxy: true, forwarded: '198.51.100.1, 203.0.113.9', blocked: true },
    { behindProxy: true, forwarded: '203.0.113.9, 198.51.100.1', blocked: false },
    { behindProxy: false, forwarded: '203.0.113.77', blocked: true },
  ])('the address is the last one that is forwarded ($forwarded, $behindProxy)', async ({ behindProxy, forwarded, blocked }) => {
    const { server } = await serverWith({ keys: KEYS, behindProxy, limits: { refusedPerMinute: 1 } })
    await server.inject({ url: '/readyz', headers: { 'x-forwarded-for': '203.0.113.9' } })
    const answer = await server.inject({ url: '/readyz', headers: { 'x-forwarded-for': forwarded, ...keyOf('boss') } })
    expect(answer.statusCode).toBe(blocked ? 429 : 200)
  })
})
