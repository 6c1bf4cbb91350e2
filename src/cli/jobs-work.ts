import { randomBytes } from 'node:crypto'
import { userInfo } from 'node:os'
import { type Command, Option } from 'commander'
import { suitHeapToStream } from '../api/heap.ts'
import { publicJob } from '../replay/job.ts'
import { planRetry } from '../replay/retry.ts'
import { fireDue, keepFiring, type ScheduleNews } from '../replay/schedules.ts'
import type { WorkerNews } from '../replay/worker.ts'
import { runWorker } from '../replay/worker.ts'
import { openJobs, openReplaySink } from '../wiring.ts'
import { openFunction } from '../wiring/functions.ts'
import { firingParts } from '../wiring/replay.ts'
import { type Cli, defineCommand } from './command.ts'
import { formatMessages } from './format.ts'
import { fullId, knownJob, targetText } from './job-text.ts'
import { openArchive } from './open.ts'
import { wholeNumber } from './parse.ts'

interface WorkOptions {
  readonly once?: true
  readonly parts?: number
}

const PARTS_AT_ONCE = 8

/** `millpond jobs work`: a worker process. */
export function workCommand(cli: Cli): Command {
  return defineCommand('work', {
    summary: 'do what is queued, with others that do',
    description: `Takes parts of the jobs that are offered (millpond replay --detach), the oldest job first, and delivers them, until it is stopped; then its
parts are given back and others go on with them. It also fires schedules (millpond schedules). Any number of workers may run on as many machines, given they share the job store, the index
and the archive; parts of one that is killed are taken by others after some seconds.`,
    examples: [
      { run: 'millpond jobs work', does: 'until it is stopped' },
      { run: 'millpond jobs work --once', does: 'ends when nothing is left to take' },
    ],
  })
    .addOption(new Option('--once', 'end when nothing is left to take'))
    .addOption(
      new Option('--parts <count>', `delivered at once; ${PARTS_AT_ONCE} unless given`).argParser(wholeNumber('--parts', 1, 256)),
    )
    .action(async ({ once, parts }: WorkOptions) => {
      suitHeapToStream()
      const config = await cli.loadConfig()
      await using archive = await openArchive(config, { follow: false, signal: cli.signal })
      await using jobs = await openJobs(config)
      const firing = { ...firingParts(config, archive, jobs), onNews: (news: ScheduleNews) => void tellFiring(cli, news) }
      if (once === true) await fireDue(firing)
      const stop = new AbortController()
      const keeping = once === true ? undefined : keepFiring(firing, AbortSignal.any([cli.signal, stop.signal]))
      try {
        await runWorker(
          {
            archive,
            jobs,
            nowMs: Date.now,
            partsAtOnce: parts ?? PARTS_AT_ONCE,
            isOnce: once === true,
            openSink: async (job) => openReplaySink(config, job, await archive.index.lanes()),
            openFunction,
            onNews: (news) => void tell(cli, news),
          },
          cli.signal,
        )
      } finally {
        stop.abort()
        await keeping
      }
    })
}

async function tellFiring(cli: Cli, news: ScheduleNews): Promise<void> {
  const { schedule } = news
  if (news.kind === 'trouble')
    return cli.note(`${schedule === undefined ? '' : `schedule ${schedule.name}: `}${news.error.code}: ${news.error.message}`)
  if (cli.json) return cli.printJson({ event: 'fired', schedule: news.schedule.id, job: news.job, ...news.fire })
  await cli.print(`fired ${news.schedule.name}: job ${news.job}`)
}

async function tell(cli: Cli, news: WorkerNews): Promise<void> {
  if (news.kind === 'trouble') return cli.note(`${news.error.code}: ${news.error.message}`)
  const { job, part } = news.taken
  const outcome = news.kind === 'took' ? null : (news.outcome ?? { state: 'lost', error: null })
  if (cli.json) return cli.printJson({ event: news.kind, job: job.id, part: part.part, lane: part.lane, outcome })
  const name = `${job.id} ${part.lane.topic}/${part.lane.lane}${part.share === null ? '' : ` ${part.share}`}`
  if (outcome === null) return cli.print(`took ${name}`)
  const why = outcome.error === null ? '' : `: ${outcome.error.code}: ${outcome.error.message}`
  await cli.print(`left ${name}: ${outcome.state}${why}`)
}

/** `millpond jobs retry`: what was refused is sent again. */
export function retryCommand(cli: Cli): Command {
  return defineCommand('retry', {
    summary: 'send again what the target of a job refused',
    description: `Queues a job of the messages that a job's target refused: the first 1,000 are recorded with their reasons, the others by where they lie, as
ranges of which a part of a job keeps 1,000; it says how many are only counted. The job itself stays as it ended. What failed as a whole goes on with millpond jobs resume.`,
    examples: [{ run: 'millpond jobs retry 7f3a', does: 'by workers, to the same target' }],
  })
    .argument('<job>', 'the job, or the beginning of its id')
    .action(async (id: string) => {
      await using jobs = await openJobs(await cli.loadConfig())
      const job = await knownJob(jobs, await fullId(jobs, id))
      const retry = planRetry(job, { id: randomBytes(6).toString('hex'), nowMs: Date.now(), requestedBy: userInfo().username })
      const made = await knownJob(jobs, (await jobs.create(retry)).id)
      if (cli.json) return cli.printJson({ ...publicJob(made), beyond: retry.beyond })
      await cli.print(`job ${made.id} ${made.state}: ${formatMessages(made.planned.messages)} to ${targetText(made)} again`)
      if (retry.beyond > 0) await cli.print(`${formatMessages(retry.beyond)} more were refused in too many places to be kept`)
    })
}
