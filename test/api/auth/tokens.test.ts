import { createHmac } from 'node:crypto'
import { exportSPKI, importJWK, type JWTPayload } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createIssuerKeys } from '../../../src/api/auth/issuer-keys.ts'
import { createTokenCheck } from '../../../src/api/auth/tokens.ts'
import type { OidcConfig } from '../../../src/config/http-config.ts'
import { type Issuer, startIssuer } from '../../servers/issuer.ts'

const AUDIENCE = 'https://millpond.example'
const COOLDOWN_MS = 30_000

let issuer: Issuer
/** Added to the time of day and to that of the keys. */
let laterMs: number
let news: (string | undefined)[]

beforeEach(async () => {
  issuer = await startIssuer()
  laterMs = 0
  news = []
})
afterEach(() => issuer[Symbol.asyncDispose]())

function checkOf(changes: Partial<OidcConfig> = {}) {
  const config: OidcConfig = {
    issuer: issuer.url,
    audience: [AUDIENCE],
    jwksUrl: undefined,
    algorithms: ['RS256', 'ES256'],
    clockToleranceMs: 5000,
    scopesClaim: 'scope',
    scopePrefix: 'millpond.',
    topicsClaim: undefined,
    grants: [],
    nameClaim: 'sub',
    timeoutMs: 10_000,
    refreshMs: 900_000,
    cooldownMs: COOLDOWN_MS,
    keepKeysMs: 86_400_000,
    ...changes,
  }
  const keys = createIssuerKeys(
    config,
    () => performance.now() + laterMs,
    (failure) => news.push(failure),
  )
  const check = createTokenCheck(config, keys, () => Date.now() + laterMs)
  return { check, keys }
}

