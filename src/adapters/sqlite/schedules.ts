import type { DatabaseSync } from 'node:sqlite'
import type { ScheduleRows } from '../../replay/schedule-rows.ts'
import type { ReplaySchedule } from '../../replay/schedule.ts'

/** The record in a row, which this store wrote. */
const scheduleIn = (row: Record<string, unknown>) => JSON.parse(String(row['record'])) as ReplaySchedule

/** Schedules in the database of the jobs. */
export function createScheduleRows(db: DatabaseSync, attempt: <T>(act: () => T) => Promise<T>): ScheduleRows {
  const sql = {
    insert: db.prepare('INSERT INTO schedules VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    get: db.prepare('SELECT record FROM schedules WHERE id = ?'),
    list: db.prepare('SELECT record FROM schedules'),
    replace: db.prepare('UPDATE schedules SET version = version + 1, record = ? WHERE id = ? AND version = ?'),
    remove: db.prepare('DELETE FROM schedules WHERE id = ?'),
  }
  return {
    insert: (schedule) =>
      attempt(() => sql.insert.run(schedule.id, schedule.name, schedule.version, JSON.stringify(schedule)).changes === 1),
    get: (id) =>
      attempt(() => {
        const row = sql.get.get(id)
        return row === undefined ? undefined : scheduleIn(row)
      }),
    list: () => attempt(() => sql.list.all().map(scheduleIn)),
    replace: (schedule) =>
      attempt(() => {
        const record = JSON.stringify({ ...schedule, version: schedule.version + 1 })
        return sql.replace.run(record, schedule.id, schedule.version).changes === 1
      }),
    remove: (id) => attempt(() => sql.remove.run(id).changes === 1),
  }
}
