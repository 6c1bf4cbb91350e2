// `npm run -s bench:kafka -- --help`: the archive and its peers on one Kafka topic, and what else a Kafka archive has to bear.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startKafka } from '../../test/servers/kafka.ts'
import { startMinio } from '../../test/servers/minio.ts'
import { type Bench, type Figures, programWords } from './bench.ts'
import { removeCopies } from './clean.ts'
import { archive, type ArchiveCase, consumerPerformance, restore } from './copies.ts'
import { largeBatchesTopic, largeMessagesTopic, ordersTopic, type SourceTopic } from './fill.ts'
import { parsePeer, runPeer } from './peers.ts'
import { counted, type Entrant, median, runRounds, summarize } from './rounds.ts'
import { manyPartitions, memberDeath, type ServiceOptions } from './services.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '2000000' },
    'large-messages': { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '100000' },
    case: { type: 'string', multiple: true },
    peer: { type: 'string', multiple: true },
    source: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const archives: readonly ArchiveCase[] = [
  { name: 'archive-avro', format: 'avro' },
  { name: 'archive-kafka', format: 'kafka' },
  { name: 'archive-avro-threads-2', format: 'avro', threads: 2 },
  { name: 'archive-kafka-threads-2', format: 'kafka', threads: 2 },
]
/** By the archive that each restores. */
const restores: Readonly<Record<string, string>> = { 'restore-avro': 'archive-avro', 'restore-kafka': 'archive-kafka' }
const larges: readonly (ArchiveCase & { readonly topic: 'messages' | 'batches' })[] = [
  { name: 'messages-1mb', topic: 'messages', format: 'avro' },
  { name: 'messages-1mb-kafka', topic: 'messages', format: 'kafka' },
  { name: 'batches-5mb', topic: 'batches', format: 'avro' },
  { name: 'batches-5mb-kafka', topic: 'batches', format: 'kafka' },
]
const services: Readonly<Record<string, (bench: Bench, options: ServiceOptions) => Promise<Figures>>> = {
  'partitions-1000': manyPartitions,
  'member-death': memberDeath,
}
const caseNames = [
  ...archives.map(({ name }) => name),
  ...Object.keys(restores),
  ...larges.map(({ name }) => name),
  ...Object.keys(services),
]

const HELP = `bench:kafka [--case NAME]… [--peer NAME=COMMAND]… [--rounds N] [--messages N] [--source] [--json]

Archives and restores on a real Kafka and MinIO, in rounds over all cases and peers, each round in another order. The line of a case has the medians
of the rounds, and its slowest and fastest by messagesPerSecondWithStart. With more than one round the first warms the servers up and does not count.
Each archive is compared with its topic, offset by offset, after it was measured. What fails is told as \`failed\`, and the exit code is 1.

  --case NAME          one of those below; all unless given
  --peer NAME=COMMAND  a program of others, run by sh; it ends when all MESSAGES of KAFKA_TOPIC are in S3_BUCKET, or in RESTORE_TOPIC
  --rounds N           3 unless given
  --messages N         in the topic of archives, restores and batches-5mb; 2000000 unless given
  --large-messages N   in that of messages-1mb; 2000 unless given
  --rate N             messages a second of partitions-1000 and member-death, all partitions together; 100000 unless given
  --seconds N          for how long partitions-1000 is fed after all lanes are opened; 60 unless given
  --source             the program from its source, not from dist

In rounds, compared with peers (ofPeer: our rate with start by the peer's):
  archive-avro, archive-kafka, archive-avro-threads-2, archive-kafka-threads-2
  restore-avro, restore-kafka
In rounds:
  messages-1mb, messages-1mb-kafka    messages of 1 MB, half of which nothing compresses, as avro and kafka
  batches-5mb, batches-5mb-kafka      record batches of 5 MB
Once, after the rounds, each with a service that archives what a producer in this process sends:
  partitions-1000   memory over time, commits of lanes, the age of the oldest uncommitted message
  member-death      seconds from the kill of one of two archivers until the other has committed its lanes

A peer finds in its environment KAFKA_BROKERS, KAFKA_TOPIC, MESSAGES, ROUND, S3_ENDPOINT, S3_BUCKET, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. The
bucket is new in each round. A peer whose name ends in -restore runs after all archives, has the bucket of the peer whose name begins alike (kb-restore
that of kb) and writes into RESTORE_TOPIC, which it makes.
`

