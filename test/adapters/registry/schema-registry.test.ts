import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecret } from '../../../src/secret.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { serverMissing } from '../../servers/missing.ts'
import { type SchemaRegistry, startSchemaRegistry } from '../../servers/schema-registry.ts'
import { openTestRegistry } from './client.ts'

const { signal } = new AbortController()
const record = (name: string, ...fields: object[]) => JSON.stringify({ type: 'record', name, fields })
const avro = (name: string) => ({ type: 'avro' as const, text: record(name), references: [] })

/** A server of a few lines, for answers that no registry gives. */
async function serve(answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

describe.skipIf(serverMissing('schema-registry') !== undefined)('a client of a schema registry', () => {
  let server: SchemaRegistry
  beforeAll(async () => {
    server = await startSchemaRegistry()
  }, GET_LIMIT_MS)
  afterAll(() => server?.stop())

  it('registers a schema once, and gives it by id, by GUID and by version, with its references', async () => {
    await using registry = openTestRegistry([server.url])
    const address = await registry.register('address/a b', avro('Address'), signal)
    const references = [{ name: 'Address', subject: 'address/a b', version: 1 }]
    const text = record('User', { name: 'home', type: 'Address' })
    const id = await registry.register('user-value', { type: 'avro', text, references }, signal)
    expect(await registry.register('user-value', { type: 'avro', text, references }, signal)).toBe(id)
    const byId = await registry.byId(id, signal)
    expect(byId).toMatchObject({ type: 'avro', text, references })
    const byVersion = await registry.byVersion({ subject: 'user-value', version: 1 }, signal)
    expect(byVersion).toMatchObject({ text, references, id, guid: expect.stringMatching(/^[0-9a-f-]{36}$/u) as string })
    expect(await registry.byGuid(byVersion!.guid!, signal)).toMatchObject({ text, references })
    expect(await registry.byVersion({ subject: 'address/a b', version: 1 }, signal)).toMatchObject({ id: address })
    expect(await registry.versionsOf(id, signal)).toEqual([{ subject: 'user-value', version: 1 }])
  })

  it('keeps apart the types of schemas', async () => {
    await using registry = openTestRegistry([server.url])
    const json = await registry.register('j', { type: 'json-schema', text: '{"type":"object"}', references: [] }, signal)
    const proto = await registry.register(
      'p',
      { type: 'protobuf', text: 'syntax = "proto3"; message M {}', references: [] },
      signal,
    )
    expect([(await registry.byId(json, signal))?.type, (await registry.byId(proto, signal))?.type]).toEqual([
      'json-schema',
      'protobuf',
    ])
  })

  it('gives undefined for what is not registered', async () => {
    await using registry = openTestRegistry([server.url])
    expect(await registry.byId(2_000_000_000, signal)).toBeUndefined()
    expect(await registry.byGuid('00000000-0000-0000-0000-000000000000', signal)).toBeUndefined()
    expect(await registry.byVersion({ subject: 'none', version: 1 }, signal)).toBeUndefined()
    expect(await registry.versionsOf(4_000_000_000, signal)).toEqual([])
  })

  it('knows without asking that there are no ids beyond 2^31', async () => {
    await using registry = openTestRegistry(['http://127.0.0.1:1'])
    expect(await registry.byId(2 ** 31, signal)).toBeUndefined()
  })

  it('asks once for what it remembers, also where many ask at a time, and again for what was not there', async () => {
    const asked: string[] = []
    await using counting = await serve((request, response) => {
      asked.push(request.url!)
      void fetch(`${server.url}${request.url}`).then(async (answer) =>
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text()),
      )
    })
    await using registry = openTestRegistry([`${counting.url}/`])
    await Promise.all([registry.byId(1, signal), registry.byId(1, signal)])
    await registry.byId(1, signal)
    await registry.byId(1_000_000, signal)
    await registry.byId(1_000_000, signal)
    expect(asked).toEqual(['/schemas/ids/1', '/schemas/ids/1000000', '/schemas/ids/1000000'])
  })

  it('goes on with the next address where one does not answer, and stays there', async () => {
    let asked = 0
    await using broken = await serve((_, response) => {
      asked++
      response.writeHead(503).end()
    })
    await using registry = openTestRegistry([broken.url, 'http://127.0.0.1:1', server.url])
    expect(await registry.byId(1, signal)).toBeDefined()
    expect(await registry.byId(2, signal)).toBeDefined()
    expect(asked).toBe(1)
  })

  it('says that it is unavailable, which passes, once it has tried often enough', async () => {
    const unavailable = expect.objectContaining({ code: 'REGISTRY_UNAVAILABLE', retryable: true }) as unknown
    await using registry = openTestRegistry(['http://127.0.0.1:1'])
    await expect(registry.byId(1, signal)).rejects.toEqual(unavailable)
    let asked = 0
    await using busy = await serve((_, response) => {
      asked++
      response.writeHead(429).end()
    })
    await using other = openTestRegistry([busy.url])
    await expect(other.register('s', avro('A'), signal)).rejects.toEqual(unavailable)
    expect(asked).toBe(3)
    await using silent = await serve(() => undefined)
    await using hasty = openTestRegistry([silent.url], { timeoutMs: 50 })
    await expect(hasty.byId(1, signal)).rejects.toThrow('no answer within 50 ms')
    await using cut = await serve((_, response) =>
      response.writeHead(200, { 'content-length': 100 }).write('{"schema"', () => response.destroy()),
    )
    await using impatient = openTestRegistry([cut.url])
    await expect(impatient.byId(1, signal)).rejects.toEqual(unavailable)
  })

  it.each([
    { what: 'another server that answers 404', status: 404, body: '<html>no such page</html>' },
    { what: 'a page of a middleman', status: 200, body: '<html>please log in</html>' },
    { what: 'an answer without a schema', status: 200, body: '{}' },
    { what: 'a type of schema that is not known', status: 200, body: '{"schema":"x","schemaType":"THRIFT"}' },
    { what: 'references without subjects', status: 200, body: '{"schema":"x","references":[{"name":"a"}]}' },
    { what: 'a refusal', status: 403, body: '{"error_code":40301,"message":"no\\u001b[31m rights"}' },
    { what: 'a redirect', status: 302, body: '' },
  ])('does not take for a missing schema: $what', async ({ status, body }) => {
    await using strange = await serve((_, response) => response.writeHead(status).end(body))
    await using registry = openTestRegistry([strange.url])
    await expect(registry.byId(1, signal)).rejects.toEqual(
      expect.objectContaining({ code: 'REGISTRY_REFUSED', message: expect.not.stringContaining('\u001b') as string }),
    )
  })

  it('ends at once when it is told to, and asks again for who was not', async () => {
    await using silent = await serve(() => undefined)
    await using registry = openTestRegistry([silent.url, server.url])
    const stop = new AbortController()
    const stopped = registry.byId(1, stop.signal)
    const other = registry.byId(1, signal)
    stop.abort(new Error('stopped'))
    await expect(stopped).rejects.toThrow('stopped')
    expect(await other).toBeDefined()
  })
})

