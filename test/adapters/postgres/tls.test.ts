import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresIndex } from '../../../src/adapters/postgres/index.ts'
import type { PostgresEndpoint } from '../../../src/adapters/postgres/options.ts'
import { serverMissing } from '../../servers/missing.ts'
import { newCertificates } from '../../servers/certificates.ts'
import { type Postgres, startPostgres } from '../../servers/postgres.ts'
import { ownSchema } from './server.ts'

describe.skipIf(serverMissing('postgres') !== undefined)('TLS to PostgreSQL', () => {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres({ tls: true })
  }, 300_000)
  afterAll(() => server?.stop())

  const open = async (change: Partial<PostgresEndpoint>, ca: string | undefined) => {
    const options = ownSchema(server)
    await using index = await openPostgresIndex({ ...options, primary: { ...options.primary, ...change }, ca })
    return await index.lanes()
  }

  it.each([
    { tls: 'verify-full', host: 'localhost' },
    { tls: 'verify-full', host: '127.0.0.1' },
    { tls: 'verify-ca', host: '127.0.0.2' },
    { tls: 'require', host: '127.0.0.2' },
  ] as const)('serves $tls at $host to who trusts its authority', async ({ tls, host }) => {
    expect(await open({ tls, host }, server.ca)).toEqual([])
  })

  it('refuses with verify-full a certificate of another host', async () => {
    const opening = open({ tls: 'verify-full', host: '127.0.0.2' }, server.ca)
    await expect(opening).rejects.toMatchObject({
      code: 'INDEX_UNAVAILABLE',
      message: expect.stringContaining('127.0.0.2') as string,
    })
  })

  it('takes any certificate where only encryption is asked for', async () => {
    expect(await open({ tls: 'require' }, undefined)).toEqual([])
  })

  it.each(['require', 'verify-ca', 'verify-full'] as const)('refuses with %s a certificate of another authority', async (tls) => {
    const { ca } = await newCertificates()
    await expect(open({ tls }, ca)).rejects.toMatchObject({
      code: 'INDEX_UNAVAILABLE',
      message: expect.stringMatching(/certificate|signature/u) as string,
    })
  })

  it('refuses a certificate that nobody vouches for, and a connection that is open', async () => {
    await expect(open({ tls: 'verify-full' }, undefined)).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE' })
    await expect(open({ tls: 'disable' }, undefined)).rejects.toMatchObject({
      code: 'INDEX_UNAVAILABLE',
      message: expect.stringContaining('no encryption') as string,
    })
  })
})
