import type { Command } from 'commander'
import { MillpondError } from '../../errors.ts'
import { publicJob, type ReplayJob } from '../../replay/job.ts'
import { openJobs } from '../../wiring.ts'
import { addDefault, type Cli, defineCommand } from '../command.ts'
import { formatCount, formatTable, formatTime } from '../format.ts'
import { fullId, targetText } from '../job-text.ts'

/** `millpond jobs`: list, show, cancel. */
export function jobsCommand(cli: Cli): Command {
  const command = defineCommand('jobs', {
    summary: 'list, show and cancel replays',
    description:
      'Every replay is a job: recorded, with its progress and what failed. Without more it lists them, the newest first.',
    examples: [
      { run: 'millpond jobs', does: 'every job' },
      { run: 'millpond jobs show 7f3a', does: 'lanes, counts and failures of one' },
      { run: 'millpond replay --resume 7f3a', does: 'goes on with one that was interrupted' },
    ],
  })
  return addDefault(command, listCommand(cli)).addCommand(showCommand(cli)).addCommand(cancelCommand(cli))
}

function listCommand(cli: Cli): Command {
  return defineCommand('list', {
    summary: 'every job, the newest first',
    description: 'Lists jobs with their state and counts.',
    examples: [{ run: 'millpond jobs list --json', does: 'JSON lines, one a job' }],
  }).action(async () => {
    await using jobs = await openJobs(await cli.loadConfig())
    const all = (await jobs.list(Date.now())).map(publicJob)
    if (cli.json) {
      for (const job of all) await cli.printJson(job)
      return
    }
    if (all.length === 0) return cli.print('no replays yet: millpond replay --help')
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
    summary: 'lanes, counts and failures of a job',
    description: 'Shows how far each lane of a job is and what its target refused.',
    examples: [{ run: 'millpond jobs show 7f3a --json', does: 'everything, as one object' }],
  })
    .argument('<job>', 'the job, or the beginning of its id')
    .action(async (id: string) => {
      await using jobs = await openJobs(await cli.loadConfig())
      const full = await fullId(jobs, id)
      const job = await jobs.get(full, Date.now())
      if (job === undefined) throw new MillpondError('JOB_UNKNOWN', `there is no job ${full}`)
      await (cli.json ? cli.printJson(publicJob(job)) : printJob(cli, publicJob(job)))
    })
}

const SHOWN_FAILURES = 10

async function printJob(cli: Cli, job: ReplayJob): Promise<void> {
  const { read, delivered, failed } = job.counts
  await cli.print(`${job.id}  ${job.state}  to ${targetText(job)}`)
  await cli.print(
    `${formatCount(read)} read, ${formatCount(delivered)} delivered, ${formatCount(failed)} failed, of ${formatCount(job.planned.messages)}`,
  )
  if (job.error !== null) await cli.print(`${job.error.code}: ${job.error.message}`)
  const rows = job.parts.map(({ lane, fromPosition, toPosition, nextPosition, counts, state }) => [
    `${lane.topic}/${lane.lane}`,
    `${fromPosition}..${toPosition}`,
    String(nextPosition),
    formatCount(counts.delivered),
    formatCount(counts.failed),
    state === 'open' ? '' : state,
  ])
  if (rows.length > 0) await cli.print(formatTable([['lane', 'positions', 'next', 'delivered', 'failed', ''], ...rows]))
  for (const { topic, lane, position, reason } of job.failures.slice(0, SHOWN_FAILURES))
    await cli.print(`${topic}/${lane}@${position}  ${reason}`)
  if (failed > SHOWN_FAILURES) await cli.print(`… ${formatCount(failed)} failures in all; --json lists those that are recorded`)
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
      const job = await jobs.want(await fullId(jobs, id), 'cancel', { nowMs: Date.now() })
      await (cli.json
        ? cli.printJson(publicJob(job))
        : cli.print(`${job.id}  ${job.state === 'running' ? 'is being cancelled' : job.state}`))
    })
}
