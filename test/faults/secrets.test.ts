import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { configure, type Ended, runProgram, serve } from '../live/program.ts'
import { until } from '../live/until.ts'

/** In every secret, and nowhere else. */
const CANARY = 'canary-7c1f'
const secret = (what: string): string => `${CANARY}-${what}-0123456789abcdef`

/** Every secret of the configuration; the sections need not make sense together. */
const SECRETS = {
  kafka: {
    brokers: ['127.0.0.1:1'],
    sasl: { mechanism: 'PLAIN', username: 'u', password: secret('kafka') },
    tls: { passphrase: secret('kafka-key') },
  },
  registry: {
    urls: ['http://127.0.0.1:1'],
    username: 'u',
    password: secret('registry'),
    tls: { passphrase: secret('registry-key') },
  },
  s3: {
    bucket: 'b',
    region: 'r',
    endpoint: 'http://127.0.0.1:1',
    accessKeyId: 'a',
    secretAccessKey: secret('s3'),
    sessionToken: secret('session'),
  },
  azure: { container: 'container', account: 'account', accountKey: Buffer.from(secret('azure')).toString('base64') },
  iceberg: { rest: { token: secret('iceberg') } },
}
const HTTP = {
  token: secret('token'),
  keys: [{ name: 'shop', key: secret('key'), scopes: [{ scope: 'write' }] }],
  audit: { type: 'file', puts: true, hashKey: secret('hash') },
}
const HIDDEN = new RegExp(`${CANARY}|${Buffer.from(CANARY).toString('base64').slice(0, 12)}`, 'u')

/** It takes half a minute to give up, while the other tests run. */
let brokerless: Promise<Ended>
let brokerlessDir: string
beforeAll(async () => {
  brokerlessDir = await mkdtemp(join(tmpdir(), 'millpond-brokerless-'))
  const { kafka, registry } = SECRETS
  await configure(brokerlessDir, {
    kafka: { ...kafka, tls: {} },
    registry,
    source: { type: 'kafka', topics: ['orders'] },
    http: HTTP,
  })
  brokerless = runProgram(['serve', '--port', '0', '--json', '--dir', brokerlessDir])
  brokerless.catch(() => undefined)
})
afterAll(() => rm(brokerlessDir, { recursive: true }))

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millpond-secrets-'))
})
afterEach(() => rm(dir, { recursive: true }))

describe('secrets are in nothing that the program says', () => {
  const run = async (...words: string[]) => {
    const { exitCode, stdout, stderr } = await runProgram([...words, '--dir', dir])
    return { exitCode, text: stdout.toString() + stderr }
  }

  it('by commands that look at the configuration, right or wrong', async () => {
    await configure(dir, { ...SECRETS, http: HTTP })
    for (const [said, ...words] of [
      ['[secret]', 'config', 'show'],
      ['[secret]', 'config', 'show', '--json'],
      ['is valid', 'config', 'check'],
      ['"valid":true', 'config', 'check', '--json'],
    ]) {
      const { text } = await run(...words)
      expect(text).toContain(said)
      expect(text).not.toMatch(HIDDEN)
    }
    const wrong = { ...SECRETS, kafka: { ...SECRETS.kafka, sasl: { ...SECRETS.kafka.sasl, token: secret('second') } } }
    await configure(dir, {
      ...wrong,
      http: { ...HTTP, token: `${CANARY} with spaces`, keys: [{ name: 'x', key: `${CANARY} y` }] },
    })
    for (const words of [
      ['config', 'check'],
      ['config', 'check', '--json'],
      ['serve', '--json'],
    ]) {
      const { exitCode, text } = await run(...words)
      expect(exitCode).toBe(3)
      expect(text).toContain('http.keys[0].key')
      expect(text).not.toMatch(HIDDEN)
    }
  })

  it('by a store that does not answer', async () => {
    await configure(dir, { s3: SECRETS.s3, store: { type: 's3' }, http: HTTP, log: { level: 'trace' } })
    const { text } = await run('verify', '--json')
    expect(text).toContain('STORE_UNAVAILABLE')
    expect(text).not.toMatch(HIDDEN)
  })

  it('by a service at work: its log at its loudest, answers, errors, metrics, audit log, arguments', async () => {
    await configure(dir, { http: { ...HTTP, cors: { origins: ['https://a.example'] } }, log: { level: 'trace' } })
    const served = await serve(dir)
    const seen: string[] = []
    try {
      const headersOf = [
        {},
        { authorization: `Bearer ${secret('token')}` },
        { 'x-api-key': secret('key') },
        { authorization: `Bearer ${secret('wrong')}` },
        { authorization: `Basic ${btoa(`u:${secret('wrong')}`)}` },
        { authorization: `Bearer ${secret('token')}`, 'x-api-key': secret('key') },
      ]
      for (const headers of headersOf) {
        for (const [method, path] of [
          ['GET', '/readyz'],
          ['GET', '/metrics'],
          ['GET', `/nothing?key=${secret('query')}`],
          ['POST', '/topics/orders/messages'],
          ['POST', '/topics/orders'],
          ['PUT', '/topics/%zz'],
        ] as const) {
          const init = { method, headers: headers as Record<string, string>, ...(method === 'POST' ? { body: '{' } : {}) }
          const answer = await fetch(`${served.url}${path}`, init)
          seen.push(JSON.stringify([...answer.headers]), await answer.text())
        }
      }
      await until(
        async () => (await readFile(join(dir, 'millpond-data/audit.jsonl'), 'utf8')).includes('refused'),
        'the audit log',
      )
      seen.push(await readFile(`/proc/${served.pid}/cmdline`, 'utf8').catch(() => ''))
    } finally {
      seen.push((await served.stop()).stderr)
    }
    for (const name of await readdir(join(dir, 'millpond-data'))) {
      if (name.startsWith('audit')) seen.push(await readFile(join(dir, 'millpond-data', name), 'utf8'))
    }
    expect(seen.join('\n').length).toBeGreaterThan(10_000)
    expect(seen.join('\n')).not.toMatch(HIDDEN)
  })

  it('by a service whose database is no database', async () => {
    const index = { path: 'millpond.yaml' }
    await configure(dir, { ...SECRETS, http: HTTP, log: { level: 'trace' }, index })
    const { exitCode, text } = await run('serve', '--port', '0')
    expect([exitCode, text]).toEqual([expect.any(Number), expect.stringContaining('INDEX')])
    expect(text).not.toMatch(HIDDEN)
  })

  it('by a service without brokers', async () => {
    const { exitCode, stdout, stderr } = await brokerless
    expect([exitCode, stderr]).toEqual([6, expect.stringContaining('BROKER_UNAVAILABLE')])
    expect(stdout.toString() + stderr).not.toMatch(HIDDEN)
  })
})
