import type { DatabaseSync } from 'node:sqlite'
import { isOffering } from '../../replay/job-rules.ts'
import type { JobRow } from '../../replay/job-rows.ts'
import type { JobOutcome, PlannedReplay, ReplayRequest } from '../../replay/job.ts'
import type { JobError, ReplayPart } from '../../replay/part.ts'

/** A job in the tables of version 1. Every value of theirs is read by its column and type as that version wrote it. */
type Row = Readonly<Record<string, string | number | null>>

const text = (row: Row, column: string): string => String(row[column])
const maybe = (row: Row, column: string): number | null => (row[column] === null ? null : Number(row[column]))
const errorOf = (row: Row): JobError | null => (row['error'] === null ? null : (JSON.parse(text(row, 'error')) as JobError))

/** Jobs of version 1 were done by one process each, the one that was named them; one that was under way goes on when it is named again. */
function jobOf(row: Row): JobRow {
  const state = text(row, 'state')
  const outcome = state === 'done' || state === 'cancelled' || state === 'failed' ? (state satisfies JobOutcome) : null
  return {
    ...(JSON.parse(text(row, 'request')) as ReplayRequest),
    id: text(row, 'id'),
    createdMs: Number(row['created_ms']),
    requestedBy: null,
    note: null,
    key: null,
    retryOf: null,
    planned: JSON.parse(text(row, 'planned')) as PlannedReplay,
    workers: 'one',
    offered: false,
    wish: state === 'cancelled' || row['cancel_requested'] === 1 ? 'cancel' : 'run',
    startedMs: maybe(row, 'started_ms'),
    endedMs: outcome === null ? null : maybe(row, 'ended_ms'),
    outcome,
    endings: outcome === null ? 0 : 1,
    error: outcome === 'failed' ? errorOf(row) : null,
    seat: null,
    hungryUntilMs: null,
    dueMs: null,
    version: 0,
  }
}

/** Lanes of one name went one after the other. */
function partsOf(job: JobRow, lanes: readonly Row[]): ReplayPart[] {
  return lanes.map((row, part) => ({
    job: job.id,
    part,
    lane: { topic: text(row, 'topic'), topicId: text(row, 'topic_id'), lane: text(row, 'lane') },
    fromPosition: Number(row['from_position']),
    toPosition: Number(row['to_position']),
    shard: null,
    only: null,
    share: null,
    after: lanes.flatMap((other, place) =>
      place < part && other['topic'] === row['topic'] && other['lane'] === row['lane'] ? [place] : [],
    ),
    nextPosition: Number(row['next_position']),
    counts: {
      read: Number(row['read']),
      delivered: Number(row['delivered']),
      failed: Number(row['failed']),
      bytes: Number(row['bytes']),
    },
    state: row['done'] === 1 ? 'done' : 'open',
    owner: null,
    leaseUntilMs: null,
    attempts: 0,
    notBeforeMs: null,
    error: null,
    version: 0,
  }))
}

/** Takes the jobs of version 1 over into the tables of `schema`, which take the place of theirs. */
export function takeOverJobs(db: DatabaseSync, schema: string): void {
  const all = (sql: string): readonly Row[] => db.prepare(sql).all() as Row[]
  const jobs = all('SELECT * FROM jobs').map(jobOf)
  const lanes = Map.groupBy(all('SELECT * FROM lanes ORDER BY job, ordinal'), (row) => text(row, 'job'))
  const failures = all('SELECT * FROM failures ORDER BY job, ordinal')
  db.exec(`DROP TABLE failures; DROP TABLE lanes; DROP TABLE jobs; ${schema}`)
  const insertJob = db.prepare('INSERT INTO jobs VALUES (?, ?, NULL, ?, ?, 0, ?)')
  const insertPart = db.prepare('INSERT INTO parts VALUES (?, ?, ?, NULL, NULL, ?, ?, ?, ?, NULL, 0, ?)')
  const insertFailure = db.prepare("INSERT INTO failures VALUES (?, ?, ?, '', ?, ?, ?) ON CONFLICT DO NOTHING")
  for (const job of jobs) {
    insertJob.run(job.id, job.createdMs, job.outcome, Number(isOffering(job)), JSON.stringify(job))
    for (const part of partsOf(job, lanes.get(job.id) ?? [])) {
      const { read, delivered, failed, bytes } = part.counts
      insertPart.run(job.id, part.part, part.state, read, delivered, failed, bytes, JSON.stringify(part))
    }
  }
  for (const row of failures) {
    const { job, ordinal, topic, lane, position, reason } = row
    insertFailure.run(job!, ordinal!, topic!, lane!, position!, reason!)
  }
}
