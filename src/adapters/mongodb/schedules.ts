import type { ScheduleRows } from '../../replay/schedule-rows.ts'
import type { ReplaySchedule } from '../../replay/schedule.ts'
import { once, type OpenMongo } from './client.ts'
import { inserted } from './insert.ts'
import { replaceVersion, type VersionedDocument } from './versions.ts'

/** A schedule. `record` is all of it, as JSON; the other fields are what is asked for, and follow from it. */
interface ScheduleDocument extends VersionedDocument {
  readonly name: string
  readonly record: string
}

/** An id is never used again, so it also tells the document from any before. */
const documentOf = (schedule: ReplaySchedule): ScheduleDocument => ({
  _id: schedule.id,
  ref: schedule.id,
  version: schedule.version,
  name: schedule.name,
  record: JSON.stringify(schedule),
})

const scheduleIn = ({ record }: ScheduleDocument) => JSON.parse(record) as ReplaySchedule

const NEWEST = { readPreference: 'primary' } as const

/** Schedules in a collection beside the jobs. `attempt` prepares what the jobs need and gives errors as the job store's. */
export function createScheduleRows(
  mongo: OpenMongo,
  prefix: string,
  attempt: <T>(act: () => Promise<T>) => Promise<T>,
): ScheduleRows {
  const name = `${prefix}job_schedules`
  const schedules = () => mongo.database.collection<ScheduleDocument>(name)
  const replace = replaceVersion<ScheduleDocument>(mongo, name)
  const prepared = once(async () => {
    await schedules().createIndex({ name: 1 }, { name: 'name', unique: true })
  })
  const prepare = <T>(act: () => Promise<T>): Promise<T> =>
    attempt(async () => {
      await prepared()
      return act()
    })
  return {
    insert: (schedule) => prepare(() => inserted(schedules(), documentOf(schedule))),
    get: (id) =>
      prepare(async () => {
        const found = await schedules().findOne({ _id: id }, NEWEST)
        return found === null ? undefined : scheduleIn(found)
      }),
    list: () => prepare(async () => (await schedules().find({}, NEWEST).toArray()).map(scheduleIn)),
    replace: (schedule) => prepare(() => replace(documentOf({ ...schedule, version: schedule.version + 1 }))),
    remove: (id) => prepare(async () => (await schedules().deleteOne({ _id: id })).deletedCount === 1),
  }
}
