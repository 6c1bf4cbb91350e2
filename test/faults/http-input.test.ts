import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLocalLog } from '../../src/adapters/local/log.ts'
import { configure, runProgram, serve, type Served } from '../live/program.ts'
import { until } from '../live/until.ts'

const MiB = 1024 * 1024
const JSON_TYPE = { 'content-type': 'application/json' }
const LINES_TYPE = { 'content-type': 'application/x-ndjson' }

interface Answer {
  readonly status: number
  readonly body: { readonly count?: number; readonly error?: Record<string, unknown> }
}

let dir: string
let served: Served
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-http-'))
  await configure(dir, {
    http: { maxBodyBytes: '1 MiB', maxMessageBytes: '64 KiB', requestTimeout: '1s' },
    local: { partitions: 1 },
    log: { level: 'error' },
  })
  served = await serve(dir)
})
afterAll(async () => {
  await served.stop()
  await rm(dir, { recursive: true })
})

async function post(topic: string, body: RequestInit['body'], headers: Record<string, string>): Promise<Answer> {
  const init: RequestInit & { duplex?: 'half' } = { method: 'POST', headers, body: body ?? null, duplex: 'half' }
  const response = await fetch(`${served.url}/topics/${encodeURIComponent(topic)}/messages`, init)
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

/** How many messages of the topic the log holds, by another reader of its file. */
async function taken(topic: string): Promise<number> {
  await using log = await openLocalLog({ path: join(dir, 'millpond-data/log.sqlite') })
  if (!(await log.topics()).some(({ name }) => name === topic)) return 0
  const { oldest, next } = await log.range(topic, '0')
  return next - oldest
}

/** A connection on which a test writes what it likes, and all that came back. */
async function open(): Promise<{ socket: Socket; received: () => string; closed: Promise<unknown> }> {
  const { hostname, port } = new URL(served.url)
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  // A refusal may close the connection while the test is still writing.
  socket.on('error', () => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  return { socket, received: () => text, closed }
}

const head = (topic: string, ...lines: string[]): string =>
  [`POST /topics/${topic}/messages HTTP/1.1`, 'host: test', ...lines, '', ''].join('\r\n')

const statuses = (received: string): number[] =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3}) /gu)].map(([, status]) => Number(status))

describe('a body that is too large', () => {
  it('is refused before it is sent where its length says so', async () => {
    const { socket, received, closed } = await open()
    socket.write(head('large', 'content-type: application/octet-stream', `content-length: ${2 * MiB}`))
    await until(() => statuses(received()).length > 0, 'an answer')
    expect(statuses(received())).toEqual([413])
    expect(received()).toContain('"code":"BODY_TOO_LARGE"')
    socket.destroy()
    await closed
    expect(await taken('large')).toBe(0)
  })

  it('is refused when it goes past the limit where its length is not said, and the next request is served', async () => {
    const chunks = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (produced > 3) return controller.close()
        produced += 1
        return controller.enqueue(new Uint8Array(MiB / 2).fill(65))
      },
    })
    let produced = 0
    const answer = await post('large', chunks, { 'content-type': 'application/octet-stream' })
    expect([answer.status, answer.body.error?.['code']]).toEqual([413, 'BODY_TOO_LARGE'])
    expect(await taken('large')).toBe(0)
    expect((await post('large', '{"value":1}', JSON_TYPE)).status).toBe(200)
    expect(await taken('large')).toBe(1)
  })

  it('leaves its connection usable or closes it: never in between', async () => {
    const { socket, received, closed } = await open()
    socket.write(head('usable', 'content-type: application/octet-stream', `content-length: ${2 * MiB}`))
    socket.write(Buffer.alloc(2 * MiB, 65))
    socket.write(`${head('usable', 'content-type: application/json', 'content-length: 11')}{"value":1}`)
    let isClosed = false
    void closed.then(() => (isClosed = true))
    await until(() => isClosed || statuses(received()).length === 2, 'a second answer or the end')
    expect(statuses(received())).toEqual(isClosed ? [413] : [413, 200])
    expect(await taken('usable')).toBe(isClosed ? 0 : 1)
    socket.destroy()
  })

  it.each([
    { kind: 'raw', body: 'x'.repeat(65 * 1024), headers: { 'content-type': 'text/plain' } },
    { kind: 'JSON', body: JSON.stringify({ value: 'x'.repeat(65 * 1024) }), headers: JSON_TYPE },
    { kind: 'a line of two', body: `{"value":1}\n${JSON.stringify({ value: 'x'.repeat(65 * 1024) })}\n`, headers: LINES_TYPE },
  ])('as a single message is named so ($kind)', async ({ body, headers }) => {
    const answer = await post('message', body, headers)
    expect([answer.status, answer.body.error?.['code']]).toEqual([413, 'MESSAGE_TOO_LARGE'])
    expect(await taken('message')).toBe(0)
  })
})

