import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { request, type RequestOptions } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, newCertificates } from '../../servers/certificates.ts'
import { configure, runProgram, type Served, serve } from '../../live/program.ts'
import { until } from '../../live/until.ts'

const KEYS = [
  { name: 'boss', key: 'the-key-of-the-boss', scopes: [{ scope: 'admin' }] },
  { name: 'machine', certificate: 'millpond-client', scopes: [{ scope: 'write', topics: ['orders'] }] },
]
const BOSS = { 'x-api-key': 'the-key-of-the-boss' }

let dir: string
let first: Certificates
let second: Certificates
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-tls-'))
  first = await newCertificates()
  second = await newCertificates()
})
afterAll(() => rm(dir, { recursive: true }))

/** New files in the place of old ones, as tools that renew certificates put them. */
async function put(folder: string, { server, ca }: Certificates, key = server.key): Promise<void> {
  for (const [name, text] of Object.entries({ 'server.key': key, 'server.pem': server.certificate, 'ca.pem': ca })) {
    await writeFile(join(folder, `${name}.new`), text)
    await rename(join(folder, `${name}.new`), join(folder, name))
  }
}

async function folderWith(tls: { readonly [key: string]: unknown; readonly ca?: string }, more: object = {}): Promise<string> {
  const folder = await mkdtemp(join(dir, 'served-'))
  await put(folder, first)
  const files = { certificate: 'server.pem', key: 'server.key', reload: '100ms' }
  await configure(folder, {
    http: { keys: tls.ca === undefined ? KEYS.slice(0, 1) : KEYS, tls: { ...files, ...tls }, ...more },
    log: { level: 'info' },
  })
  return folder
}

interface Answer {
  readonly status: number
  readonly body: string
}

/** Asks on a connection of its own. */
function ask(url: string, options: RequestOptions, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent: false, ...options }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode!, body: text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const outcome = (url: string, options: RequestOptions): Promise<number | 'refused'> =>
  ask(url, options).then(
    ({ status }) => status,
    () => 'refused' as const,
  )

describe('TLS', () => {
  let served: Served
  let folder: string
  beforeAll(async () => {
    folder = await folderWith({}, { requestTimeout: '2s' })
    served = await serve(folder)
  })
  afterAll(() => served.stop())

  it('is what the address says, and carries the whole interface', async () => {
    expect(served.url).toMatch(/^https:/u)
    const options = { ca: first.ca, headers: { ...BOSS, 'content-type': 'application/json' }, method: 'POST' }
    expect(await ask(`${served.url}/topics/orders/messages`, options, '{"value":1}')).toMatchObject({ status: 200 })
    expect(await outcome(`${served.url}/readyz`, { ca: first.ca })).toBe(401)
  })

  it('takes nothing in the clear', async () => {
    const answer = await fetch(`${served.url.replace('https', 'http')}/healthz`).then(
      ({ status }) => status,
      () => 'refused',
    )
    expect(answer).not.toBe(200)
  })

  it.each(['TLSv1', 'TLSv1.1'] as const)('is not spoken in %s', async (maxVersion) => {
    const options = { ca: first.ca, minVersion: 'TLSv1', maxVersion, ciphers: 'DEFAULT:@SECLEVEL=0' } as const
    expect(await outcome(`${served.url}/healthz`, options)).toBe('refused')
  })

  it('does not wait for a caller that says nothing, or stops after the handshake or within the head', async () => {
    const { hostname, port } = new URL(served.url)
    const silent = connectPlain(Number(port), hostname)
    const shaken = connect({ port: Number(port), host: hostname, ca: first.ca, servername: 'localhost' })
    const halfway = connect({ port: Number(port), host: hostname, ca: first.ca, servername: 'localhost' })
    const closed = [silent, shaken, halfway].map(
      (socket) =>
        new Promise((resolve) => {
          socket.on('error', () => undefined)
          socket.resume().once('close', resolve)
        }),
    )
    halfway.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-slow: ')
    await Promise.all(closed)
    expect(await outcome(`${served.url}/healthz`, { ca: first.ca })).toBe(200)
  })

  it('takes no headers larger than without it', async () => {
    const headers = { 'x-large': 'x'.repeat(80 * 1024) }
    expect([431, 'refused']).toContain(await outcome(`${served.url}/healthz`, { ca: first.ca, headers }))
  })

  it('keeps its certificate where new files are broken, says so, and takes good ones without a restart', async () => {
    const tls = async () => {
      const { body } = await ask(`${served.url}/readyz`, { ca: [first.ca, second.ca], headers: BOSS })
      return (JSON.parse(body) as { parts: { tls?: { state: string; why: string } } }).parts.tls
    }
    await until(async () => (await tls())?.state === 'green', 'green')
    await put(folder, second, first.server.key)
    await until(async () => (await tls())?.state === 'amber', 'amber')
    expect((await tls())?.why).toContain('new files of the certificate are not used')
    expect(await outcome(`${served.url}/healthz`, { ca: first.ca })).toBe(200)
    await put(folder, second)
    await until(async () => (await outcome(`${served.url}/healthz`, { ca: second.ca })) === 200, 'the new certificate')
    expect(await outcome(`${served.url}/healthz`, { ca: first.ca })).toBe('refused')
    await until(async () => (await tls())?.state === 'green', 'green again')
    const told = served.log().match(/new files of the certificate are not used/gu)
    expect(told!.length).toBeLessThanOrEqual(3)
    expect(served.log()).not.toContain('PRIVATE KEY')
  })
})

