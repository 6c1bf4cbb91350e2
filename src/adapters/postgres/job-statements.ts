import { MAX_RECORDED_FAILURES } from '../../replay/job.ts'

/** Every statement of the job store, over the tables of a schema. */
export type JobStatements = ReturnType<typeof jobStatements>

const PART_TYPES = 'bigint text bigint bigint bigint bigint bigint bigint text bigint text'.split(' ')
/** The columns of a part behind its job, in the order of the lists that are given for them. */
const PART_COLUMNS = 'part state lease_until_ms not_before_ms read delivered failed bytes error version record'.split(' ')

export function jobStatements(schema: string) {
  const jobs = `SELECT record FROM ${schema}.jobs`
  const lists = (from: number) => PART_TYPES.map((type, i) => `$${from + i}::${type}[]`).join(', ')
  return {
    insert: `WITH made AS (
        INSERT INTO ${schema}.jobs VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id
      ), parted AS (
        INSERT INTO ${schema}.job_parts (job, ${PART_COLUMNS.join(', ')}) SELECT made.id, p.* FROM made, unnest(${lists(8)}) AS p
      ) SELECT id FROM made`,
    job: `${jobs} WHERE id = $1`,
    jobByKey: `${jobs} WHERE key = $1`,
    jobs: `${jobs} WHERE ($1::text[] IS NULL OR coalesce(outcome, '') = ANY($1))
      AND ($2::bigint IS NULL OR (created_ms, id) < ($2, $3 COLLATE "C")) ORDER BY created_ms DESC, id DESC LIMIT $4`,
    offering: `${jobs} WHERE offers AND (created_ms, id) > ($1, $2 COLLATE "C") ORDER BY created_ms, id LIMIT $3`,
    replaceJob: `UPDATE ${schema}.jobs SET outcome = $1, offers = $2, version = version + 1, record = $3
      WHERE id = $4 AND version = $5 RETURNING id`,
    parts: `SELECT record FROM ${schema}.job_parts WHERE job = $1 AND part >= $2 ORDER BY part LIMIT $3`,
    // Parts that another worker is taking at this moment are passed over: who asks takes one of the others, and neither waits.
    freeParts: `SELECT record FROM ${schema}.job_parts WHERE job = $1 AND part >= $2 AND state = 'open'
      AND coalesce(lease_until_ms, 0) <= $3 AND (NOT $4::boolean OR coalesce(not_before_ms, 0) <= $3)
      ORDER BY part LIMIT $5 FOR UPDATE SKIP LOCKED`,
    countDone: `SELECT count(*) AS done FROM ${schema}.job_parts WHERE job = $1 AND state = 'done' AND part = ANY($2::bigint[])`,
    replaceParts: `UPDATE ${schema}.job_parts AS old SET state = new.state, lease_until_ms = new.lease_until_ms,
        not_before_ms = new.not_before_ms, read = new.read, delivered = new.delivered, failed = new.failed, bytes = new.bytes,
        error = new.error, version = old.version + 1, record = new.record
      FROM unnest($1::text[], ${lists(2)}) WITH ORDINALITY AS new (job, ${PART_COLUMNS.join(', ')}, ordinal)
      WHERE old.job = new.job AND old.part = new.part AND old.version = new.version RETURNING new.ordinal`,
    facts: `SELECT count(p.part) AS parts, count(*) FILTER (WHERE state = 'done') AS done,
        count(*) FILTER (WHERE state = 'failed') AS failed_parts, coalesce(sum(read), 0) AS read,
        coalesce(sum(delivered), 0) AS delivered, coalesce(sum(failed), 0) AS failed, coalesce(sum(bytes), 0) AS bytes,
        max(lease_until_ms) AS lease_until_ms,
        (array_agg(error ORDER BY (state = 'failed') DESC, part) FILTER (WHERE error IS NOT NULL))[1] AS error
      FROM unnest($1::text[]) WITH ORDINALITY AS j (job, ordinal) LEFT JOIN ${schema}.job_parts p ON p.job = j.job COLLATE "C"
      GROUP BY j.ordinal ORDER BY j.ordinal`,
    addFailures: `INSERT INTO ${schema}.job_failures (job, topic, topic_id, lane, position, reason)
      SELECT $1, f.topic, f.topic_id, f.lane, f.position, f.reason
      FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
        WITH ORDINALITY AS f (topic, topic_id, lane, position, reason, ordinal)
      WHERE (SELECT count(*) FROM ${schema}.job_failures WHERE job = $1) < ${MAX_RECORDED_FAILURES}
      ORDER BY f.ordinal ON CONFLICT DO NOTHING`,
    failures: `SELECT * FROM ${schema}.job_failures WHERE job = $1 ORDER BY ordinal LIMIT ${MAX_RECORDED_FAILURES}`,
    putAudit: `INSERT INTO ${schema}.job_audits VALUES ($1, $2, $3, $4, $5) ON CONFLICT (job, ending)
      DO UPDATE SET ended_ms = excluded.ended_ms, outcome = excluded.outcome, record = excluded.record`,
    audits: `SELECT record FROM ${schema}.job_audits WHERE ($1::text IS NULL OR job = $1)
      AND ($2::text[] IS NULL OR outcome = ANY($2)) AND ($3::bigint IS NULL OR (ended_ms, job, ending) < ($3, $4 COLLATE "C", $5::bigint))
      ORDER BY ended_ms DESC, job DESC, ending DESC LIMIT $6`,
    insertSchedule: `INSERT INTO ${schema}.job_schedules VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id`,
    schedule: `SELECT record FROM ${schema}.job_schedules WHERE id = $1`,
    schedules: `SELECT record FROM ${schema}.job_schedules`,
    replaceSchedule: `UPDATE ${schema}.job_schedules SET version = version + 1, record = $1 WHERE id = $2 AND version = $3 RETURNING id`,
    removeSchedule: `DELETE FROM ${schema}.job_schedules WHERE id = $1 RETURNING id`,
  }
}
