import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { takeOverJobs } from './job-rows-v1.ts'

/** Version of the tables, in `user_version`; it rises when one changes. */
const JOBS_SCHEMA_VERSION = 3

/**
 * A row a job, a part, a message that was refused, an ending. `record` is all of it, as JSON; the other columns are what is asked for,
 * and follow from it.
 */
const SCHEMA = `
  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    key TEXT UNIQUE,
    outcome TEXT,
    offers INTEGER NOT NULL,
    version INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX jobs_by_age ON jobs (created_ms, id);
  CREATE INDEX jobs_that_offer ON jobs (created_ms, id) WHERE offers = 1;
  CREATE TABLE parts (
    job TEXT NOT NULL,
    part INTEGER NOT NULL,
    state TEXT NOT NULL,
    lease_until_ms INTEGER,
    not_before_ms INTEGER,
    read INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    error TEXT,
    version INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (job, part)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE failures (
    job TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    topic TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    lane TEXT NOT NULL,
    position INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (job, ordinal),
    UNIQUE (job, topic, topic_id, lane, position)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE audits (
    job TEXT NOT NULL,
    ending INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (job, ending)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX audits_by_age ON audits (ended_ms, job, ending);
`

/** Version 3 has schedules beside that. */
const SCHEDULES = `
  CREATE TABLE schedules (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`

/** How long a call waits for another process's transaction, which takes a few ms. */
const BUSY_TIMEOUT_MS = 5000

/** Primary result codes, SQLite "Result and Error Codes", read 2026-11. */
const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

function sqliteCode(error: unknown): number | undefined {
  const code: unknown = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  return typeof code === 'number' ? code & 0xff : undefined
}

/** Any error of the database as ours. */
export function translate(error: unknown, name: string): MillpondError {
  if (isMillpondError(error)) return error
  const code = sqliteCode(error)
  const reason = error instanceof Error ? error.message : String(error)
  const corrupt = code === SQLITE_CORRUPT || code === SQLITE_NOTADB || error instanceof SyntaxError
  return new MillpondError(corrupt ? 'JOBS_CORRUPT' : 'JOBS_UNAVAILABLE', `the job store ${name}: ${reason}`, { cause: error })
}

/** Sets the tables up, once, however many processes open the file at the same time; those of older versions are taken over. */
function migrate(db: DatabaseSync): void {
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
  db.exec('BEGIN IMMEDIATE')
  try {
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
    if (version > JOBS_SCHEMA_VERSION) {
      const message = `the job store was written by a newer Millpond (schema ${version}, not ${JOBS_SCHEMA_VERSION})`
      throw new MillpondError('JOBS_UNAVAILABLE', message)
    }
    if (version === 1) takeOverJobs(db, SCHEMA)
    else if (version === 0) db.exec(SCHEMA)
    if (version < 3) db.exec(SCHEDULES)
    db.exec(`PRAGMA user_version = ${JOBS_SCHEMA_VERSION}; COMMIT`)
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/**
 * Opens the file with its tables. Switching a new file to WAL does not wait for the one who is just doing it, whatever the timeout; so it is
 * tried again.
 */
export async function openJobsDatabase(path: string): Promise<DatabaseSync> {
  // Requests of jobs may hold secrets, so the file is nobody else's to read.
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
  for (let attempt = 1; ; attempt++) {
    const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    try {
      migrate(db)
      return db
    } catch (error) {
      db.close()
      if (sqliteCode(error) !== SQLITE_BUSY || attempt === 20) throw error
      await setTimeout(attempt * 5)
    }
  }
}
