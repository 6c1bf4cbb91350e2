import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, fstatSync, fsyncSync, linkSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { corrupt, logError } from './errors.ts'

/** `MPLG`: marks the file as a log of Millpond in SQLite's header. */
const APPLICATION_ID = 0x4d_50_4c_47
const VERSION = 1

// Offsets in SQLite's header, https://sqlite.org/fileformat2.html#the_database_header, read 2026-11.
const HEADER_BYTES = 100
const MAGIC = 'SQLite format 3\0'
const USER_VERSION_OFFSET = 60
const APPLICATION_ID_OFFSET = 68

/** How long a connection waits for another one's lock, ms; writers hold it for one transaction. */
const BUSY_MS = 30_000

/**
 * Names are stored as blobs: text may hold NUL. A partition's `next` always follows its last row, and its rows leave no position
 * out, so that a lost row is noticed. `blocks` has its bytes last: what comes before is read without them.
 */
const SCHEMA = `
CREATE TABLE topics (
  topic_key INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, topic_id TEXT NOT NULL, partitions INTEGER NOT NULL,
  retention_ms INTEGER, retention_bytes INTEGER, created_ms INTEGER NOT NULL, crc32 INTEGER NOT NULL
) STRICT;
CREATE TABLE partitions (
  partition_key INTEGER PRIMARY KEY AUTOINCREMENT, topic_key INTEGER NOT NULL, lane INTEGER NOT NULL,
  oldest INTEGER NOT NULL, next INTEGER NOT NULL, bytes INTEGER NOT NULL, UNIQUE (topic_key, lane)
) STRICT;
CREATE TABLE blocks (
  block_key INTEGER PRIMARY KEY AUTOINCREMENT, partition_key INTEGER NOT NULL, first_position INTEGER NOT NULL, count INTEGER NOT NULL,
  codec TEXT NOT NULL, raw_bytes INTEGER NOT NULL, min_timestamp INTEGER NOT NULL, max_timestamp INTEGER NOT NULL,
  appended_ms INTEGER NOT NULL, stored_bytes INTEGER NOT NULL, crc32 INTEGER NOT NULL, filters BLOB NOT NULL, bytes BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX blocks_by_position ON blocks (partition_key, first_position);
CREATE TABLE dropped (partition_key INTEGER PRIMARY KEY) STRICT;
CREATE TABLE producers (
  job BLOB NOT NULL, origin BLOB NOT NULL, topic_key INTEGER NOT NULL, next_position INTEGER NOT NULL,
  PRIMARY KEY (job, origin, topic_key)
) STRICT, WITHOUT ROWID;
CREATE TABLE groups (
  group_key INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, generation INTEGER NOT NULL, topics_version INTEGER NOT NULL
) STRICT;
CREATE TABLE members (
  group_key INTEGER NOT NULL, member BLOB NOT NULL, session TEXT NOT NULL, patterns TEXT NOT NULL,
  heartbeat_ms INTEGER NOT NULL, session_ms INTEGER NOT NULL, scope TEXT NOT NULL, pid INTEGER NOT NULL, PRIMARY KEY (group_key, member)
) STRICT, WITHOUT ROWID;
CREATE TABLE owners (
  group_key INTEGER NOT NULL, partition_key INTEGER NOT NULL, member BLOB NOT NULL, PRIMARY KEY (group_key, partition_key)
) STRICT, WITHOUT ROWID;
CREATE TABLE group_positions (
  group_key INTEGER NOT NULL, partition_key INTEGER NOT NULL, next_position INTEGER NOT NULL, PRIMARY KEY (group_key, partition_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_positions_by_partition ON group_positions (partition_key);
CREATE TABLE versions (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), topics INTEGER NOT NULL) STRICT;
INSERT INTO versions VALUES (1, 0);
`

/**
 * Makes the log's file, and its folder, unless it is there. The file appears complete, so that one that is there and is no log is
 * damaged or foreign, never half made.
 */
export function createDatabaseFile(path: string): void {
  if (existsSync(path)) return
  const made = `${path}.${randomUUID()}.new`
  try {
    mkdirSync(dirname(path), { recursive: true })
    const database = new DatabaseSync(made)
    try {
      database.exec('PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;')
      database.exec(`BEGIN; ${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${VERSION}; COMMIT;`)
    } finally {
      database.close()
    }
    syncPath(made)
    linkUnlessThere(made, path)
    syncPath(dirname(path))
  } catch (error) {
    throw creationError(error, path)
  } finally {
    for (const left of [made, `${made}-wal`, `${made}-shm`]) rmSync(left, { force: true })
  }
}

/** Another process may have been first; its file is as good. */
function linkUnlessThere(made: string, path: string): void {
  try {
    linkSync(made, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

function creationError(error: unknown, path: string): MillpondError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new MillpondError('LOG_FULL', `local log ${path}: no space is left on its disk`, { cause: error, details: { path } })
  }
  return logError(error, path)
}

function syncPath(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/**
 * Opens the log's file, which must be there.
 * @throws MillpondError `LOG_CORRUPT` for a file that is foreign, cut or damaged; `LOG_UNAVAILABLE` where it cannot be opened.
 */
export function openDatabase(path: string, options: { readonly readOnly: boolean }): DatabaseSync {
  checkHeader(path)
  let database: DatabaseSync | undefined
  try {
    const url = new URL(pathToFileURL(path))
    url.search = `mode=${options.readOnly ? 'ro' : 'rw'}`
    database = new DatabaseSync(url, { readOnly: options.readOnly, timeout: BUSY_MS })
    database.exec('PRAGMA synchronous = FULL; PRAGMA cache_size = -8192; PRAGMA mmap_size = 0;')
    // Less often than SQLite's standard: each checkpoint writes and syncs every page again. 2,048 pages are 32 MiB.
    if (!options.readOnly) database.exec('PRAGMA wal_autocheckpoint = 2048; PRAGMA journal_size_limit = 67108864;')
    // Reads the schema, and by that the file's length against what its header says.
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
    if (!options.readOnly) database.exec('BEGIN IMMEDIATE; ROLLBACK;')
    return database
  } catch (error) {
    database?.close()
    throw logError(error, path)
  }
}

/** SQLite would take an empty file for a new database, and any database for ours. */
function checkHeader(path: string): void {
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    const header = Buffer.alloc(HEADER_BYTES)
    const read = readSync(file, header, 0, HEADER_BYTES, 0)
    if (read < HEADER_BYTES) throw corrupt(path, `the file is cut: it has ${fstatSync(file).size} bytes`)
    if (header.toString('latin1', 0, MAGIC.length) !== MAGIC || header.readInt32BE(APPLICATION_ID_OFFSET) !== APPLICATION_ID) {
      throw corrupt(path, 'the file is no log of Millpond')
    }
    const version = header.readInt32BE(USER_VERSION_OFFSET)
    if (version !== VERSION)
      throw corrupt(path, `the log has version ${version}; this Millpond knows version ${VERSION}`, { version })
  } catch (error) {
    if (isMillpondError(error)) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new MillpondError('LOG_UNAVAILABLE', `local log ${path} cannot be opened: ${reason}`, {
      cause: error,
      details: { path },
    })
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
