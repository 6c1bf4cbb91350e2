import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newKey } from '../../src/api/auth/keys.ts'
import { configure, type Served, serve } from '../live/program.ts'
import { until } from '../live/until.ts'
import { openSchemathesis } from './other-tools.ts'

const schemathesis = await openSchemathesis()
const note = schemathesis.missing === undefined ? '' : `, skipped: ${schemathesis.missing.split('\n')[0]}`

describe.skipIf(schemathesis.missing !== undefined && process.env['CI'] !== 'true')(`the interface${note}`, () => {
  const { key, sha256 } = newKey()
  let folder: string
  let service: Served
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-schemathesis-'))
    // Without `admin`: what is made up is to be sent to no address.
    const scopes = ['write', 'read', 'replay'].map((scope) => ({ scope }))
    await configure(folder, {
      data: '.',
      log: { level: 'silent' },
      archive: { rotate: { maxAge: '200ms', idle: '50ms' } },
      http: { keys: [{ name: 'tester', key: `sha256:${sha256}`, scopes }], limits: { refusedPerMinute: 1_000_000 } },
    })
    service = await serve(folder)
    const headers = { 'x-api-key': key, 'content-type': 'application/x-ndjson' }
    const body = '{"key":"a","value":{"amount":5},"id":"1","headers":{"region":"eu"}}\n{"key":"b","value":{"amount":50}}\n'
    await fetch(`${service.url}/topics/orders/messages`, { method: 'POST', headers, body })
    const count = async () =>
      (await (await fetch(`${service.url}/search/count`, { headers })).json()) as { readonly count: number }
    await until(async () => (await count()).count === 2, 'two messages in the index', 60_000)
  })
  afterAll(async () => {
    await service?.stop()
    await rm(folder, { recursive: true })
  })

  it('is described by valid OpenAPI, and does what is described', { timeout: 600_000 }, async () => {
    await schemathesis.exchange([
      service.url,
      key,
      process.env['SCHEMATHESIS_SEED'] ?? '1',
      process.env['SCHEMATHESIS_CASES'] ?? '4',
    ])
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200)
  })
})
