import { COMMIT_COLUMNS, DIRECTORY_COLUMNS, LANE_COLUMNS, SEGMENT_COLUMNS } from '../../index/index-rows.ts'
import type { Row, RowValue } from '../../index/index-rows.ts'
import type { Statement } from './database.ts'
import { fromPostgresText, toPostgresText } from './text.ts'

const BYTES = new Set(['head_sha256', 'rewrite_sha256', 'sha256', 'tables', 'ranges'])
const TEXTS = new Set(['topic', 'topic_id', 'lane', 'head_key', 'key', 'format', 'codec', 'layout'])
const typeOf = (column: string): string => (BYTES.has(column) ? 'bytea' : TEXTS.has(column) ? 'text' : 'bigint')
const withCheck = (columns: readonly string[]): string[] => [...columns, 'row_check']
const listOf = (columns: readonly string[], table = ''): string => columns.map((column) => `${table}${column}`).join(', ')

/** Every statement of the adapter, over the tables of a schema. */
export type IndexStatements = ReturnType<typeof indexStatements>

/** Columns of commits and directories stand in joined rows under these before their names. */
const COMMIT_PREFIX = 'commit_'
const DIRECTORY_PREFIX = 'directory_'
const renamed = (columns: readonly string[], table: string, prefix: string): string =>
  withCheck(columns)
    .map((column) => `${table}.${column} AS ${prefix}${column}`)
    .join(', ')

export function indexStatements(schema: string) {
  const named = (name: string, text: string): Statement => ({ name: `millpond_${schema}_${name}`.slice(0, 63), text })
  const lanes = withCheck(LANE_COLUMNS)
  const laneAndDirectory = `l.*, ${renamed(DIRECTORY_COLUMNS, 'd', DIRECTORY_PREFIX)}`
  const byLane = 'topic = $1 AND topic_id = $2 AND lane = $3'
  return {
    lane: named('lane', `SELECT * FROM ${schema}.lanes WHERE ${byLane}`),
    lanes: named('lanes', `SELECT * FROM ${schema}.lanes WHERE $1::text IS NULL OR topic = $1`),
    nextRef: named('ref', `SELECT nextval('${schema}.lane_refs') AS lane_ref`),
    // What an addition has to know: the lane, the commit in its place, the chunk of the directory that is not full.
    place: named(
      'place',
      `SELECT ${laneAndDirectory}, c.sha256 AS known_sha256 FROM ${schema}.lanes l
       LEFT JOIN ${schema}.commits c ON c.lane_ref = l.lane_ref AND c.next_position = $4
       LEFT JOIN ${schema}.directory d ON d.lane_ref = l.lane_ref AND d.chunk = l.segments / $5
       WHERE ${byLane}`,
    ),
    begin: named('begin', beginText(schema, lanes)),
    extend: named('extend', extendText(schema, lanes)),
    directories: named(
      'directories',
      `SELECT ${laneAndDirectory} FROM ${schema}.lanes l LEFT JOIN ${schema}.directory d ON d.lane_ref = l.lane_ref
       WHERE l.lane_ref = ANY($1) ORDER BY l.lane_ref, d.chunk`,
    ),
    page: named('page', pageText(schema)),
    lockLane: `SELECT * FROM ${schema}.lanes WHERE ${byLane} FOR UPDATE`,
    clearDirectory: `DELETE FROM ${schema}.directory WHERE lane_ref = $1`,
    clearLane: ['segments', 'commits', 'directory', 'lanes'].map((table) => `DELETE FROM ${schema}.${table} WHERE lane_ref = $1`),
    // The lanes first, as every statement has them: two that wait for each other would be ended.
    clearAll: `TRUNCATE ${['lanes', 'commits', 'segments', 'directory'].map((table) => `${schema}.${table}`).join(', ')}`,
    announce: named(
      'announce',
      `WITH gone AS (DELETE FROM ${schema}.followers WHERE until < now() AND follower <> $1),
       own AS (INSERT INTO ${schema}.followers VALUES ($1, now() + $2 * interval '1 millisecond')
         ON CONFLICT (follower) DO UPDATE SET until = excluded.until)
       SELECT follower FROM ${schema}.followers WHERE until >= now() AND follower <> $1`,
    ),
    leave: `DELETE FROM ${schema}.followers WHERE follower = $1`,
  }
}

/** A lane's first row and its genesis commit, unless the lane is there: `$1` is its number, then the lane's values, then the commit's. */
function beginText(schema: string, lanes: readonly string[]): string {
  const commits = withCheck(COMMIT_COLUMNS).slice(1)
  const placeholders = (count: number, from: number) => Array.from({ length: count }, (_, i) => `$${from + i}`).join(', ')
  return `WITH begun AS (
    INSERT INTO ${schema}.lanes (lane_ref, ${listOf(lanes)}) VALUES ($1, ${placeholders(lanes.length, 2)})
    ON CONFLICT DO NOTHING RETURNING lane_ref
  ), committed AS (
    INSERT INTO ${schema}.commits (lane_ref, ${listOf(commits)})
    SELECT lane_ref, ${placeholders(commits.length, 2 + lanes.length)} FROM begun
  ) SELECT lane_ref FROM begun`
}

