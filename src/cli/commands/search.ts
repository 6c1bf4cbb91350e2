import { type Command, Option } from 'commander'
import { countMessages } from '../../search/count.ts'
import type { MessageQuery } from '../../search/query.ts'
import { createReadStats, type ReadStats, search } from '../../search/read.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatDuration, formatShare } from '../format.ts'
import { FORMATS, type MessageFormat, printed } from '../messages-out.ts'
import { type OpenArchive, openArchive, requireArchivedTopic } from '../open.ts'
import { wholeNumber } from '../parse.ts'
import { addSelection, queryOf, type SelectionOptions } from '../selection.ts'

interface SearchOptions extends SelectionOptions {
  readonly limit?: number
  readonly order: 'lane' | 'time'
  readonly count?: true
  readonly format: MessageFormat
  readonly decode?: true
  readonly follow: boolean
}

/** `millpond search`: finds messages in the archive. */
export function searchCommand(cli: Cli): Command {
  const command = defineCommand('search', {
    summary: 'find messages by topic, time, position, key, id, header or value',
    description: `Finds messages in the archive and prints them as JSON lines that lose nothing. All conditions must hold; ranges take their
beginning in and leave their end out. The index and the filters of each block choose what is read; the last line, on stderr, says
how much that was.`,
    examples: [
      { run: 'millpond search --topic orders --key 4711', does: 'every message with this key' },
      { run: 'millpond search -t orders --from -1h --order time', does: 'the last hour, lanes merged by time' },
      { run: 'millpond search -t orders --lane 3 --position 100..200', does: 'a range of one lane' },
      { run: 'millpond search --header trace=abc --format table', does: 'by a header, for reading' },
      { run: `millpond search -t orders --where '.amount > 100'`, does: 'by the value, with jq' },
      { run: `millpond search --filter '{"field":"header:region","in":["eu","uk"]}'`, does: 'by a filter' },
      { run: 'millpond search -t orders --count', does: 'how many there are' },
    ],
  })
  return addSelection(command)
    .addOption(new Option('-n, --limit <count>', 'not more than so many').argParser(wholeNumber('--limit', 1)))
    .addOption(new Option('--order <order>', 'lane after lane, or merged by time').choices(['lane', 'time']).default('lane'))
    .addOption(new Option('--count', 'only how many there are').conflicts(['limit']))
    .addOption(new Option('-f, --format <format>', 'how messages are printed').choices(FORMATS).default('json'))
    .addOption(new Option('--decode', 'show values of registered schemas as JSON'))
    .addOption(new Option('--no-follow', 'do not bring the index up to date first'))
    .action((options: SearchOptions) => find(cli, options))
}

async function find(cli: Cli, options: SearchOptions): Promise<void> {
  const config = await cli.loadConfig()
  await using archive = await openArchive(config, { follow: options.follow, topic: options.topic, signal: cli.signal })
  await requireArchivedTopic(archive, options.topic)
  const query = queryOf(options)
  const stats = createReadStats()
  const startedMs = performance.now()
  const found = options.count
    ? await countFound(cli, archive, query, stats)
    : await printFound(cli, archive, query, stats, options)
  const elapsedMs = performance.now() - startedMs
  if (cli.json) {
    const { bytesRead, bytesTotal, blocksRead, blocksTotal } = stats
    cli.note(
      JSON.stringify({ found, bytesRead, bytesTotal, blocksRead, blocksTotal, milliseconds: Math.round(elapsedMs * 10) / 10 }),
    )
  } else {
    const share = formatShare(stats.bytesRead, stats.bytesTotal)
    const read = `read ${formatBytes(stats.bytesRead)} of ${formatBytes(stats.bytesTotal)} (${share})`
    cli.note(`${read}, ${formatCount(found)} found in ${formatDuration(elapsedMs)}`)
  }
}

async function countFound(cli: Cli, archive: OpenArchive, query: MessageQuery, stats: ReadStats): Promise<number> {
  using _ = cli.progress({ label: 'counting', state: () => ({ count: stats.messagesRead, bytes: stats.bytesRead }) })
  const count = await countMessages(archive, query, { stats, signal: cli.signal })
  await (cli.json ? cli.printJson({ count }) : cli.print(String(count)))
  return count
}

async function printFound(
  cli: Cli,
  archive: OpenArchive,
  query: MessageQuery,
  stats: ReadStats,
  { order, limit, format, decode }: SearchOptions,
): Promise<number> {
  let found = 0
  const options = { order, stats, signal: cli.signal, ...(limit === undefined ? {} : { limit }) }
  for await (const { lane, batch } of search(archive, query, options)) {
    const shown = decode ? await archive.values.decode(batch, lane.topic, cli.signal) : batch
    await cli.write(printed(shown, lane, format))
    found += batch.count
  }
  return found
}
