import { COMMIT_COLUMNS, DIRECTORY_COLUMNS, LANE_COLUMNS, SEGMENT_COLUMNS } from '../../index/index-rows.ts'
import type { Part } from './schema.ts'

/**
 * Hash partitions of the two tables that grow. A lane lies in one of them: its rows stay together, an index is a level lower, vacuum works on
 * several at once. The lane is hashed, not the topic, for one topic may be nearly all of an archive. Measured with PostgreSQL 15 over 6,000
 * commits of 16 lanes: adding them took 2.7 s of its processor without partitions, 2.9 s with 8 and 2.8 s with 64; reading them all 0.4, 0.4
 * and 0.7 s, for each statement has to be told which partitions it can leave out.
 */
const PARTITION_COUNT = 8

/** Rows that every commit changes leave room for their next version on the same page, and are vacuumed by count, not by share. */
const CHANGING = 'WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500)'

const partitioned = (schema: string, table: string): string =>
  Array.from(
    { length: PARTITION_COUNT },
    (_, i) =>
      `CREATE TABLE ${schema}.${table}_${i} PARTITION OF ${schema}.${table} FOR VALUES WITH (MODULUS ${PARTITION_COUNT}, REMAINDER ${i});`,
  ).join('\n')

/**
 * As in SQLite: lanes with their totals, commits, segments, and in the directory which segments there are; no row for a message or a
 * block. `row_check` is a CRC-32 of the row, for pages of PostgreSQL have checksums only where its owner wants them. A `lane_ref` is
 * never used again, so that a reader of a cleared index finds nothing, not another lane. Rewrites are in `commits` under `-1 - sequence`,
 * and so are their segments; those that they replace stay for readers at work, only not in the `directory`.
 */
const firstTables = (schema: string): string => `
CREATE SEQUENCE IF NOT EXISTS ${schema}.lane_refs;
CREATE TABLE ${schema}.lanes (
  lane_ref bigint PRIMARY KEY, topic text NOT NULL, topic_id text NOT NULL, lane text NOT NULL,
  first_position bigint NOT NULL, next_position bigint NOT NULL, head_key text NOT NULL, head_sha256 bytea NOT NULL,
  commits bigint NOT NULL, rewrites bigint NOT NULL, rewrite_sha256 bytea NOT NULL, segments bigint NOT NULL, blocks bigint NOT NULL,
  messages bigint NOT NULL, bytes bigint NOT NULL, missing bigint NOT NULL, dead_lettered bigint NOT NULL,
  min_timestamp bigint, max_timestamp bigint, row_check bigint NOT NULL,
  UNIQUE (topic, topic_id, lane)
) ${CHANGING};
CREATE TABLE ${schema}.commits (
  lane_ref bigint NOT NULL, next_position bigint NOT NULL, first_position bigint NOT NULL, key text NOT NULL, sha256 bytea NOT NULL,
  row_check bigint NOT NULL, PRIMARY KEY (lane_ref, next_position)
) PARTITION BY HASH (lane_ref);
CREATE TABLE ${schema}.segments (
  lane_ref bigint NOT NULL, first_position bigint NOT NULL, last_position bigint NOT NULL,
  min_timestamp bigint NOT NULL, max_timestamp bigint NOT NULL, commit_next bigint NOT NULL,
  key text NOT NULL, bytes bigint NOT NULL, crc32c bigint NOT NULL, sha256 bytea NOT NULL, format text NOT NULL, codec text NOT NULL,
  count bigint NOT NULL, layout text NOT NULL, tables bytea NOT NULL, row_check bigint NOT NULL,
  PRIMARY KEY (lane_ref, first_position, commit_next)
) PARTITION BY HASH (lane_ref);
CREATE TABLE ${schema}.directory (
  lane_ref bigint NOT NULL, chunk bigint NOT NULL, ranges bytea NOT NULL, row_check bigint NOT NULL, PRIMARY KEY (lane_ref, chunk)
) ${CHANGING};
ALTER TABLE ${schema}.directory ALTER ranges SET STORAGE MAIN;
CREATE TABLE ${schema}.followers (follower text PRIMARY KEY, until timestamptz NOT NULL);
${partitioned(schema, 'commits')}
${partitioned(schema, 'segments')}
`

/** The tables of the index. */
export const indexPart: Part = {
  name: 'index',
  steps: [firstTables],
  tables: {
    lanes: ['lane_ref', ...LANE_COLUMNS, 'row_check'],
    commits: [...COMMIT_COLUMNS, 'row_check'],
    segments: [...SEGMENT_COLUMNS, 'row_check'],
    directory: [...DIRECTORY_COLUMNS, 'row_check'],
    followers: ['follower', 'until'],
  },
}
