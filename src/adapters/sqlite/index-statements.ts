import type { DatabaseSync } from 'node:sqlite'
import { COMMIT_COLUMNS, DIRECTORY_COLUMNS, LANE_COLUMNS, SEGMENT_COLUMNS } from '../../index/index-rows.ts'

const insertInto = (table: string, columns: readonly string[]): string =>
  `INSERT INTO ${table} (${columns.join(', ')}, row_check) VALUES (${columns.map(() => '?').join(', ')}, ?)`

/** Every statement of the adapter, prepared. */
export function prepareStatements(database: DatabaseSync) {
  const laneSelect = 'SELECT * FROM lanes'
  const byLane = 'WHERE topic = ? AND topic_id = ? AND lane = ?'
  return {
    lane: database.prepare(`${laneSelect} ${byLane}`),
    laneRef: database.prepare(`SELECT lane_ref FROM lanes ${byLane}`),
    laneByRef: database.prepare(`${laneSelect} WHERE lane_ref = ?`),
    lanes: database.prepare(laneSelect),
    laneCount: database.prepare('SELECT lanes FROM totals'),
    countLanes: database.prepare('UPDATE totals SET lanes = lanes + ?'),
    version: database.prepare('PRAGMA data_version'),
    insertLane: database.prepare(`${insertInto('lanes', LANE_COLUMNS)} RETURNING lane_ref`),
    updateLane: database.prepare(
      `UPDATE lanes SET ${LANE_COLUMNS.map((column) => `${column} = ?`).join(', ')}, row_check = ? WHERE lane_ref = ?`,
    ),
    commit: database.prepare('SELECT * FROM commits WHERE lane_ref = ? AND next_position = ?'),
    insertCommit: database.prepare(insertInto('commits', COMMIT_COLUMNS)),
    segment: database.prepare('SELECT * FROM segments WHERE lane_ref = ? AND first_position = ? AND commit_next BETWEEN ? AND ?'),
    directory: database.prepare('SELECT * FROM directory WHERE lane_ref = ? AND chunk >= ? ORDER BY chunk'),
    putDirectory: database.prepare(insertInto('directory', DIRECTORY_COLUMNS).replace('INSERT', 'INSERT OR REPLACE')),
    clearDirectory: database.prepare('DELETE FROM directory WHERE lane_ref = ?'),
    insertSegment: database.prepare(insertInto('segments', SEGMENT_COLUMNS)),
    clear: ['segments', 'commits', 'directory', 'lanes'].map((table) =>
      database.prepare(`DELETE FROM ${table} WHERE lane_ref = ?`),
    ),
  }
}
