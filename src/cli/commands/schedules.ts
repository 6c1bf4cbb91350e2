import { userInfo } from 'node:os'
import { type Command, Option } from 'commander'
import { parseWindow, publicFire, publicSchedule } from '../../api/jobs/schedule-text.ts'
import { MillpondError } from '../../errors.ts'
import { replayOptions } from '../../replay/job.ts'
import { recordQuery } from '../../replay/query-record.ts'
import type { ScheduleRows } from '../../replay/schedule-rows.ts'
import { DEFAULT_DELAY_MS, type MissedFires, type ReplaySchedule, type ScheduleWindow, upcoming } from '../../replay/schedule.ts'
import { addSchedule, findSchedule, listSchedules, steerSchedule } from '../../replay/schedules.ts'
import { openJobs } from '../../wiring.ts'
import { replaySource } from '../../wiring/replay.ts'
import { addDefault, type Cli, defineCommand } from '../command.ts'
import { formatDuration, formatTable, formatTime } from '../format.ts'
import { targetText } from '../job-text.ts'
import { openArchive } from '../open.ts'
import { durationOf, wholeNumber } from '../parse.ts'
import { addReplayOptions, type GivenReplay, replayOf } from '../replay-options.ts'

/** `millpond schedules`: list, add, show, next, pause, resume, remove. */
export function schedulesCommand(cli: Cli): Command {
  const command = defineCommand('schedules', {
    summary: 'replay again and again, by a clock',
    description: 'A schedule makes a replay job whenever its cron expression says so. Without more it lists them.',
    examples: [
      { run: 'millpond schedules', does: 'every schedule' },
      {
        run: "millpond schedules add nightly --cron '0 3 * * *' --zone Europe/Berlin --window last:1d -t orders --to topic:daily",
        does: 'the day before, every night',
      },
      { run: 'millpond schedules next nightly', does: 'when it fires, and for which messages' },
      { run: 'millpond jobs work', does: 'fires what is due, and does it; millpond serve does too' },
    ],
  })
  const steer = (name: string, isPaused: boolean, text: { summary: string; description: string }) =>
    defineCommand(name, { ...text, examples: [{ run: `millpond schedules ${name} nightly`, does: text.summary }] })
      .argument('<schedule>', 'the schedule, by its name or id')
      .action((wanted: string) =>
        withSchedules(cli, async (rows) => {
          const { id } = await findSchedule(rows, wanted)
          await tell(cli, await steerSchedule(rows, id, isPaused, Date.now()))
        }),
      )
  return addDefault(command, listCommand(cli))
    .addCommand(addCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(nextCommand(cli))
    .addCommand(
      steer('pause', true, {
        summary: 'let it rest',
        description: 'The schedule makes no jobs until it is resumed. Those that it made go on.',
      }),
    )
    .addCommand(
      steer('resume', false, {
        summary: 'let it go on',
        description: 'With --missed all, what fell into the pause is made up for; otherwise it goes on with the next fire.',
      }),
    )
    .addCommand(removeCommand(cli))
}

async function withSchedules(cli: Cli, act: (rows: ScheduleRows) => Promise<void>): Promise<void> {
  await using jobs = await openJobs(await cli.loadConfig())
  await act(jobs.schedules)
}

const windowText = ({ window }: Pick<ReplaySchedule, 'window'>): string =>
  window.kind === 'last' ? `last ${formatDuration(window.ms)}` : 'since the last'

function listCommand(cli: Cli): Command {
  return defineCommand('list', {
    summary: 'every schedule, by name',
    description: 'Lists schedules with what they are for, and when they make their next job.',
    examples: [{ run: 'millpond schedules list --json', does: 'JSON lines, one a schedule' }],
  }).action(() =>
    withSchedules(cli, async (rows) => {
      const all = await listSchedules(rows)
      if (cli.json) {
        for (const schedule of all) await cli.printJson(publicSchedule(schedule))
        return
      }
      if (all.length === 0) return cli.print('no schedules yet: millpond schedules add --help')
      const lines = all.map((schedule) => [
        schedule.name,
        schedule.cron,
        schedule.zone,
        windowText(schedule),
        targetText(schedule.request),
        stateText(schedule),
        schedule.lastJob ?? '',
      ])
      await cli.print(formatTable([['schedule', 'cron', 'zone', 'window', 'to', 'next job', 'last job'], ...lines]))
    }),
  )
}

function stateText(schedule: ReplaySchedule): string {
  if (schedule.isPaused) return 'paused'
  if (schedule.trouble !== null) return schedule.trouble.code
  const [next] = upcoming(schedule, 1)
  return next === undefined ? 'none' : formatTime(publicFire(schedule, next).dueMs)
}

interface AddOptions extends GivenReplay {
  readonly cron: string
  readonly zone: string
  readonly window: ScheduleWindow
  readonly delay: number
  readonly missed?: MissedFires
}

function windowOf(text: string): ScheduleWindow {
  const window = parseWindow(text)
  if (window !== undefined) return window
  throw new MillpondError('USAGE', `--window must be since-last, or like last:1d, not ${JSON.stringify(text.slice(0, 80))}`)
}

function addCommand(cli: Cli): Command {
  const command = defineCommand('add', {
    summary: 'make a schedule',
    description: `Stores a schedule. At each fire of its cron expression a replay job is made of the messages whose timestamps are in its window: those of so
long before (last:1d), or those since the fire before, so that one after the other they hold every message once (since-last). The selection,
the target and all else is as in millpond replay. The job is made --delay after the fire, by millpond serve or
millpond jobs work: what is archived until then is in it.`,
    examples: [
      {
        run: "millpond schedules add nightly --cron '0 3 * * *' --zone Europe/Berlin --window last:1d -t orders --to topic:daily",
        does: 'every night the day before',
      },
      {
        run: "millpond schedules add feed --cron '*/15 * * * *' --window since-last -t orders --to https://example.org/in",
        does: 'every message once, a quarter of an hour at a time',
      },
    ],
  })
    .argument('<name>', 'what it is called; letters, digits, dots, dashes, underscores')
    .addOption(
      new Option('--cron <expression>', 'minute, hour, day, month, day of the week; or @hourly, @daily, …').makeOptionMandatory(),
    )
    .addOption(new Option('--zone <name>', 'the time zone of the expression').default('UTC'))
    .addOption(new Option('--window <which>', 'last:DURATION or since-last').argParser(windowOf).makeOptionMandatory())
    .addOption(
      new Option('--delay <duration>', 'from a fire to its job; what is archived later than that is not in it')
        .argParser(durationOf('--delay'))
        .default(DEFAULT_DELAY_MS, '15m'),
    )
    .addOption(
      new Option(
        '--missed <which>',
        'what is made up for when nobody was there; with last: latest, with since-last: all',
      ).choices(['all', 'latest']),
    )
  return addReplayOptions(command).action((name: string, options: AddOptions) => add(cli, name, options))
}

async function add(cli: Cli, name: string, options: AddOptions): Promise<void> {
  const { cron, zone, window, delay, missed = window.kind === 'last' ? 'latest' : 'all', note } = options
  const config = await cli.loadConfig()
  const { query, target, options: given } = await replayOf(options, config)
  await using archive = await openArchive(config, { follow: true, topic: options.topic, signal: cli.signal })
  await using jobs = await openJobs(config)
  const order = {
    name,
    rule: { cron, zone, window, delayMs: delay, missed },
    request: { query: recordQuery(query), target, options: replayOptions(target.kind, given) },
    requestedBy: userInfo().username,
    ...(note === undefined ? {} : { note }),
  }
  await tell(cli, await addSchedule(order, { jobs, index: archive.index, source: replaySource(config), nowMs: Date.now }))
}

async function tell(cli: Cli, schedule: ReplaySchedule): Promise<void> {
  if (cli.json) return cli.printJson(publicSchedule(schedule))
  const [next] = upcoming(schedule, 1)
  const when =
    next === undefined ? 'no job to come' : `next job ${formatTime(publicFire(schedule, next).dueMs)}, ${spanText(next)}`
  await cli.print(`schedule ${schedule.name} ${schedule.isPaused ? 'paused' : when}`)
}

const spanText = ({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): string =>
  `of messages from ${formatTime(fromMs)} to ${formatTime(toMs)}`

function showCommand(cli: Cli): Command {
  return defineCommand('show', {
    summary: 'all of a schedule',
    description: 'Shows what a schedule is for, its last job, and what keeps it from making the next one.',
    examples: [{ run: 'millpond schedules show nightly --json', does: 'everything, as one object' }],
  })
    .argument('<schedule>', 'the schedule, by its name or id')
    .action((wanted: string) =>
      withSchedules(cli, async (rows) => {
        const schedule = await findSchedule(rows, wanted)
        if (cli.json) return cli.printJson(publicSchedule(schedule))
        await tell(cli, schedule)
        const { id, cron, zone, delayMs, missed, request, note, requestedBy, lastFireMs, lastJob, trouble } = schedule
        await cli.print(
          `id ${id}, ${cron} in ${zone}, ${windowText(schedule)}, made ${formatDuration(delayMs)} after, missed: ${missed}`,
        )
        await cli.print(`${request.query.topic ?? 'every topic'} to ${targetText(request)}`)
        if (requestedBy !== null || note !== null) await cli.print([requestedBy, note].filter(Boolean).join(': '))
        if (lastFireMs !== null) await cli.print(`last fire ${formatTime(lastFireMs)}: job ${lastJob}`)
        if (trouble !== null) await cli.print(`${trouble.code}: ${trouble.message}; tried again ${formatTime(trouble.retryMs)}`)
      }),
    )
}

function nextCommand(cli: Cli): Command {
  return defineCommand('next', {
    summary: 'when a schedule fires, and for which messages',
    description: 'Lists the next fires, given that each is made in time.',
    examples: [{ run: 'millpond schedules next nightly --count 10', does: 'the next ten' }],
  })
    .argument('<schedule>', 'the schedule, by its name or id')
    .addOption(new Option('--count <count>', 'so many').argParser(wholeNumber('--count', 1, 1000)).default(5))
    .action((wanted: string, { count }: { readonly count: number }) =>
      withSchedules(cli, async (rows) => {
        const schedule = await findSchedule(rows, wanted)
        const fires = upcoming(schedule, count).map((fire) => publicFire(schedule, fire))
        if (cli.json) {
          for (const fire of fires) await cli.printJson(fire)
          return
        }
        const lines = fires.map(({ fireMs, dueMs, fromMs, toMs }) => [fireMs, dueMs, fromMs, toMs].map(formatTime))
        await cli.print(formatTable([['fire', 'job made', 'messages from', 'to'], ...lines]))
      }),
    )
}

function removeCommand(cli: Cli): Command {
  return defineCommand('remove', {
    summary: 'end a schedule',
    description: 'Removes a schedule. Jobs that it made stay.',
    examples: [{ run: 'millpond schedules remove nightly', does: 'it makes no more jobs' }],
  })
    .argument('<schedule>', 'the schedule, by its name or id')
    .action((wanted: string) =>
      withSchedules(cli, async (rows) => {
        const schedule = await findSchedule(rows, wanted)
        await rows.remove(schedule.id)
        await (cli.json ? cli.printJson(publicSchedule(schedule)) : cli.print(`schedule ${schedule.name} is removed`))
      }),
    )
}