describe('wrong JSON', () => {
  const lines = Array.from({ length: 10 }, (_, i) => JSON.stringify({ key: `k${i}`, value: { i } }))

  it.each([
    { kind: 'JSON lines', body: lines.with(6, '{"key":"k6","value":{"i":}').join('\n'), headers: LINES_TYPE },
    { kind: 'a list', body: `[${lines.with(6, '{"key":"k6","value":{"i":}').join(',\n')}]`, headers: JSON_TYPE },
    { kind: 'a misspelt key', body: lines.with(6, '{"kee":"k6","value":1}').join('\n'), headers: LINES_TYPE },
    { kind: 'a line cut short', body: lines.with(6, '{"key":"k6","val').join('\n'), headers: LINES_TYPE },
    { kind: 'CRLF', body: lines.with(6, 'nonsense').join('\r\n'), headers: LINES_TYPE },
  ])('in line 7 of 10 is named, and none of the 10 is taken ($kind)', async ({ body, headers }) => {
    const answer = await post('seventh', body, headers)
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'JSON_INVALID', line: 7 } } })
    expect(await taken('seventh')).toBe(0)
  })

  it.each([
    { kind: 'in a value', bytes: Buffer.concat([Buffer.from('{"value":"'), Buffer.of(0xff, 0xfe), Buffer.from('"}')]) },
    { kind: 'in a key', bytes: Buffer.concat([Buffer.from('{"value":1,"key":"'), Buffer.of(0xc3), Buffer.from('"}')]) },
    { kind: 'too long a form', bytes: Buffer.concat([Buffer.from('{"value":"'), Buffer.of(0xc0, 0xaf), Buffer.from('"}')]) },
    { kind: 'a surrogate', bytes: Buffer.concat([Buffer.from('{"value":"'), Buffer.of(0xed, 0xa0, 0x80), Buffer.from('"}')]) },
  ])('that is no UTF-8 is refused with its line ($kind)', async ({ bytes }) => {
    const body = Buffer.concat([Buffer.from('{"value":1}\n'), bytes, Buffer.from('\n')])
    const answer = await post('utf8', body, LINES_TYPE)
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'JSON_INVALID', line: 2 } } })
    expect(await taken('utf8')).toBe(0)
  })

  it('says nothing of the content in its answer', async () => {
    const answer = await post('quiet', '{"value":{"password":"hunter2",}}', JSON_TYPE)
    expect(answer.status).toBe(400)
    expect(JSON.stringify(answer.body)).not.toContain('hunter2')
  })
})

