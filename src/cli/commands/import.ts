import { randomBytes } from 'node:crypto'
import { Argument, type Command, Option } from 'commander'
import { IMPORTER } from '../../commit/commit.ts'
import type { LookupField } from '../../encode/block.ts'
import { isFormat } from '../../encode/formats.ts'
import { MillpondError } from '../../errors.ts'
import { type ImportOptions, importLane, type LaneImport } from '../../import/lane.ts'
import { byLane, IMPORT_KINDS, type ImportKind, importRules, type ImportObject, type LaneObjects } from '../../import/objects.ts'
import { laneName } from '../../source/lane.ts'
import type { Store } from '../../store/store.ts'
import { openStore } from '../../wiring/store.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatMessages, formatTable } from '../format.ts'

interface CommandOptions {
  readonly topic?: string
  readonly topicId?: string
  readonly dryRun?: true
}

/** `millpond import`: commits over objects that lie in the store already. */
export function importCommand(cli: Cli): Command {
  return defineCommand('import', {
    summary: 'take the archives of other programs in, without copying',
    description: `Makes objects that another program has put into the store part of the archive: they stay where they are, and commits name
them with their hashes, so that verify proves them, and search and replay find their messages as far as they were kept. Each
object is read once. It can be stopped and called again at any time: what is committed already is left alone. docs/import.md says what
each program keeps.`,
    examples: [
      { run: 'millpond import kafka-backup nightly/ --dry-run', does: 'say what would become part of the archive' },
      { run: 'millpond import kafka-backup nightly/', does: 'keys, values, headers, times and offsets of all topics' },
      { run: 'millpond import dataphos persisted/orders/ --topic orders', does: 'values, ids and attributes' },
      { run: 'millpond import confluent topics/ --topic orders', does: 'values; verified, not searched' },
    ],
  })
    .addArgument(new Argument('<program>', 'who wrote the objects').choices(IMPORT_KINDS))
    .argument('[prefix]', 'what keys of the objects begin with', '')
    .addOption(new Option('-t, --topic <topic>', 'only this topic; for dataphos what it is called'))
    .addOption(new Option('--topic-id <id>', "the topic's identity, where an archiver is to go on behind the import"))
    .addOption(new Option('--dry-run', 'read everything, and commit nothing'))
    .action((kind: ImportKind, prefix: string, options: CommandOptions) => importAll(cli, kind, prefix, options))
}

async function importAll(cli: Cli, kind: ImportKind, prefix: string, options: CommandOptions): Promise<void> {
  const rules = importRules(kind)
  if (rules.needsTopic && options.topic === undefined)
    throw new MillpondError('USAGE', `names of ${kind} do not tell the topic: --topic has to say it`)
  if (rules.positions !== 'stored' && options.topicId !== undefined)
    throw new MillpondError(
      'USAGE',
      `objects of ${kind} do not tell where a lane ends: nothing can go on behind them by --topic-id`,
    )
  const config = await cli.loadConfig()
  await using store = await openStore(config, options.dryRun ? 'read' : 'write')
  const { lanes, left } = await findObjects(store, kind, prefix, options.topic, cli.signal)
  const done = { count: 0, bytes: 0 }
  const total = lanes.reduce((sum, { objects }) => sum + objects.reduce((bytes, object) => bytes + object.bytes, 0), 0)
  const reports: LaneImport[] = []
  const failures: { readonly lane: string; readonly error: MillpondError }[] = []
  {
    using progress = cli.progress({
      label: options.dryRun ? 'reading' : 'importing',
      state: () => ({ ...done, fraction: total === 0 ? 1 : done.bytes / total }),
    })
    for (const lane of lanes) {
      try {
        reports.push(await importLane(store, lane, laneOptions(cli, kind, options, config.archive.lookups, done)))
      } catch (error) {
        // One damaged object is no reason to leave out all other lanes.
        if (!(error instanceof MillpondError) || error.retryable || error.exitCode === 6 || cli.signal.aborted) throw error
        progress.note(`${laneName(lane)}: ${error.message} (${error.code})`)
        failures.push({ lane: laneName(lane), error })
      }
    }
  }
  await report(cli, kind, reports, {
    left,
    failures: failures.map(({ lane, error: { code, message } }) => ({ lane, code, message })),
    dryRun: options.dryRun === true,
  })
  const [first] = failures
  if (first !== undefined)
    throw new MillpondError(
      first.error.code,
      `${failures.length} of ${lanes.length} lanes could not be imported: ${first.error.message}`,
      { details: first.error.details },
    )
}

function laneOptions(
  cli: Cli,
  kind: ImportKind,
  { topicId, dryRun }: CommandOptions,
  lookups: readonly LookupField[],
  done: { count: number; bytes: number },
): ImportOptions {
  return {
    rules: importRules(kind),
    topicId: topicId ?? `imported-${kind}`,
    lookups,
    dryRun: dryRun === true,
    writer: `${IMPORTER}${randomBytes(6).toString('hex')}`,
    now: Date.now,
    signal: cli.signal,
    onObject(bytes, messages) {
      done.bytes += bytes
      done.count += messages
    },
  }
}

/** Objects of the program below the prefix, and how many others there are. */
async function findObjects(
  store: Store,
  kind: ImportKind,
  prefix: string,
  topic: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly lanes: readonly LaneObjects[]; readonly left: number }> {
  const { parse } = importRules(kind)
  const found: ImportObject[] = []
  let left = 0
  for await (const object of store.list(prefix, {}, signal)) {
    if (object.key.startsWith('_millpond/')) continue
    const named = parse(object.key, topic)
    if (named !== undefined && isFormat(named.format)) found.push({ ...object, ...named })
    else left++
  }
  if (found.length === 0) {
    const where = prefix === '' ? store.name : `${store.name} below ${prefix}`
    throw new MillpondError('NOT_FOUND', `there is no object of ${kind} in ${where}`, { details: { prefix, others: left } })
  }
  return { lanes: byLane(found), left }
}

interface Outcome {
  /** Objects that are none of the program's data. */
  readonly left: number
  readonly failures: readonly { readonly lane: string; readonly code: string; readonly message: string }[]
  readonly dryRun: boolean
}

async function report(cli: Cli, program: ImportKind, lanes: readonly LaneImport[], outcome: Outcome): Promise<void> {
  const sum = (of: (lane: LaneImport) => number): number => lanes.reduce((total, lane) => total + of(lane), 0)
  const objects = sum((lane) => lane.objects)
  const messages = sum((lane) => lane.messages)
  const bytes = sum((lane) => lane.bytes)
  if (cli.json) return cli.printJson({ program, objects, messages, bytes, known: sum(({ known }) => known), ...outcome, lanes })
  const rows = lanes.map((lane) => [
    laneName(lane),
    formatCount(lane.objects),
    formatCount(lane.known),
    formatCount(lane.messages),
    lane.nextPosition === undefined ? '-' : `${lane.firstPosition}..${lane.nextPosition}`,
    formatCount(lane.missing),
  ])
  if (rows.length > 0) await cli.print(formatTable([['lane', 'objects', 'known', 'messages', 'positions', 'missing'], ...rows]))
  const verb = outcome.dryRun ? 'would be imported' : 'imported'
  await cli.print(`${formatMessages(messages)} in ${formatCount(objects)} objects (${formatBytes(bytes)}) ${verb}`)
  if (outcome.left > 0) cli.note(`${formatCount(outcome.left)} other objects were left out`)
}
