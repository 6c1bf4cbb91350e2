import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createHmac } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LocalLog, openLocalLog } from '../../../src/adapters/local/log.ts'
import { callerOf, requireAccess } from '../../../src/api/access.ts'
import { noteForAudit } from '../../../src/api/auth/audit.ts'
import { until } from '../../live/until.ts'
import { type Guarded, guarded } from './guarded.ts'

const KEYS = [
  { name: 'shop', key: 'the-key-of-the-shop', scopes: [{ scope: 'write', topics: ['orders'] }] },
  { name: 'boss', key: 'the-key-of-the-boss', scopes: [{ scope: 'admin' }] },
]
const BOSS = { 'x-api-key': 'the-key-of-the-boss' }

let folder: string
let log: LocalLog
let file: string
const open: Guarded[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-audit-'))
  log = await openLocalLog({ path: join(folder, 'log.sqlite'), autoCreate: { partitions: 1 } })
  file = join(folder, 'audit', 'calls.jsonl')
})
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]()
  await log.close()
  await rm(folder, { recursive: true })
})

/** A server with routes as others add them. */
async function serverWith(audit: object = {}): Promise<Guarded & { readonly done: string[] }> {
  const made = await guarded(log, folder, { keys: KEYS, audit: { type: 'file', path: 'audit/calls.jsonl', ...audit } })
  open.push(made)
  const done: string[] = []
  const { server } = made
  server.get('/find', { config: { access: { scope: 'read', of: 'asks' } } }, (asked) => {
    requireAccess(callerOf(asked), 'read', 'orders')
    done.push('search')
    noteForAudit(asked, { topic: 'orders', count: 7, personal: { filter: 'card 4711' } })
    return 'found'
  })
  server.post('/jobs/:topic', { config: { access: { scope: 'replay', of: 'path' } } }, async () => {
    done.push('replay')
    return (await recorded()).map(({ event }) => event)
  })
  server.get('/slow', { config: { access: { scope: 'read', of: 'every' } } }, () => new Promise(() => undefined))
  return { ...made, done }
}

type Line = Readonly<Record<string, unknown>>