describe.skipIf(serverMissing('schema-registry') !== undefined)('a schema registry that asks who one is', () => {
  const login = { kind: 'basic', username: 'me', password: createSecret('pass:word') } as const
  it.each([
    { authorization: `Basic ${btoa('me:pass:word')}`, login },
    { authorization: 'Bearer fresh', login: { kind: 'bearer', token: async () => createSecret('fresh') } as const },
  ])('takes $authorization', { timeout: GET_LIMIT_MS }, async ({ authorization, login }) => {
    await using server = await startSchemaRegistry({ authorization })
    await using registry = openTestRegistry([server.url], { login })
    expect(await registry.register('s', avro('A'), signal)).toBe(1)
    await using nobody = openTestRegistry([server.url])
    await expect(nobody.byId(1, signal)).rejects.toEqual(expect.objectContaining({ code: 'REGISTRY_REFUSED' }))
  })

  it('takes certificates, and is itself known by one', { timeout: GET_LIMIT_MS }, async () => {
    await using server = await startSchemaRegistry({ tls: 'mutual' })
    const { ca, client } = server.certificates!
    const tls = {
      ca,
      certificate: client.certificate,
      key: createSecret(client.key),
      passphrase: undefined,
      serverName: undefined,
      verify: true,
    }
    await using registry = openTestRegistry([server.url], { tls })
    expect(await registry.register('s', avro('A'), signal)).toBe(1)
    await using withoutOwn = openTestRegistry([server.url], { tls: { ...tls, certificate: undefined, key: undefined } })
    await expect(withoutOwn.byId(1, signal)).rejects.toEqual(expect.objectContaining({ code: 'REGISTRY_REFUSED' }))
    await using withoutCa = openTestRegistry([server.url])
    await expect(withoutCa.byId(1, signal)).rejects.toEqual(expect.objectContaining({ code: 'REGISTRY_UNAVAILABLE' }))
    await using unsuspecting = openTestRegistry([server.url], { tls: { ...tls, ca: undefined, verify: false } })
    expect(await unsuspecting.byId(1, signal)).toBeDefined()
  })

  it('is asked again after an outage', { timeout: GET_LIMIT_MS }, async () => {
    await using server = await startSchemaRegistry()
    await using registry = openTestRegistry([server.url], { timeoutMs: 200 })
    await registry.register('s', avro('A'), signal)
    server.pause()
    await expect(registry.byId(1, signal)).rejects.toEqual(expect.objectContaining({ code: 'REGISTRY_UNAVAILABLE' }))
    server.resume()
    expect(await registry.byId(1, signal)).toBeDefined()
    await server.kill()
    await expect(registry.byVersion({ subject: 's', version: 1 }, signal)).rejects.toThrow('cannot be used')
    await server.start()
    expect(await registry.byVersion({ subject: 's', version: 1 }, signal)).toBeDefined()
  })
})
