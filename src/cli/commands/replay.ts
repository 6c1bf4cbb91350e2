import { randomBytes } from 'node:crypto'
import { userInfo } from 'node:os'
import { type Command, Option } from 'commander'
import { suitHeapToStream } from '../../api/heap.ts'
import type { Config } from '../../config/config.ts'
import { type ErrorCode, errorTable, MillpondError } from '../../errors.ts'
import { publicJob } from '../../replay/job.ts'
import type { JobStore } from '../../replay/jobs.ts'
import type { ReplayProgress } from '../../replay/lane.ts'
import { planReplay } from '../../replay/plan.ts'
import { type ReplayReport, runReplay } from '../../replay/replay.ts'
import { openJobs, openReplaySink } from '../../wiring.ts'
import { openFunction } from '../../wiring/functions.ts'
import { replaySource } from '../../wiring/replay.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatCount, formatDuration, formatMessages } from '../format.ts'
import { fullId, knownJob, targetText } from '../job-text.ts'
import { type OpenArchive, openArchive } from '../open.ts'
import { tellRemovals } from '../removal-text.ts'
import { addReplayOptions, type GivenReplay, replayOf } from '../replay-options.ts'

interface ReplayCommandOptions extends GivenReplay {
  readonly resume?: string
  readonly detach?: true
}

/** How long a resumed job waits for the lease of a process that was killed. */
const CLAIM_WITHIN_MS = 10_000

/** `millpond replay`: messages leave the archive again. */
export function replayCommand(cli: Cli): Command {
  const command = defineCommand('replay', {
    summary: 'send any selection to a topic, a file or an HTTP address',
    description: `Sends messages of the archive to a target: topic:NAME of the source (the local log, Kafka), file:PATH, - (standard output), or an http
or https URL; local:NAME and kafka:NAME name the broker whatever the source is. The order is kept in each lane; keys, headers and timestamps stay. To topics and HTTP each message gets headers that name the job and
where it comes from (millpond-replay-job, millpond-origin-…).

A replay is a job: what it selects is fixed when it starts, progress is recorded, and --resume goes on after an interruption or a kill:
exactly once to a topic or a file, at least once to HTTP (to Kafka by transactions: read there with isolation.level=read_committed). millpond jobs lists them.

With --detach it is only queued: workers (millpond jobs work, millpond serve) do it, several at once, a lane each; --order key or none lets them share a lane.`,
    examples: [
      { run: 'millpond replay -t orders --from -1d --to topic:orders-again', does: 'the last day, to another topic' },
      { run: 'millpond replay -t orders --key 4711 --to -', does: 'JSON lines on standard output' },
      { run: 'millpond replay -t orders --to file:orders.txt --format raw', does: 'values, a line each' },
      { run: 'millpond replay -t orders --to https://example.org/in --rate 100', does: 'POST, 100 messages a second' },
      { run: 'millpond replay -t orders --to topic:x --dry-run', does: 'counts, sends nothing' },
      {
        run: 'millpond replay -t orders --to topic:clean --function ./clean.ts',
        does: 'each message as the function changes it',
      },
      { run: 'millpond replay --resume 7f3a', does: 'goes on with a job' },
      { run: 'millpond replay -t orders --to topic:x --detach --order key', does: 'for workers, who share lanes by key' },
    ],
  })
  return addReplayOptions(command)
    .addOption(new Option('--resume <job>', 'go on with this job').conflicts(['to']))
    .addOption(new Option('--detach', 'only queue the job, for workers').conflicts(['resume']))
    .action((options: ReplayCommandOptions) => replay(cli, options))
}

async function replay(cli: Cli, options: ReplayCommandOptions): Promise<void> {
  suitHeapToStream()
  const config = await cli.loadConfig()
  await using archive = await openArchive(config, { follow: true, topic: options.topic, signal: cli.signal })
  await using jobs = await openJobs(config)
  const id = options.resume === undefined ? await makeJob(jobs, archive, options, config) : await fullId(jobs, options.resume)
  if (options.detach === true) return await printQueued(cli, jobs, id)
  const report = await runJob(cli, {
    config,
    archive,
    jobs,
    id,
    claimWithinMs: options.resume === undefined ? 0 : CLAIM_WITHIN_MS,
  })
  await printReport(cli, report)
  throwUnlessDone(report)
}

