import { Command, Option } from 'commander'
import type { Cli } from './command.ts'
import { packageVersion } from './version.ts'

/** A command as the program knows it before it is loaded. */
interface Entry {
  readonly name: string
  readonly summary: string
  readonly group: string
  load(cli: Cli): Promise<Command>
}

const START = 'Start here:'
const IN = 'Take and keep:'
const OUT = 'Prove, find, replay:'
const MORE = 'Look after it:'

// Each command is loaded only when it is called: starting must not cost what other commands need.
const entries: readonly Entry[] = [
  {
    name: 'quickstart',
    summary: 'do the whole job once, on real data, and leave a folder to try things on',
    group: START,
    load: async (cli) => (await import('./commands/quickstart.ts')).quickstartCommand(cli),
  },
  {
    name: 'serve',
    summary: 'run it all: HTTP in, archive, index, retention',
    group: START,
    load: async (cli) => (await import('./commands/serve.ts')).serveCommand(cli),
  },
  {
    name: 'ingest',
    summary: 'put lines of files or a pipe into a topic',
    group: IN,
    load: async (cli) => (await import('./commands/ingest.ts')).ingestCommand(cli),
  },
  {
    name: 'archive',
    summary: 'archive what the source holds, once or from now on',
    group: IN,
    load: async (cli) => (await import('./commands/archive.ts')).archiveCommand(cli),
  },
  {
    name: 'topics',
    summary: 'list, show, create and delete topics',
    group: IN,
    load: async (cli) => (await import('./commands/topics.ts')).topicsCommand(cli),
  },
  {
    name: 'lag',
    summary: 'show how far the archive, or a consumer group, is behind',
    group: IN,
    load: async (cli) => (await import('./commands/lag.ts')).lagCommand(cli),
  },
  {
    name: 'search',
    summary: 'find messages by topic, time, position, key, id or header',
    group: OUT,
    load: async (cli) => (await import('./commands/search.ts')).searchCommand(cli),
  },
  {
    name: 'query',
    summary: 'ask topics in SQL; print a table, CSV or JSON, or write Parquet',
    group: OUT,
    load: async (cli) => (await import('./commands/query.ts')).queryCommand(cli),
  },
  {
    name: 'tail',
    summary: 'show the newest messages of a topic, and those to come',
    group: OUT,
    load: async (cli) => (await import('./commands/tail.ts')).tailCommand(cli),
  },
  {
    name: 'replay',
    summary: 'send any selection to a topic, a file or an HTTP address',
    group: OUT,
    load: async (cli) => (await import('./commands/replay.ts')).replayCommand(cli),
  },
  {
    name: 'restore',
    summary: 'bring a whole topic back into Kafka: settings, partitions, messages, group offsets',
    group: OUT,
    load: async (cli) => (await import('./commands/restore.ts')).restoreCommand(cli),
  },
  {
    name: 'iceberg',
    summary: 'keep topics as Apache Iceberg tables, for engines to query',
    group: OUT,
    load: async (cli) => (await import('./commands/iceberg.ts')).icebergCommand(cli),
  },
  {
    name: 'jobs',
    summary: 'list, show and cancel replays',
    group: OUT,
    load: async (cli) => (await import('./commands/jobs.ts')).jobsCommand(cli),
  },
  {
    name: 'schedules',
    summary: 'replay again and again, by a clock',
    group: OUT,
    load: async (cli) => (await import('./commands/schedules.ts')).schedulesCommand(cli),
  },
  {
    name: 'dataphos',
    summary: 'answer clients of Dataphos Persistor: its Indexer API and its Resubmitter',
    group: OUT,
    load: async (cli) => (await import('./commands/dataphos.ts')).dataphosCommand(cli),
  },
  {
    name: 'verify',
    summary: 'prove that each message is there once and each byte is as written',
    group: OUT,
    load: async (cli) => (await import('./commands/verify.ts')).verifyCommand(cli),
  },
  {
    name: 'import',
    summary: 'take the archives of other programs in, without copying',
    group: IN,
    load: async (cli) => (await import('./commands/import.ts')).importCommand(cli),
  },
  {
    name: 'index',
    summary: 'show, follow or rebuild the index',
    group: MORE,
    load: async (cli) => (await import('./commands/index-commands.ts')).indexCommand(cli),
  },
  {
    name: 'compact',
    summary: 'merge small segments, and convert formats and codecs',
    group: MORE,
    load: async (cli) => (await import('./commands/compact.ts')).compactCommand(cli),
  },
  {
    name: 'expire',
    summary: 'remove what is past its time; the chain goes on proving what was there',
    group: MORE,
    load: async (cli) => (await import('./commands/expire.ts')).expireCommand(cli),
  },
  {
    name: 'forget',
    summary: "remove one subject's messages; the chain goes on proving all others",
    group: MORE,
    load: async (cli) => (await import('./commands/forget.ts')).forgetCommand(cli),
  },
  {
    name: 'hold',
    summary: 'keep a topic from being expired or forgotten',
    group: MORE,
    load: async (cli) => (await import('./commands/hold.ts')).holdCommand(cli),
  },
  {
    name: 'removals',
    summary: 'list what was expired and forgotten, by whom and why',
    group: MORE,
    load: async (cli) => (await import('./commands/removals.ts')).removalsCommand(cli),
  },
  {
    name: 'migrate',
    summary: 'make a millpond.yaml of the configuration of another tool',
    group: MORE,
    load: async (cli) => (await import('./commands/migrate.ts')).migrateCommand(cli),
  },
  {
    name: 'config',
    summary: 'check, show or start a configuration',
    group: MORE,
    load: async (cli) => (await import('./commands/config.ts')).configCommand(cli),
  },
  {
    name: 'keys',
    summary: 'make keys for callers of the HTTP interface',
    group: MORE,
    load: async (cli) => (await import('./commands/keys.ts')).keysCommand(cli),
  },
  {
    name: 'openapi',
    summary: 'print the HTTP interface in OpenAPI, for clients, gateways and tests',
    group: MORE,
    load: async (cli) => (await import('./commands/openapi.ts')).openapiCommand(cli),
  },
  {
    name: 'bench',
    summary: 'measure this machine',
    group: MORE,
    load: async (cli) => (await import('./commands/bench.ts')).benchCommand(cli),
  },
  {
    name: 'completion',
    summary: 'print what makes a shell complete commands and options',
    group: MORE,
    load: async (cli) => {
      const { completionCommand } = await import('./commands/completion.ts')
      return completionCommand(cli, () => loadAll(cli))
    },
  },
]

