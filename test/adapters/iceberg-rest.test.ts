import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { openRestCatalog } from '../../src/adapters/iceberg-rest/catalog.ts'
import type { RestLogin } from '../../src/adapters/iceberg-rest/token.ts'
import { currentSnapshot } from '../../src/iceberg/metadata.ts'
import { type SyncOptions, syncTopic } from '../../src/iceberg/sync.ts'
import { createSecret } from '../../src/secret.ts'
import type { Store } from '../../src/store/store.ts'
import { catalogContract } from '../contract/catalog.ts'
import { column, commitParquet, openTestChain } from '../iceberg/parquet-archive.ts'
import { readByPython, readersMissing, type RestServer, startRestServer } from '../iceberg/readers/tools.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'

const TIMEOUT_MS = 60_000
const missing = readersMissing()
const rows = (from: number) => [
  column.long('n', [BigInt(from), BigInt(from + 1)]),
  column.texts('tags', [['a'], []]),
  column.text('name', ['x', null]),
]

describe.skipIf(missing !== undefined)(`the REST catalogue${missing === undefined ? '' : `, skipped: ${missing}`}`, () => {
  let folder: string
  let root: string
  let store: Store
  let server: RestServer
  const open = (url = server.url, login: RestLogin = { kind: 'none' }) =>
    openRestCatalog({ url, login, warehouse: 'w', timeoutMs: TIMEOUT_MS })

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millpond-rest-'))
    root = `file://${folder}/archive`
    store = await openFileStore({ path: join(folder, 'archive'), create: true })
    server = await startRestServer(`${root}/warehouse`, join(folder, 'catalog.sqlite'))
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  catalogContract("Iceberg's own server", async () => ({
    store,
    root,
    open: () => open(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }))

  const optionsFor = async (topic: string, url?: string): Promise<SyncOptions> => {
    const name = { namespace: ['pond'], name: topic }
    return {
      store,
      root,
      catalog: await open(url),
      topic,
      name,
      location: `${root}/lake/${topic}`,
      terms: [{ transform: 'identity', column: '_lane' }],
    }
  }

  it('takes a topic as a table, which grows and is read by its name', { timeout: GET_LIMIT_MS }, async () => {
    const options = await optionsFor('orders')
    const chain = await openTestChain(store, 'orders')
    await commitParquet(store, chain, [rows(0)])
    expect(await syncTopic(options)).toMatchObject({ files: 1, snapshots: 1 })
    await commitParquet(store, chain, [[...rows(2), column.int('more', [7, 8])]])
    const both = await Promise.all([syncTopic(options), syncTopic(await optionsFor('orders'))])
    expect(new Set(both.map(({ files }) => files))).toEqual(new Set([0, 1]))
    expect(await syncTopic(options)).toMatchObject({ files: 0 })
    const { rows: read, counts } = await readByPython(['rest', server.url, 'pond.orders'], join(folder, 'out'), ['n = 3'])
    expect(counts).toEqual([{ files: 1, rows: 1 }])
    expect(read.toSorted((left, right) => Number(left['n']) - Number(right['n']))).toEqual([
      { n: '0', tags: ['a'], name: 'x', more: null, _lane: '0' },
      { n: '1', tags: [], name: null, more: null, _lane: '0' },
      { n: '2', tags: ['a'], name: 'x', more: 7, _lane: '0' },
      { n: '3', tags: [], name: null, more: 8, _lane: '0' },
    ])
  })

  it('adds a segment once where the answer to a commit is lost', { timeout: TIMEOUT_MS }, async () => {
    await using gateway = await startGateway(server.url)
    const options = await optionsFor('lost', gateway.url)
    await commitParquet(store, await openTestChain(store, 'lost'), [rows(0)])
    gateway.loseAnswers = 1
    await expect(syncTopic(options)).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE', retryable: true })
    expect(await syncTopic(options)).toMatchObject({ files: 0 })
    const table = await options.catalog.load(options.name)
    expect(currentSnapshot(table!.metadata)?.summary).toMatchObject({ 'total-data-files': '1' })
  })

  it('logs in with a token, or by client credentials', { timeout: TIMEOUT_MS }, async () => {
    await using gateway = await startGateway(server.url, 'sesame')
    const name = { namespace: ['pond'], name: 'nothing' }
    const login = (token: string): RestLogin => ({ kind: 'token', token: createSecret(token) })
    await expect(open(gateway.url, login('wrong'))).rejects.toMatchObject({
      code: 'CATALOG_REFUSED',
      message: expect.stringContaining('iceberg.rest.token'),
    })
    await expect(open(gateway.url, login('sesame')).then((catalog) => catalog.load(name))).resolves.toBeUndefined()
    const credentials = (clientSecret: string): RestLogin => ({
      kind: 'client-credentials',
      endpoint: `${gateway.url}/tokens`,
      clientId: 'me',
      clientSecret: createSecret(clientSecret),
      scope: 'catalog',
    })
    await expect(open(gateway.url, credentials('open'))).resolves.toBeDefined()
    const refused = open(gateway.url, credentials('shut-up'))
    await expect(refused).rejects.toMatchObject({ code: 'CATALOG_REFUSED' })
    await expect(refused.catch(String)).resolves.not.toContain('shut-up')
  })

  it('says what is wrong with what is no catalogue', async () => {
    await expect(open('http://127.0.0.1:9')).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
    await expect(open(`${server.url}/nowhere`)).rejects.toMatchObject({ code: expect.stringMatching(/^CATALOG_/u) })
  })
})

/** What stands before a catalogue: it asks for a token, gives one for a secret, and can lose the answers to commits. */
async function startGateway(target: string, token?: string) {
  const gateway = { url: '', loseAnswers: 0, [Symbol.asyncDispose]: async () => void server.close() }
  const server = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request)
      if (request.url === '/tokens') {
        const isRight = new URLSearchParams(body).get('client_secret') === 'open'
        response.writeHead(isRight ? 200 : 401, { 'content-type': 'application/json' })
        response.end(
          JSON.stringify(isRight ? { access_token: token, token_type: 'bearer', expires_in: 60 } : { error: 'invalid_client' }),
        )
        return
      }
      if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
        response.writeHead(401).end()
        return
      }
      const answer = await fetch(`${target}${request.url}`, {
        method: request.method!,
        headers: { 'content-type': 'application/json' },
        ...(body === '' ? {} : { body }),
      })
      const text = await answer.text()
      if (body.includes('add-snapshot') && gateway.loseAnswers-- > 0) response.writeHead(504).end()
      else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text)
    })()
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  gateway.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return gateway
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
