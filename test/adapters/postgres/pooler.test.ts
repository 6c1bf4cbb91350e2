import { setTimeout as after } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../../../src/adapters/postgres/database.ts'
import { openPostgresIndex } from '../../../src/adapters/postgres/index.ts'
import { openPostgresJobs } from '../../../src/adapters/postgres/jobs.ts'
import type { PostgresOptions } from '../../../src/adapters/postgres/options.ts'
import { jobStoreContract } from '../../contract/job-store.ts'
import { segmentIndexContract } from '../../contract/segment-index.ts'
import { sharedIndexContract } from '../../contract/shared-index.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { serverMissing } from '../../servers/missing.ts'
import { type Pgbouncer, startPgbouncer } from '../../servers/pgbouncer.ts'
import { type Postgres, startPostgres } from '../../servers/postgres.ts'
import { ownSchema } from './server.ts'

const missing = serverMissing('postgres') ?? serverMissing('pgbouncer')

describe.skipIf(missing !== undefined)('behind PgBouncer in transaction mode', () => {
  let server: Postgres
  let pooler: Pgbouncer
  beforeAll(async () => {
    server = await startPostgres()
    pooler = await startPgbouncer(server)
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await pooler?.stop()
    await server?.stop()
  })

  const options = (): PostgresOptions => {
    const own = ownSchema(server)
    return { ...own, primary: { ...own.primary, port: pooler.port }, pooler: 'transaction' }
  }
  const index = async () => {
    const own = options()
    return { open: () => openPostgresIndex(own), remove: async () => undefined }
  }
  segmentIndexContract('postgres behind PgBouncer', index)
  sharedIndexContract('postgres behind PgBouncer', index)
  jobStoreContract('postgres behind PgBouncer', async () => {
    const own = options()
    return { open: () => openPostgresJobs(own), [Symbol.asyncDispose]: async () => undefined }
  })

  it('gives up statements and transactions that take too long', async () => {
    const own = { ...options(), statementTimeoutMs: 300 }
    await using database = await openDatabase(own.primary, own, {
      unavailable: 'INDEX_UNAVAILABLE',
      corrupt: 'INDEX_CORRUPT',
      remedy: 'rebuild it',
    })
    const transaction = database.transaction((ask) => ask('SELECT pg_sleep(60)'))
    await expect(transaction).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE', cause: { code: '57014' } })
    const idle = database.transaction(async (ask) => {
      await after(1500)
      return ask('SELECT 1')
    })
    await expect(idle).rejects.toMatchObject({ code: 'INDEX_UNAVAILABLE' })
    expect(await database.ask('SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('says what to set where it is not told of the pooler', async () => {
    const opening = openPostgresIndex({ ...options(), pooler: 'none' }).then((index) => index.lanes())
    await expect(opening).rejects.toMatchObject({
      code: 'INDEX_UNAVAILABLE',
      message: expect.stringContaining('postgres.pooler: transaction') as string,
    })
  })
})
