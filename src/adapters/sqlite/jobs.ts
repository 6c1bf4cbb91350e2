import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { isOffering } from '../../replay/job-rules.ts'
import type { JobRow, JobRows } from '../../replay/job-rows.ts'
import { createJobStore } from '../../replay/job-store.ts'
import type { JobAudit, ReplayFailure } from '../../replay/job.ts'
import { MAX_RECORDED_FAILURES } from '../../replay/job.ts'
import type { JobStore } from '../../replay/jobs.ts'
import type { JobError, PartFacts, ReplayPart } from '../../replay/part.ts'
import { openJobsDatabase, translate } from './job-schema.ts'
import { createScheduleRows } from './schedules.ts'

/** Every statement of the store, prepared once. */
function prepare(db: DatabaseSync) {
  return {
    insertJob: db.prepare('INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    insertPart: db.prepare('INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    job: db.prepare('SELECT record FROM jobs WHERE id = ?'),
    jobByKey: db.prepare('SELECT record FROM jobs WHERE key = ?'),
    jobs: db.prepare(
      `SELECT record FROM jobs WHERE (?1 IS NULL OR coalesce(outcome, '') IN (SELECT value FROM json_each(?1))) AND (created_ms, id) < (?2, ?3) ORDER BY created_ms DESC, id DESC LIMIT ?4`,
    ),
    newest: db.prepare(
      `SELECT record FROM jobs WHERE ?1 IS NULL OR coalesce(outcome, '') IN (SELECT value FROM json_each(?1)) ORDER BY created_ms DESC, id DESC LIMIT ?2`,
    ),
    offering: db.prepare(
      'SELECT record FROM jobs WHERE offers = 1 AND (created_ms, id) > (?, ?) ORDER BY created_ms, id LIMIT ?',
    ),
    replaceJob: db.prepare(
      'UPDATE jobs SET outcome = ?, offers = ?, version = version + 1, record = ? WHERE id = ? AND version = ?',
    ),
    parts: db.prepare('SELECT record FROM parts WHERE job = ? AND part >= ? ORDER BY part LIMIT ?'),
    freeParts: db.prepare(
      `SELECT record FROM parts WHERE job = ?1 AND part >= ?2 AND state = 'open' AND coalesce(lease_until_ms, 0) <= ?3 AND (?4 = 0 OR coalesce(not_before_ms, 0) <= ?3) ORDER BY part LIMIT ?5`,
    ),
    countDone: db.prepare(
      `SELECT count(*) AS done FROM parts WHERE job = ? AND state = 'done' AND part IN (SELECT value FROM json_each(?))`,
    ),
    replacePart: db.prepare(
      `UPDATE parts SET state = ?, lease_until_ms = ?, not_before_ms = ?, read = ?, delivered = ?, failed = ?, bytes = ?, error = ?, version = version + 1, record = ?
       WHERE job = ? AND part = ? AND version = ?`,
    ),
    facts: db.prepare(
      `SELECT count(*) AS parts, coalesce(sum(state = 'done'), 0) AS done, coalesce(sum(state = 'failed'), 0) AS failed_parts,
         coalesce(sum(read), 0) AS read, coalesce(sum(delivered), 0) AS delivered, coalesce(sum(failed), 0) AS failed,
         coalesce(sum(bytes), 0) AS bytes, max(lease_until_ms) AS lease_until_ms FROM parts WHERE job = ?`,
    ),
    partError: db.prepare(
      `SELECT error FROM parts WHERE job = ? AND error IS NOT NULL ORDER BY state = 'failed' DESC, part LIMIT 1`,
    ),
    failureCount: db.prepare('SELECT count(*) AS count FROM failures WHERE job = ?'),
    insertFailure: db.prepare('INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    failures: db.prepare('SELECT * FROM failures WHERE job = ? ORDER BY ordinal'),
    putAudit: db.prepare('INSERT OR REPLACE INTO audits VALUES (?, ?, ?, ?, ?)'),
    audits: db.prepare(
      `SELECT record FROM audits WHERE (?1 IS NULL OR job = ?1) AND (?2 IS NULL OR outcome IN (SELECT value FROM json_each(?2)))
         AND (?3 IS NULL OR (ended_ms, job, ending) < (?3, ?4, ?5)) ORDER BY ended_ms DESC, job DESC, ending DESC LIMIT ?6`,
    ),
  }
}

type Statements = ReturnType<typeof prepare>

/** The record in a row, which this store wrote. */
const recordIn = (row: Record<string, unknown>): unknown => JSON.parse(String(row['record']))
const jobIn = (row: Record<string, unknown>) => recordIn(row) as JobRow
const partIn = (row: Record<string, unknown>) => recordIn(row) as ReplayPart
const numberOf = (row: Record<string, unknown>, column: string): number => Number(row[column])

/** The columns of a part that change, in the order of the statements. */
function partValues({ state, leaseUntilMs, notBeforeMs, counts, error }: ReplayPart): SQLInputValue[] {
  const { read, delivered, failed, bytes } = counts
  return [state, leaseUntilMs, notBeforeMs, read, delivered, failed, bytes, error === null ? null : JSON.stringify(error)]
}

function insert(sql: Statements, job: JobRow, parts: readonly ReplayPart[]): boolean {
  const { id, createdMs, key, outcome, version } = job
  const { changes } = sql.insertJob.run(id, createdMs, key, outcome, Number(isOffering(job)), version, JSON.stringify(job))
  if (changes === 0) return false
  for (const part of parts) {
    sql.insertPart.run(id, part.part, ...partValues(part), part.version, JSON.stringify(part))
  }
  return true
}

function replacePart(sql: Statements, part: ReplayPart): boolean {
  const record = JSON.stringify({ ...part, version: part.version + 1 })
  return sql.replacePart.run(...partValues(part), record, part.job, part.part, part.version).changes === 1
}

function replaceJob(sql: Statements, job: JobRow): boolean {
  const record = JSON.stringify({ ...job, version: job.version + 1 })
  return sql.replaceJob.run(job.outcome, Number(isOffering(job)), record, job.id, job.version).changes === 1
}

function factsOf(sql: Statements, job: string): PartFacts {
  const row = sql.facts.get(job)!
  const error = sql.partError.get(job)
  const [read, delivered, failed, bytes] = ['read', 'delivered', 'failed', 'bytes'].map((column) => numberOf(row, column))
  return {
    parts: numberOf(row, 'parts'),
    done: numberOf(row, 'done'),
    failed: numberOf(row, 'failed_parts'),
    counts: { read: read!, delivered: delivered!, failed: failed!, bytes: bytes! },
    leaseUntilMs: row['lease_until_ms'] === null ? null : numberOf(row, 'lease_until_ms'),
    error: error === undefined ? null : (JSON.parse(String(error['error'])) as JobError),
  }
}

function addFailures(sql: Statements, job: string, failures: readonly ReplayFailure[]): void {
  let count = numberOf(sql.failureCount.get(job)!, 'count')
  for (const { topic, topicId = '', lane, position, reason } of failures) {
    if (count >= MAX_RECORDED_FAILURES) return
    count += Number(sql.insertFailure.run(job, count, topic, topicId, lane, position, reason).changes)
  }
}

const failureOf = (row: Record<string, unknown>): ReplayFailure => ({
  topic: String(row['topic']),
  ...(row['topic_id'] === '' ? {} : { topicId: String(row['topic_id']) }),
  lane: String(row['lane']),
  position: numberOf(row, 'position'),
  reason: String(row['reason']),
})

const json = (values: readonly unknown[] | undefined): string | null => (values === undefined ? null : JSON.stringify(values))

/**
 * Jobs in one SQLite file; `:memory:` keeps them as long as the process. Several processes may use one file.
 * @throws MillpondError `JOBS_UNAVAILABLE`, `JOBS_CORRUPT`.
 */
export async function openSqliteJobs({ path }: { readonly path: string }): Promise<JobStore> {
  const name = `sqlite ${path}`
  const db = await openJobsDatabase(path).catch((error: unknown) => {
    throw translate(error, name)
  })
  return createJobStore(createRows(db, name))
}

function createRows(db: DatabaseSync, name: string): JobRows {
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
  const jobOf = (row: Record<string, unknown> | undefined) => (row === undefined ? undefined : jobIn(row))
  return {
    name,
    insert: (job, parts) => transact(() => insert(sql, job, parts)),
    job: (id) => attempt(() => jobOf(sql.job.get(id))),
    jobByKey: (key) => attempt(() => jobOf(sql.jobByKey.get(key))),
    jobs: ({ limit, before, outcomes }) =>
      attempt(() => {
        const among = json(outcomes?.map((outcome) => outcome ?? ''))
        const found =
          before === undefined ? sql.newest.all(among, limit) : sql.jobs.all(among, before.createdMs, before.id, limit)
        return found.map(jobIn)
      }),
    offering: (limit, after) => attempt(() => sql.offering.all(after?.createdMs ?? -1, after?.id ?? '', limit).map(jobIn)),
    replaceJob: (job) => attempt(() => replaceJob(sql, job)),
    parts: (job, { from, limit }) => attempt(() => sql.parts.all(job, from, limit).map(partIn)),
    freeParts: (job, { nowMs, from, limit, isDue }) =>
      attempt(() => sql.freeParts.all(job, from, nowMs, Number(isDue), limit).map(partIn)),
    countDone: (job, parts) => attempt(() => numberOf(sql.countDone.get(job, JSON.stringify(parts))!, 'done')),
    replaceParts: (parts) => transact(() => parts.map((part) => replacePart(sql, part))),
    // One transaction, so that all are of one moment.
    facts: (jobs) => transact(() => jobs.map((job) => factsOf(sql, job)), 'BEGIN'),
    addFailures: (job, failures) => transact(() => addFailures(sql, job, failures)),
    failures: (job) => attempt(() => sql.failures.all(job).map(failureOf)),
    putAudit: (audit) =>
      attempt(() => {
        sql.putAudit.run(audit.job, audit.ending, audit.endedMs, audit.outcome, JSON.stringify(audit))
      }),
    audits: ({ job, outcomes, before, limit }) =>
      attempt(() => {
        const place = [before?.endedMs ?? null, before?.job ?? null, before?.ending ?? null]
        return sql.audits.all(job ?? null, json(outcomes), ...place, limit).map((row) => recordIn(row) as JobAudit)
      }),
    schedules: createScheduleRows(db, attempt),
    [Symbol.asyncDispose]: () => attempt(() => db.close()),
  }
}
