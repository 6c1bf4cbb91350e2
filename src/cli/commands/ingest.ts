import { stat } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { suitHeapToStream } from '../../api/heap.ts'
import type { MessageBatch } from '../../batch/batch.ts'
import { MillpondError, wrapError } from '../../errors.ts'
import { openKafkaInlet } from '../../wiring/kafka.ts'
import { openLog } from '../../wiring/local.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatDuration, formatMessages } from '../format.ts'
import { createIngestion, type Ingestion, type IngestFormat } from '../ingest.ts'
import { type ByteReader, createStreamReader, openFileReader } from '../line-chunks.ts'
import { wholeNumber } from '../parse.ts'

interface IngestOptions {
  readonly format: IngestFormat
  readonly partitions?: number
  readonly fromLine: number
}

/** One input, with its size where that is known. */
interface Input {
  readonly name: string
  readonly bytes: number | undefined
  open(): Promise<ByteReader>
}

/** `millpond ingest`: lines into the local log, or into Kafka. */
export function ingestCommand(cli: Cli): Command {
  return defineCommand('ingest', {
    summary: 'put lines of files or a pipe into a topic',
    description: `Puts each line into the source (the local log, Kafka), durably, and makes the topic if it is new. With --format json (default) a line is an object such
as {"key":"a","value":{"n":1},"headers":{"h":"x"},"timestamp":1795248000000,"id":"7"}; with --format lines it is a value as it is.

A bad line ends it: every line before it is taken, none from it on. The error names the line, and --from-line goes on there.`,
    examples: [
      { run: 'millpond ingest orders orders.jsonl', does: 'a file of messages' },
      { run: 'journalctl -f | millpond ingest log --format lines -', does: 'each line of a pipe as a value' },
      { run: 'millpond ingest orders orders.jsonl --from-line 8', does: 'goes on behind a mended line' },
    ],
  })
    .argument('<topic>', 'the topic')
    .argument('[files...]', 'files; - or none is standard input')
    .addOption(new Option('-f, --format <format>', 'what a line is').choices(['json', 'lines']).default('json'))
    .addOption(
      new Option('-p, --partitions <count>', 'partitions of the topic, if it is new').argParser(
        wholeNumber('--partitions', 1, 1024),
      ),
    )
    .addOption(
      new Option('--from-line <line>', 'begin with this line of the only file')
        .argParser(wholeNumber('--from-line', 1))
        .default(1),
    )
    .action((topic: string, files: readonly string[], options: IngestOptions) => ingest(cli, topic, files, options))
}

async function ingest(cli: Cli, topic: string, files: readonly string[], options: IngestOptions): Promise<void> {
  if (options.fromLine > 1 && files.length > 1) throw new MillpondError('USAGE', '--from-line needs exactly one file')
  const inputs = await Promise.all((files.length === 0 ? ['-'] : files).map((file) => inputOf(cli, file)))
  const config = await cli.loadConfig()
  suitHeapToStream()
  if (config.source.type === 'kafka') {
    if (options.partitions !== undefined) throw new MillpondError('USAGE', 'topics of Kafka are made with its own tools')
    await using inlet = await openKafkaInlet(config)
    return await takeAndTell(cli, { topic, inputs, options }, (batch) => inlet.append(topic, batch))
  }
  await using log = await openLog(config)
  if (options.partitions !== undefined) {
    const known = (await log.topics()).find(({ name }) => name === topic)
    if (known === undefined) await log.createTopic(topic, { partitions: options.partitions })
    else if (known.partitions !== options.partitions) {
      throw new MillpondError('USAGE', `topic ${topic} has ${known.partitions} partitions already, which does not change`)
    }
  }
  await takeAndTell(cli, { topic, inputs, options }, (batch) => log.append(topic, batch))
}

interface Ordered {
  readonly topic: string
  readonly inputs: readonly Input[]
  readonly options: IngestOptions
}

async function takeAndTell(
  cli: Cli,
  { topic, inputs, options }: Ordered,
  append: (batch: MessageBatch) => Promise<unknown>,
): Promise<void> {
  const startedMs = performance.now()
  const ingestion = createIngestion(append, {
    format: options.format,
    nowMs: Date.now,
    signal: cli.signal,
  })
  await takeAll(cli, ingestion, inputs, options.fromLine)
  const seconds = (performance.now() - startedMs) / 1000
  const { messages, bytes } = ingestion
  if (cli.json) {
    return cli.printJson({
      topic,
      messages,
      bytes,
      seconds: Math.round(seconds * 1000) / 1000,
      messagesPerSecond: Math.round(messages / seconds),
    })
  }
  const rate = `${formatCount(messages / seconds)}/s`
  await cli.print(
    `${formatMessages(messages)} (${formatBytes(bytes)}) are in ${topic}, in ${formatDuration(seconds * 1000)}, ${rate}`,
  )
}

async function takeAll(cli: Cli, ingestion: Ingestion, inputs: readonly Input[], fromLine: number): Promise<void> {
  const total = inputs.every(({ bytes }) => bytes !== undefined) ? inputs.reduce((sum, { bytes }) => sum + bytes!, 0) : undefined
  using _ = cli.progress({
    label: 'ingesting',
    state: () => ({
      count: ingestion.messages,
      bytes: ingestion.bytes,
      ...(total === undefined || total === 0 ? {} : { fraction: Math.min(1, ingestion.bytes / total) }),
    }),
  })
  for (const input of inputs) {
    await using reader = await input.open()
    await ingestion.take(input.name, reader, fromLine)
  }
}

async function inputOf(cli: Cli, file: string): Promise<Input> {
  if (file === '-') return { name: 'standard input', bytes: undefined, open: async () => createStreamReader(cli.input) }
  try {
    const { size } = await stat(file)
    return { name: file, bytes: size, open: () => openFileReader(file) }
  } catch (error) {
    throw wrapError(error, 'USAGE', `cannot read ${file}`)
  }
}
