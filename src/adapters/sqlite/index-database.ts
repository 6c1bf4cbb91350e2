import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isMillpondError, MillpondError, wrapError } from '../../errors.ts'
import { REMEDY } from '../../index/segment-index.ts'

/** Marks a SQLite file as an index of Millpond ("MpIx"). */
const APPLICATION_ID = 0x4d70_4978
const SCHEMA_VERSION = 2
const BUSY_TIMEOUT_MS = 10_000
const SQLITE_BUSY = 5
const SWITCH_PAUSE_MS = 5

/**
 * Lanes with their totals, commits, segments; no row for a message or a block. SQLite has no checksums, so `row_check` is a CRC-32 of
 * the row, and nothing is left out of an answer on the word of an unchecked page: a lane's segments are chosen by the ranges in its
 * `directory`, of which the lane's total says how many there must be, and `totals` says how many lanes. A `lane_ref` is never used
 * again, so that a reader of a cleared index finds nothing, not another lane. Rewrites are in `commits` under `-1 - sequence`, and so are their
 * segments; those that they replace stay for readers at work, only not in the `directory`.
 */
const SCHEMA = `
CREATE TABLE lanes (
  lane_ref INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, topic_id TEXT NOT NULL, lane TEXT NOT NULL,
  first_position INTEGER NOT NULL, next_position INTEGER NOT NULL, head_key TEXT NOT NULL, head_sha256 BLOB NOT NULL,
  commits INTEGER NOT NULL, rewrites INTEGER NOT NULL, rewrite_sha256 BLOB NOT NULL, segments INTEGER NOT NULL, blocks INTEGER NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL,
  missing INTEGER NOT NULL, dead_lettered INTEGER NOT NULL, min_timestamp INTEGER, max_timestamp INTEGER, row_check INTEGER NOT NULL,
  UNIQUE (topic, topic_id, lane)
) STRICT;
CREATE TABLE commits (
  lane_ref INTEGER NOT NULL, next_position INTEGER NOT NULL, first_position INTEGER NOT NULL, key TEXT NOT NULL, sha256 BLOB NOT NULL,
  row_check INTEGER NOT NULL, PRIMARY KEY (lane_ref, next_position)
) STRICT, WITHOUT ROWID;
CREATE TABLE segments (
  lane_ref INTEGER NOT NULL, first_position INTEGER NOT NULL, last_position INTEGER NOT NULL,
  min_timestamp INTEGER NOT NULL, max_timestamp INTEGER NOT NULL, commit_next INTEGER NOT NULL,
  key TEXT NOT NULL, bytes INTEGER NOT NULL, crc32c INTEGER NOT NULL, sha256 BLOB NOT NULL, format TEXT NOT NULL, codec TEXT NOT NULL,
  count INTEGER NOT NULL, layout TEXT NOT NULL, tables BLOB NOT NULL, row_check INTEGER NOT NULL,
  PRIMARY KEY (lane_ref, first_position, commit_next)
) STRICT, WITHOUT ROWID;
CREATE TABLE directory (
  lane_ref INTEGER NOT NULL, chunk INTEGER NOT NULL, ranges BLOB NOT NULL, row_check INTEGER NOT NULL, PRIMARY KEY (lane_ref, chunk)
) STRICT, WITHOUT ROWID;
CREATE TABLE totals (lanes INTEGER NOT NULL) STRICT;
INSERT INTO totals VALUES (0);
`

export interface IndexDatabaseOptions {
  readonly path: string
  readonly readOnly?: boolean
  /** How long to wait for other processes. */
  readonly busyTimeoutMs?: number
}

/**
 * Opens the file, making it and its tables where there is none.
 * @throws MillpondError `INDEX_CORRUPT` where the file is torn or is something else, `INDEX_UNAVAILABLE` where it cannot be used now.
 */
export function openIndexDatabase(options: IndexDatabaseOptions): DatabaseSync {
  const { path, readOnly = false, busyTimeoutMs = BUSY_TIMEOUT_MS } = options
  let database: DatabaseSync | undefined
  try {
    if (!readOnly && path !== ':memory:') mkdirSync(dirname(path), { recursive: true })
    database = new DatabaseSync(path, { readOnly, timeout: busyTimeoutMs })
    if (!readOnly) useWriteAheadLog(database, performance.now() + busyTimeoutMs)
    // The index can be made anew, so a power cut may cost its last commits, never its consistency.
    database.exec('PRAGMA synchronous = NORMAL')
    prepareSchema(database, path, readOnly)
    return database
  } catch (error) {
    if (database?.isOpen) database.close()
    throw indexError(error, path)
  }
}

