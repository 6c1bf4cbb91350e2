import { type Command, Option } from 'commander'
import {
  JOB_OUTCOMES,
  type JobOutcome,
  type JobWish,
  REPLAY_STATES,
  type ReplayJob,
  type ReplayState,
  type ReplaySummary,
} from '../../replay/job.ts'
import { publicJob } from '../../replay/job.ts'
import type { JobStore } from '../../replay/jobs.ts'
import { MillpondError } from '../../errors.ts'
import { openJobs } from '../../wiring.ts'
import { addDefault, type Cli, defineCommand } from '../command.ts'
import { formatCount, formatTable, formatTime } from '../format.ts'
import { fullId, knownJob, targetText } from '../job-text.ts'
import { oneOf, several, wholeNumber } from '../parse.ts'
import { retryCommand, workCommand } from '../jobs-work.ts'

/** `millpond jobs`: list, show, work, pause, resume, cancel, retry, history. */
export function jobsCommand(cli: Cli): Command {
  const command = defineCommand('jobs', {
    summary: 'list, show, work on and steer replays',
    description:
      'Every replay is a job: recorded, with its progress and what failed. Without more it lists them, the newest first.',
    examples: [
      { run: 'millpond jobs', does: 'every job' },
      { run: 'millpond jobs show 7f3a', does: 'parts, counts and failures of one' },
      { run: 'millpond jobs work', does: 'does what is queued, with others that do' },
      { run: 'millpond replay --resume 7f3a', does: 'goes on with one that was interrupted' },
    ],
  })
  return addDefault(command, listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(workCommand(cli))
    .addCommand(pauseCommand(cli))
    .addCommand(resumeCommand(cli))
    .addCommand(cancelCommand(cli))
    .addCommand(retryCommand(cli))
    .addCommand(historyCommand(cli))
}

interface ListOptions {
  readonly state?: readonly ReplayState[]
  readonly limit?: number
}

function listCommand(cli: Cli): Command {
  return defineCommand('list', {
    summary: 'every job, the newest first',
    description: 'Lists jobs with their state and counts.',
    examples: [
      { run: 'millpond jobs list --json', does: 'JSON lines, one a job' },
      { run: 'millpond jobs list --state failed', does: 'those that need somebody' },
    ],
  })
    .addOption(
      new Option('--state <state>', 'only these; may be given several times').argParser(several(oneOf('--state', REPLAY_STATES))),
    )
    .addOption(
      new Option('--limit <count>', 'so many at the most; 100 unless given').argParser(wholeNumber('--limit', 1, 100_000)),
    )
    .action(async ({ state, limit }: ListOptions) => {
      await using jobs = await openJobs(await cli.loadConfig())
      const wanted = { ...(state === undefined ? {} : { states: state }), ...(limit === undefined ? {} : { limit }) }
      const all = (await jobs.list(Date.now(), wanted)).map(publicJob)
      if (cli.json) {
        for (const job of all) await cli.printJson(job)
        return
      }
      if (all.length === 0) return cli.print(state === undefined ? 'no replays yet: millpond replay --help' : 'no such replay')
      const rows = all.map((job) => [
        job.id,
        job.state,
        targetText(job),
        formatCount(job.counts.delivered),
        formatCount(job.counts.failed),
        formatTime(job.createdMs),
      ])
      await cli.print(formatTable([['job', 'state', 'to', 'delivered', 'failed', 'made'], ...rows]))
    })
}

function showCommand(cli: Cli): Command {
  return defineCommand('show', {
    summary: 'parts, counts and failures of a job',
    description: 'Shows how far each part of a job is and what its target refused.',
    examples: [{ run: 'millpond jobs show 7f3a --json', does: 'everything, as one object' }],
  })
    .argument('<job>', 'the job, or the beginning of its id')
    .action(async (id: string) => {
      await using jobs = await openJobs(await cli.loadConfig())
      const job = publicJob(await knownJob(jobs, await fullId(jobs, id)))
      await (cli.json ? cli.printJson(job) : printJob(cli, job))
    })
}

const SHOWN_FAILURES = 10

async function printJob(cli: Cli, job: ReplayJob): Promise<void> {
  const { read, delivered, failed } = job.counts
  await cli.print(`${job.id}  ${job.state}  to ${targetText(job)}`)
  if (job.requestedBy !== null || job.note !== null) await cli.print([job.requestedBy, job.note].filter(Boolean).join(': '))
  await cli.print(
    `${formatCount(read)} read, ${formatCount(delivered)} delivered, ${formatCount(failed)} failed, of ${formatCount(job.planned.messages)}`,
  )
  if (job.error !== null) await cli.print(`${job.error.code}: ${job.error.message}`)
  const rows = job.parts.map(({ lane, share, fromPosition, toPosition, nextPosition, counts, state, owner }) => [
    `${lane.topic}/${lane.lane}${share === null ? '' : ` ${share}`}`,
    `${fromPosition}..${toPosition}`,
    String(nextPosition),
    formatCount(counts.delivered),
    formatCount(counts.failed),
    state === 'open' ? (owner === null ? '' : 'running') : state,
  ])
  if (rows.length > 0) await cli.print(formatTable([['lane', 'positions', 'next', 'delivered', 'failed', ''], ...rows]))
  for (const { topic, lane, position, reason } of job.failures.slice(0, SHOWN_FAILURES))
    await cli.print(`${topic}/${lane}@${position}  ${reason}`)
  if (failed > SHOWN_FAILURES) await cli.print(`… ${formatCount(failed)} failures in all; --json lists those that are recorded`)
}

/** Says what is wanted of the job that begins so, and prints what it is then. */
async function steer(cli: Cli, jobs: JobStore, id: string, wish: JobWish, isOffered?: boolean): Promise<void> {
  const options = { nowMs: Date.now(), ...(isOffered === undefined ? {} : { isOffered }) }
  const job = await jobs.want(await fullId(jobs, id), wish, options)
  await (cli.json ? cli.printJson(publicJob(job)) : cli.print(`${job.id}  ${wordOf(job)}`))
}

const wordOf = ({ state, wish }: ReplaySummary): string =>
  state !== 'running' || wish === 'run' ? state : `is being ${wish === 'pause' ? 'paused' : 'cancelled'}`

function pauseCommand(cli: Cli): Command {
  return defineCommand('pause', {
    summary: 'let a job rest',
    description:
      'Whoever runs parts of the job, in whatever process, gives them back within moments. It goes on exactly where it was.',
    examples: [{ run: 'millpond jobs pause 7f3a', does: 'until it is resumed' }],
  })
    .argument('<job>', 'the job, or the beginning of its id')
    .action(async (id: string) => {
      await using jobs = await openJobs(await cli.loadConfig())
      await steer(cli, jobs, id, 'pause')
    })
}

function resumeCommand(cli: Cli): Command {
  return defineCommand('resume', {
    summary: 'let workers go on with a job',
    description: `Offers a job that was paused, was interrupted, or failed for a reason that is mended, to all workers (millpond jobs work, millpond
serve). millpond replay --resume goes on with it here instead.`,
    examples: [{ run: 'millpond jobs resume 7f3a', does: 'goes on where it was' }],
  })
    .argument('<job>', 'the job, or the beginning of its id')
    .action(async (id: string) => {
      await using jobs = await openJobs(await cli.loadConfig())
      const job = await knownJob(jobs, await fullId(jobs, id))
      if (job.target.path === '-') {
        throw new MillpondError(
          'INPUT_INVALID',
          `job ${job.id} writes to standard output: millpond replay --resume goes on with it`,
        )
      }
      await steer(cli, jobs, job.id, 'run', true)
    })
}

function cancelCommand(cli: Cli): Command {
  return defineCommand('cancel', {
    summary: 'end a job for good',
    description: 'Cancels a job. One that runs, in whatever process, stops within moments; what it delivered stays delivered.',
    examples: [{ run: 'millpond jobs cancel 7f3a', does: 'ends it' }],
  })
    .argument('<job>', 'the job, or the beginning of its id')
    .action(async (id: string) => {
      await using jobs = await openJobs(await cli.loadConfig())
      await steer(cli, jobs, id, 'cancel')
    })
}

interface HistoryOptions {
  readonly limit?: number
  readonly job?: string
  readonly outcome?: readonly JobOutcome[]
}

function historyCommand(cli: Cli): Command {
  return defineCommand('history', {
    summary: 'who replayed what, when, and what became of it',
    description: 'Lists the records that jobs leave when they end, the newest first. They are kept.',
    examples: [
      { run: 'millpond jobs history --json', does: 'JSON lines, one an ending' },
      { run: 'millpond jobs history --outcome failed', does: 'what went wrong' },
    ],
  })
    .addOption(
      new Option('--outcome <outcome>', 'only these; may be given several times').argParser(
        several(oneOf('--outcome', JOB_OUTCOMES)),
      ),
    )
    .addOption(new Option('--job <job>', 'only this job'))
    .addOption(
      new Option('--limit <count>', 'so many at the most; 100 unless given').argParser(wholeNumber('--limit', 1, 100_000)),
    )
    .action(async ({ limit, job, outcome }: HistoryOptions) => {
      await using jobs = await openJobs(await cli.loadConfig())
      const audits = await jobs.audits({
        ...(limit === undefined ? {} : { limit }),
        ...(job === undefined ? {} : { job: await fullId(jobs, job) }),
        ...(outcome === undefined ? {} : { outcomes: outcome }),
      })
      if (cli.json) {
        for (const audit of audits) await cli.printJson(audit)
        return
      }
      if (audits.length === 0) return cli.print(outcome === undefined ? 'no replay has ended yet' : 'no replay has ended so')
      const rows = audits.map((audit) => [
        formatTime(audit.endedMs),
        audit.job,
        audit.outcome,
        audit.requestedBy ?? '',
        audit.query.topic ?? 'every topic',
        targetText(audit),
        formatCount(audit.counts.delivered),
        audit.note ?? '',
      ])
      await cli.print(formatTable([['ended', 'job', '', 'by', 'from', 'to', 'delivered', 'note'], ...rows]))
    })
}