describe('client certificates', () => {
  const own = (from: Certificates) => ({ cert: from.client.certificate, key: from.client.key })

  it('that are required keep out who has none, and let in who has one as the caller that it names', async () => {
    const served = await serve(await folderWith({ ca: 'ca.pem' }))
    try {
      expect(await outcome(`${served.url}/healthz`, { ca: first.ca })).toBe('refused')
      expect(await outcome(`${served.url}/healthz`, { ca: first.ca, ...own(second) })).toBe('refused')
      const options = { ca: first.ca, ...own(first), method: 'POST', headers: { 'content-type': 'application/json' } }
      expect((await ask(`${served.url}/topics/orders/messages`, options, '{"value":1}')).status).toBe(200)
      expect((await ask(`${served.url}/topics/people/messages`, options, '{"value":1}')).body).toContain(
        'machine may not write topic people',
      )
    } finally {
      await served.stop()
    }
  })

  it('that are asked for are one way in beside keys; those of others open nothing', async () => {
    const served = await serve(await folderWith({ ca: 'ca.pem', clientCertificates: 'request', minVersion: 'TLSv1.3' }))
    try {
      const url = `${served.url}/readyz`
      expect(await outcome(url, { ca: first.ca })).toBe(401)
      expect(await outcome(url, { ca: first.ca, headers: BOSS })).toBe(200)
      expect(await outcome(url, { ca: first.ca, ...own(first) })).toBe(200)
      expect(await outcome(url, { ca: first.ca, ...own(second) })).toBe(401)
      expect(await outcome(url, { ca: first.ca, headers: BOSS, maxVersion: 'TLSv1.2' })).toBe('refused')
    } finally {
      await served.stop()
    }
  })
})

describe('files of a certificate that cannot be used', () => {
  it.each([
    { what: 'are missing', tls: { certificate: 'absent.pem' }, told: 'ENOENT' },
    { what: 'are no certificate', tls: { certificate: 'server.key' }, told: 'http.tls' },
    { what: 'do not belong together', tls: { key: 'other.key' }, told: 'http.tls' },
  ])('$what: the service does not start, and says why', async ({ tls, told }) => {
    const folder = await folderWith(tls)
    await writeFile(join(folder, 'other.key'), second.server.key)
    const { exitCode, stderr } = await runProgram(['serve', '--dir', folder, '--port', '0'])
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining(told)])
    expect(stderr).not.toContain('PRIVATE KEY')
  })
})
