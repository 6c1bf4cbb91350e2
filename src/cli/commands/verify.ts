import { type Command, Option } from 'commander'
import { collectGarbage, type CollectReport } from '../../commit/collect.ts'
import { verifyArchive } from '../../commit/verify.ts'
import type { VerifyProgress, VerifyReport } from '../../commit/verify-report.ts'
import { MillpondError } from '../../errors.ts'
import { openBroker, openStore } from '../../wiring.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatDuration, formatMessages } from '../format.ts'
import { durationOf } from '../parse.ts'

interface VerifyOptions {
  readonly topic?: string
  readonly lane?: string
  readonly against?: 'local'
  readonly sample?: true
  readonly collect?: true
  readonly olderThan: number
}

const DAY_MS = 86_400_000
const SHOWN_PROBLEMS = 20

/** `millpond verify`: proves the archive. */
export function verifyCommand(cli: Cli): Command {
  return defineCommand('verify', {
    summary: 'prove that each message is there once and each byte is as written',
    description: `Reads every commit and every segment: each chain is whole, each position is covered once, gaps are explained, and each byte has
the hash that its commit says. With --against, each message is compared with what the source still has. Nothing is changed, unless
--collect removes what crashes left before their commit. Exit code 5 where something is wrong.`,
    examples: [
      { run: 'millpond verify', does: 'the whole archive' },
      { run: 'millpond verify --topic orders --against local', does: 'one topic, compared with the log' },
      { run: 'millpond verify --collect --older-than 2d', does: 'and remove garbage older than two days' },
      { run: 'millpond verify --json', does: 'the whole report as one object' },
    ],
  })
    .addOption(new Option('-t, --topic <topic>', 'only this topic'))
    .addOption(new Option('-l, --lane <lane>', 'only this lane'))
    .addOption(new Option('--against <source>', 'compare with what the source still has').choices(['local']))
    .addOption(new Option('--sample', 'read one block of each segment only'))
    .addOption(new Option('--collect', 'remove objects that no commit names'))
    .addOption(
      new Option('--older-than <duration>', 'with --collect: only what is older')
        .argParser(durationOf('--older-than'))
        .default(DAY_MS, '1d'),
    )
    .action((options: VerifyOptions) => verify(cli, options))
}

async function verify(cli: Cli, options: VerifyOptions): Promise<void> {
  const config = await cli.loadConfig()
  await using opened = new AsyncDisposableStack()
  const store = opened.use(await openStore(config, 'read'))
  const broker = options.against === undefined ? undefined : opened.use(await openBroker(config))
  const source = broker && opened.use(await broker.openSource())
  const startedMs = performance.now()
  const wanted = {
    ...(options.topic === undefined ? {} : { topic: options.topic }),
    ...(options.lane === undefined ? {} : { lane: options.lane }),
  }
  const report = await withProgress(cli, (onProgress) =>
    verifyArchive(
      store,
      { ...wanted, ...(source === undefined ? {} : { against: source }), ...(options.sample ? { sampleOnly: true } : {}) },
      { onProgress, signal: cli.signal },
    ),
  )
  cli.signal.throwIfAborted()
  if (options.topic !== undefined && report.lanes.length === 0) {
    throw new MillpondError('TOPIC_UNKNOWN', `there is no topic ${options.topic} in the archive`, {
      details: { topic: options.topic },
    })
  }
  // Garbage is told from what is needed by chains, so only sound ones may say it.
  const collected =
    options.collect && report.clean
      ? await collectGarbage(store, { ...wanted, olderThanMs: options.olderThan, nowMs: Date.now() }, cli.signal)
      : undefined
  const milliseconds = performance.now() - startedMs
  if (cli.json) await cli.printJson({ ...report, ...(collected ? { collected } : {}), milliseconds: Math.round(milliseconds) })
  else await printReport(cli, report, collected, milliseconds)
  if (report.clean) return
  throw new MillpondError(
    'VERIFY_FAILED',
    `the archive has ${report.problemCount} problem${report.problemCount === 1 ? '' : 's'}`,
    {
      details: { problems: report.problemCount },
    },
  )
}

async function withProgress(
  cli: Cli,
  act: (onProgress: (progress: VerifyProgress) => void) => Promise<VerifyReport>,
): Promise<VerifyReport> {
  let at: VerifyProgress | undefined
  using _ = cli.progress({
    label: 'verifying',
    state: () => ({
      count: at?.messages ?? 0,
      bytes: at?.bytes ?? 0,
      fraction: at === undefined || at.lanesTotal === 0 ? 0 : at.lanesDone / at.lanesTotal,
    }),
  })
  return await act((progress) => {
    at = progress
  })
}

async function printReport(
  cli: Cli,
  report: VerifyReport,
  collected: CollectReport | undefined,
  milliseconds: number,
): Promise<void> {
  for (const { code, lane, key, position, message } of report.problems.slice(0, SHOWN_PROBLEMS)) {
    await cli.print(`${code}  ${lane}${position === undefined ? '' : `@${position}`}  ${message}  (${key})`)
  }
  if (report.problemCount > SHOWN_PROBLEMS)
    await cli.print(`… and ${report.problemCount - SHOWN_PROBLEMS} more; --json lists them`)
  const counts = [
    formatMessages(report.messages),
    `${formatCount(report.lanes.length)} lanes`,
    `${formatCount(report.commits)} commits`,
    `${formatCount(report.segments)} segments`,
    formatBytes(report.bytes),
  ]
  await cli.print(`${report.clean ? 'verified' : 'checked'}: ${counts.join(', ')} in ${formatDuration(milliseconds)}`)
  if (report.missing > 0) await cli.print(`${formatCount(report.missing)} positions hold no message; the commits say why`)
  if (report.deadLettered > 0) await cli.print(`${formatMessages(report.deadLettered)} went to the dead letters`)
  if (report.compared > 0) await cli.print(`${formatMessages(report.compared)} are the same in the source`)
  if (report.unnamed.objects > 0 && collected === undefined) {
    await cli.print(
      `${report.unnamed.objects} objects (${formatBytes(report.unnamed.bytes)}) belong to no commit; --collect removes those that never will`,
    )
  }
  if (collected !== undefined) {
    await cli.print(
      `collected ${collected.removed.objects} objects (${formatBytes(collected.removed.bytes)}), left ${collected.left.objects}`,
    )
  }
}
