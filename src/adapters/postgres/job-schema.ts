import type { Part } from './schema.ts'

/**
 * A row a job, a part, a message that was refused, an ending. `record` is all of it, as JSON in text (JSON of PostgreSQL takes no NUL); the
 * other columns are what is asked for, and follow from it. Ids are compared by their bytes, whatever the order of the database is.
 */
const firstTables = (schema: string): string => `
CREATE TABLE ${schema}.jobs (
  id text COLLATE "C" PRIMARY KEY, created_ms bigint NOT NULL, key text UNIQUE, outcome text, offers boolean NOT NULL,
  version bigint NOT NULL, record text NOT NULL
);
CREATE INDEX jobs_by_age ON ${schema}.jobs (created_ms, id);
CREATE INDEX jobs_that_offer ON ${schema}.jobs (created_ms, id) WHERE offers;
CREATE TABLE ${schema}.job_parts (
  job text COLLATE "C" NOT NULL, part bigint NOT NULL, state text NOT NULL, lease_until_ms bigint, not_before_ms bigint,
  read bigint NOT NULL, delivered bigint NOT NULL, failed bigint NOT NULL, bytes bigint NOT NULL, error text,
  version bigint NOT NULL, record text NOT NULL, PRIMARY KEY (job, part)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE ${schema}.job_failures (
  job text COLLATE "C" NOT NULL, ordinal bigint GENERATED ALWAYS AS IDENTITY, topic text NOT NULL, topic_id text NOT NULL, lane text NOT NULL,
  position bigint NOT NULL, reason text NOT NULL, PRIMARY KEY (job, topic, topic_id, lane, position)
);
CREATE INDEX job_failures_by_order ON ${schema}.job_failures (job, ordinal);
CREATE TABLE ${schema}.job_audits (
  job text COLLATE "C" NOT NULL, ending bigint NOT NULL, ended_ms bigint NOT NULL, outcome text NOT NULL, record text NOT NULL,
  PRIMARY KEY (job, ending)
);
CREATE INDEX job_audits_by_age ON ${schema}.job_audits (ended_ms, job, ending);
`

/** Version 2: schedules. */
const scheduleTable = (schema: string): string => `
CREATE TABLE ${schema}.job_schedules (id text PRIMARY KEY, name text NOT NULL UNIQUE, version bigint NOT NULL, record text NOT NULL);
`

/** The tables of the replay jobs. */
export const jobsPart: Part = {
  name: 'jobs',
  steps: [firstTables, scheduleTable],
  tables: {
    jobs: ['id', 'created_ms', 'key', 'outcome', 'offers', 'version', 'record'],
    job_parts: 'job part state lease_until_ms not_before_ms read delivered failed bytes error version record'.split(' '),
    job_failures: ['job', 'ordinal', 'topic', 'topic_id', 'lane', 'position', 'reason'],
    job_audits: ['job', 'ending', 'ended_ms', 'outcome', 'record'],
    job_schedules: ['id', 'name', 'version', 'record'],
  },
}