/** What takes part in the rounds: the wanted cases, those that they need, and the peers. */
function entrantsOf(bench: Bench, wanted: readonly string[], topics: Topics): Entrant[] {
  const needed = new Set([...wanted, ...wanted.flatMap((name) => restores[name] ?? [])])
  const isNeeded = ({ name }: ArchiveCase) => needed.has(name)
  const { orders } = topics
  const of = ({ ran }: SourceTopic) => ({ ran: `${ran}; Kafka ${bench.kafka.version}, MinIO` })
  const archiving = (stage: Entrant['stage'], topic: SourceTopic, which: ArchiveCase): Entrant => ({
    name: which.name,
    stage,
    ...of(topic),
    run: (round) => archive(bench, topic, round, which),
  })
  return [
    ...archives.filter(isNeeded).map((which) => archiving('archive', orders, which)),
    ...Object.entries(restores)
      .filter(([name]) => wanted.includes(name))
      .map(([name, from]) => ({
        name,
        stage: 'restore' as const,
        ...of(orders),
        run: (round: number) => restore(bench, orders, round, from),
      })),
    ...larges.filter(isNeeded).map((which) => archiving('large', topics[which.topic], which)),
    ...(values.peer ?? []).map(parsePeer).map((peer) => ({
      name: `peer ${peer.name}`,
      stage: peer.restores ? ('restore' as const) : ('archive' as const),
      peer: peer.name,
      ...of(orders),
      run: (round: number) => runPeer(bench, orders, round, peer),
    })),
  ]
}

interface Topics {
  readonly orders: SourceTopic
  readonly messages: SourceTopic
  readonly batches: SourceTopic
}

/** Runs the rounds and gives a line for each entrant. */
async function inRounds(bench: Bench, wanted: readonly string[], note: (line: string) => void): Promise<Figures[]> {
  const topics = {
    orders: ordersTopic(Number(values.messages)),
    messages: largeMessagesTopic(Number(values['large-messages'])),
    batches: largeBatchesTopic(Number(values.messages)),
  }
  const entrants = entrantsOf(bench, wanted, topics)
  if (entrants.length === 0) return []
  const isWanted = (topic: 'messages' | 'batches') => larges.some((each) => each.topic === topic && wanted.includes(each.name))
  const filled = [
    ...(entrants.some(({ stage }) => stage !== 'large') ? [topics.orders] : []),
    ...(['messages', 'batches'] as const).filter(isWanted).map((name) => topics[name]),
  ]
  for (const topic of filled) {
    note(`fills ${topic.name}`)
    await topic.fill(bench.kafka)
  }
  const readings: number[] = []
  const told = await runRounds(entrants, {
    rounds: Number(values.rounds),
    before: async () => void readings.push(await consumerPerformance(bench, filled[0]!)),
    after: () => removeCopies(bench, topics.orders.name),
    note,
  })
  return summarize(entrants, told).map((line) => ({ ...line, consumerPerformance: median(counted(readings)) }))
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(HELP)
  const wanted = values.case ?? caseNames
  const unknown = wanted.find((name) => !caseNames.includes(name))
  if (unknown !== undefined) throw new Error(`there is no case ${unknown}; there are ${caseNames.join(', ')}`)
  const folder = await mkdtemp(join(tmpdir(), 'millpond-bench-kafka-'))
  await using opened = new AsyncDisposableStack()
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  // Removed copies leave the disk before the next round.
  const kafka = opened.use(await startKafka({ forBenchmark: true, properties: { 'log.segment.delete.delay.ms': '500' } }))
  const minio = opened.use(await startMinio())
  const bench: Bench = { kafka, minio, folder, program: programWords(values.source) }
  const note = (line: string) => void process.stderr.write(`${line}\n`)
  const tell = (line: Figures) => {
    if (line['failed'] !== undefined) process.exitCode = 1
    process.stdout.write(values.json ? `${JSON.stringify(line)}\n` : `${String(line['case'])}: ${JSON.stringify(line)}\n`)
  }
  for (const line of await inRounds(bench, wanted, note)) tell(line)
  const options = { messagesPerSecond: Number(values.rate), seconds: Number(values.seconds) }
  for (const [name, run] of Object.entries(services)) {
    if (!wanted.includes(name)) continue
    note(`runs ${name}`)
    tell({ case: name, ...(await run(bench, options).catch((error: unknown) => ({ failed: String(error) }))) })
  }
}

await main()
