// `npm run -s bench:service -- --help`: look-ups and ranges over HTTP, what the index holds, replays from MinIO into Kafka.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { Client } from 'pg'
import { startKafka } from '../../test/servers/kafka.ts'
import { startMinio } from '../../test/servers/minio.ts'
import { startPostgres } from '../../test/servers/postgres.ts'
import { type Bench, type Figures, programWords, run as runCommand } from '../kafka/bench.ts'
import { ordersTopic } from '../kafka/fill.ts'
import { median } from '../kafka/rounds.ts'
import { guardCosts } from './guard.ts'
import { lookUpIds, readRanges, searchWhileArchiving } from './lookups.ts'
import { archiveTopic, replayByWorkers, replayOnce } from './replays.ts'
import { startService, writeConfig } from './service.ts'

const CASES = [
  'lookup-sqlite',
  'range-sqlite',
  'rows-sqlite',
  'lookup-postgres',
  'range-postgres',
  'rows-postgres',
  'searches-while-archiving',
  'guard',
  'replay',
  'replay-marked',
  'replay-workers',
  'replay-workers-function',
] as const

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000000' },
    'replay-messages': { type: 'string', default: '1000000' },
    lookups: { type: 'string', default: '300' },
    ranges: { type: 'string', default: '60' },
    requests: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '3' },
    folder: { type: 'string' },
    case: { type: 'string', multiple: true },
    source: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const HELP = `bench:service [--case NAME]… [--messages N] [--folder FOLDER] [--json]

Measures the service over an archive of generated messages (200-byte JSON values, 16-byte keys and ids, 3 headers) in 4 lanes, in a folder of the local
disk, and replays from MinIO into Kafka. A line for each case; what fails is told as \`failed\`, and the exit code is 1.

  --case NAME            one of those below; all unless given
  --messages N           in the archive of look-ups; 100000000 unless given (6.2 GB, made once in some minutes)
  --folder FOLDER        where that archive is made and kept for the next run; otherwise it is removed
  --lookups N            300 unless given; the first tenth is not counted
  --ranges N             60 unless given; the first tenth is not counted
  --replay-messages N    1000000 unless given
  --requests N           of the guard; 20000 unless given
  --rounds N             of the guard and the replay; 3 unless given, the first is not counted
  --source               the program from its source, not from dist

Cases, each with the index in SQLite and in PostgreSQL:
  lookup-…           GET /search?id=…: ms from the request to the last byte, one after the other, ids drawn at random
  range-…            GET /search of 10,000 messages of a lane: ms to the first byte and to the last
  rows-…             rows of the index for a million messages
Then:
  searches-while-archiving  twenty callers look up ids in 10 million messages for 20 seconds while others put messages, all of which are archived
  guard              CPU time of a request of GET /topics: by nobody in particular, with 20 keys, with limits, with an audit file
  replay             \`millpond replay --to kafka:…\`, a recorded job from MinIO: messages a second in the order of each lane
  replay-marked      the same with the marks that are standard: four headers that name the job and the origin of each message
  replay-workers     the same job by one and by two worker processes
  replay-workers-function  a job whose messages go through a JavaScript function, by one and by two
`

const wanted = (values.case ?? CASES) as readonly string[]
const program = programWords(values.source)
const [command = '', ...programArguments] = program
const runProgram = (words: readonly string[]) => runCommand(command, [...programArguments, ...words], process.cwd())
const tell = (name: string, figures: Figures): void => {
  if (figures['failed'] !== undefined) process.exitCode = 1
  process.stdout.write(values.json ? `${JSON.stringify({ case: name, ...figures })}\n` : `${name}: ${JSON.stringify(figures)}\n`)
}
const note = (line: string): void => void process.stderr.write(`${line}\n`)

/** Runs the cases of a name, and tells what each found or why it failed. */
async function run(name: string, act: () => Promise<Figures>): Promise<void> {
  if (!wanted.includes(name)) return
  note(`runs ${name}`)
  tell(name, await act().catch((error: unknown) => ({ failed: String(error) })))
}

/** The archive of look-ups, made unless the folder holds it. Gives the folder of its data. */
async function makeArchive(folder: string, messages: string): Promise<string> {
  note(`makes an archive of ${messages} messages in ${folder}, unless it is there`)
  const words = ['bench', 'search-id', '--messages', messages, '--folder', folder, '--keep', '--json']
  await runProgram(words)
  return join(folder, 'archive', 'millpond-data')
}

async function lookupCases(
  kind: 'sqlite' | 'postgres',
  folder: string,
  index: object,
  countRows: () => Promise<number>,
): Promise<void> {
  const messages = Number(values.messages)
  await using service = await startService(program, folder)
  const ran = `${messages} messages in 4 lanes, store in a folder, index in ${JSON.stringify(index)}`
  await run(`lookup-${kind}`, async () => ({
    ...(await lookUpIds(service.url, messages, Number(values.lookups))),
    goalMs: 20,
    ran,
  }))
  await run(`range-${kind}`, async () => {
    const size = 10_000
    const { firstByte, whole } = await readRanges(service.url, messages, { count: Number(values.ranges), size })
    return { firstByte, whole, goalFirstByteMs: 50, size, ran }
  })
  await run(`rows-${kind}`, async () => {
    const rows = await countRows()
    return { rows, rowsPerMillionMessages: Number(((rows / messages) * 1e6).toFixed(2)), goal: 50, dataphos: 1_000_000, ran }
  })
}

