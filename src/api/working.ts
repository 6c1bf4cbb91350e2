import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { JobStore } from '../replay/jobs.ts'
import type { WorkerNews } from '../replay/worker.ts'
import { runWorker } from '../replay/worker.ts'
import { keepFiring, type ScheduleNews } from '../replay/schedules.ts'
import type { Archive } from '../search/read.ts'
import { openReplaySink } from '../wiring.ts'
import { openFunction } from '../wiring/functions.ts'
import { firingParts } from '../wiring/replay.ts'

/** What a worker of replay jobs in a service needs. */
interface WorkingParts {
  readonly archive: Archive
  readonly jobs: JobStore
  readonly logger: Logger
}

/** Fires schedules and works on replay jobs that are offered, `jobs.workers` parts at once, until `signal` aborts; not at all where that is 0. */
export async function keepWorking(config: Config, { archive, jobs, logger }: WorkingParts, signal: AbortSignal): Promise<void> {
  if (config.jobs.workers === 0) return
  const firing = { ...firingParts(config, archive, jobs), onNews: (news: ScheduleNews) => logFiring(logger, news) }
  const working = runWorker(
    {
      archive,
      jobs,
      nowMs: Date.now,
      partsAtOnce: config.jobs.workers,
      openSink: async (job) => openReplaySink(config, job, await archive.index.lanes()),
      openFunction,
      onNews: (news) => logNews(logger, news),
    },
    signal,
  )
  await Promise.all([working, keepFiring(firing, signal)])
}

function logFiring(logger: Logger, news: ScheduleNews): void {
  const { kind, schedule } = news
  const fields = schedule === undefined ? {} : { schedule: schedule.name }
  if (kind === 'trouble')
    logger.error({ ...fields, err: news.error, code: news.error.code }, 'a schedule could not fire; it is tried again')
  else logger.info({ ...fields, job: news.job, ...news.fire }, 'a schedule made a job')
}

function logNews(logger: Logger, news: WorkerNews): void {
  if (news.kind === 'trouble') return logger.error({ err: news.error, code: news.error.code }, 'replay jobs cannot be worked on')
  const { job, part } = news.taken
  const fields = { job: job.id, part: part.part, topic: part.lane.topic, lane: part.lane.lane }
  if (news.kind === 'took') return logger.info(fields, 'replaying a part of a job')
  const { state = 'lost', error = null } = news.outcome ?? {}
  if (error === null) logger.info({ ...fields, state }, 'left a part of a job')
  else logger.error({ ...fields, state, code: error.code, reason: error.message }, 'a part of a job broke off')
}
