import type { PostgresOptions } from '../adapters/postgres/options.ts'
import type { Config } from '../config/config.ts'
import { MillpondError } from '../errors.ts'
import type { JobStore } from '../replay/jobs.ts'
import type { SegmentIndex } from '../index/segment-index.ts'
import { readPem } from './pem.ts'

/** Opens the index in PostgreSQL. @throws MillpondError `DEPENDENCY_MISSING`, `CONFIG_INVALID`, `INDEX_CORRUPT`, `INDEX_UNAVAILABLE`. */
export async function openPostgresIndex(config: Config): Promise<SegmentIndex> {
  const adapter = await import('../adapters/postgres/index.ts')
  return adapter.openPostgresIndex(await postgresOptions(config))
}

/** Opens the replay jobs in PostgreSQL. @throws MillpondError `DEPENDENCY_MISSING`, `CONFIG_INVALID`, `JOBS_CORRUPT`, `JOBS_UNAVAILABLE`. */
export async function openPostgresJobs(config: Config): Promise<JobStore> {
  const adapter = await import('../adapters/postgres/jobs.ts')
  return adapter.openPostgresJobs(await postgresOptions(config))
}

/** Drops the tables of an index that cannot be opened; says so if they were there. */
export async function dropDamagedPostgresIndex(config: Config): Promise<string | undefined> {
  const adapter = await import('../adapters/postgres/index.ts')
  const isDropped = await adapter.dropDamagedIndex(await postgresOptions(config))
  return isDropped ? `the damaged tables in the schema ${config.postgres.schema} were dropped` : undefined
}

async function postgresOptions({ postgres }: Config): Promise<PostgresOptions> {
  const { primary, replicas, schema, maxConnections, connectTimeoutMs, statementTimeoutMs, pooler, caFile } = postgres
  // The rules of the configuration see to it.
  if (primary === undefined) throw new MillpondError('CONFIG_INVALID', 'postgres.url: name the database')
  const ca = caFile === undefined ? undefined : await readPem(caFile)
  return { primary, replicas, schema, maxConnections, connectTimeoutMs, statementTimeoutMs, pooler, ca }
}