/** The options that every command has. */
export interface CommonOptions {
  readonly config?: string
  readonly dir?: string
  readonly json?: true
}

/** The program with the commands that `words` call for; the others are there by name only, for the help and for suggestions. */
export async function buildProgram(cli: Cli, words: readonly string[]): Promise<Command> {
  const program = new Command('millpond')
    .description('Keeps every message of your streams and lets any of them flow again.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help for a command')
    .addOption(new Option('-c, --config <file>', 'configuration file (default: millpond.yaml in the folder)'))
    .addOption(new Option('-d, --dir <folder>', 'folder that relative paths count from (default: that of the file)'))
    .addOption(new Option('--json', 'one JSON object, or JSON lines, on stdout'))
    .addHelpText('after', '\nmillpond <command> --help shows examples. Documentation: docs/ in the package.')
    .allowExcessArguments(true)
  const called = calledCommands(words)
  for (const entry of entries) {
    const command = called.includes(entry.name) ? await entry.load(cli) : new Command(entry.name).summary(entry.summary)
    program.addCommand(command.summary(entry.summary).helpGroup(entry.group))
  }
  return program
}

/** The name of the command that is called, and of one that help is asked for. */
function calledCommands(words: readonly string[]): string[] {
  const operands: string[] = []
  for (let i = 0; i < words.length && operands.length < 2; i++) {
    const word = words[i]!
    if (word === '--config' || word === '-c' || word === '--dir' || word === '-d') i++
    else if (!word.startsWith('-')) operands.push(word)
  }
  return operands[0] === 'help' ? operands.slice(1) : operands.slice(0, 1)
}

async function loadAll(cli: Cli): Promise<Command> {
  return buildProgramOf(await Promise.all(entries.filter(({ name }) => name !== 'completion').map((entry) => entry.load(cli))))
}

function buildProgramOf(commands: readonly Command[]): Command {
  const program = new Command('millpond')
  for (const command of commands) program.addCommand(command)
  return program
}
