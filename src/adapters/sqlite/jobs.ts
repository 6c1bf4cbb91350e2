import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { MillpondError, isMillpondError } from '../../errors.ts'
import type { LaneProgress, ReplayFailure, ReplayJob, ReplaySummary } from '../../replay/job.ts'
import { MAX_RECORDED_FAILURES, stateAt } from '../../replay/job.ts'
import type { JobStore, Lease, ProgressUpdate } from '../../replay/jobs.ts'
import type { LaneRow, SummaryRow } from './job-rows.ts'
import { JOBS_SCHEMA, JOBS_SCHEMA_VERSION, SUMMARY_COLUMNS, failureOf, laneOf, summaryOf } from './job-rows.ts'

/** How long a call waits for another process's transaction, which takes a few ms. */
const BUSY_TIMEOUT_MS = 5000
const DEFAULT_LIST_LIMIT = 100

/** Primary result codes, SQLite "Result and Error Codes", read 2026-11. */
const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

function sqliteCode(error: unknown): number | undefined {
  const code: unknown = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  return typeof code === 'number' ? code & 0xff : undefined
}

function translate(error: unknown, name: string): MillpondError {
  if (isMillpondError(error)) return error
  const code = sqliteCode(error)
  const reason = error instanceof Error ? error.message : String(error)
  const corrupt = code === SQLITE_CORRUPT || code === SQLITE_NOTADB || error instanceof SyntaxError
  return new MillpondError(corrupt ? 'JOBS_CORRUPT' : 'JOBS_UNAVAILABLE', `the job store ${name}: ${reason}`, { cause: error })
}