async function printQueued(cli: Cli, jobs: JobStore, id: string): Promise<void> {
  const job = await knownJob(jobs, id)
  if (cli.json) return cli.printJson(publicJob(job))
  const parts = job.partCount === 1 ? '1 part' : `${formatCount(job.partCount)} parts`
  await cli.print(`job ${id} ${job.state}: up to ${formatMessages(job.planned.messages)} to ${targetText(job)}, in ${parts}`)
}

async function makeJob(jobs: JobStore, archive: OpenArchive, options: ReplayCommandOptions, config: Config): Promise<string> {
  if (options.to === undefined) throw new MillpondError('USAGE', 'say where to with --to, or which job with --resume')
  const order = {
    ...(await replayOf(options, config)),
    isDetached: options.detach === true,
    requestedBy: userInfo().username,
    ...(options.note === undefined ? {} : { note: options.note }),
  }
  const id = randomBytes(6).toString('hex')
  const planned = await planReplay(order, { index: archive.index, id, nowMs: Date.now(), source: replaySource(config) })
  return (await jobs.create(planned)).id
}

interface JobRun {
  readonly config: Config
  readonly archive: OpenArchive
  readonly jobs: JobStore
  readonly id: string
  readonly claimWithinMs: number
}

async function runJob(cli: Cli, { config, archive, jobs, id, claimWithinMs }: JobRun): Promise<ReplayReport> {
  const job = await knownJob(jobs, id)
  if (job.state === 'done' || job.state === 'cancelled') throw new MillpondError('JOB_CONFLICT', `job ${id} is ${job.state}`)
  await using sink = await openReplaySink(config, job, await archive.index.lanes())
  await tellRemovals(cli, archive.store, job.query)
  let at: ReplayProgress | undefined
  using _ = cli.progress({
    label: `replaying ${id}`,
    state: () => ({
      count: at?.counts.read ?? job.counts.read,
      bytes: at?.counts.bytes ?? job.counts.bytes,
      fraction: job.planned.messages === 0 ? 0 : Math.min(1, (at?.counts.read ?? 0) / job.planned.messages),
    }),
  })
  const onProgress = (progress: ReplayProgress): void => {
    at = progress
  }
  return await runReplay(id, { archive, sink, jobs, nowMs: Date.now, onProgress, claimWithinMs, openFunction }, cli.signal)
}

const SHOWN_FAILURES = 10

/** On stdout, unless the messages themselves went there. */
async function printReport(cli: Cli, { job, elapsedMs, stats }: ReplayReport): Promise<void> {
  const isOutput = job.target.path === '-' && !job.options.dryRun
  const print = async (line: string): Promise<void> => (isOutput ? cli.note(line) : cli.print(line))
  const { read, delivered, failed } = job.counts
  if (cli.json) {
    const { bytesRead, bytesTotal } = stats
    return print(JSON.stringify({ ...publicJob(job), milliseconds: Math.round(elapsedMs), bytesRead, bytesTotal }))
  }
  const rate = `${formatCount((stats.messagesMatched / Math.max(elapsedMs, 1)) * 1000)}/s`
  const what = job.options.dryRun
    ? `${formatMessages(read)} would go to ${targetText(job)}`
    : `${formatMessages(delivered)} to ${targetText(job)}`
  await print(`job ${job.id} ${job.state}: ${what} in ${formatDuration(elapsedMs)}, ${rate}`)
  for (const { topic, lane, position, reason } of job.failures.slice(0, SHOWN_FAILURES))
    await print(`refused ${topic}/${lane}@${position}: ${reason}`)
  if (failed > SHOWN_FAILURES) await print(`… ${formatCount(failed)} were refused in all`)
}

function throwUnlessDone({ job }: ReplayReport): void {
  const resume = `millpond replay --resume ${job.id} goes on`
  const details = { job: job.id, state: job.state, counts: job.counts }
  if (job.state === 'done') {
    if (job.counts.failed === 0) return
    throw new MillpondError(
      'DELIVERY_FAILED',
      `${formatMessages(job.counts.failed)} were refused; millpond jobs show ${job.id} lists them`,
      { details },
    )
  }
  if (job.error !== null) {
    const code: ErrorCode = Object.hasOwn(errorTable, job.error.code) ? (job.error.code as ErrorCode) : 'INTERNAL'
    throw new MillpondError(code, `job ${job.id} ${job.state}: ${job.error.message}; ${resume}`, { details })
  }
  throw new MillpondError('STOPPED', `job ${job.id} ${job.state}${job.state === 'cancelled' ? '' : `; ${resume}`}`, { details })
}
