import { MillpondError } from '../../errors.ts'
import type { Row } from '../../index/index-rows.ts'
import { isOffering } from '../../replay/job-rules.ts'
import type { JobRow, JobRows } from '../../replay/job-rows.ts'
import { createJobStore } from '../../replay/job-store.ts'
import { type JobAudit, MAX_RECORDED_FAILURES, type ReplayFailure } from '../../replay/job.ts'
import type { JobStore } from '../../replay/jobs.ts'
import type { JobError, PartFacts, ReplayPart } from '../../replay/part.ts'
import type { ScheduleRows } from '../../replay/schedule-rows.ts'
import type { ReplaySchedule } from '../../replay/schedule.ts'
import { type Ask, type Codes, type Database, openDatabase } from './database.ts'
import { jobsPart } from './job-schema.ts'
import { type JobStatements, jobStatements } from './job-statements.ts'
import type { PostgresOptions } from './options.ts'
import { prepareSchema, whenPrepared } from './schema.ts'
import { fromPostgresText, toPostgresText } from './text.ts'

const codes: Codes = {
  unavailable: 'JOBS_UNAVAILABLE',
  corrupt: 'JOBS_CORRUPT',
  remedy: 'name another schema in postgres.schema, or drop the tables of the jobs',
}

/**
 * Jobs in a schema of a PostgreSQL database, which is made where there is none; any number of processes may use it. A server that is away
 * for now is no reason not to open: it is asked again with every call.
 * @throws MillpondError `DEPENDENCY_MISSING` without the package pg; `JOBS_CORRUPT`, `JOBS_UNAVAILABLE`.
 */
export async function openPostgresJobs(options: PostgresOptions): Promise<JobStore> {
  await using opened = new AsyncDisposableStack()
  const database = opened.use(await openDatabase(options.primary, options, codes))
  const ready = await whenPrepared(() => prepareSchema(database, options.schema, jobsPart, codes))
  opened.move()
  return createJobStore(createRows(database, jobStatements(options.schema), ready))
}

function jsonOf(text: unknown): unknown {
  try {
    return JSON.parse(String(text))
  } catch (cause) {
    throw new MillpondError('JOBS_CORRUPT', `a row of the jobs is damaged (${codes.remedy})`, { cause })
  }
}

const jobOf = (row: Row): JobRow => jsonOf(row['record']) as JobRow
const partOf = (row: Row): ReplayPart => jsonOf(row['record']) as ReplayPart
const auditOf = (row: Row): JobAudit => jsonOf(row['record']) as JobAudit
const scheduleOf = (row: Row): ReplaySchedule => jsonOf(row['record']) as ReplaySchedule
const nullable = (text: string | null): string | null => (text === null ? null : toPostgresText(text))

/** Parts as a list a column, behind that of their jobs. */
function partLists(parts: readonly ReplayPart[], recordOfPart: (part: ReplayPart) => string): unknown[][] {
  const list = (of: (part: ReplayPart) => unknown) => parts.map(of)
  return [
    list(({ part }) => part),
    list(({ state }) => state),
    list(({ leaseUntilMs }) => leaseUntilMs),
    list(({ notBeforeMs }) => notBeforeMs),
    list(({ counts }) => counts.read),
    list(({ counts }) => counts.delivered),
    list(({ counts }) => counts.failed),
    list(({ counts }) => counts.bytes),
    list(({ error }) => (error === null ? null : JSON.stringify(error))),
    list(({ version }) => version),
    list(recordOfPart),
  ]
}

async function replaceParts(ask: Ask, sql: JobStatements, parts: readonly ReplayPart[]): Promise<boolean[]> {
  const next = partLists(parts, (part) => JSON.stringify({ ...part, version: part.version + 1 }))
  const rows = await ask(sql.replaceParts, [parts.map(({ job }) => toPostgresText(job)), ...next])
  const replaced = new Set(rows.map((row) => Number(row['ordinal'])))
  return parts.map((_, at) => replaced.has(at + 1))
}

function factsOf(row: Row): PartFacts {
  const number = (column: string) => Number(row[column])
  const [leaseUntilMs, error] = [row['lease_until_ms'], row['error']]
  return {
    parts: number('parts'),
    done: number('done'),
    failed: number('failed_parts'),
    counts: { read: number('read'), delivered: number('delivered'), failed: number('failed'), bytes: number('bytes') },
    leaseUntilMs: leaseUntilMs === null ? null : Number(leaseUntilMs),
    error: error === null ? null : (jsonOf(error) as JobError),
  }
}