const nowSeconds = () => Math.floor(Date.now() / 1000)
const claims = (more: JWTPayload = {}): JWTPayload => ({
  iss: issuer.url,
  aud: AUDIENCE,
  sub: 'ada',
  exp: nowSeconds() + 60,
  scope: 'millpond.read',
  ...more,
})

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a token of the issuer', () => {
  it('lets its bearer do what its scopes say', async () => {
    const { check } = checkOf()
    const bearer = await check(await issuer.token('millpond.read millpond.write:orders*'))
    expect(bearer).toMatchObject({ name: 'archivist', via: 'token' })
    const may = (scope: 'read' | 'write' | 'replay' | 'admin', topic?: string) => bearer!.may(scope, topic)
    expect([may('read', 'any'), may('read'), may('write', 'orders-eu'), may('write', 'people'), may('write')]).toEqual([
      true,
      true,
      true,
      false,
      false,
    ])
    expect([may('replay', 'orders'), may('admin')]).toEqual([false, false])
  })

  it('is looked at once, and no more believed when it has expired', async () => {
    const { check } = checkOf()
    const token = await issuer.token('millpond.read')
    expect(await check(token)).toBeDefined()
    expect(await check(token)).toBeDefined()
    expect(issuer.keysAsked()).toBe(1)
    laterMs = 63_000
    expect(await check(token)).toBeDefined()
    laterMs = 66_000
    expect(await check(token)).toBeUndefined()
  })

  it.each([
    { what: 'for another audience', more: { aud: 'https://elsewhere.example' } },
    { what: 'for no audience', more: { aud: undefined } },
    { what: 'of another issuer', more: { iss: 'https://elsewhere.example' } },
    { what: 'that has expired', more: { exp: nowSeconds() - 60 } },
    { what: 'that never expires', more: { exp: undefined } },
    { what: 'of a time to come', more: { nbf: nowSeconds() + 600 } },
  ])('$what opens nothing', async ({ more }) => {
    const { check } = checkOf()
    expect(await check(await issuer.sign(claims()))).toBeDefined()
    expect(await check(await issuer.sign(claims(more as JWTPayload)))).toBeUndefined()
  })

  it.each([
    {
      what: 'clocks that differ a little are allowed for',
      more: () => ({ exp: nowSeconds() - 3, nbf: nowSeconds() + 3 }),
      opens: true,
    },
    { what: 'one audience of several is enough', more: () => ({ aud: ['a', AUDIENCE] }), opens: true },
  ])('$what', async ({ more, opens }) => {
    expect((await checkOf().check(await issuer.sign(claims(more())))) !== undefined).toBe(opens)
  })

  it.each([
    { because: 'a list of scopes', more: { scope: ['millpond.replay'] }, config: {} },
    { because: 'another claim of scopes', more: { scope: '', scp: 'millpond.replay' }, config: { scopesClaim: 'scp' } },
    {
      because: 'a group',
      more: { scope: '', groups: ['staff', 'archivists'] },
      config: { grants: [{ claim: 'groups', value: 'archivists', scopes: ['replay'], topics: ['orders'] }] },
    },
    {
      because: 'a role inside an object',
      more: { scope: '', realm_access: { roles: ['replayer'] } },
      config: { grants: [{ claim: 'realm_access.roles', value: 'replayer', scopes: ['replay'], topics: ['*'] }] },
    },
    {
      because: 'a claim of topics',
      more: { scope: 'millpond.replay', topics: ['orders'] },
      config: { topicsClaim: 'topics' },
    },
  ] satisfies { because: string; more: JWTPayload; config: Partial<OidcConfig> }[])(
    'lets its bearer replay by $because',
    async ({ more, config }) => {
      const bearer = await checkOf(config).check(await issuer.sign(claims(more)))
      expect([bearer!.may('replay', 'orders'), bearer!.may('write', 'orders')]).toEqual([true, false])
    },
  )

  it.each([
    { scope: 'read replay admin', because: 'the words of others mean nothing here' },
    { scope: 'millpond.constructor millpond.toString millpond.', because: 'no scope has such a name' },
  ])('gives nothing for $scope: $because', async ({ scope }) => {
    const bearer = await checkOf().check(await issuer.sign(claims({ scope })))
    expect((['read', 'write', 'replay', 'admin'] as const).some((one) => bearer!.may(one, 'orders'))).toBe(false)
  })

  it('gives no topic where the claim of topics is missing', async () => {
    const bearer = await checkOf({ topicsClaim: 'topics' }).check(await issuer.sign(claims()))
    expect(bearer!.may('read', 'orders')).toBe(false)
  })

  it('cannot write into a log by its name', async () => {
    const bearer = await checkOf().check(await issuer.sign(claims({ sub: 'ada\n{"event":"done"}\u202e' })))
    expect(bearer!.name).toBe('ada_{"event":"done"}_')
  })
})

describe('a token that somebody made up', () => {
  it('without a signature opens nothing, whatever it calls its algorithm', async () => {
    const { check } = checkOf()
    for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
      for (const signature of ['', 'AAAA']) {
        expect(await check(`${encoded({ alg, typ: 'JWT' })}.${encoded(claims())}.${signature}`)).toBeUndefined()
      }
    }
  })

  it('signed with the public key as if it were a secret opens nothing', async () => {
    const { check } = checkOf()
    const jwk = issuer.publicKey()
    const pem = await exportSPKI((await importJWK(jwk, 'RS256')) as Exclude<Awaited<ReturnType<typeof importJWK>>, Uint8Array>)
    for (const secret of [pem, pem.trim(), JSON.stringify(jwk), jwk.n!]) {
      const text = `${encoded({ alg: 'HS256', kid: 'key-1' })}.${encoded(claims())}`
      const signature = createHmac('sha256', secret).update(text).digest('base64url')
      expect(await check(`${text}.${signature}`)).toBeUndefined()
    }
  })

  it('with a key of its own in its header opens nothing', async () => {
    const other = await startIssuer()
    try {
      const { check } = checkOf()
      const [, payload, signature] = (await other.sign(claims())).split('.')
      const header = encoded({ alg: 'RS256', jwk: other.publicKey(), jku: `${other.url}/jwks` })
      expect(await check(`${header}.${payload}.${signature}`)).toBeUndefined()
      expect(await check(await other.sign(claims()))).toBeUndefined()
      expect(other.keysAsked()).toBe(0)
    } finally {
      await other[Symbol.asyncDispose]()
    }
  })

  it('with other claims than were signed opens nothing', async () => {
    const { check } = checkOf()
    const [header, , signature] = (await issuer.sign(claims())).split('.')
    expect(await check(`${header}.${encoded(claims({ scope: 'millpond.admin' }))}.${signature}`)).toBeUndefined()
  })

  it.each(['', '.', '..', 'a.b.c', 'a.b', '.....', `${'a'.repeat(20_000)}.b.c`, 'é.é.é'])(
    'is refused without harm: %s',
    async (token) => {
      expect(await checkOf().check(token)).toBeUndefined()
    },
  )

  it('by an algorithm that is not in the list opens nothing, though the key is right', async () => {
    const { check } = checkOf({ algorithms: ['ES256'] })
    expect(await check(await issuer.sign(claims()))).toBeUndefined()
  })
})

