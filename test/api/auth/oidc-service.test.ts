import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { configure, serve } from '../../live/program.ts'
import { until } from '../../live/until.ts'
import { startIssuer } from '../../servers/issuer.ts'

interface Ready {
  readonly ready: boolean
  readonly state: string
  readonly parts: Readonly<Record<string, { readonly state: string }>>
}

it('a service starts without its issuer, says so, and takes tokens when it is there; then it needs it no more', async () => {
  await using issuer = await startIssuer()
  const token = await issuer.token('millpond.write:orders*')
  issuer.setDown(true)
  const dir = await mkdtemp(join(tmpdir(), 'millpond-oidc-'))
  const oidc = { issuer: issuer.url, audience: ['https://millpond.example'], cooldown: '100ms', refresh: '1s' }
  const key = { name: 'probe', key: 'the-key-of-the-probe' }
  await configure(dir, { http: { keys: [key], oidc, audit: { type: 'file', puts: true } }, log: { level: 'info' } })
  const served = await serve(dir)
  try {
    const bearer = { authorization: `Bearer ${token}` }
    const put = (topic: string, headers: Record<string, string>) =>
      fetch(`${served.url}/topics/${topic}/messages`, { method: 'POST', headers, body: 'x' }).then(({ status }) => status)
    const ready = async () => (await (await fetch(`${served.url}/readyz`, { headers: { 'x-api-key': key.key } })).json()) as Ready
    const issuerIs = (state: string) => until(async () => (await ready()).parts['issuer']?.state === state, `issuer ${state}`)
    await issuerIs('amber')
    expect(await ready()).toMatchObject({ ready: true, state: 'amber' })
    expect(await put('orders', bearer)).toBe(503)
    issuer.setDown(false)
    await issuerIs('green')
    expect([await put('orders-eu', bearer), await put('people', bearer)]).toEqual([200, 403])
    issuer.setDown(true)
    await issuerIs('amber')
    expect(await put('orders-eu', { authorization: `Bearer ${await issuer.sign(claimsLike(token))}` })).toBe(200)
    const log = await readFile(join(dir, 'millpond-data/audit.jsonl'), 'utf8')
    expect(log).toContain('"caller":"archivist","via":"token"')
    expect(log + served.log()).not.toContain(token.split('.')[1])
  } finally {
    await served.stop()
    await rm(dir, { recursive: true })
  }
})

/** What the token says, as another token that the service has not seen yet. */
function claimsLike(token: string): Record<string, unknown> {
  const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>
  return { ...claims, jti: 'another' }
}
