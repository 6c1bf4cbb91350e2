import { randomBytes } from 'node:crypto'
import { type Command, Option } from 'commander'
import { suitHeapToStream } from '../../api/heap.ts'
import type { MessageBatch } from '../../batch/batch.ts'
import type { Config } from '../../config/config.ts'
import { MillpondError } from '../../errors.ts'
import type { ReplayProgress } from '../../replay/lane.ts'
import { restoreSchemas } from '../../schemas/restore-schemas.ts'
import { rewriteSchemaIds } from '../../schemas/rewrite-ids.ts'
import type { Store } from '../../store/store.ts'
import { openJobs } from '../../wiring.ts'
import { openKafkaCluster } from '../../wiring/kafka.ts'
import { openRegistry } from '../../wiring/registry.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatCount, formatMessages } from '../format.ts'
import { fullId } from '../job-text.ts'
import { openArchive, requireArchivedTopic } from '../open.ts'
import { several, wholeNumber } from '../parse.ts'

interface RestoreOptions {
  readonly topic?: string
  readonly topicId?: string
  readonly as?: string
  readonly resume?: string
  readonly groups: boolean
  readonly group?: readonly string[]
  readonly set?: readonly (readonly [string, string])[]
  readonly replicationFactor?: number
  readonly intoExisting?: true
  readonly registry?: true | string
}

const CLAIM_WITHIN_MS = 10_000

/** `millpond restore`: whole topics back into Kafka. */
export function restoreCommand(cli: Cli): Command {
  return defineCommand('restore', {
    summary: 'bring a whole topic back into Kafka: settings, partitions, messages, group offsets',
    description: `Makes a topic in the cluster of the \`kafka\` section as it was: its settings and partitions, each message in its partition with key,
headers, timestamp and order, and then the committed offsets of consumer groups, translated to the new offsets. Settings and group
offsets are those of the newest snapshot, which \`archive\` and \`serve\` keep beside the archive.

With --into-existing the settings of a topic that is there stay as they are: what would delete, refuse or change messages that come in is told
as a warning before the first is sent, and in \`warnings\` of --json. It needs a partition for each lane.

With --registry the schemas that the archive keeps beside the topic are registered first, under their subjects. Where the registry gives them other
ids, keys and values name those. Login and certificates are those of the \`registry\` section.

It is a job: interrupted or killed, --resume goes on and sends nothing twice (transactions; read with isolation.level=read_committed).`,
    examples: [
      { run: 'millpond restore --topic orders', does: 'into a cluster that has no such topic' },
      { run: 'millpond restore --topic orders --as orders-restored', does: 'under another name' },
      { run: 'millpond restore --topic orders --group billing --set retention.ms=-1', does: 'one group, and a setting' },
      {
        run: 'millpond restore --topic orders --registry http://localhost:8081',
        does: 'and its schemas into a registry, whose ids the messages then name',
      },
      { run: 'millpond restore --topic orders --into-existing', does: 'behind what the topic holds' },
      { run: 'millpond restore --resume 7f3a --topic orders', does: 'goes on with one that was interrupted' },
    ],
  })
    .addOption(new Option('-t, --topic <topic>', 'the topic of the archive'))
    .addOption(new Option('--topic-id <id>', 'which of several topics of this name'))
    .addOption(new Option('--as <name>', 'what it is called in the cluster; the same without'))
    .addOption(new Option('--resume <job>', 'go on with this job'))
    .addOption(new Option('--no-groups', 'no offsets of consumer groups'))
    .addOption(
      new Option('-g, --group <group>', 'only of this group; may be given several times').argParser(several((text) => text)),
    )
    .addOption(
      new Option('--set <name=value>', 'a setting that goes before what the topic had; may be given several times').argParser(
        several(settingOf),
      ),
    )
    .addOption(new Option('--replication-factor <count>', 'copies').argParser(wholeNumber('--replication-factor', 1, 1000)))
    .addOption(
      new Option(
        '--registry [url]',
        "register the archive's schemas at this registry, or the configured one, and let messages name those",
      ),
    )
    .addOption(new Option('--into-existing', 'also into a topic that is there already'))
    .action((options: RestoreOptions) => restore(cli, options))
}