describe('keys of the issuer', () => {
  it('that are new are fetched when a token names them, and the old ones open nothing', async () => {
    const { check } = checkOf()
    const old = await issuer.sign(claims())
    expect(await check(await issuer.sign(claims({ sub: 'bob' })))).toBeDefined()
    await issuer.rotate()
    const fresh = await issuer.sign(claims())
    expect(await check(fresh)).toBeUndefined()
    laterMs = COOLDOWN_MS
    expect(await check(fresh)).toBeDefined()
    expect(await check(old)).toBeUndefined()
  })

  it('are not asked for again and again, however many tokens name some that there are not', async () => {
    const { check } = checkOf()
    expect(await check(await issuer.sign(claims()))).toBeDefined()
    laterMs = COOLDOWN_MS
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, i) => issuer.sign(claims(), { kid: `made-up-${i}` })))
    expect(await Promise.all(tokens.map((token) => check(token)))).toEqual(tokens.map(() => undefined))
    expect(issuer.keysAsked()).toBe(2)
  })

  it('are kept while the issuer is down, but not for ever', async () => {
    const { check, keys } = checkOf({ keepKeysMs: 3_600_000 })
    await keys.keepFresh()
    issuer.setDown(true)
    laterMs = 1_800_000
    await keys.keepFresh()
    expect(news.at(-1)).toContain('503')
    const later = { exp: nowSeconds() + 7200 }
    expect(await check(await issuer.sign(claims(later)))).toBeDefined()
    laterMs = 3_700_000
    await keys.keepFresh()
    await expect(check(await issuer.sign(claims({ ...later, sub: 'bob' })))).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' })
    issuer.setDown(false)
    laterMs += COOLDOWN_MS
    await keys.keepFresh()
    expect(await check(await issuer.sign(claims({ ...later, sub: 'bob' })))).toBeDefined()
    expect(news.at(-1)).toBeUndefined()
  })

  it('that were never there make a token impossible to judge, not wrong', async () => {
    issuer.setDown(true)
    const { check } = checkOf()
    await expect(check(await issuer.sign(claims()))).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE', httpStatus: 503 })
  })

  it('may lie at an address that the configuration names', async () => {
    const { check } = checkOf({ jwksUrl: `${issuer.url}/jwks` })
    expect(await check(await issuer.sign(claims()))).toBeDefined()
  })

  it('are tried one after the other where a token does not name one', async () => {
    const old = await issuer.sign(claims(), { kid: '' })
    await issuer.rotate(true)
    const { check } = checkOf()
    expect(await check(old)).toBeDefined()
    expect(await check(await issuer.sign(claims(), { kid: '' }))).toBeDefined()
    await issuer.rotate()
    expect(await check(await issuer.sign(claims(), { kid: '' }))).toBeUndefined()
  })

  it('of an issuer that calls itself otherwise are not taken', async () => {
    const { check } = checkOf({ issuer: issuer.url.replace('127.0.0.1', 'localhost') })
    await expect(check(await issuer.sign(claims()))).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' })
    expect(news.at(-1)).toContain('another issuer')
  })
})
