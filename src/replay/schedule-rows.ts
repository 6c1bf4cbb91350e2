import type { ReplaySchedule } from './schedule.ts'

/**
 * What a database has to do so that schedules can be kept in it. Every call changes a single row, atomically and durably.
 * @throws MillpondError `JOBS_UNAVAILABLE`, `JOBS_CORRUPT`.
 */
export interface ScheduleRows {
  /** False where its id or name is taken. */
  insert(schedule: ReplaySchedule): Promise<boolean>
  get(id: string): Promise<ReplaySchedule | undefined>
  /** All of them, in any order. */
  list(): Promise<readonly ReplaySchedule[]>
  /** Puts the schedule in the place of the one that has its id and `version`, with a version one higher; false where there is none. */
  replace(schedule: ReplaySchedule): Promise<boolean>
  /** False where there is none. */
  remove(id: string): Promise<boolean>
}