/**
 * A lane's next state with the commit, segments and chunks that make it, if the lane still is what the writer knew: where it is not,
 * nothing happens and no row comes back. `$1` is the lane's number, `$2` to `$4` say what was known, then come the lane's values and
 * those of the commit, then a list a column for the segments and for the chunks.
 */
function extendText(schema: string, lanes: readonly string[]): string {
  let at = 5
  const next = (columns: readonly string[], list = false) =>
    columns.map((column) => `$${at++}::${typeOf(column)}${list ? '[]' : ''}`).join(', ')
  const commits = withCheck(COMMIT_COLUMNS).slice(1)
  const segments = withCheck(SEGMENT_COLUMNS).slice(1)
  const directory = withCheck(DIRECTORY_COLUMNS).slice(1)
  return `WITH lane AS (
    UPDATE ${schema}.lanes SET (${listOf(lanes)}) = ROW(${next(lanes)})
    WHERE lane_ref = $1 AND head_sha256 = $2 AND rewrites = $3 AND rewrite_sha256 = $4 RETURNING lane_ref
  ), committed AS (
    INSERT INTO ${schema}.commits (lane_ref, ${listOf(commits)}) SELECT lane_ref, ${next(commits)} FROM lane
  ), written AS (
    INSERT INTO ${schema}.segments (lane_ref, ${listOf(segments)})
    SELECT lane.lane_ref, s.* FROM lane, unnest(${next(segments, true)}) AS s
  ), listed AS (
    INSERT INTO ${schema}.directory (lane_ref, ${listOf(directory)})
    SELECT lane.lane_ref, d.* FROM lane, unnest(${next(directory, true)}) AS d
    ON CONFLICT (lane_ref, chunk) DO UPDATE SET ranges = excluded.ranges, row_check = excluded.row_check
  ) SELECT lane_ref FROM lane`
}

/**
 * Segments by their keys, in the order that they are asked for in; a lane that was cleared meanwhile has no number. The limits keep
 * the planner at one look into an index a row, whatever it thinks of the tables.
 */
function pageText(schema: string): string {
  return `SELECT s.*, ${renamed(COMMIT_COLUMNS, 'c', COMMIT_PREFIX)}, l.lane_ref AS known_ref
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS e (lane_ref, first_position, low, high, ordinal)
    LEFT JOIN LATERAL (SELECT lane_ref FROM ${schema}.lanes WHERE lane_ref = e.lane_ref LIMIT 1) l ON true
    LEFT JOIN LATERAL (
      SELECT * FROM ${schema}.segments
      WHERE lane_ref = e.lane_ref AND first_position = e.first_position AND commit_next BETWEEN e.low AND e.high LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
      SELECT * FROM ${schema}.commits WHERE lane_ref = s.lane_ref AND next_position = s.commit_next LIMIT 1
    ) c ON true
    ORDER BY e.ordinal`
}

/** Values as PostgreSQL takes them. */
export const toParameters = (values: readonly RowValue[]): RowValue[] =>
  values.map((value) => (typeof value === 'string' ? toPostgresText(value) : value))

/** Rows as a list a column, without the first column. */
export const toLists = (rows: readonly (readonly RowValue[])[], columnCount: number): RowValue[][] =>
  Array.from({ length: columnCount }, (_, column) => toParameters(rows.map((row) => row[column + 1]!)))

export const SEGMENT_LISTS = SEGMENT_COLUMNS.length
export const DIRECTORY_LISTS = DIRECTORY_COLUMNS.length

/** A row of PostgreSQL with its texts as they were. */
export const fromRow = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([column, value]) => [column, typeof value === 'string' ? fromPostgresText(value) : value]),
  )

const partOf = (row: Row, columns: readonly string[], prefix: string): Row =>
  Object.fromEntries(withCheck(columns).map((column) => [column, row[`${prefix}${column}`]]))

/** The row of the directory in a joined row, if there is one. */
export const directoryOf = (row: Row): Row | undefined =>
  row[`${DIRECTORY_PREFIX}chunk`] === null ? undefined : partOf(row, DIRECTORY_COLUMNS, DIRECTORY_PREFIX)

/** The row of the commit in a joined row, if there is one. */
export const commitOf = (row: Row): Row | undefined =>
  row[`${COMMIT_PREFIX}key`] === null ? undefined : partOf(row, COMMIT_COLUMNS, COMMIT_PREFIX)
