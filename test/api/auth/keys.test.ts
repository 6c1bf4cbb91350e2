import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { credentialOf } from '../../../src/api/auth/credentials.ts'
import { createKeyRing, newKey } from '../../../src/api/auth/keys.ts'
import type { KeyConfig } from '../../../src/config/http-config.ts'
import { createSecret } from '../../../src/secret.ts'

const entry = (name: string, key: string, more: Partial<KeyConfig> = {}): KeyConfig => ({
  name,
  sha256: hash('sha256', key, 'hex'),
  certificate: undefined,
  grants: [{ scope: 'write', topics: ['*'] }],
  expiresMs: undefined,
  ...more,
})

describe('a key ring', () => {
  it('knows several keys of one name at once, and each until it expires', () => {
    let nowMs = 0
    const keys = [entry('shop', 'the-old-key', { expiresMs: 1000 }), entry('shop', 'the-new-key'), entry('desk', 'another-key')]
    const ring = createKeyRing({ keys, token: undefined }, () => nowMs)
    const names = () => ['the-old-key', 'the-new-key', 'another-key', 'the-new-ke', ''].map((key) => ring.holderOf(key)?.name)
    expect(names()).toEqual(['shop', 'shop', 'desk', undefined, undefined])
    nowMs = 1000
    expect(names()).toEqual([undefined, 'shop', 'desk', undefined, undefined])
  })

  it('takes http.token for a key that may do everything', () => {
    const ring = createKeyRing({ keys: [], token: createSecret('hunter2-hunter2') }, Date.now)
    expect(ring.holderOf('hunter2-hunter2')).toMatchObject({ name: 'token', via: 'key' })
    expect(ring.holderOf('hunter2-hunter2')?.may('admin')).toBe(true)
  })

  it('does not take the hash of a key, or the name of a certificate, for the key', () => {
    const ring = createKeyRing(
      {
        keys: [entry('shop', 'the-key'), entry('desk', '', { sha256: undefined, certificate: 'desk.example' })],
        token: undefined,
      },
      Date.now,
    )
    expect(ring.holderOf(hash('sha256', 'the-key', 'hex'))).toBeUndefined()
    expect(ring.holderOf('desk.example')).toBeUndefined()
    expect(ring.ofCertificate('desk.example')).toMatchObject({ name: 'desk', via: 'certificate' })
    expect(ring.ofCertificate('other.example')).toBeUndefined()
  })
})

describe('newKey', () => {
  it('gives another key each time, and what the configuration knows it by', () => {
    const { key, sha256 } = newKey()
    expect(key).toMatch(/^millpond_[\w-]{43}$/u)
    expect(sha256).toBe(hash('sha256', key, 'hex'))
    expect(newKey().key).not.toBe(key)
  })
})

const basic = (text: string): string => `Basic ${btoa(text)}`

describe('credentialOf', () => {
  it.each([
    { headers: {}, found: undefined },
    { headers: { authorization: 'Bearer abc' }, found: { kind: 'bearer', text: 'abc' } },
    { headers: { authorization: 'bearer  abc ' }, found: { kind: 'bearer', text: 'abc' } },
    { headers: { 'x-api-key': 'abc' }, found: { kind: 'key', text: 'abc' } },
    { headers: { authorization: basic('anybody:abc:d') }, found: { kind: 'key', text: 'abc:d' } },
    { headers: { authorization: basic(':abc') }, found: { kind: 'key', text: 'abc' } },
    { headers: { authorization: basic('abc') }, found: 'unclear' },
    { headers: { authorization: basic('abc:') }, found: 'unclear' },
    { headers: { authorization: 'Bearer' }, found: 'unclear' },
    { headers: { authorization: 'Bearer a b' }, found: 'unclear' },
    { headers: { authorization: 'Digest abc' }, found: 'unclear' },
    { headers: { authorization: '' }, found: 'unclear' },
    { headers: { 'x-api-key': '' }, found: 'unclear' },
    { headers: { authorization: 'Bearer abc', 'x-api-key': 'abc' }, found: 'unclear' },
  ])('finds $found in $headers', ({ headers, found }) => {
    expect(credentialOf(headers)).toEqual(found)
  })
})