async function recorded(): Promise<Line[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

async function recordedAre(count: number): Promise<Line[]> {
  await until(async () => (await recorded()).length >= count, `${count} lines`)
  return recorded()
}

describe('the audit log', () => {
  it('says who asked what and what came of it, without what may be personal', async () => {
    const { server } = await serverWith({ hashKey: 'a-key-for-hashes' })
    await server.inject({ url: '/find?topic=orders&key=4711&limit=10', headers: { 'x-request-id': 'r-1', ...BOSS } })
    const hashed = (value: string) => `hmac-sha256:${createHmac('sha256', 'a-key-for-hashes').update(value).digest('hex')}`
    expect(await recordedAre(1)).toEqual([
      {
        time: expect.stringMatching(/^2\d{3}-\d\d-\d\dT/u),
        event: 'done',
        requestId: 'r-1',
        caller: 'boss',
        via: 'key',
        remote: '127.0.0.1',
        method: 'GET',
        route: '/find',
        topic: 'orders',
        what: { topic: 'orders', key: hashed('4711'), limit: '10', filter: hashed('card 4711') },
        count: 7,
        status: 200,
        milliseconds: expect.any(Number),
      },
    ])
    expect(await readFile(file, 'utf8')).not.toContain('4711')
  })

  it('has a call that changes something before it is done, and what came of it', async () => {
    const { server } = await serverWith()
    const answer = await server.inject({ method: 'POST', url: '/jobs/orders', headers: BOSS })
    expect(answer.json()).toEqual(['asked'])
    expect((await recordedAre(2)).map(({ event, topic, status }) => [event, topic, status])).toEqual([
      ['asked', 'orders', undefined],
      ['done', 'orders', 200],
    ])
  })

  it('has what was refused, and nothing of the key that was tried', async () => {
    const { server } = await serverWith()
    await server.inject({ url: '/find', headers: { authorization: 'Bearer some-wrong-key' } })
    await server.inject({ method: 'POST', url: '/jobs/orders', headers: { 'x-api-key': 'the-key-of-the-shop' } })
    expect((await recordedAre(2)).map(({ event, caller, status, code }) => [event, caller, status, code])).toEqual([
      ['refused', null, 401, 'UNAUTHORIZED'],
      ['refused', 'shop', 403, 'FORBIDDEN'],
    ])
    expect(await readFile(file, 'utf8')).not.toMatch(/wrong-key|the-key-of/u)
  })

  it('keeps so many files as it is told to', async () => {
    const { server } = await serverWith({ rotateBytes: 4096, keep: 2 })
    for (let round = 0; round < 6; round++) {
      for (let n = 0; n < 20; n++)
        await server.inject({ url: '/find', headers: { 'x-request-id': `round-${round}-${n}-`, ...BOSS } })
      const written = () => readFile(file, 'utf8').catch(() => '')
      await until(async () => (await written()).includes(`round-${round}-19-`), `round ${round} to be written`)
    }
    const files = () => readdir(join(folder, 'audit'))
    await until(async () => (await files()).length === 3, 'two files that are kept')
    const rotated = (await files()).filter((name) => name !== 'calls.jsonl')
    expect(rotated.every((name) => /^calls\.jsonl\.\d{4}-.*Z/u.test(name))).toBe(true)
  })

  it('counts puts elsewhere, unless it is asked for them', async () => {
    const put = { method: 'POST', url: '/topics/orders/messages', headers: BOSS, payload: '[{"value":1},{"value":2}]' } as const
    const json = { ...put, headers: { ...BOSS, 'content-type': 'application/json' } }
    const quiet = await serverWith()
    expect((await quiet.server.inject(json)).statusCode).toBe(200)
    await quiet.server.inject({ url: '/find', headers: BOSS })
    expect((await recordedAre(1)).map(({ route }) => route)).toEqual(['/find'])
    const thorough = await serverWith({ puts: true })
    await thorough.server.inject(json)
    expect((await recordedAre(2)).at(-1)).toMatchObject({ route: '/topics/:topic/messages', topic: 'orders', count: 2 })
  })

  it('has a call whose caller went away', async () => {
    const { server } = await serverWith()
    const url = await server.listen({ host: '127.0.0.1', port: 0 })
    const asking = request(`${url}/slow`, { headers: BOSS })
    asking.on('error', () => undefined)
    asking.end()
    const connections = () =>
      new Promise<number>((resolve, reject) => {
        server.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
      })
    await once(asking, 'socket')
    await until(async () => (await connections()) > 0, 'a connection')
    await until(() => asking.writableFinished, 'the request to be sent')
    await new Promise((resolve) => setImmediate(resolve))
    asking.destroy()
    await until(async () => (await connections()) === 0, 'the connection to be gone')
    const lines = await recorded()
    // The caller may be gone before its request was read.
    expect(lines.map(({ event, code }) => [event, code])).toEqual(lines.length === 0 ? [] : [['failed', 'CALLER_GONE']])
  })
})

describe('a search of the archive', () => {
  it('is recorded whichever way it is asked, with its topic, and without the values that it looks for', async () => {
    const { server } = await serverWith({ hashKey: 'a-key-for-hashes' })
    const search = { topic: 'orders', key: 'card-4711', id: 'Ada', limit: 5 }
    const post = { method: 'POST', url: '/search', payload: JSON.stringify(search) } as const
    await server.inject({ ...post, headers: { ...BOSS, 'content-type': 'application/json' } })
    await server.inject({ url: '/search/count?topic=orders&key=card-4711', headers: BOSS })
    await server.inject({ url: '/archive/topics', headers: BOSS })
    const hashed = (value: string) => `hmac-sha256:${createHmac('sha256', 'a-key-for-hashes').update(value).digest('hex')}`
    const lines = await recordedAre(3)
    expect(lines.map(({ route, topic }) => [route, topic])).toEqual([
      ['/search', 'orders'],
      ['/search/count', 'orders'],
      ['/archive/topics', undefined],
    ])
    expect(lines[0]!['what']).toEqual({
      topic: 'orders',
      key: hashed('card-4711'),
      id: hashed('Ada'),
      limit: 5,
    })
    expect(lines[1]!['what']).toEqual({ topic: 'orders', key: hashed('card-4711') })
    expect(await readFile(file, 'utf8')).not.toMatch(/4711|Ada/u)
  })
})

describe('an audit log that cannot be written', () => {
  const status = async ({ server }: Guarded, method: 'GET' | 'POST', url: string) =>
    (await server.inject({ method, url, headers: BOSS })).statusCode

  it.each([
    { onFailure: 'refuse-changes', search: 200, replay: 503, done: ['search'] },
    { onFailure: 'refuse-all', search: 503, replay: 503, done: [] },
    { onFailure: 'go-on', search: 200, replay: 200, done: ['search', 'replay'] },
  ])('$onFailure: a search is answered $search, a replay $replay', async ({ onFailure, search, replay, done }) => {
    await writeFile(join(folder, 'audit'), 'a file where the folder should be')
    const made = await serverWith({ onFailure })
    expect(await status(made, 'GET', '/find')).toBe(search)
    expect(await status(made, 'POST', '/jobs/orders')).toBe(replay)
    expect(made.done).toEqual(done)
    await until(() => made.readiness.report().state === 'amber', 'amber')
    expect(made.readiness.report().parts['audit']?.why).toContain('audit log cannot be written')
    await until(async () => /audit_lost_total [12]\b/u.test(await made.metrics.registry.metrics()), 'what is lost to be counted')
    await rm(join(folder, 'audit'))
    expect(await status(made, 'POST', '/jobs/orders')).toBe(200)
    await until(() => made.readiness.report().state === 'green', 'green')
    expect(made.news.filter((text) => text.startsWith('warn'))).toHaveLength(1)
  })
})

describe('audit: auto', () => {
  it.each([
    { host: '127.0.0.1', isKept: false },
    { host: '0.0.0.0', isKept: true },
  ])('at $host: $isKept', async ({ host, isKept }) => {
    const made = await guarded(log, folder, { host, keys: KEYS })
    open.push(made)
    expect(made.safety.gate.audit !== undefined).toBe(isKept)
    expect(made.news.some((text) => text.includes('in the clear'))).toBe(isKept)
  })
})
