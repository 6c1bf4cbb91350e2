import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresIndex } from '../../../src/adapters/postgres/index.ts'
import type { PartState } from '../../../src/api/readiness.ts'
import { configure, serve } from '../../live/program.ts'
import { until } from '../../live/until.ts'
import { serverMissing } from '../../servers/missing.ts'
import { type Postgres, startPostgres } from '../../servers/postgres.ts'
import { ownSchema } from './server.ts'

const LIMIT_MS = 120_000

describe.skipIf(serverMissing('postgres') !== undefined)('a service whose index is in PostgreSQL', () => {
  let server: Postgres
  let folder: string
  beforeAll(async () => {
    server = await startPostgres()
    folder = await mkdtemp(join(tmpdir(), 'millpond-serve-'))
  }, 300_000)
  afterAll(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it(
    'archives while the database is away, says so, and the index takes it all when it is back',
    { timeout: 600_000 },
    async () => {
      const options = ownSchema(server)
      await configure(folder, {
        index: { type: 'postgres', maxLag: '1s' },
        postgres: { url: server.url('postgres'), schema: options.schema },
        archive: { rotate: { idle: '100ms' } },
        local: { partitions: 1 },
      })
      // It starts without it, too.
      await server.kill()
      const served = await serve(folder)
      const ask = async (path: string) => (await fetch(`${served.url}${path}`)).text()
      const post = async (value: string) => {
        const body = JSON.stringify({ value })
        const response = await fetch(`${served.url}/topics/orders/messages`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        })
        expect(response.status).toBe(200)
      }
      const archived = async (count: number) =>
        (await ask('/metrics')).includes(`millpond_messages_archived_total{topic="orders"} ${count}\n`)
      const indexPart = async () =>
        (JSON.parse(await ask('/readyz')) as { ready: boolean; parts: Record<string, PartState> }).parts['index']
      try {
        await post('one')
        await until(() => archived(1), 'the first to be archived', LIMIT_MS)
        await until(async () => (await indexPart())?.state === 'amber', 'readiness to say so', LIMIT_MS)
        await until(
          async () => Number(/^millpond_index_lag_seconds (\S+)$/mu.exec(await ask('/metrics'))?.[1]) > 1,
          'the lag',
          LIMIT_MS,
        )
        await until(
          async () => (await indexPart())?.why.includes('1 commits of 1 positions wait') === true,
          'what waits',
          LIMIT_MS,
        )
        await server.start()
        await using index = await openPostgresIndex(options)
        const messages = async () => (await index.lanes()).reduce((sum, lane) => sum + lane.messages, 0)
        await until(async () => (await messages()) === 1, 'the index to have the first', LIMIT_MS)
        await until(async () => (await indexPart())?.state === 'green', 'readiness to be green', LIMIT_MS)
        await server.kill()
        await post('two')
        await until(() => archived(2), 'the second to be archived', LIMIT_MS)
        await server.start()
        await until(
          () =>
            messages().then(
              (count) => count === 2,
              () => false,
            ),
          'the index to have the second',
          LIMIT_MS,
        )
        expect(served.log()).not.toContain('secret%')
      } finally {
        await served.stop()
      }
    },
  )
})