/** Every statement of the store, prepared once. */
function prepare(db: DatabaseSync) {
  const summaries = `SELECT ${SUMMARY_COLUMNS} FROM jobs`
  return {
    insertJob: db.prepare(
      `INSERT INTO jobs (id, created_ms, started_ms, ended_ms, state, request, planned, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    ),
    insertLane: db.prepare('INSERT INTO lanes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    insertFailure: db.prepare('INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?)'),
    summary: db.prepare(`${summaries} WHERE id = ?`),
    newest: db.prepare(
      `${summaries} WHERE ?1 IS NULL OR state IN (SELECT value FROM json_each(?1)) ORDER BY created_ms DESC, id DESC LIMIT ?2`,
    ),
    lanes: db.prepare('SELECT * FROM lanes WHERE job = ? ORDER BY ordinal'),
    failures: db.prepare('SELECT * FROM failures WHERE job = ? ORDER BY ordinal'),
    failureCount: db.prepare('SELECT count(*) AS count FROM failures WHERE job = ?'),
    claim: db.prepare(
      `UPDATE jobs SET state = 'running', owner = ?, lease_until_ms = ?, started_ms = coalesce(started_ms, ?), ended_ms = NULL, error = NULL WHERE id = ?`,
    ),
    renew: db.prepare('UPDATE jobs SET lease_until_ms = ? WHERE id = ?'),
    updateLane: db.prepare(
      `UPDATE lanes SET next_position = ?, read = ?, delivered = ?, failed = ?, bytes = ?, done = ? WHERE job = ? AND topic = ? AND topic_id = ? AND lane = ?`,
    ),
    end: db.prepare(
      'UPDATE jobs SET state = ?, ended_ms = ?, error = ?, owner = NULL, lease_until_ms = NULL, cancel_requested = 0 WHERE id = ?',
    ),
    requestCancel: db.prepare('UPDATE jobs SET cancel_requested = 1 WHERE id = ?'),
  }
}

type Statements = ReturnType<typeof prepare>

function summaryRow(sql: Statements, id: string): SummaryRow {
  const row = sql.summary.get(id)
  if (row === undefined) throw new MillpondError('JOB_UNKNOWN', `there is no job ${id}`, { details: { id } })
  return row as unknown as SummaryRow
}

function jobOf(sql: Statements, row: SummaryRow): ReplayJob {
  return {
    ...summaryOf(row),
    lanes: (sql.lanes.all(row.id) as unknown as LaneRow[]).map(laneOf),
    failures: (sql.failures.all(row.id) as unknown as ReplayFailure[]).map(failureOf),
  }
}

function insertFailures(sql: Statements, id: string, failures: readonly ReplayFailure[]): void {
  if (failures.length === 0) return
  const { count } = sql.failureCount.get(id) as { count: number }
  for (const [i, { topic, lane, position, reason }] of failures.slice(0, MAX_RECORDED_FAILURES - count).entries()) {
    sql.insertFailure.run(id, count + i, topic, lane, position, reason)
  }
}

function insertJob(sql: Statements, job: ReplayJob): void {
  const request = JSON.stringify({ query: job.query, target: job.target, options: job.options })
  const error = job.error === null ? null : JSON.stringify(job.error)
  const planned = JSON.stringify(job.planned)
  const { changes } = sql.insertJob.run(job.id, job.createdMs, job.startedMs, job.endedMs, job.state, request, planned, error)
  if (changes === 0) throw new MillpondError('JOB_CONFLICT', `a job ${job.id} exists already`, { details: { id: job.id } })
  for (const [ordinal, { lane, fromPosition, toPosition, nextPosition, counts, done }] of job.lanes.entries()) {
    const { read, delivered, failed, bytes } = counts
    const moved = [nextPosition, read, delivered, failed, bytes, Number(done)]
    sql.insertLane.run(job.id, lane.topic, lane.topicId, lane.lane, ordinal, fromPosition, toPosition, ...moved)
  }
  insertFailures(sql, job.id, job.failures)
}

function updateLane(sql: Statements, id: string, { lane, nextPosition, counts, done }: LaneProgress): void {
  const { read, delivered, failed, bytes } = counts
  sql.updateLane.run(nextPosition, read, delivered, failed, bytes, Number(done), id, lane.topic, lane.topicId, lane.lane)
}

function record(sql: Statements, id: string, update: ProgressUpdate): void {
  for (const lane of update.lanes) updateLane(sql, id, lane)
  insertFailures(sql, id, update.failures)
}

/** The job's row, if `owner` still holds it. An owner whose lease ended while nobody else claimed the job still does. */
function heldRow(sql: Statements, id: string, owner: string): SummaryRow {
  const row = summaryRow(sql, id)
  if (row.state === 'running' && row.owner === owner) return row
  throw new MillpondError('JOB_CONFLICT', `job ${id} is no longer run by this process`, { details: { id, state: row.state } })
}

function claim(sql: Statements, id: string, { owner, nowMs, leaseMs }: Lease): ReplayJob {
  const row = summaryRow(sql, id)
  const state = stateAt(summaryOf(row), nowMs)
  if (state === 'done' || state === 'cancelled') {
    throw new MillpondError('JOB_CONFLICT', `job ${id} is ${state}; make a new one to replay again`, { details: { id, state } })
  }
  if (state === 'running' && row.owner !== owner) {
    throw new MillpondError('JOB_CONFLICT', `job ${id} is being run by another process`, {
      details: { id, state, leaseUntilMs: row.lease_until_ms },
    })
  }
  sql.claim.run(owner, nowMs + leaseMs, nowMs, id)
  return jobOf(sql, summaryRow(sql, id))
}

function cancel(sql: Statements, id: string, nowMs: number): ReplaySummary {
  const state = stateAt(summaryOf(summaryRow(sql, id)), nowMs)
  if (state === 'done') throw new MillpondError('JOB_CONFLICT', `job ${id} is done`, { details: { id, state } })
  if (state === 'running') sql.requestCancel.run(id)
  else if (state !== 'cancelled') sql.end.run('cancelled', nowMs, null, id)
  return summaryOf(summaryRow(sql, id))
}

/** Sets the schema up, once, however many processes open the store at the same time. */
function migrate(db: DatabaseSync): void {
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
  db.exec('BEGIN IMMEDIATE')
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  if (version === 0) db.exec(`${JOBS_SCHEMA}; PRAGMA user_version = ${JOBS_SCHEMA_VERSION}`)
  db.exec('COMMIT')
  if (version <= JOBS_SCHEMA_VERSION) return
  throw new MillpondError(
    'JOBS_UNAVAILABLE',
    `the job store was written by a newer Millpond (schema ${version}, not ${JOBS_SCHEMA_VERSION})`,
  )
}

/** Switching a new file to WAL does not wait for the one who is just doing it, whatever the timeout; so it is tried again. */
async function openDatabase(path: string): Promise<DatabaseSync> {
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

/**
 * Jobs in one SQLite file; `:memory:` keeps them as long as the process. Several processes may use one file.
 * @throws MillpondError `JOBS_UNAVAILABLE`, `JOBS_CORRUPT`.
 */
export async function openSqliteJobs({ path }: { readonly path: string }): Promise<JobStore> {
  const name = `sqlite ${path}`
  const db = await openDatabase(path).catch((error: unknown) => {
    throw translate(error, name)
  })
  const sql = prepare(db)
  const attempt = <T>(act: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      try {
        resolve(act())
      } catch (error) {
        reject(translate(error, name))
      }
    })
  const transact = <T>(act: () => T, begin = 'BEGIN IMMEDIATE'): Promise<T> =>
    attempt(() => {
      db.exec(begin)
      try {
        const result = act()
        db.exec('COMMIT')
        return result
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK')
        throw error
      }
    })

  return {
    name,
    create: (job) => transact(() => insertJob(sql, job)),
    get: (id) =>
      // One transaction, so that lanes and failures are those of one moment.
      transact(() => {
        const row = sql.summary.get(id)
        return row === undefined ? undefined : jobOf(sql, row as unknown as SummaryRow)
      }, 'BEGIN'),
    list: ({ states, limit = DEFAULT_LIST_LIMIT } = {}) =>
      attempt(() => {
        const rows = sql.newest.all(states === undefined ? null : JSON.stringify(states), limit)
        return (rows as unknown as SummaryRow[]).map(summaryOf)
      }),
    claim: (id, lease) => transact(() => claim(sql, id, lease)),
    progress: (id, { owner, nowMs, leaseMs }, update) =>
      transact(() => {
        const row = heldRow(sql, id, owner)
        record(sql, id, update)
        sql.renew.run(nowMs + leaseMs, id)
        return { cancelRequested: row.cancel_requested === 1 }
      }),
    finish: (id, owner, update, outcome) =>
      transact(() => {
        heldRow(sql, id, owner)
        record(sql, id, update)
        sql.end.run(outcome.state, outcome.endedMs, outcome.error === null ? null : JSON.stringify(outcome.error), id)
        return jobOf(sql, summaryRow(sql, id))
      }),
    cancel: (id, nowMs) => transact(() => cancel(sql, id, nowMs)),
    [Symbol.asyncDispose]: () => attempt(() => db.close()),
  }
}