function settingOf(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new MillpondError('USAGE', '--set must be like retention.ms=-1')
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Registers the archive's schemas where that is asked for. */
async function schemasAgain(cli: Cli, config: Config, store: Store, { registry: asked, topic = '', as = topic }: RestoreOptions) {
  if (asked === undefined) return undefined
  const wanted = asked === true ? config.registry : { ...config.registry, urls: [asked] }
  await using registry = await openRegistry(wanted)
  if (registry === undefined) throw new MillpondError('USAGE', 'say which registry with --registry, or in registry.urls')
  const restored = await restoreSchemas(store, { registry, topic, to: as }, cli.signal)
  return { ...restored, hasOtherIds: restored.ids.entries().some(([before, { id }]) => id !== before) }
}

async function restore(cli: Cli, options: RestoreOptions): Promise<void> {
  const { topic, topicId, as, resume, groups, group, set, replicationFactor, intoExisting } = options
  if (topic === undefined) throw new MillpondError('USAGE', 'say which topic with --topic')
  suitHeapToStream()
  const config = await cli.loadConfig()
  await using archive = await openArchive(config, { follow: true, topic, signal: cli.signal })
  await requireArchivedTopic(archive, topic)
  const schemas = await schemasAgain(cli, config, archive.store, options)
  await using jobs = await openJobs(config)
  await using cluster = await openKafkaCluster(config)
  let at: ReplayProgress | undefined
  const startedMs = performance.now()
  const total = (await archive.index.lanes(topic)).reduce((sum, { messages }) => sum + messages, 0)
  const run = async () => {
    using progress = cli.progress({
      label: `restoring ${topic}`,
      state: () => ({
        count: at?.counts.read ?? 0,
        bytes: at?.counts.bytes ?? 0,
        fraction: total === 0 ? 0 : (at?.counts.read ?? 0) / total,
      }),
    })
    const onProgress = (progress: ReplayProgress): void => {
      at = progress
    }
    const order = {
      topic,
      jobId: resume === undefined ? randomBytes(6).toString('hex') : await fullId(jobs, resume),
      ...(topicId === undefined ? {} : { topicId }),
      ...(as === undefined ? {} : { to: as }),
      ...(groups ? (group === undefined ? {} : { groups: group }) : { groups: false as const }),
      ...(set === undefined ? {} : { settings: Object.fromEntries(set) }),
      ...(replicationFactor === undefined ? {} : { replicationFactor }),
      ...(intoExisting === true ? { intoExisting } : {}),
    }
    const claimWithinMs = resume === undefined ? 0 : CLAIM_WITHIN_MS
    const rewrite = schemas === undefined ? {} : { rewrite: (batch: MessageBatch) => rewriteSchemaIds(batch, schemas.ids) }
    const parts = { archive, jobs, nowMs: Date.now, onProgress, claimWithinMs, ...(schemas?.hasOtherIds === true ? rewrite : {}) }
    return cluster.restore(
      {
        ...parts,
        onWarning: ({ setting, value, reason }) =>
          progress.note(`warning: ${as ?? topic} has ${setting}${value === '' ? '' : `=${value}`}: ${reason}`),
      },
      order,
      cli.signal,
    )
  }
  const report = await run()
  const milliseconds = Math.round(performance.now() - startedMs)
  const { job, warnings, offsets, partitions, snapshotKey } = report
  const refused = [...(schemas?.refused ?? []), ...report.refused]
  if (cli.json) {
    const { id, state, counts } = job
    await cli.printJson({
      topic: report.topic,
      partitions,
      job: { id, state, counts },
      snapshot: snapshotKey ?? null,
      warnings,
      offsets,
      ...(schemas === undefined ? {} : { schemas: schemas.registered }),
      refused,
      milliseconds,
    })
  } else {
    const rate = `${formatCount((job.counts.read / Math.max(milliseconds, 1)) * 1000)}/s`
    await cli.print(
      `job ${job.id} ${job.state}: ${formatMessages(job.counts.delivered)} in ${report.topic}, ${partitions} partitions, ${rate}`,
    )
    if (schemas !== undefined) await cli.print(`${formatCount(schemas.registered)} schemas are registered`)
    if (snapshotKey === undefined)
      await cli.print('the archive has no snapshot of this topic: settings and groups are not restored')
    if (offsets.length > 0)
      await cli.print(
        `${formatCount(offsets.length)} offsets of consumer groups: ${[...new Set(offsets.map((one) => one.group))].join(', ')}`,
      )
    for (const { what, reason } of refused) await cli.print(`not restored: ${what}: ${reason}`)
  }
  if (job.state !== 'done') {
    throw new MillpondError(
      'DELIVERY_FAILED',
      `job ${job.id} is ${job.state}${job.error === null ? '' : `: ${job.error.message}`}; millpond restore --topic ${topic} --resume ${job.id} goes on`,
      { details: { job: job.id, state: job.state } },
    )
  }
  if (job.counts.failed > 0)
    throw new MillpondError(
      'DELIVERY_FAILED',
      `${formatMessages(job.counts.failed)} were refused; millpond jobs show ${job.id} lists them`,
    )
}
