import { randomBytes } from 'node:crypto'
import type { PostgresEndpoint, PostgresOptions } from '../../../src/adapters/postgres/options.ts'
import { createSecret } from '../../../src/secret.ts'
import type { Postgres } from '../../servers/postgres.ts'

/** How to log in at a test server. */
export const endpointOf = ({ port, user, password }: Postgres, database = 'postgres'): PostgresEndpoint => ({
  host: '127.0.0.1',
  port,
  database,
  user,
  password: createSecret(password),
  tls: 'disable',
})

/** Options of a schema that nobody else uses. */
export const ownSchema = (server: Postgres): PostgresOptions => ({
  primary: endpointOf(server),
  schema: `pond_${randomBytes(6).toString('hex')}`,
  // Slow machines are no error.
  connectTimeoutMs: 60_000,
  statementTimeoutMs: 60_000,
})
