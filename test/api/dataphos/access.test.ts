import { hash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { newCertificates } from '../../servers/certificates.ts'
import { commitsOf, messagesOf, openDataphos } from './scene.ts'

const message = { position: 0, timestamp: 1_700_000_000_000 }

describe('who may ask the interfaces of Dataphos', () => {
  it('is known by a key, and sees and sends only its topics', async () => {
    const keys = [
      { name: 'reader', key: `sha256:${hash('sha256', 'reader-key-1', 'hex')}`, scopes: [{ scope: 'read', topics: ['orders'] }] },
      {
        name: 'sender',
        key: `sha256:${hash('sha256', 'sender-key-1', 'hex')}`,
        scopes: [{ scope: 'replay', topics: ['orders'] }],
      },
    ]
    await using scene = await openDataphos({ http: { keys } })
    await scene.archive('orders', '0', commitsOf([message]))
    await scene.archive('secrets', '0', commitsOf([message]))
    const ask = (url: string, key: string, body?: string) =>
      fetch(url, { headers: { 'x-api-key': key }, ...(body === undefined ? {} : { method: 'POST', body }) })
    const all = await ask(`${scene.indexerUrl}/query/c`, 'reader-key-1', '{"filters":[{}]}')
    const answer = { status: all.status, type: null, text: await all.text(), headers: all.headers }
    expect(messagesOf(answer)).toMatchObject([{ broker_id: 'orders' }])
    expect(await (await ask(`${scene.indexerUrl}/exact/c/secrets_0_0`, 'reader-key-1')).text()).toBe('null')
    expect((await ask(`${scene.indexerUrl}/exact/c/orders_0_0`, 'sender-key-1')).status).toBe(403)
    expect((await ask(`${scene.resubmitterUrl}/range/c?topic=t`, 'reader-key-1', '{"broker_id":"orders"}')).status).toBe(403)
    const sent = await ask(`${scene.resubmitterUrl}/query/c?topic=t`, 'sender-key-1', '{"filters":[{}]}')
    expect(await sent.json()).toMatchObject({ status: 200, summary: { published_count: 1 } })
    const [job] = await scene.jobs.list(Date.now())
    expect(job).toMatchObject({ requestedBy: 'sender', state: 'done' })
  })

  it('may be asked for over TLS', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'millpond-dataphos-tls-'))
    try {
      const { ca, server } = await newCertificates()
      const [certificate, key] = [join(dir, 'server.crt'), join(dir, 'server.key')]
      await writeFile(certificate, server.certificate)
      await writeFile(key, server.key)
      await using scene = await openDataphos({ dataphos: { indexer: { port: 0, certificate, key } } })
      await scene.archive('orders', '0', commitsOf([message]))
      const [response] = (await once(get(`${scene.indexerUrl}/exact/c/orders_0_0`, { ca }), 'response')) as [IncomingMessage]
      expect(response.statusCode).toBe(200)
      response.resume()
      expect(await scene.resubmit('/range/c?topic=t', { broker_id: 'orders' })).toMatchObject({ status: 200 })
    } finally {
      await rm(dir, { recursive: true })
    }
  })
})
