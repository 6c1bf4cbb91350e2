import { mkdtemp, open, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { Config } from '../../config/config.ts'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { followChains } from '../../index/follow.ts'
import { nearest } from '../../nearest.ts'
import { readTopic } from '../../query/read.ts'
import { queryTopics, type QueryTopic } from '../../query/topics.ts'
import { learnTopics } from '../../query/value-topic.ts'
import { onlyHolding } from '../../query/only-holding.ts'
import { readValues } from '../../query/value-read.ts'
import type { ValueOptions } from '../../query/value-segment.ts'
import { createReadStats, type ReadStats } from '../../search/read.ts'
import { openParquetReader, openQuery } from '../../wiring.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatDuration, formatShare } from '../format.ts'
import { type OpenArchive, openArchive } from '../open.ts'
import { sizeOf, wholeNumber } from '../parse.ts'
import { explainReads } from '../query-explain.ts'
import { createQueryPrinter, QUERY_FORMATS, type QueryFormat } from '../query-out.ts'

interface QueryOptions {
  readonly format?: QueryFormat
  readonly out?: string
  readonly limitRows?: number
  readonly memory: number
  readonly allowFiles?: true
  readonly explain?: true
  readonly sample?: number
  readonly only?: 'messages' | 'values'
  readonly follow: boolean
}

const GiB = 1024 ** 3
/** Rows of a table, which is kept until it is complete. */
const TABLE_ROWS = 1000

/** `millpond query`: SQL over topics. */
export function queryCommand(cli: Cli): Command {
  return defineCommand('query', {
    summary: 'ask topics in SQL; print a table, CSV or JSON, or write Parquet',
    description: `Asks the archive in DuckDB's SQL; the package @duckdb/node-api has to be installed. Each topic is a view of its name with the columns
topic, lane, position, timestamp, key, value, headers and id; bytes.<topic> has keys, values and headers as BLOB. Conditions on lane,
position, timestamp, key and id choose which blocks are read; the last line, on stderr, says how many. A topic whose objects hold values alone
(value-avro, value-parquet, value-json, csv, raw) has the columns of its values, those of its path (year, month), and _topic, _lane, _position,
_object, _min_timestamp and _max_timestamp. A query cannot reach files or the network unless --allow-files is given. docs/query.md has more.`,
    examples: [
      { run: `millpond query "select lane, count(*) from orders group by lane"`, does: 'without reading a message' },
      {
        run: `millpond query "select value->>'$.city' as city, count(*) from orders group by all"`,
        does: 'a field of JSON values',
      },
      { run: `millpond query "from orders where key = '4711'" --format json`, does: 'one key, by the filters' },
      { run: `millpond query "from orders where timestamp > now() - interval 1 hour" --explain`, does: 'what would be read' },
      { run: `millpond query "from orders" --out orders.parquet`, does: 'a topic as a Parquet file' },
      {
        run: `millpond query "select city, sum(amount) from sales where year = '2026' and month = '11' group by all"`,
        does: 'values in value-parquet under a path by month',
      },
    ],
  })
    .argument('<sql>', 'one statement')
    .addOption(new Option('-f, --format <format>', 'table on a terminal, csv elsewhere; json with --json').choices(QUERY_FORMATS))
    .addOption(new Option('-o, --out <file>', 'write the answer there; its ending says the format where none is given'))
    .addOption(
      new Option('-n, --limit-rows <count>', 'rows to print (a table: 1000)').argParser(wholeNumber('--limit-rows', 1, 1e9)),
    )
    .addOption(
      new Option('--memory <size>', 'for DuckDB; it goes on in temporary files')
        .argParser(sizeOf('--memory'))
        .default(GiB, '1 GiB'),
    )
    .addOption(new Option('--allow-files', 'let the query read and write files'))
    .addOption(
      new Option('--sample <objects>', 'objects of values that are looked at to learn their columns').argParser(
        wholeNumber('--sample', 1, 1e9),
      ),
    )
    .addOption(
      new Option('--only <what>', 'of topics with both: objects of whole messages, or of values alone').choices([
        'messages',
        'values',
      ]),
    )
    .addOption(new Option('--explain', 'only say what would be read'))
    .addOption(new Option('--no-follow', 'do not bring the index up to date first'))
    .action((sql: string, options: QueryOptions) => ask(cli, sql, options))
}

/** Where an answer goes and how. */
interface Destination {
  readonly format: QueryFormat
  readonly path: string | undefined
  /** What is written first, and gets the name when it is complete. */
  readonly unfinished: string | undefined
}

function destinationOf(cli: Cli, { format, out }: QueryOptions): Destination {
  const ending = QUERY_FORMATS.find((name) => out?.toLowerCase().endsWith(`.${name}`))
  const standard = cli.json ? 'json' : cli.printsToTerminal && out === undefined ? 'table' : 'csv'
  const chosen = format ?? ending ?? standard
  if (chosen === 'parquet' && out === undefined) throw new MillpondError('USAGE', '--format parquet needs --out FILE')
  const path = out === undefined ? undefined : resolve(out)
  return { format: chosen, path, unfinished: path === undefined ? undefined : `${path}.${process.pid}.unfinished` }
}

async function ask(cli: Cli, sql: string, options: QueryOptions): Promise<void> {
  const config = await cli.loadConfig()
  const destination = destinationOf(cli, options)
  const { format, path, unfinished } = destination
  await using cleanup = new AsyncDisposableStack()
  const tempFolder = await mkdtemp(join(tmpdir(), 'millpond-query-'))
  cleanup.defer(() => rm(tempFolder, { recursive: true, force: true }))
  if (unfinished !== undefined) cleanup.defer(() => rm(unfinished, { force: true }))
  const maxRows = options.limitRows ?? (format === 'table' ? TABLE_ROWS : undefined)
  const query = cleanup.use(
    await openQuery({
      sql,
      answer:
        format === 'parquet' && unfinished !== undefined
          ? { form: 'parquet', path: unfinished }
          : { form: format === 'json' ? 'json' : 'text', ...(maxRows === undefined ? {} : { maxRows }) },
      memoryBytes: options.memory,
      tempFolder,
      allowFiles: options.allowFiles === true,
      signal: cli.signal,
    }),
  )
  const opened = cleanup.use(await openFollowed(cli, config, query.tables, options.follow))
  const archive = options.only === undefined ? opened : onlyHolding(opened, options.only)
  const { topics: named, missing } = await queryTopics(archive.index, query.tables)
  const stats = createReadStats()
  const formats = valueOptions(config)
  try {
    // A statement that names no topic wants to know their names.
    const sample = query.tables.length === 0 ? 1 : options.sample
    const topics = await learnTopics(archive, named, { ...formats, sample, signal: cli.signal })
    if (options.explain) return await explainReads(cli, archive, topics, await query.explain(topics))
    const startedMs = performance.now()
    const rows = await run(cli, { query, archive, topics, formats, stats, destination, maxRows })
    if (path !== undefined && unfinished !== undefined) await rename(unfinished, path)
    report(cli, stats, rows, performance.now() - startedMs)
  } catch (error) {
    throw withHint(error, missing, await knownNames(archive))
  }
}

/** How objects of values are read: what the configuration says of lines, and a reader of Parquet that is loaded when it is needed. */
function valueOptions({ archive }: Config): ValueOptions {
  let parquet: ReturnType<typeof openParquetReader> | undefined
  return { formatOptions: archive.formatOptions, openParquet: () => (parquet ??= openParquetReader()) }
}

/** Opens the archive; where one topic is asked, only that one is brought up to date, unless it is spelt in another way. */
async function openFollowed(cli: Cli, config: Config, tables: readonly string[], follow: boolean): Promise<OpenArchive> {
  const { signal } = cli
  const [topic] = tables.length === 1 ? tables : []
  await using opened = new AsyncDisposableStack()
  const archive = opened.use(await openArchive(config, { follow, topic, signal }))
  if (follow && topic !== undefined && (await archive.index.lanes(topic)).length === 0) {
    await followChains(archive.store, archive.index, {}, signal)
  }
  opened.move()
  return archive
}

interface Run {
  readonly query: Awaited<ReturnType<typeof openQuery>>
  readonly archive: OpenArchive
  readonly topics: readonly QueryTopic[]
  readonly formats: ValueOptions
  readonly stats: ReadStats
  readonly destination: Destination
  readonly maxRows: number | undefined
}

async function run(cli: Cli, { query, archive, topics, formats, stats, destination, maxRows = Infinity }: Run): Promise<number> {
  const { format, unfinished } = destination
  const printer = createQueryPrinter(format === 'parquet' ? 'json' : format)
  await using file = format === 'parquet' || unfinished === undefined ? undefined : await openOutput(unfinished)
  const write = async (text: string): Promise<void> => {
    if (text !== '') await (file === undefined ? cli.write(text) : file.write(text))
  }
  let printed = 0
  using progress = cli.progress({ label: 'reading', state: () => ({ count: stats.messagesRead, bytes: stats.bytesRead }) })
  const rows = await query.run(
    {
      topics,
      read: ({ name: topic, values }, conditions, columns, signal) =>
        values === undefined
          ? readTopic(archive, topic, { conditions, columns }, { stats, signal })
          : readValues(archive, { ...formats, topic, values, conditions, columns }, { stats, signal }),
    },
    {
      columns: (columns) => write(printer.columns(columns.map(({ name }) => name))),
      async rows(some) {
        const shown = some.slice(0, maxRows - printed)
        printed += shown.length
        await write(printer.rows(shown))
      },
    },
  )
  if (format === 'parquet') return rows
  await write(printer.end())
  if (rows > printed) progress.note(`only the first ${formatCount(printed)} rows are shown; --limit-rows asks for more`)
  return printed
}

async function openOutput(path: string) {
  try {
    const file = await open(path, 'w')
    return { write: (text: string) => file.writeFile(text), [Symbol.asyncDispose]: () => file.close() }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new MillpondError('OUTPUT_FAILED', `cannot write into ${dirname(path)}: ${why}`, { cause: error })
  }
}

function report(cli: Cli, { blocksRead, blocksTotal, bytesRead, bytesTotal }: ReadStats, rows: number, elapsedMs: number): void {
  if (cli.json) {
    const milliseconds = Math.round(elapsedMs * 10) / 10
    cli.note(JSON.stringify({ rows, blocksRead, blocksTotal, bytesRead, bytesTotal, milliseconds }))
    return
  }
  const blocks = `read ${formatCount(blocksRead)} of ${formatCount(blocksTotal)} blocks`
  const bytes = `${formatBytes(bytesRead)} of ${formatBytes(bytesTotal)}, ${formatShare(bytesRead, bytesTotal)}`
  cli.note(`${blocks} (${bytes}), ${formatCount(rows)} row${rows === 1 ? '' : 's'} in ${formatDuration(elapsedMs)}`)
}

const knownNames = async ({ index }: OpenArchive): Promise<string[]> => [
  ...new Set((await index.lanes()).map(({ topic }) => topic)),
]

/** DuckDB knows nothing of topics that were left out; it would guess at tables of its own. */
function withHint(error: unknown, missing: readonly string[], known: readonly string[]): unknown {
  if (isMillpondError(error, 'FORMAT_NOT_READABLE')) {
    const message = `${error.message}; --only messages or --only values asks for the ones or the others`
    return new MillpondError('FORMAT_NOT_READABLE', message, { cause: error, details: error.details })
  }
  if (!isMillpondError(error, 'QUERY_FAILED')) return error
  const wrong = missing.find((name) => error.message.includes(`Table with name ${name} does not exist`))
  if (wrong === undefined) return error
  const near = nearest(wrong, known)
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  return new MillpondError('TOPIC_UNKNOWN', `there is no topic ${wrong} in the archive${hint}`, {
    cause: error,
    details: { topic: wrong },
  })
}
