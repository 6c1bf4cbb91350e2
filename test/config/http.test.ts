import { hash } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/load.ts'
import type { MillpondError } from '../../src/errors.ts'

const surroundings = { env: {}, readFile: () => Promise.reject(new Error('no file')) }
const check = (text: string) => checkConfig(text, { file: undefined, folder: '/etc/pond' }, surroundings)
const mistakes = (text: string): Promise<string> =>
  check(text).then(
    () => 'none',
    (error: MillpondError) => error.message,
  )

const KEY = 'a-key-of-the-shop'
const SHA256 = hash('sha256', KEY, 'hex')

describe('http.keys', () => {
  it('are kept as hashes, whichever way they are written', async () => {
    const text = `http: { keys: [{ name: a, key: ${KEY} }, { name: b, key: "sha256:${SHA256.toUpperCase()}", scopes: [{ scope: read, topics: ["orders*"] }, { scope: write }], expires: 2027-01-31T00:00:00Z }] }`
    const { config, written } = await check(text)
    expect(config.http.keys).toEqual([
      { name: 'a', sha256: SHA256, certificate: undefined, grants: [], expiresMs: undefined },
      {
        name: 'b',
        sha256: SHA256,
        certificate: undefined,
        grants: [
          { scope: 'read', topics: ['orders*'] },
          { scope: 'write', topics: ['*'] },
        ],
        expiresMs: Date.UTC(2027, 0, 31),
      },
    ])
    expect(inspect({ config, written }, { depth: 9 }) + JSON.stringify(written)).not.toContain(KEY)
  })

  it('open an address that others reach, as an issuer does', async () => {
    expect(await mistakes(`http: { host: 0.0.0.0, keys: [{ name: a, key: ${KEY} }] }`)).toBe('none')
    expect(await mistakes('http: { host: 0.0.0.0, oidc: { issuer: "https://id.example", audience: [a] } }')).toBe('none')
    expect(await mistakes('http: { host: 0.0.0.0 }')).toContain('http.keys')
  })
})

describe('mistakes in the section http', () => {
  it.each([
    { text: 'keys: [{ name: a }]', told: 'http.keys[0]: needs a key or a certificate' },
    { text: 'keys: [{ name: a, key: 1234567890123456, scopes: [] }]', told: 'http.keys[0].key: must be text, not what is there' },
    {
      text: 'keys: [{ name: a, key: hunter2 }]',
      told: 'http.keys[0].key: must be sha256: and 64 hexadecimal digits, or at least',
    },
    { text: `keys: [{ name: a b, key: ${KEY} }]`, told: 'http.keys[0].name' },
    { text: `keys: [{ name: a, key: ${KEY}, scopes: [{ scope: reed }] }]`, told: 'http.keys[0].scopes[0].scope: must be one of' },
    { text: `keys: [{ name: a, key: ${KEY}, expires: soon }]`, told: 'http.keys[0].expires: must be a time' },
    { text: `keys: [{ name: a, key: ${KEY}, scope: read }]`, told: 'did you mean http.keys[0].scopes' },
    { text: 'keys: [{ name: a, certificate: x }]', told: 'http.keys[0].certificate: has no meaning without http.tls.ca' },
    { text: 'oidc: { audience: [a] }', told: 'http.oidc.issuer: is missing' },
    { text: 'oidc: { issuer: "https://id.example" }', told: 'http.oidc.audience: is missing' },
    { text: 'oidc: { issuer: "http://id.example", audience: [a] }', told: 'http.oidc.issuer: must begin with https:' },
    {
      text: 'oidc: { issuer: "https://id.example", audience: [a], algorithms: [HS256] }',
      told: 'http.oidc.algorithms[0]: must be',
    },
    {
      text: 'oidc: { issuer: "https://id.example", audience: [a], algorithms: [none] }',
      told: 'http.oidc.algorithms[0]: must be',
    },
    { text: 'oidc: { issuer: "https://id.example", audience: [a], grants: [{ claim: g }] }', told: 'needs the value' },
    { text: 'tls: { certificate: a }', told: 'http.tls.key: a certificate and its key' },
    { text: 'tls: { ca: a }', told: 'http.tls.ca: has no meaning' },
    { text: 'tls: { certificate: a, key: b, minVersion: TLSv1 }', told: 'http.tls.minVersion: must be one of TLSv1.2' },
    { text: 'cors: { origins: ["*"] }', told: 'http.cors.origins[0]: must be an origin' },
    { text: 'cors: { origins: ["https://a.example/"] }', told: 'http.cors.origins[0]: must be an origin' },
    { text: 'limits: { burst: 5 }', told: 'http.limits.burst: has no meaning' },
    { text: 'limits: { callers: [{ name: a, burst: 5 }] }', told: 'http.limits.callers[0].burst: has no meaning' },
    { text: 'limits: { callers: [{ name: a }, { name: a }] }', told: 'http.limits.callers[1].name: is that of another' },
    { text: 'limits: { callers: [{ rate: 1 }] }', told: 'http.limits.callers[0].name: must be' },
    { text: 'limits: { callers: [{ name: a, rates: 1 }] }', told: 'rate' },
    { text: 'audit: { rotateBytes: 1 }', told: 'http.audit.rotateBytes: must be a size' },
  ])('$text', async ({ text, told }) => {
    const message = await mistakes(`http: { ${text} }`)
    expect(message).toContain(told)
    expect(message).toContain('has 1 mistake')
    expect(message).not.toMatch(/hunter2|1234567890123456/u)
  })
})

it('secrets that are no text are not shown', async () => {
  const message = await mistakes(
    'kafka: { sasl: { password: 1234567890 } }\nregistry: { password: [1234567890] }\ns3: { secretAccessKey: 1234567890 }',
  )
  expect(message).toContain('3 mistakes')
  expect(message).not.toContain('1234567890')
})
