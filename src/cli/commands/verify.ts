import { type Command, Option } from 'commander'
import { collectGarbage, type CollectReport } from '../../commit/collect.ts'
import { verifyArchive } from '../../commit/verify.ts'
import type { VerifyProgress, VerifyReport } from '../../commit/verify-report.ts'
import { MillpondError } from '../../errors.ts'
import type { Config } from '../../config/config.ts'
import { type SchemasVerdict, verifySchemas } from '../../schemas/schema-files.ts'
import { laneName } from '../../source/lane.ts'
import type { Source } from '../../source/source.ts'
import type { Store } from '../../store/store.ts'
import { openBroker } from '../../wiring.ts'
import { openKafkaCluster } from '../../wiring/kafka.ts'
import { openStore } from '../../wiring/store.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatDuration, formatMessages } from '../format.ts'
import { durationOf } from '../parse.ts'
import { holdsOf, removalText } from '../removal-text.ts'

interface VerifyOptions {
  readonly topic?: string
  readonly lane?: string
  readonly against?: 'source' | 'local' | 'kafka'
  readonly sample?: true
  readonly collect?: true
  readonly olderThan: number
}

const DAY_MS = 86_400_000
const SHOWN_PROBLEMS = 20
const SHOWN_REMOVALS = 20

/** `millpond verify`: proves the archive. */
export function verifyCommand(cli: Cli): Command {
  return defineCommand('verify', {
    summary: 'prove that each message is there once and each byte is as written',
    description: `Reads every commit and every segment: each chain is whole, each position is covered once, gaps are explained, and each byte has
the hash that its commit says. With --against, each message is compared with what the source still has; of Kafka every offset is
accounted for. Nothing is changed, unless
--collect removes what crashes left before their commit. Exit code 5 where something is wrong.`,
    examples: [
      { run: 'millpond verify', does: 'the whole archive' },
      { run: 'millpond verify --topic orders --against local', does: 'one topic, compared with the log' },
      {
        run: 'millpond verify --against kafka',
        does: 'and every offset of Kafka: archived, aborted, control, compacted or gone',
      },
      { run: 'millpond verify --collect --older-than 2d', does: 'and remove garbage older than two days' },
      { run: 'millpond verify --json', does: 'the whole report as one object' },
    ],
  })
    .addOption(new Option('-t, --topic <topic>', 'only this topic'))
    .addOption(new Option('-l, --lane <lane>', 'only this lane'))
    .addOption(
      new Option('--against <source>', 'compare with what the source, or another, still has').choices([
        'source',
        'local',
        'kafka',
      ]),
    )
    .addOption(new Option('--sample', 'read one block of each segment only'))
    .addOption(new Option('--collect', 'remove objects that no commit names, or that were replaced'))
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
  const against = options.against === 'source' ? config.source.type : options.against
  const source = against === 'local' ? opened.use(await openSourceOf(opened, config)) : undefined
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
  const offsets = against === 'kafka' ? await accountForOffsets(cli, config, store, wanted) : undefined
  if (options.topic !== undefined && report.lanes.length === 0) {
    throw new MillpondError('TOPIC_UNKNOWN', `there is no topic ${options.topic} in the archive`, {
      details: { topic: options.topic },
    })
  }
  // Garbage is told from what is needed by chains, so only sound ones may say it.
  const collected =
    options.collect && report.clean
      ? await collectGarbage(
          store,
          { ...wanted, olderThanMs: options.olderThan, nowMs: Date.now(), isHeld: holdsOf(config) },
          cli.signal,
        )
      : undefined
  const schemas = await verifySchemas(store, options.topic, cli.signal)
  const milliseconds = performance.now() - startedMs
  if (cli.json) {
    const kafka = offsets === undefined ? {} : { kafka: offsets }
    await cli.printJson({
      ...report,
      ...(collected ? { collected } : {}),
      ...kafka,
      ...(schemas.count === 0 ? {} : { schemas: schemasJson(schemas) }),
      milliseconds: Math.round(milliseconds),
    })
  } else {
    await printReport(cli, report, collected, milliseconds)
    await printSchemas(cli, schemas)
    if (offsets !== undefined) await printOffsets(cli, offsets)
  }
  if (report.clean && offsets?.clean !== false && schemas.problems.length === 0) return
  const problems =
    schemas.problems.length + report.problemCount + (offsets?.lanes.reduce((sum, { problemCount }) => sum + problemCount, 0) ?? 0)
  throw new MillpondError('VERIFY_FAILED', `the archive has ${problems} problem${problems === 1 ? '' : 's'}`, {
    details: { problems },
  })
}

