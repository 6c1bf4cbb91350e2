import { type Command, Option } from 'commander'
import { compactArchive, type CompactProgress, type LaneCompaction } from '../../compact/compact.ts'
import { archivedTopics } from '../../commit/archived-topics.ts'
import type { Codec, Format } from '../../encode/block.ts'
import { laneName } from '../../source/lane.ts'
import { openStore } from '../../wiring/store.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatDuration, formatMessages, formatTable } from '../format.ts'
import { requireTopic } from '../open.ts'
import { durationOf, sizeOf, wholeNumber } from '../parse.ts'

interface CompactWords {
  readonly lane?: string
  readonly targetSize: number
  readonly minObjects: number
  readonly format?: Format
  readonly codec?: Codec
  readonly level?: number
  readonly keepReplaced: number
  readonly dryRun?: true
}

const DAY_MS = 86_400_000
const TARGET_BYTES = 128 * 1024 * 1024
const MIN_OBJECTS = 8
const FORMATS = ['avro', 'kafka', 'json', 'parquet'] as const satisfies readonly Format[]
const CODECS = ['zstandard', 'deflate', 'snappy', 'null'] as const satisfies readonly Codec[]

/** `millpond compact`: merges small segments and converts others. */
export function compactCommand(cli: Cli): Command {
  return defineCommand('compact', {
    summary: 'merge small segments, and convert formats and codecs',
    description: `Writes the messages of small segments into larger ones, or all of them in another format or codec, reads what it wrote, compares it message
by message, and only then lets the new segments count, by a rewrite beside the chain. Archiving, searching and replaying go on meanwhile; what was
replaced is removed a day later, by this command or \`millpond verify --collect\`. It may be stopped at any time and begun again.`,
    examples: [
      { run: 'millpond compact --dry-run', does: 'what there is to gain' },
      { run: 'millpond compact orders', does: 'one topic' },
      {
        run: 'millpond compact --format parquet --codec zstandard',
        does: 'everything into Parquet, for `iceberg sync` and other engines',
      },
      { run: 'millpond compact --keep-replaced 0s', does: 'and remove at once what was replaced' },
    ],
  })
    .argument('[topic...]', 'topics; without them all')
    .addOption(new Option('-l, --lane <lane>', 'only this lane'))
    .addOption(
      new Option('--target-size <size>', 'bytes of a segment, about')
        .argParser(sizeOf('--target-size'))
        .default(TARGET_BYTES, '128 MiB'),
    )
    .addOption(
      new Option('--min-objects <count>', 'fewer small segments in a row are left alone')
        .argParser(wholeNumber('--min-objects', 2))
        .default(MIN_OBJECTS, String(MIN_OBJECTS)),
    )
    .addOption(new Option('--format <format>', 'rewrite segments in other formats in this one').choices(FORMATS))
    .addOption(new Option('--codec <codec>', 'rewrite segments in other codecs in this one').choices(CODECS))
    .addOption(new Option('--level <level>', 'of the codec').argParser(wholeNumber('--level', 1, 19)))
    .addOption(
      new Option('--keep-replaced <duration>', 'how long replaced segments stay for readers at work')
        .argParser(durationOf('--keep-replaced'))
        .default(DAY_MS, '1d'),
    )
    .addOption(new Option('--dry-run', 'count what there is to do'))
    .action((topics: readonly string[], words: CompactWords) => compact(cli, topics, words))
}

