import { isMillpondError } from '../../errors.ts'
import { REMEDY } from '../../index/segment-index.ts'
import type { SegmentIndex } from '../../index/segment-index.ts'
import { type Codes, type Database, openDatabase } from './database.ts'
import { indexPart } from './index-schema.ts'
import { indexStatements } from './index-statements.ts'
import type { PostgresOptions } from './options.ts'
import { PostgresIndex } from './postgres-index.ts'
import { openReaders } from './replicas.ts'
import { dropPart, prepareSchema, whenPrepared } from './schema.ts'

const codes: Codes = { unavailable: 'INDEX_UNAVAILABLE', corrupt: 'INDEX_CORRUPT', remedy: REMEDY }

/**
 * An index in a schema of a PostgreSQL database, which is made where there is none. Any number of processes may use it at once. A server
 * that is away for now is no reason not to open: it is asked again with every call.
 * @throws MillpondError `DEPENDENCY_MISSING` without the package pg; `INDEX_CORRUPT` where the schema is of something else or damaged,
 * `INDEX_UNAVAILABLE` where a newer program made it.
 */
export async function openPostgresIndex(options: PostgresOptions): Promise<SegmentIndex> {
  await using opened = new AsyncDisposableStack()
  const primary = opened.use(await openDatabase(options.primary, options, codes))
  const readers = opened.use(await openReaders(primary, options, codes))
  const ready = await whenPrepared(() => prepareIndex(primary, options.schema))
  opened.move()
  return new PostgresIndex({ primary, readers, statements: indexStatements(options.schema), ready })
}

/**
 * Drops the tables of an index whose form is not what it should be, so that a new one can be made; a sound index stays.
 * @throws MillpondError `INDEX_CORRUPT` where they are something else, which is not ours to drop; `INDEX_UNAVAILABLE`.
 */
export async function dropDamagedIndex(options: PostgresOptions): Promise<boolean> {
  await using database = await openDatabase(options.primary, options, codes)
  try {
    await prepareIndex(database, options.schema)
    return false
  } catch (error) {
    if (!isMillpondError(error, 'INDEX_CORRUPT') || error.details['foreign'] === true) throw error
  }
  await dropPart(database, options.schema, indexPart)
  return true
}

async function prepareIndex(database: Database, schema: string): Promise<void> {
  await prepareSchema(database, schema, indexPart, codes)
}