async function sqliteCases(base: string, archive: string): Promise<void> {
  if (!wanted.some((name) => name.endsWith('sqlite'))) return
  const folder = join(base, 'serve-sqlite')
  const path = join(archive, 'index.sqlite')
  await writeConfig(folder, {
    store: { type: 'file', path: join(archive, 'archive') },
    index: { type: 'sqlite', path },
    log: { level: 'warn' },
  })
  await lookupCases('sqlite', folder, { type: 'sqlite' }, async () => {
    const database = new DatabaseSync(path, { readOnly: true })
    const tables = ['lanes', 'commits', 'segments', 'directory']
    const rows = tables.map((table) => Number(database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.['rows']))
    database.close()
    return rows.reduce((sum, count) => sum + count, 0)
  })
}

async function postgresCases(base: string, archive: string): Promise<void> {
  if (!wanted.some((name) => name.endsWith('postgres'))) return
  await using server = await startPostgres()
  await server.createDatabase('millpond')
  const url = server.url('millpond')
  const folder = join(base, 'serve-postgres')
  await writeConfig(folder, {
    store: { type: 'file', path: join(archive, 'archive') },
    index: { type: 'postgres' },
    jobs: { type: 'sqlite' },
    postgres: { url },
    log: { level: 'warn' },
  })
  note('fills the index in PostgreSQL')
  await runProgram(['index', 'rebuild', '--dir', folder, '--json'])
  await lookupCases('postgres', folder, { type: 'postgres' }, async () => {
    const client = new Client({ connectionString: url })
    await client.connect()
    const { rows: tables } = await client.query<{ name: string }>(
      "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'millpond' AND tablename !~ '_p?[0-9]+$'",
    )
    let rows = 0
    for (const { name } of tables)
      rows += Number((await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${name}`)).rows[0]?.n)
    await client.end()
    return rows
  })
}

/** Twenty callers search ten million messages of a service that archives what others put. */
async function liveCase(base: string): Promise<void> {
  await run('searches-while-archiving', async () => {
    const messages = Math.min(10_000_000, Number(values.messages))
    const data = await makeArchive(join(base, 'live'), String(messages))
    const folder = join(base, 'serve-live')
    await writeConfig(folder, {
      data,
      archive: { rotate: { maxAge: '1s', idle: '500ms' } },
      log: { level: 'warn' },
    })
    await using service = await startService(program, folder)
    const figures = await searchWhileArchiving(service.url, messages, { callers: 20, seconds: 20 })
    return {
      ...figures,
      ran: `${messages} messages, two callers put 500 lines at a time; service, callers and load on the same two cores`,
    }
  })
}

async function replayCases(base: string): Promise<void> {
  if (!wanted.some((name) => name.startsWith('replay'))) return
  await using kafka = await startKafka({ forBenchmark: true })
  await using minio = await startMinio()
  const bench: Bench = { kafka, minio, folder: base, program }
  const topic = ordersTopic(Number(values['replay-messages']))
  note(`archives ${topic.messages} messages of Kafka into MinIO`)
  const folder = await archiveTopic(bench, topic)
  for (const [name, marks] of [
    ['replay', false],
    ['replay-marked', true],
  ] as const) {
    await run(name, async () => {
      const rounds: Figures[] = []
      for (let round = 0; round < Number(values.rounds); round++)
        rounds.push(await replayOnce(bench, folder, topic, { round, marks }))
      const counted = rounds.length > 1 ? rounds.slice(1) : rounds
      const figures = Object.keys(counted[0]!).map((figure) => [figure, median(counted.map((each) => Number(each[figure])))])
      return {
        ...(Object.fromEntries(figures) as Figures),
        goal: 400_000,
        ran: `${topic.ran}; from MinIO into Kafka ${kafka.version}`,
      }
    })
  }
  for (const [name, changes, limit] of [
    ['replay-workers', false, 'which one worker fills'],
    ['replay-workers-function', true, 'of which one worker takes one for the function'],
  ] as const) {
    await run(name, async () => ({
      one: (await replayByWorkers(bench, folder, topic, { workers: 1, changes }))['messagesPerSecond'],
      two: (await replayByWorkers(bench, folder, topic, { workers: 2, changes }))['messagesPerSecond'],
      ran: `${topic.ran}; broker, MinIO and workers share the same two cores, ${limit}`,
    }))
  }
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(HELP)
  const unknown = wanted.find((name) => !CASES.some((one) => one === name))
  if (unknown !== undefined) throw new Error(`there is no case ${unknown}; there are ${CASES.join(', ')}`)
  const base = await mkdtemp(join(tmpdir(), 'millpond-bench-service-'))
  await using opened = new AsyncDisposableStack()
  opened.defer(() => rm(base, { recursive: true, force: true }))
  if (wanted.some((name) => /-(?:sqlite|postgres)$/u.test(name))) {
    const archive = await makeArchive(values.folder === undefined ? base : resolve(values.folder), values.messages)
    await sqliteCases(base, archive)
    await postgresCases(base, archive)
  }
  await liveCase(base)
  await run('guard', async () => ({
    ...(await guardCosts(program, base, { requests: Number(values.requests), rounds: Number(values.rounds) })),
    ran: `${values.requests} requests of GET /topics by 16 callers, nothing archived`,
  }))
  await replayCases(base)
}

await main()
