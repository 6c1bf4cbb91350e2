import type { LaneProgress, ReplayFailure, ReplayRequest, ReplayState, ReplaySummary } from '../../replay/job.ts'

/** Version of the schema below, in `user_version`; it rises when a table changes. */
export const JOBS_SCHEMA_VERSION = 1

/** Tables of the job store. Counts of a job are the sums of its lanes, kept nowhere else. */
export const JOBS_SCHEMA = `
  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    ended_ms INTEGER,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    planned TEXT NOT NULL,
    error TEXT,
    owner TEXT,
    lease_until_ms INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX jobs_by_age ON jobs (created_ms, id);
  CREATE TABLE lanes (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    topic TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    lane TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    from_position INTEGER NOT NULL,
    to_position INTEGER NOT NULL,
    next_position INTEGER NOT NULL,
    read INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    done INTEGER NOT NULL,
    PRIMARY KEY (job, topic, topic_id, lane)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE failures (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    topic TEXT NOT NULL,
    lane TEXT NOT NULL,
    position INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (job, ordinal)
  ) STRICT, WITHOUT ROWID;
`

/** Columns of a summary; every query that gives one selects these. */
export const SUMMARY_COLUMNS = `
  jobs.id, jobs.created_ms, jobs.started_ms, jobs.ended_ms, jobs.state, jobs.request, jobs.planned, jobs.error, jobs.owner,
  jobs.lease_until_ms, jobs.cancel_requested,
  (SELECT coalesce(sum(read), 0) FROM lanes WHERE job = jobs.id) AS read,
  (SELECT coalesce(sum(delivered), 0) FROM lanes WHERE job = jobs.id) AS delivered,
  (SELECT coalesce(sum(failed), 0) FROM lanes WHERE job = jobs.id) AS failed,
  (SELECT coalesce(sum(bytes), 0) FROM lanes WHERE job = jobs.id) AS bytes`

export interface CountColumns {
  readonly read: number
  readonly delivered: number
  readonly failed: number
  readonly bytes: number
}

export interface SummaryRow extends CountColumns {
  readonly id: string
  readonly created_ms: number
  readonly started_ms: number | null
  readonly ended_ms: number | null
  readonly state: string
  readonly request: string
  readonly planned: string
  readonly error: string | null
  readonly owner: string | null
  readonly lease_until_ms: number | null
  readonly cancel_requested: number
}

export interface LaneRow extends CountColumns {
  readonly topic: string
  readonly topic_id: string
  readonly lane: string
  readonly from_position: number
  readonly to_position: number
  readonly next_position: number
  readonly done: number
}

const countsOf = ({ read, delivered, failed, bytes }: CountColumns) => ({ read, delivered, failed, bytes })

/** The summary in a row that this store wrote. */
export function summaryOf(row: SummaryRow): ReplaySummary {
  return {
    ...(JSON.parse(row.request) as ReplayRequest),
    id: row.id,
    state: row.state as ReplayState,
    createdMs: row.created_ms,
    startedMs: row.started_ms,
    endedMs: row.ended_ms,
    planned: JSON.parse(row.planned) as ReplaySummary['planned'],
    counts: countsOf(row),
    error: row.error === null ? null : (JSON.parse(row.error) as ReplaySummary['error']),
    cancelRequested: row.cancel_requested === 1,
    leaseUntilMs: row.lease_until_ms,
  }
}

/** The lane in a row that this store wrote. */
export function laneOf(row: LaneRow): LaneProgress {
  return {
    lane: { topic: row.topic, topicId: row.topic_id, lane: row.lane },
    fromPosition: row.from_position,
    toPosition: row.to_position,
    nextPosition: row.next_position,
    counts: countsOf(row),
    done: row.done === 1,
  }
}

/** The failure in a row; its columns are its fields. */
export const failureOf = ({ topic, lane, position, reason }: ReplayFailure): ReplayFailure => ({ topic, lane, position, reason })
