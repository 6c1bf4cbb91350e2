import { afterAll, beforeAll, beforeEach, describe } from 'vitest'
import { openPostgresIndex } from '../../../src/adapters/postgres/index.ts'
import type { PostgresOptions } from '../../../src/adapters/postgres/options.ts'
import { commandsContract, followersContract } from '../../contract/followers.ts'
import { serverMissing } from '../../servers/missing.ts'
import { type Postgres, startPostgres } from '../../servers/postgres.ts'
import { ownSchema } from './server.ts'

describe.skipIf(serverMissing('postgres') !== undefined)('an index in PostgreSQL', () => {
  let server: Postgres
  let options: PostgresOptions
  beforeAll(async () => {
    server = await startPostgres()
  }, 300_000)
  afterAll(() => server?.stop())
  beforeEach(() => {
    options = ownSchema(server)
  })

  const config = () => ({ index: { type: 'postgres' }, postgres: { url: server.url('postgres'), schema: options.schema } })
  followersContract(config, () => openPostgresIndex(options))
  commandsContract(config)
})
