import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/load.ts'

const check = async (registry: string) => {
  const place = { file: '/etc/pond/millpond.yaml', folder: '/etc/pond' }
  const read = { env: {}, readFile: () => Promise.reject(new Error('no files here')) }
  return (await checkConfig(`registry: ${registry}`, place, read)).config.registry
}

describe('the registry section', () => {
  it('is no registry unless one is named', async () => {
    expect((await check('{}')).urls).toEqual([])
  })

  it('is a registry with a login that nothing shows, its files absolute', async () => {
    const registry = await check(
      '{ urls: [https://a:8081, http://b/contexts/.c], username: me, password: hunter2, timeout: 2s, cache: 50, tls: { ca: ca.pem, certificate: c.pem, key: /k.pem } }',
    )
    expect(registry).toMatchObject({
      urls: ['https://a:8081', 'http://b/contexts/.c'],
      login: { kind: 'basic', username: 'me' },
      timeoutMs: 2000,
      cacheCount: 50,
      tls: { caFile: '/etc/pond/ca.pem', certificateFile: '/etc/pond/c.pem', keyFile: '/k.pem', verify: true },
    })
    expect(JSON.stringify(registry)).not.toContain('hunter2')
    expect((await check('{ tokenFile: token }')).login).toEqual({ kind: 'token-file', path: '/etc/pond/token' })
    expect((await check('{ token: secret }')).login).toMatchObject({ kind: 'token' })
  })

  it.each([
    ['{ urls: [localhost] }', 'must be an address'],
    ['{ urls: [ftp://a] }', 'must begin with http'],
    ['{ urls: [http://me:pass@a] }', 'must be without a login'],
    ['{ username: me }', 'registry.password: a username and its password'],
    ['{ password: p }', 'registry.username: a username and its password'],
    ['{ token: t, username: me, password: p }', 'registry.token: is a second way to log in, beside username'],
    ['{ tls: { key: k.pem } }', 'a certificate and its key'],
  ])('is refused as %s', async (registry, reason) => {
    await expect(check(registry)).rejects.toThrow(reason)
  })
})
