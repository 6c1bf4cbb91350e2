import { setTimeout as wait } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { archivedTopics } from '../../commit/archived-topics.ts'
import type { Config } from '../../config/config.ts'
import type { IcebergConfig } from '../../config/iceberg-config.ts'
import { isMillpondError, MillpondError } from '../../errors.ts'
import type { Catalog } from '../../iceberg/catalog.ts'
import { tableFolder } from '../../iceberg/file-catalog.ts'
import { type SyncOptions, type SyncReport, syncTopic } from '../../iceberg/sync.ts'
import type { Store } from '../../store/store.ts'
import { openIcebergCatalog } from '../../wiring/iceberg.ts'
import { openStore } from '../../wiring/store.ts'
import { topicMatcher } from '../../source/topic-names.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatCount, formatTable } from '../format.ts'
import { requireTopic } from '../open.ts'
import { durationOf } from '../parse.ts'

/** `millpond iceberg`: sync. */
export function icebergCommand(cli: Cli): Command {
  return defineCommand('iceberg', {
    summary: 'keep topics as Apache Iceberg tables',
    description:
      'A table names the Parquet segments of a topic as they lie in the archive; nothing is copied. Section `iceberg` says how.',
    examples: [{ run: 'millpond iceberg sync', does: 'adds what is new to the tables of all topics' }],
  }).addCommand(syncCommand(cli))
}

interface SyncWords {
  readonly follow?: true
  readonly every: number
}

function syncCommand(cli: Cli): Command {
  return defineCommand('sync', {
    summary: 'add new segments to the tables',
    description:
      'Makes tables where there are none, and adds to each, once, the Parquet segments of commits that it does not have. It may run at the same time as anything else, itself included.',
    examples: [
      { run: 'millpond iceberg sync orders', does: 'one topic' },
      { run: 'millpond iceberg sync --follow --every 1m', does: 'all of them, from now on' },
    ],
  })
    .argument('[topic...]', 'topics; without them those of iceberg.topics')
    .addOption(new Option('--follow', 'go on until stopped'))
    .addOption(new Option('--every <duration>', 'how often to look').argParser(durationOf('--every')).default(60_000, '1m'))
    .action(async (topics: readonly string[], { follow, every }: SyncWords) => {
      const config = await cli.loadConfig()
      const root = rootOf(config)
      await using store = await openStore(config, 'read')
      await using catalog = await openIcebergCatalog(config, store, root, cli.signal)
      const seen = new Map<string, SeenOfTopic>()
      for (;;) {
        const pass = { config: config.iceberg, store, catalog, root, topics, seen, quiet: follow === true }
        await (follow ? syncAgain(cli, pass) : syncOnce(cli, pass))
        if (!follow) return
        await wait(every, undefined, { signal: cli.signal }).catch(() => undefined)
        if (cli.signal.aborted) return
      }
    })
}

/** @throws MillpondError `CONFIG_INVALID` where nothing says how engines call the store. */
function rootOf({ iceberg, store }: Config): string {
  if (iceberg.root !== undefined) return iceberg.root
  throw new MillpondError(
    'CONFIG_INVALID',
    `iceberg.root is missing: nothing says under which address engines find the ${store.type} store`,
  )
}

/** What earlier passes read of a topic. */
type SeenOfTopic = Required<Pick<SyncOptions, 'seen' | 'rewrites'>>

interface Pass {
  readonly config: IcebergConfig
  readonly store: Store
  readonly catalog: Catalog
  readonly root: string
  readonly topics: readonly string[]
  readonly seen: Map<string, SeenOfTopic>
  /** Only what changed is told. */
  readonly quiet: boolean
}

/** As `syncOnce`; what passes by itself is told, and the next pass tries again. */
async function syncAgain(cli: Cli, pass: Pass): Promise<void> {
  try {
    await syncOnce(cli, pass)
  } catch (error) {
    if (cli.signal.aborted) return
    if (!isMillpondError(error) || !error.retryable) throw error
    cli.note(`${error.message} (${error.code}); trying again`)
  }
}

async function syncOnce(cli: Cli, pass: Pass): Promise<void> {
  const archived = await archivedTopics(pass.store, cli.signal)
  for (const topic of pass.topics) requireTopic(topic, archived, 'the archive')
  const isWanted = topicMatcher(pass.config.topics)
  const reports: SyncReport[] = []
  for (const topic of pass.topics.length > 0 ? pass.topics : archived.filter(isWanted)) {
    const report = await syncOne(pass, topic, cli.signal)
    reports.push(report)
    if (cli.json && (!pass.quiet || report.snapshots > 0)) await cli.printJson(report)
    tellOdd(cli, report)
  }
  const told = pass.quiet ? reports.filter(({ snapshots }) => snapshots > 0) : reports
  if (!cli.json && told.length > 0)
    await cli.print(formatTable([['topic', 'table', 'files', 'rows', 'snapshots', 'metadata'], ...told.map(rowOf)]))
}

const rowOf = ({ topic, table, files, rows, replaced, snapshots, metadata }: SyncReport): string[] => [
  topic,
  table,
  `${formatCount(files)}${replaced === 0 ? '' : ` for ${formatCount(replaced)}`}`,
  formatCount(rows),
  formatCount(snapshots),
  metadata ?? 'no Parquet segment yet',
]

/** What somebody may want to change. */
function tellOdd(cli: Cli, { topic, skipped, unpartitioned, leftOut }: SyncReport): void {
  if (skipped > 0)
    cli.note(
      `${topic}: ${formatCount(skipped)} segments are no Parquet files, and are in no table; archive.format: parquet writes such`,
    )
  if (unpartitioned > 0)
    cli.note(
      `${topic}: ${formatCount(unpartitioned)} files lie in several partitions, and are named without; a layout that parts them prunes better`,
    )
  for (const { column, reason } of leftOut) cli.note(`${topic}: the column ${column} is left out: ${reason}`)
}

function syncOne({ config, store, catalog, root, seen }: Pass, topic: string, signal: AbortSignal): Promise<SyncReport> {
  const settings = config.tables[topic]
  const name = { namespace: config.namespace, name: settings?.table ?? topic }
  const known: SeenOfTopic = seen.get(topic) ?? { seen: new Map(), rewrites: new Map() }
  seen.set(topic, known)
  const location = `${root}/${tableFolder(config.prefix, name)}`
  const terms = settings?.partition ?? config.partition
  return syncTopic({ store, root, catalog, topic, name, location, terms, ...known }, signal)
}