describe('other bodies', () => {
  it.each(['application/json', 'application/x-ndjson'])('that are empty hold no message where %s is said', async (type) => {
    const answer = await post('empty', '', { 'content-type': type })
    expect([answer.status, answer.body.error?.['code'] ?? answer.body.count]).toEqual(
      type === 'application/json' ? [400, 'JSON_INVALID'] : [200, 0],
    )
    expect(await taken('empty')).toBe(0)
  })

  it('that are empty are an empty value where they are raw', async () => {
    expect(await post('empty-value', '', { 'content-type': 'text/plain' })).toMatchObject({ status: 200, body: { count: 1 } })
    expect(await taken('empty-value')).toBe(1)
  })

  it('that are compressed are refused, not stored as they are', async () => {
    const answer = await post('packed', 'x', { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    expect([answer.status, answer.body.error?.['code']]).toEqual([415, 'MEDIA_TYPE_UNSUPPORTED'])
    expect(await taken('packed')).toBe(0)
  })

  it('of any other type are one value, byte for byte', async () => {
    const answer = await post('other', '{"value":1}', { 'content-type': 'application/vnd.unknown+thing; x=y' })
    expect(answer).toMatchObject({ status: 200, body: { count: 1 } })
    expect(await taken('other')).toBe(1)
  })

  it('may come in chunks that cut lines and characters', async () => {
    const { socket, received, closed } = await open()
    socket.write(head('chunked', 'content-type: application/x-ndjson', 'transfer-encoding: chunked', 'connection: close'))
    const body = Buffer.from('{"value":"é🎈"}\n{"key":"k","value":2}\n')
    for (const byte of body) socket.write(Buffer.concat([Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]))
    socket.write('0\r\n\r\n')
    await closed
    expect(statuses(received())).toEqual([200])
    expect(received()).toContain('"count":2')
    expect(await taken('chunked')).toBe(2)
  })

  it('in broken chunks are not taken', async () => {
    const { socket, received, closed } = await open()
    socket.write(head('chunked-broken', 'content-type: application/x-ndjson', 'transfer-encoding: chunked'))
    socket.write('c\r\n{"value":1}\n\r\nzz\r\n{"value":2}\n\r\n0\r\n\r\n')
    await closed
    expect(statuses(received())).not.toContain(200)
    expect(await taken('chunked-broken')).toBe(0)
  })
})

describe('callers that do not finish', () => {
  it.each([
    { kind: 'JSON lines with a whole line', type: 'application/x-ndjson', sent: '{"value":1}\n{"val' },
    { kind: 'raw', type: 'application/octet-stream', sent: 'half of a val' },
  ])('and go away in half a request leave nothing ($kind)', async ({ type, sent }) => {
    const { socket, closed } = await open()
    socket.write(head('half', `content-type: ${type}`, 'content-length: 1000') + sent)
    await new Promise<void>((resolve) => socket.end(() => resolve()))
    socket.destroy()
    await closed
    expect((await post('half-after', '{"value":1}', JSON_TYPE)).status).toBe(200)
    expect(await taken('half')).toBe(0)
  })

  it.each([
    { kind: 'in the head', sent: 'POST /topics/slow/messages HTTP/1.1\r\nhost: te' },
    { kind: 'in the body', sent: `${head('slow', 'content-type: application/json', 'content-length: 11')}{"val` },
  ])(
    'and go slow $kind are timed out',
    async ({ sent }) => {
      const { socket, received, closed } = await open()
      socket.write(sent)
      await closed
      expect(statuses(received())).toEqual([408])
      expect(await taken('slow')).toBe(0)
    },
    60_000,
  )
})

describe('addresses and methods', () => {
  it.each([
    { what: 'GET of a topic', method: 'GET', path: '/topics/a/messages', status: 405 },
    { what: 'a topic without a name', method: 'POST', path: '/topics//messages', status: 400 },
    { what: 'a percent sign alone', method: 'POST', path: '/topics/%/messages', status: 400 },
    { what: 'bytes that are no UTF-8', method: 'POST', path: '/topics/%ff/messages', status: 400 },
    { what: 'a name of 1,025 bytes', method: 'POST', path: `/topics/${'a'.repeat(1025)}/messages`, status: 400 },
    { what: 'a name of 5,000 bytes', method: 'POST', path: `/topics/${'a'.repeat(5000)}/messages`, status: 400 },
    { what: 'an unknown format', method: 'POST', path: '/topics/a/messages?format=xml', status: 400 },
  ])('are refused where they are wrong: $what', async ({ method, path, status }) => {
    const init = method === 'POST' ? { body: '{"value":1}', headers: JSON_TYPE } : {}
    const response = await fetch(`${served.url}${path}`, { method, ...init })
    expect([response.status, typeof (await response.json())]).toEqual([status, 'object'])
  })

  it.each([
    { name: 'millpond-key', value: '\u00ff' },
    { name: 'millpond-key-base64', value: '!!' },
    { name: 'millpond-timestamp', value: 'yesterday' },
    { name: 'millpond-header-a', value: '\u00c3(' },
  ])('with a wrong header $name are refused', async ({ name, value }) => {
    const answer = await post('headers', 'v', { 'content-type': 'text/plain', [name]: value })
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'INPUT_INVALID' } } })
    expect(await taken('headers')).toBe(0)
  })
})

describe('the token', () => {
  const token = 'correct-horse-battery'
  let guarded: Served
  let guardedDir: string
  beforeAll(async () => {
    guardedDir = await mkdtemp(join(tmpdir(), 'millpond-token-'))
    await configure(guardedDir, { http: { host: '0.0.0.0', token: '${POND_TOKEN}' }, log: { level: 'info' } })
    guarded = await serve(guardedDir, [], { env: { POND_TOKEN: token } })
  })
  afterAll(async () => {
    const { stderr } = await guarded.stop()
    expect(stderr).not.toContain(token)
    await rm(guardedDir, { recursive: true })
  })

  const ask = (path: string, authorization?: string) =>
    fetch(`http://127.0.0.1:${new URL(guarded.url).port}${path}`, {
      headers: authorization === undefined ? {} : { authorization },
    })

  it('is needed where others reach the program', async () => {
    const open = await mkdtemp(join(tmpdir(), 'millpond-open-'))
    const { exitCode, stderr } = await runProgram(['serve', '--dir', open, '--host', '0.0.0.0', '--port', '0'])
    await rm(open, { recursive: true })
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('http.token')])
  })

  it.each([
    { authorization: undefined },
    { authorization: 'Bearer wrong-horse-battery' },
    { authorization: `Bearer ${token}x` },
    { authorization: `Basic ${btoa(`${token}:user`)}` },
    { authorization: 'Bearer' },
  ])('refuses $authorization with 401', async ({ authorization }) => {
    for (const path of ['/readyz', '/metrics', '/topics/a/messages', '/nothing']) {
      const response = await ask(path, authorization)
      expect([path, response.status, response.headers.get('www-authenticate')]).toEqual([
        path,
        401,
        expect.stringMatching(/^Bearer realm="millpond".*, Basic realm="millpond"/u),
      ])
    }
    expect((await ask('/healthz', authorization)).status).toBe(200)
  })

  it('lets in who has it', async () => {
    expect((await ask('/readyz', `Bearer ${token}`)).status).toBe(200)
  })
})
