// `npm run -s bench:kafka -- [--messages N] [--case NAME]… [--peer NAME=COMMAND]… [--json]`: the archive and its peers on one Kafka topic.
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Kafka, startKafka } from '../../test/servers/kafka.ts'
import { type Minio, startMinio } from '../../test/servers/minio.ts'
import { fillTopic } from './fill.ts'

const TOPIC = 'orders'
const PARTITIONS = 8
const root = resolve(import.meta.dirname, '../..')

/** What one run of a program cost. */
interface Cost {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakMemoryMB: number
  readonly exitCode: number | null
}

/** The servers of a run, and where programs work. */
interface Bench {
  readonly kafka: Kafka
  readonly minio: Minio
  readonly folder: string
  readonly messages: number
  /** The program's words: the installed form where there is one. */
  readonly program: readonly string[]
}

type Figures = Readonly<Record<string, unknown>>

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '2000000' },
    case: { type: 'string', multiple: true },
    peer: { type: 'string', multiple: true },
    source: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function measured(bench: Bench, name: string, words: readonly string[]): Promise<{ cost: Cost; output: string }> {
  const resultFile = join(bench.folder, `${name}.json`)
  const child = spawn(process.execPath, [join(import.meta.dirname, 'measured-child.ts'), resultFile, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: bench.folder,
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = Promise.withResolvers<void>()
  child.once('close', () => ended.resolve())
  await ended.promise
  const cost = JSON.parse(await readFile(resultFile, 'utf8')) as Cost
  if (cost.exitCode !== 0) throw new Error(`${name} ended with ${cost.exitCode}: ${output}`)
  return { cost, output }
}

/** A folder with a configuration of its own: archive, index and jobs of one case. */
async function folderFor(bench: Bench, name: string, settings: Figures): Promise<string> {
  const folder = join(bench.folder, name)
  await mkdir(folder, { recursive: true })
  const { endpoint, region, accessKeyId, secretAccessKey } = bench.minio
  const bucket = `bench-${name}`
  await bench.minio.createBucket(bucket)
  const config = {
    source: { type: 'kafka', topics: [TOPIC], group: `bench-${name}` },
    kafka: { brokers: bench.kafka.bootstrap.split(',') },
    store: { type: 's3' },
    s3: { bucket, endpoint, region, accessKeyId, secretAccessKey },
    log: { level: 'warn' },
    ...settings,
  }
  await writeFile(join(folder, 'millpond.yaml'), JSON.stringify(config, undefined, 2))
  return folder
}

async function millpond(bench: Bench, name: string, folder: string, words: readonly string[]) {
  const { cost, output } = await measured(bench, name, [...bench.program, ...words, '--dir', folder, '--json'])
  return { cost, answer: JSON.parse(output) as Record<string, unknown> }
}

const perMessage = ({ cpuSeconds }: Cost, messages: number): number => Number(((cpuSeconds / messages) * 1e6).toFixed(3))

/** Archives the whole topic, then proves that the archive equals it. */
async function archive(bench: Bench, name: string, settings: Figures): Promise<Figures> {
  const folder = await folderFor(bench, name, settings)
  const { cost, answer } = await millpond(bench, name, folder, ['archive', '--once'])
  const messages = Number(answer['messages'])
  const proof = await millpond(bench, `${name}-verify`, folder, ['verify', '--against', 'kafka'])
  const isWhole = messages === bench.messages && Number(proof.answer['messages']) === bench.messages
  if (!isWhole) throw new Error(`${name}: ${messages} of ${bench.messages} messages are archived`)
  return {
    messagesPerSecond: Math.round(messages / (Number(answer['milliseconds']) / 1000)),
    messagesPerSecondWithStart: Math.round(messages / cost.seconds),
    cpuMicrosPerMessage: perMessage(cost, messages),
    peakMemoryMB: cost.peakMemoryMB,
    objects: Number(answer['segments']) + Number(answer['commits']),
    requests: answer['requests'],
    archivedMB: Math.round(Number(answer['bytes']) / 1e6),
  }
}

/** Restores what the archive of that case holds into another topic. */
async function restore(bench: Bench, name: string, from: string): Promise<Figures> {
  const words = ['restore', '--topic', TOPIC, '--as', `${TOPIC}-${name}`, '--no-groups']
  const { cost, answer } = await millpond(bench, name, join(bench.folder, from), words)
  const { counts } = answer['job'] as { counts: { delivered: number } }
  if (counts.delivered !== bench.messages)
    throw new Error(`${name}: ${counts.delivered} of ${bench.messages} messages are restored`)
  return {
    messagesPerSecond: Math.round(counts.delivered / (Number(answer['milliseconds']) / 1000)),
    messagesPerSecondWithStart: Math.round(counts.delivered / cost.seconds),
    cpuMicrosPerMessage: perMessage(cost, counts.delivered),
    peakMemoryMB: cost.peakMemoryMB,
  }
}

/** Kafka's own consumer, which only reads: messages a second. */
async function consumerPerformance({ kafka, messages }: Bench): Promise<number> {
  const words = ['--bootstrap-server', kafka.bootstrap, '--topic', TOPIC, '--num-records', String(messages), '--timeout', '60000']
  const output = await kafka.tool('ConsumerPerformance', words, { forBenchmark: true })
  const [head = '', line = ''] = output.trim().split('\n').slice(-2)
  const at = head.split(', ').indexOf('nMsg.sec')
  return Math.round(Number(line.split(', ')[at]))
}

/** A program of others, given as a command: it is told where everything is by its environment. */
async function peer(bench: Bench, name: string, command: string): Promise<Figures> {
  const bucket = `peer-${name}`
  await bench.minio.createBucket(bucket)
  const { endpoint, region, accessKeyId, secretAccessKey } = bench.minio
  Object.assign(process.env, {
    KAFKA_BROKERS: bench.kafka.bootstrap,
    KAFKA_TOPIC: TOPIC,
    MESSAGES: String(bench.messages),
    S3_ENDPOINT: endpoint,
    S3_BUCKET: bucket,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  })
  const { cost } = await measured(bench, `peer-${name}`, ['sh', '-c', command])
  return {
    messagesPerSecondWithStart: Math.round(bench.messages / cost.seconds),
    cpuMicrosPerMessage: perMessage(cost, bench.messages),
    peakMemoryMB: cost.peakMemoryMB,
  }
}

const cases: Readonly<Record<string, (bench: Bench) => Promise<Figures>>> = {
  'archive-avro': (bench) => archive(bench, 'avro', {}),
  'archive-kafka': (bench) => archive(bench, 'kafka', { archive: { format: 'kafka' } }),
  'restore-avro': (bench) => restore(bench, 'restored-avro', 'avro'),
  'restore-kafka': (bench) => restore(bench, 'restored-kafka', 'kafka'),
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(
      `bench:kafka [--messages N] [--case ${Object.keys(cases).join('|')}]… [--peer NAME=COMMAND]… [--source] [--json]\n`,
    )
    return
  }
  const wanted = values.case ?? Object.keys(cases)
  const unknown = wanted.find((name) => cases[name] === undefined)
  if (unknown !== undefined) throw new Error(`there is no case ${unknown}; there are ${Object.keys(cases).join(', ')}`)
  const folder = await mkdtemp(join(tmpdir(), 'millpond-bench-kafka-'))
  await using opened = new AsyncDisposableStack()
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const kafka = opened.use(await startKafka({ forBenchmark: true }))
  const minio = opened.use(await startMinio())
  const program = [process.execPath, values.source ? join(root, 'src/cli/main.ts') : join(root, 'dist/cli/main.js')]
  const bench: Bench = { kafka, minio, folder, messages: Number(values.messages), program }
  // The generated messages are older than a topic keeps them by default.
  await kafka.createTopic(TOPIC, { partitions: PARTITIONS, config: { 'retention.ms': '-1' } })
  await fillTopic(kafka.bootstrap, { topic: TOPIC, partitions: PARTITIONS, messages: bench.messages })
  const ran = `${bench.messages} messages of 200-byte JSON, 16-byte keys, 3 headers, lz4, ${PARTITIONS} partitions; Kafka ${kafka.version}, MinIO`
  const reading = await consumerPerformance(bench)
  const tell = (name: string, figures: Figures) => {
    const line = { case: name, ...figures, consumerPerformance: reading, ran }
    process.stdout.write(values.json ? `${JSON.stringify(line)}\n` : `${name}: ${JSON.stringify(figures)}\n`)
  }
  for (const name of wanted) tell(name, await cases[name]!(bench))
  for (const given of values.peer ?? []) {
    const at = given.indexOf('=')
    tell(`peer ${given.slice(0, at)}`, await peer(bench, given.slice(0, at), given.slice(at + 1)))
  }
}

await main()