/** Switching a new file does not wait for who is just doing it, whatever the timeout of the connection; so it is tried again. */
function useWriteAheadLog(database: DatabaseSync, untilMs: number): void {
  for (;;) {
    try {
      return database.exec('PRAGMA journal_mode = WAL')
    } catch (error) {
      if (sqliteCode(error) !== SQLITE_BUSY || performance.now() > untilMs) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SWITCH_PAUSE_MS)
    }
  }
}

function prepareSchema(database: DatabaseSync, path: string, readOnly: boolean): void {
  // In one transaction, for another process may be making the tables right now.
  if (inTransaction(database, 'BEGIN', () => isPrepared(database, path))) return
  if (readOnly) throw new MillpondError('INDEX_UNAVAILABLE', `${path} holds no index yet; \`millpond index rebuild\` makes one`)
  inTransaction(database, 'BEGIN IMMEDIATE', () => {
    // Another process may have been first while this one waited.
    if (isPrepared(database, path)) return
    database.exec(`${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION};`)
  })
}

/** Does the work in a transaction, which it takes back where that fails. */
export function inTransaction<T>(database: DatabaseSync, begin: 'BEGIN' | 'BEGIN IMMEDIATE', work: () => T): T {
  database.exec(begin)
  try {
    const done = work()
    database.exec('COMMIT')
    return done
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function isPrepared(database: DatabaseSync, path: string): boolean {
  const applicationId = numberOf(database, 'PRAGMA application_id', 'application_id')
  const version = numberOf(database, 'PRAGMA user_version', 'user_version')
  const tables = numberOf(database, 'SELECT count(*) AS tables FROM sqlite_schema', 'tables')
  if (applicationId === 0 && version === 0 && tables === 0) return false
  if (applicationId !== APPLICATION_ID) {
    throw new MillpondError('INDEX_CORRUPT', `${path} is a database of something else, not an index; name another file`, {
      details: { path, foreign: true },
    })
  }
  if (version !== SCHEMA_VERSION) {
    throw new MillpondError('INDEX_CORRUPT', `${path} has the form ${version}, this program reads ${SCHEMA_VERSION}; ${REMEDY}`)
  }
  return true
}

function numberOf(database: DatabaseSync, sql: string, column: string): number {
  return Number(database.prepare(sql).get()?.[column])
}

/**
 * Moves a file that cannot be opened out of the way, as `<path>.damaged`, so that a new index can be made; a sound index stays.
 * @throws MillpondError `INDEX_CORRUPT` where the file is a sound database of something else, which is not ours to move.
 */
export function setAsideDamagedIndex(path: string): boolean {
  try {
    openIndexDatabase({ path }).close()
    return false
  } catch (error) {
    if (!isMillpondError(error, 'INDEX_CORRUPT') || error.details['foreign'] === true) throw error
  }
  try {
    renameSync(path, `${path}.damaged`)
    for (const companion of ['-wal', '-shm']) rmSync(`${path}${companion}`, { force: true })
    return !existsSync(path)
  } catch (error) {
    throw wrapError(error, 'INDEX_UNAVAILABLE', `${path} cannot be moved out of the way`)
  }
}

/** SQLite's result codes that say the file's content is wrong: ERROR (a table is missing), CORRUPT, CONSTRAINT, MISMATCH, NOTADB. */
const CORRUPT_CODES: ReadonlySet<number> = new Set([1, 11, 19, 20, 26])

/** Any error of the database as ours. */
export function indexError(error: unknown, path: string): MillpondError {
  if (isMillpondError(error)) return error
  const code = sqliteCode(error)
  if (code !== undefined && CORRUPT_CODES.has(code)) return wrapError(error, 'INDEX_CORRUPT', `${path} is damaged (${REMEDY})`)
  if (error instanceof RangeError) return wrapError(error, 'INDEX_CORRUPT', `${path} is damaged (${REMEDY})`)
  return wrapError(error, 'INDEX_UNAVAILABLE', `${path} cannot be used`)
}

function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}
