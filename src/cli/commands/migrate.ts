import { readFile, writeFile } from 'node:fs/promises'
import { Argument, type Command, Option } from 'commander'
import { MillpondError } from '../../errors.ts'
import type { Migration } from '../../migrate/draft.ts'
import { type Cli, defineCommand } from '../command.ts'

/** `millpond migrate`: kafka-connect, dataphos. */
export function migrateCommand(cli: Cli): Command {
  return defineCommand('migrate', {
    summary: 'make a millpond.yaml of the configuration of another tool',
    description:
      'Reads the configuration of a connector of Kafka Connect, or of Dataphos Persistor, and gives a millpond.yaml that writes the same names.\nEvery property is accounted for, in comments before it: mapped, always so, or not supported and why. docs/layouts.md says what differs.',
    examples: [
      {
        run: 'millpond migrate kafka-connect s3-sink.json --out millpond.yaml',
        does: 'of a sink for S3, Google Cloud Storage or Azure',
      },
      { run: 'millpond migrate dataphos persistor.env', does: 'of the variables of Dataphos Persistor' },
      { run: 'millpond migrate dataphos values.yaml --id orders', does: 'of the values of its Helm chart' },
    ],
  })
    .addCommand(connectCommand(cli))
    .addCommand(dataphosCommand(cli))
}

interface Options {
  readonly out?: string
  readonly id?: string
}

const file = () => new Argument('<file>', 'the configuration; - is standard input')
const out = () =>
  new Option('--out <file>', 'write the configuration there, and the account to stdout; a file that is there is left as it is')

function connectCommand(cli: Cli): Command {
  return defineCommand('kafka-connect', {
    summary: "read Confluent's or Aiven's sink for S3, Google Cloud Storage or Azure",
    description: "Reads properties, or JSON as Connect has it. The worker's properties may stand in the same file.",
    examples: [
      { run: 'curl -s localhost:8083/connectors/s3-sink | millpond migrate kafka-connect -', does: 'asks a running Connect' },
      { run: 'millpond migrate kafka-connect s3-sink.properties --json', does: 'the account as JSON' },
    ],
  })
    .addArgument(file())
    .addOption(out())
    .action(async (path: string, options: Options) => {
      const { migrateKafkaConnect } = await import('../../migrate/kafka-connect.ts')
      await give(cli, migrateKafkaConnect(await readInput(cli, path)), options)
    })
}

function dataphosCommand(cli: Cli): Command {
  return defineCommand('dataphos', {
    summary: 'read the variables or the Helm values of Dataphos Persistor',
    description:
      'Reads an environment file (NAME=value a line) with the variables of Persistor, Indexer and Resubmitter, or the values of the Helm chart.',
    examples: [{ run: 'millpond migrate dataphos persistor.env --out millpond.yaml', does: 'writes the new file' }],
  })
    .addArgument(file())
    .addOption(out())
    .addOption(new Option('--id <persistor>', 'which persistor of the Helm values, where there are several'))
    .action(async (path: string, options: Options) => {
      const { migrateDataphos } = await import('../../migrate/dataphos.ts')
      await give(cli, migrateDataphos(await readInput(cli, path), options.id), options)
    })
}

async function readInput(cli: Cli, path: string): Promise<string> {
  if (path === '-') return Buffer.concat(await Array.fromAsync(cli.input)).toString('utf8')
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new MillpondError('USAGE', `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

async function give(cli: Cli, migration: Migration, { out: path }: Options): Promise<void> {
  const { accountLines, migrationSummary, migrationYaml } = await import('../../migrate/write.ts')
  if (path !== undefined) await writeNew(path, migrationYaml(migration))
  if (cli.json) return cli.printJson({ ...migration, file: path ?? null })
  if (path === undefined) await cli.write(migrationYaml(migration))
  else await cli.print([...accountLines(migration), `wrote ${path}`].join('\n'))
  cli.note(`${migration.from}: ${migrationSummary(migration)}`)
  for (const { name, property } of migration.variables) cli.note(`set ${name} to what ${property} held`)
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    const reason = error instanceof Error && 'code' in error && error.code === 'EEXIST' ? 'it is there already' : String(error)
    throw new MillpondError('USAGE', `cannot write ${path}: ${reason}`, { cause: error })
  }
}
