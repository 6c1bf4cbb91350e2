import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LocalLog, openLocalLog } from '../../src/adapters/local/log.ts'
import { type DeclaredRoute, routesOf, scopesOf } from '../../src/api/auth/route-access.ts'
import { describeOffline } from '../../src/api/openapi/offline.ts'
import { describedParts } from '../../src/api/openapi/parts.ts'
import { checkConfig } from '../../src/config/load.ts'
import { errorTable } from '../../src/errors.ts'
import { guarded, SEARCH_LIMITS } from './auth/guarded.ts'

interface Operation {
  readonly operationId?: string
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly description?: string
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly responses: Readonly<Record<string, { readonly links?: object }>>
}

interface Document {
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, { readonly properties?: unknown }>>
    readonly securitySchemes: Readonly<Record<string, { readonly type: string; readonly openIdConnectUrl?: string }>>
  }
}

const KEY = { name: 'boss', key: 'the-key-of-the-boss', scopes: [{ scope: 'admin' }] }

const configOf = async (http: object) => {
  const surroundings = { env: {}, readFile: () => Promise.reject(new Error('no file')) }
  return (await checkConfig(JSON.stringify({ http }), { file: undefined, folder: '/nowhere' }, surroundings)).config
}
const documentOf = async (http: object) => (await describeOffline(await configOf(http), '1.2.3')) as unknown as Document

const described = describedParts({ maxBodyBytes: 1, maxMessageBytes: 1 }, SEARCH_LIMITS)
const names = described.flatMap(({ operations }) => Object.keys(operations))

let folder: string
let log: LocalLog
let routes: readonly DeclaredRoute[]
let document: Document
let answer: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-openapi-'))
  log = await openLocalLog({ path: join(folder, 'log.sqlite'), autoCreate: { partitions: 1 } })
  await using made = await guarded(log, folder, { keys: [KEY] })
  await made.server.ready()
  routes = routesOf(made.server).filter(({ method }) => method !== 'HEAD')
  const response = await made.server.inject({ url: '/openapi.json', headers: { 'x-api-key': KEY.key } })
  answer = response.body
  document = response.json<Document>()
})
afterAll(async () => {
  await log.close()
  await rm(folder, { recursive: true })
})

const pathOf = ({ url }: DeclaredRoute) => url.replaceAll(/:(\w+)/gu, '{$1}')
const operationsOf = ({ paths }: Document) => Object.values(paths).flatMap((methods) => Object.values(methods))

