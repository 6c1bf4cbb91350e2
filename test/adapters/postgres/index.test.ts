import { afterAll, beforeAll, describe } from 'vitest'
import { openPostgresIndex } from '../../../src/adapters/postgres/index.ts'
import { segmentIndexContract } from '../../contract/segment-index.ts'
import { sharedIndexContract } from '../../contract/shared-index.ts'
import { serverMissing } from '../../servers/missing.ts'
import { type Postgres, startPostgres } from '../../servers/postgres.ts'
import { ownSchema } from './server.ts'

describe.skipIf(serverMissing('postgres') !== undefined)('the index in PostgreSQL', () => {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres()
  }, 120_000)
  afterAll(() => server?.stop())

  segmentIndexContract('postgres', async () => {
    const options = ownSchema(server)
    return { open: () => openPostgresIndex(options), remove: async () => undefined }
  })
  sharedIndexContract(
    'postgres',
    async () => {
      const options = ownSchema(server)
      return {
        open: () => openPostgresIndex(options),
        remove: async () => undefined,
        interrupt: async () => {
          await server.kill()
          await server.start()
        },
      }
    },
    true,
  )
})
