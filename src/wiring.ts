import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { OpenQuery, QueryOptions } from './adapters/duckdb/query.ts'
import type { Config } from './config/config.ts'
import { MillpondError } from './errors.ts'
import type { SegmentIndex } from './index/segment-index.ts'
import type { ParquetReader } from './query/parquet-reader.ts'
import type { JobRecord } from './replay/job.ts'
import type { JobStore } from './replay/jobs.ts'
import type { Sink } from './sink/sink.ts'
import type { Broker } from './source/broker.ts'
import type { LaneId } from './source/lane.ts'
import { openKafka, openKafkaReplaySink } from './wiring/kafka.ts'
import { localBroker, openLocalReplaySink, openLog } from './wiring/local.ts'
import { openMongodbIndex, openMongodbJobs } from './wiring/mongodb.ts'
import { dropDamagedPostgresIndex, openPostgresIndex, openPostgresJobs } from './wiring/postgres.ts'

/** Opens the index, which is made where there is none. */
export async function openIndex(config: Config): Promise<SegmentIndex> {
  if (config.index.type === 'postgres') return openPostgresIndex(config)
  if (config.index.type === 'mongodb') return openMongodbIndex(config)
  const { openSqliteIndex } = await import('./adapters/sqlite/index.ts')
  return openSqliteIndex({ path: config.index.path })
}

/** An empty index that is gone with the process. */
export async function openMemoryIndex(): Promise<SegmentIndex> {
  const { openSqliteIndex } = await import('./adapters/sqlite/index.ts')
  return openSqliteIndex({ path: ':memory:' })
}

/** Moves an index that cannot be opened out of the way, so that it can be made anew; says what became of it if there was one. */
export async function setAsideDamagedIndex(config: Config): Promise<string | undefined> {
  if (config.index.type === 'postgres') return dropDamagedPostgresIndex(config)
  // Documents of any form are cleared as they are.
  if (config.index.type === 'mongodb') return undefined
  const { path } = config.index
  const sqlite = await import('./adapters/sqlite/index-database.ts')
  return sqlite.setAsideDamagedIndex(path) ? `the damaged file is kept as ${path}.damaged` : undefined
}

/** Has DuckDB read a statement over topics. @throws MillpondError `DEPENDENCY_MISSING`, `QUERY_FAILED`. */
export async function openQuery(options: QueryOptions): Promise<OpenQuery> {
  const duckdb = await import('./adapters/duckdb/query.ts')
  return duckdb.openQuery(options)
}

/** What reads objects in `value-parquet` for queries. @throws MillpondError `DEPENDENCY_MISSING`. */
export async function openParquetReader(): Promise<ParquetReader> {
  const hyparquet = await import('./adapters/hyparquet/reader.ts')
  return hyparquet.openParquetReader()
}

/** Opens the replay jobs. */
export async function openJobs(config: Config): Promise<JobStore> {
  if (config.jobs.type === 'postgres') return openPostgresJobs(config)
  if (config.jobs.type === 'mongodb') return openMongodbJobs(config)
  const { openSqliteJobs } = await import('./adapters/sqlite/jobs.ts')
  return openSqliteJobs({ path: config.jobs.path })
}

/** Opens the broker that `source` names; the local log is made where there is none. */
export async function openBroker(config: Config): Promise<Broker> {
  return config.source.type === 'kafka' ? openKafka(config) : localBroker(config, await openLog(config), true)
}

/**
 * The sink of messages that cannot be archived: JSON lines, a file for each process that has some, in the folder of dead letters. The
 * file is made when there is the first one.
 */
export function createDeadLetters({ deadLetters }: Config): Sink {
  const path = join(
    deadLetters.path,
    `${new Date().toISOString().replaceAll(/[:.]/gu, '-')}-${randomBytes(4).toString('hex')}.jsonl`,
  )
  let opened: Promise<Sink> | undefined
  const open = async (): Promise<Sink> => {
    const { openFileSink } = await import('./adapters/file/sink.ts')
    await mkdir(deadLetters.path, { recursive: true })
    return openFileSink({ path, format: 'json' })
  }
  return {
    name: `dead letters in ${deadLetters.path}`,
    async write(target, batch, signal) {
      opened ??= open().catch((error: unknown) => {
        opened = undefined
        throw error
      })
      return (await opened).write(target, batch, signal)
    },
    async [Symbol.asyncDispose]() {
      await (await opened)?.[Symbol.asyncDispose]()
    },
  }
}

/**
 * Opens where a replay goes. A job that was started before goes on in what it wrote; a dry run only counts. A topic of Kafka that is
 * missing is made with as many partitions as its origin has lanes among those that are `archived`.
 * @throws MillpondError `INPUT_INVALID` for a target that lacks something; what the sink throws.
 */
export async function openReplaySink(
  config: Config,
  { id, target, options, startedMs }: JobRecord,
  archived: readonly LaneId[] = [],
): Promise<Sink> {
  const { kind, path, url, headers } = target
  if (options.dryRun || kind === 'count') return (await import('./adapters/count/sink.ts')).createCountSink()
  if (kind === 'local') return openLocalReplaySink(config)
  if (kind === 'kafka') return openKafkaReplaySink(config, target.partition, archived)
  const format = target.format === 'raw' ? 'raw' : 'json'
  if (kind === 'file' && path !== undefined) {
    const { openFileSink } = await import('./adapters/file/sink.ts')
    return openFileSink({ path, format, ...(startedMs === null || path === '-' ? {} : { resumeJob: id }) })
  }
  if (kind === 'http' && url !== undefined) {
    const { openHttpSink } = await import('./adapters/http/sink.ts')
    return openHttpSink({ url, body: format, ...(headers === undefined ? {} : { headers }) })
  }
  throw new MillpondError('INPUT_INVALID', `a replay cannot go to ${kind} so`, { details: { kind } })
}