describe('the description of the interface', () => {
  it('has every route of the server, and no other', () => {
    expect(routes.length).toBeGreaterThan(30)
    const inDocument = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(inDocument.sort()).toEqual(routes.map((route) => `${route.method} ${pathOf(route)}`).sort())
  })

  it('says of every route what it is for, and of nothing that there is not', () => {
    expect([...names].sort()).toEqual(routes.map(({ method, url }) => `${method} ${url}`).sort())
    for (const { summary, operationId, tags, responses } of operationsOf(document)) {
      expect([summary, operationId, tags?.length]).toEqual([expect.any(String), expect.any(String), 1])
      expect(Object.keys(responses).some((status) => status.startsWith('2'))).toBe(true)
    }
  })

  it('names the scopes that the route asks for', () => {
    for (const route of routes) {
      const { security } = document.paths[pathOf(route)]![route.method.toLowerCase()]!
      const { access } = route
      const scopes = access === undefined || typeof access === 'string' ? [[]] : scopesOf(access).map((scope) => [scope])
      const wanted = access === 'open' ? [] : scopes
      for (const scheme of ['bearer', 'apiKey', 'basic']) {
        const told = security.filter((one) => scheme in one).map((one) => one[scheme])
        expect([route.method, route.url, told]).toEqual([route.method, route.url, wanted])
      }
    }
  })

  it.each([
    { method: 'get', path: '/healthz', security: [] },
    { method: 'get', path: '/readyz', security: [[]] },
    { method: 'get', path: '/topics/{topic}', security: [['read'], ['write']] },
    { method: 'post', path: '/topics/{topic}/messages', security: [['write']] },
    { method: 'post', path: '/search', security: [['read']] },
    { method: 'post', path: '/jobs', security: [['replay']] },
  ])('lets in by $security at $method $path', ({ method, path, security }) => {
    expect(document.paths[path]![method]!.security.flatMap(({ bearer }) => (bearer === undefined ? [] : [bearer]))).toEqual(
      security,
    )
  })

  it('names every parameter of an address', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const { parameters = [] } of Object.values(methods)) {
        const inPath = parameters.filter((one) => one.in === 'path').map(({ name }) => name)
        expect([path, inPath]).toEqual([path, [...path.matchAll(/\{(\w+)\}/gu)].map(([, name]) => name)])
      }
    }
  })

  it('calls nothing twice by one name, and nothing that is not there', () => {
    const ids = operationsOf(document).map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
    const schemas = described.flatMap((part) => Object.keys(part.schemas))
    expect(new Set(schemas).size).toBe(schemas.length)
    const tags = new Set(operationsOf(document).flatMap(({ tags: some = [] }) => some))
    expect([...tags].sort()).toEqual(document.tags.map(({ name }) => name).sort())
    const links = operationsOf(document).flatMap(({ responses }) =>
      Object.values(responses).flatMap(({ links: some = {} }) => Object.keys(some)),
    )
    expect(links.filter((id) => !ids.includes(id))).toEqual([])
    expect(links.length).toBeGreaterThan(5)
  })

  it('has every code of errors', () => {
    expect(document.components.schemas['Error']!.properties).toMatchObject({
      error: { properties: { code: { enum: Object.keys(errorTable) } } },
    })
  })

  it('is what `millpond openapi` prints for the same configuration', async () => {
    const config = await configOf({ keys: [KEY] })
    const offline = await describeOffline({ ...config, search: { ...config.search, ...SEARCH_LIMITS } }, '0.0.0')
    expect(JSON.stringify(offline)).toBe(answer)
  })
})

describe('ways to show who one is', () => {
  it('are not needed where nobody is asked', async () => {
    const { paths } = await documentOf({})
    expect(paths['/search']!['get']!.security).toEqual([{}, { bearer: ['read'] }, { apiKey: ['read'] }, { basic: ['read'] }])
    expect(paths['/healthz']!['get']!.security).toEqual([])
  })

  it('are needed where keys are configured, but for probes that are open', async () => {
    const { paths } = await documentOf({ keys: [KEY], openProbes: true })
    expect(paths['/search']!['get']!.security).toEqual([{ bearer: ['read'] }, { apiKey: ['read'] }, { basic: ['read'] }])
    expect(paths['/readyz']!['get']!.security[0]).toEqual({})
  })

  it('are certificates and tokens of an issuer where these are configured, and no keys', async () => {
    const { paths, components } = await documentOf({
      keys: [{ name: 'shop', certificate: 'shop.example', scopes: [{ scope: 'write' }] }],
      tls: { certificate: 'a.pem', key: 'a.key', ca: 'ca.pem', clientCertificates: 'request' },
      oidc: { issuer: 'https://id.example/realms/pond', audience: ['https://millpond.example'] },
    })
    const schemes = ['certificate', 'issuer']
    expect(Object.keys(components.securitySchemes)).toEqual(schemes)
    expect(components.securitySchemes['issuer']).toMatchObject({
      type: 'openIdConnect',
      openIdConnectUrl: 'https://id.example/realms/pond/.well-known/openid-configuration',
    })
    expect(paths['/jobs']!['post']!.security.map((one) => Object.entries(one)[0])).toEqual(
      schemes.map((name) => [name, [name === 'issuer' ? 'millpond.replay' : 'replay']]),
    )
  })
})