/** The local log, as something to compare with. */
async function openSourceOf(opened: AsyncDisposableStack, config: Config): Promise<Source> {
  const broker = opened.use(await openBroker({ ...config, source: { ...config.source, type: 'local' } }))
  return broker.openSource()
}

const schemasJson = ({ count, problems }: SchemasVerdict) => ({
  count,
  problems: problems.map(({ key, error: { code, message } }) => ({ key, code, message })),
})

async function printSchemas(cli: Cli, { count, problems }: SchemasVerdict): Promise<void> {
  for (const { error } of problems.slice(0, SHOWN_PROBLEMS)) await cli.print(`${error.code}  ${error.message}`)
  if (count > 0)
    await cli.print(`${formatCount(count)} schemas lie beside the messages, ${formatCount(problems.length)} of them damaged`)
}

type KafkaReport = Awaited<ReturnType<Awaited<ReturnType<typeof openKafkaCluster>>['verify']>>

/** Every offset of the cluster's partitions up to the archive's end. */
async function accountForOffsets(
  cli: Cli,
  config: Config,
  store: Store,
  wanted: { readonly topic?: string; readonly lane?: string },
): Promise<KafkaReport> {
  await using cluster = await openKafkaCluster(config)
  return await cluster.verify(store, wanted, cli.signal)
}

const OFFSETS = ['archived', 'notCompared', 'deadLettered', 'aborted', 'control', 'compacted', 'missing', 'gone'] as const

async function printOffsets(cli: Cli, { lanes, clean }: KafkaReport): Promise<void> {
  for (const { lane, problems } of lanes) {
    for (const { offset, message } of problems.slice(0, SHOWN_PROBLEMS))
      await cli.print(`${laneName(lane)}@${offset}  ${message}`)
  }
  const sums = OFFSETS.map((what) => [what, lanes.reduce((sum, { account }) => sum + (account?.[what] ?? 0), 0)] as const)
  const said = sums
    .filter(([what, count]) => what === 'archived' || count > 0)
    .map(([what, count]) => `${formatCount(count)} ${what}`)
  await cli.print(`${clean ? 'every offset of Kafka is accounted for' : 'offsets of Kafka'}: ${said.join(', ')}`)
  const unknown = lanes.filter(({ account }) => account === undefined).length
  if (unknown > 0) await cli.print(`${formatCount(unknown)} lanes are of topics that Kafka no longer has`)
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
  if (report.rewrites > 0) {
    const kept = report.replaced.objects
    const told =
      kept === 0
        ? ''
        : `; ${formatCount(kept)} objects (${formatBytes(report.replaced.bytes)}) that they replaced are still there`
    await cli.print(`${formatCount(report.rewrites)} rewrites account for what they replaced${told}`)
  }
  if (report.removed > 0) {
    const removals = report.lanes.flatMap((lane) => lane.removals)
    for (const note of removals.slice(0, SHOWN_REMOVALS)) await cli.print(removalText(note))
    if (removals.length > SHOWN_REMOVALS)
      await cli.print(`… and ${formatCount(removals.length - SHOWN_REMOVALS)} more; \`millpond removals\` lists them`)
    await cli.print(
      `${formatMessages(report.removed)} were removed, as ${formatCount(removals.length)} records say; all others are there`,
    )
  }
  if (report.missing > 0) await cli.print(`${formatCount(report.missing)} positions hold no message; the commits say why`)
  if (report.deadLettered > 0) await cli.print(`${formatMessages(report.deadLettered)} went to the dead letters`)
  if (report.compared > 0) await cli.print(`${formatMessages(report.compared)} are the same in the source`)
  if (report.notCompared > 0) {
    await cli.print(
      `${formatMessages(report.notCompared)} could not be compared: the format of their segments does not keep all, or they were removed`,
    )
  }
  if (report.unnamed.objects > 0 && collected === undefined) {
    await cli.print(
      `${report.unnamed.objects} objects (${formatBytes(report.unnamed.bytes)}) belong to no commit; --collect removes those that never will`,
    )
  }
  if (collected !== undefined) {
    await cli.print(
      `collected ${collected.removed.objects} objects (${formatBytes(collected.removed.bytes)}) of crashes and ${collected.replaced.objects} (${formatBytes(collected.replaced.bytes)}) that were replaced, left ${collected.left.objects}`,
    )
  }
}