async function compact(cli: Cli, topics: readonly string[], words: CompactWords): Promise<void> {
  const config = await cli.loadConfig()
  const { archive } = config
  await using store = await openStore(config, words.dryRun ? 'read' : 'write')
  if (topics.length > 0) {
    const archived = await archivedTopics(store, cli.signal)
    for (const topic of topics) requireTopic(topic, archived, 'the archive')
  }
  const { lane, targetSize, minObjects, format, codec, level = archive.level, keepReplaced, dryRun } = words
  const startedMs = performance.now()
  const rules = {
    targetBytes: targetSize,
    minObjects,
    removeAfterMs: keepReplaced,
    ...(lane === undefined ? {} : { lane }),
    ...(format === undefined ? {} : { format }),
    ...(codec === undefined ? {} : { codec }),
    ...(dryRun === undefined ? {} : { dryRun }),
    merge: {
      codec: codec ?? archive.codec,
      ...(level === undefined ? {} : { level }),
      lookups: archive.lookups,
      blockBytes: archive.blockBytes,
      formatOptions: archive.formatOptions,
    },
  }
  const lanes: LaneCompaction[] = []
  let at: CompactProgress | undefined
  {
    using _ = cli.progress({ label: 'compacting', state: () => ({ count: at?.messages ?? 0, bytes: at?.bytes ?? 0 }) })
    const hooks = {
      signal: cli.signal,
      onProgress: (progress: CompactProgress) => {
        at = progress
      },
    }
    for (const topic of topics.length > 0 ? topics : [undefined])
      lanes.push(...(await compactArchive(store, { ...rules, ...(topic === undefined ? {} : { topic }) }, hooks)))
  }
  await report(cli, lanes, { dryRun: dryRun === true, milliseconds: performance.now() - startedMs })
}

async function report(
  cli: Cli,
  lanes: readonly LaneCompaction[],
  { dryRun, milliseconds }: { readonly dryRun: boolean; readonly milliseconds: number },
): Promise<void> {
  const sum = (count: (lane: LaneCompaction) => number) => lanes.reduce((total, lane) => total + count(lane), 0)
  const totals = {
    rewrites: sum(({ rewrites }) => rewrites),
    messages: sum(({ messages }) => messages),
    before: { objects: sum(({ before }) => before.objects), bytes: sum(({ before }) => before.bytes) },
    after: { objects: sum(({ after }) => after.objects), bytes: sum(({ after }) => after.bytes) },
    skipped: sum(({ skipped }) => skipped),
    removed: sum(({ removed }) => removed),
  }
  if (cli.json) return cli.printJson({ ...totals, dryRun, lanes, milliseconds: Math.round(milliseconds) })
  const rows = lanes
    .filter(({ rewrites }) => rewrites > 0)
    .map(({ lane, rewrites, messages, before, after }) => [
      laneName(lane),
      formatCount(messages),
      `${formatCount(before.objects)} (${formatBytes(before.bytes)})`,
      ...(dryRun ? [] : [`${formatCount(after.objects)} (${formatBytes(after.bytes)})`]),
      formatCount(rewrites),
    ])
  const heads = ['lane', 'messages', dryRun ? 'segments' : 'before', ...(dryRun ? [] : ['after']), 'rewrites']
  if (rows.length > 0) await cli.print(formatTable([heads, ...rows]))
  await cli.print(summary(totals, dryRun, milliseconds))
  if (totals.skipped > 0)
    cli.note(
      `${formatCount(totals.skipped)} segments stay as they are: their format does not keep all that messages had, or keys lie beside them`,
    )
}

interface Totals {
  readonly rewrites: number
  readonly messages: number
  readonly before: LaneCompaction['before']
  readonly after: LaneCompaction['after']
  readonly removed: number
}

function summary({ rewrites, messages, before, after, removed }: Totals, dryRun: boolean, milliseconds: number): string {
  const gone = removed > 0 ? `; ${formatCount(removed)} objects removed that were replaced earlier or left by a crash` : ''
  if (rewrites === 0) return `nothing to compact${gone}`
  if (dryRun)
    return `${formatMessages(messages)} in ${formatCount(before.objects)} segments would be rewritten, in ${formatCount(rewrites)} steps`
  return `compacted ${formatMessages(messages)}: ${formatCount(before.objects)} segments (${formatBytes(before.bytes)}) are ${formatCount(after.objects)} (${formatBytes(after.bytes)}) in ${formatDuration(milliseconds)}${gone}`
}