function failureOf(row: Row): ReplayFailure {
  const text = (column: string) => fromPostgresText(String(row[column]))
  const topicId = text('topic_id')
  return {
    topic: text('topic'),
    ...(topicId === '' ? {} : { topicId }),
    lane: text('lane'),
    position: Number(row['position']),
    reason: text('reason'),
  }
}

/** Failures as a list a column; more than are kept need not be sent. */
function failureLists(failures: readonly ReplayFailure[]): unknown[][] {
  const some = failures.slice(0, MAX_RECORDED_FAILURES)
  const list = (of: (failure: ReplayFailure) => string) => some.map((failure) => toPostgresText(of(failure)))
  return [
    list(({ topic }) => topic),
    list(({ topicId = '' }) => topicId),
    list(({ lane }) => lane),
    some.map(({ position }) => position),
    list(({ reason }) => reason),
  ]
}

function createScheduleRows(ask: Ask, sql: JobStatements): ScheduleRows {
  return {
    async insert(schedule) {
      const { id, name, version } = schedule
      const values = [toPostgresText(id), toPostgresText(name), version, JSON.stringify(schedule)]
      return (await ask(sql.insertSchedule, values)).length > 0
    },
    async get(id) {
      const [row] = await ask(sql.schedule, [toPostgresText(id)])
      return row && scheduleOf(row)
    },
    list: async () => (await ask(sql.schedules, [])).map(scheduleOf),
    async replace(schedule) {
      const record = JSON.stringify({ ...schedule, version: schedule.version + 1 })
      return (await ask(sql.replaceSchedule, [record, toPostgresText(schedule.id), schedule.version])).length > 0
    },
    remove: async (id) => (await ask(sql.removeSchedule, [toPostgresText(id)])).length > 0,
  }
}

function createRows(database: Database, sql: JobStatements, ready: () => Promise<void>): JobRows {
  const ask: Ask = async (statement, values) => {
    await ready()
    return database.ask(statement, values)
  }
  const one = async (statement: string, id: string) => {
    const [row] = await ask(statement, [toPostgresText(id)])
    return row && jobOf(row)
  }
  return {
    name: database.name,
    async insert(job, parts) {
      const { id, createdMs, key, outcome, version } = job
      const values = [toPostgresText(id), createdMs, nullable(key), outcome, isOffering(job), version, JSON.stringify(job)]
      return (await ask(sql.insert, [...values, ...partLists(parts, (part) => JSON.stringify(part))])).length > 0
    },
    job: (id) => one(sql.job, id),
    jobByKey: (key) => one(sql.jobByKey, key),
    async jobs({ limit, before, outcomes }) {
      const among = outcomes?.map((outcome) => outcome ?? '') ?? null
      const rows = await ask(sql.jobs, [among, before?.createdMs ?? null, nullable(before?.id ?? null), limit])
      return rows.map(jobOf)
    },
    offering: async (limit, after) =>
      (await ask(sql.offering, [after?.createdMs ?? -1, toPostgresText(after?.id ?? ''), limit])).map(jobOf),
    async replaceJob(job) {
      const record = JSON.stringify({ ...job, version: job.version + 1 })
      const values = [job.outcome, isOffering(job), record, toPostgresText(job.id), job.version]
      return (await ask(sql.replaceJob, values)).length > 0
    },
    parts: async (job, { from, limit }) => (await ask(sql.parts, [toPostgresText(job), from, limit])).map(partOf),
    freeParts: async (job, { nowMs, from, limit, isDue }) =>
      (await ask(sql.freeParts, [toPostgresText(job), from, nowMs, isDue, limit])).map(partOf),
    async countDone(job, parts) {
      const [row] = await ask(sql.countDone, [toPostgresText(job), [...parts]])
      return Number(row?.['done'])
    },
    replaceParts: (parts) => replaceParts(ask, sql, parts),
    facts: async (jobs) => (await ask(sql.facts, [jobs.map(toPostgresText)])).map(factsOf),
    async addFailures(job, failures) {
      if (failures.length > 0) await ask(sql.addFailures, [toPostgresText(job), ...failureLists(failures)])
    },
    failures: async (job) => (await ask(sql.failures, [toPostgresText(job)])).map(failureOf),
    async putAudit(audit) {
      const { job, ending, endedMs, outcome } = audit
      await ask(sql.putAudit, [toPostgresText(job), ending, endedMs, outcome, JSON.stringify(audit)])
    },
    async audits({ job, outcomes, before, limit }) {
      const among = outcomes === undefined ? null : [...outcomes]
      const place = [before?.endedMs ?? null, nullable(before?.job ?? null), before?.ending ?? null]
      return (await ask(sql.audits, [nullable(job ?? null), among, ...place, limit])).map(auditOf)
    },
    schedules: createScheduleRows(ask, sql),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}
