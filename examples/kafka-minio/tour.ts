import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { startKafka } from '../../test/servers/kafka.ts'
import { startMinio } from '../../test/servers/minio.ts'

const main = resolve(import.meta.dirname, '../../src/cli/main.ts')
const flights = resolve(import.meta.dirname, '../../node_modules/vega-datasets/data/flights-200k.json')
const COUNT = 50_000

interface Flight {
  readonly delay: number
  readonly distance: number
  readonly time: number
}

/** Real flights as messages: the key is the hour of departure. */
async function flightLines(): Promise<string[]> {
  const rows = JSON.parse(await readFile(flights, 'utf8')) as Flight[]
  return rows.slice(0, COUNT).map((flight, i) =>
    JSON.stringify({
      key: `hour-${Math.floor(flight.time)}`,
      value: flight,
      headers: { source: 'flights' },
      timestamp: Date.UTC(2026, 0, 1) + i * 1000,
    }),
  )
}

/** Runs the program as a user does; its words are printed first. */
async function millpond(folder: string, words: readonly string[], input?: readonly string[]): Promise<void> {
  process.stdout.write(`\n$ millpond ${words.join(' ')}\n`)
  const child = spawn(process.execPath, [main, ...words, '--dir', folder], {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'inherit', 'inherit'],
  })
  if (input !== undefined) Readable.from(input.map((line) => `${line}\n`)).pipe(child.stdin!)
  const [exitCode] = (await once(child, 'exit')) as [number | null]
  if (exitCode !== 0) throw new Error(`millpond ${words[0]} ended with ${exitCode}`)
}

/** Kafka into MinIO and back: archive, proof, look-up, restore, with 50,000 real flights. */
export async function tour(words: readonly string[]): Promise<void> {
  await using opened = new AsyncDisposableStack()
  process.stdout.write('starting Kafka and MinIO; the first time they are got and built, which takes minutes\n')
  const kafka = opened.use(await startKafka())
  const minio = opened.use(await startMinio())
  await minio.createBucket('pond')
  const folder = await mkdtemp(join(tmpdir(), 'millpond-kafka-minio-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const config = `source: { type: kafka, topics: ['flights*'], group: millpond }
kafka: { brokers: ['${kafka.bootstrap}'] }
store: { type: s3 }
s3:
  bucket: pond
  endpoint: ${minio.endpoint}
  region: ${minio.region}
  accessKeyId: ${minio.accessKeyId}
  secretAccessKey: \${MINIO_SECRET}
log: { level: warn }
`
  await writeFile(join(folder, 'millpond.yaml'), config)
  process.env['MINIO_SECRET'] = minio.secretAccessKey
  process.stdout.write(`\n${folder}/millpond.yaml\n${config}`)
  await kafka.createTopic('flights', { partitions: 8, config: { 'retention.ms': '-1' } })
  await millpond(folder, ['ingest', 'flights'], await flightLines())
  await millpond(folder, ['archive', '--once'])
  await millpond(folder, ['lag'])
  await millpond(folder, ['verify', '--against', 'kafka'])
  await millpond(folder, ['search', '--topic', 'flights', '--key', 'hour-8', '--limit', '2'])
  await millpond(folder, ['restore', '--topic', 'flights', '--as', 'flights-restored'])
  await millpond(folder, ['topics'])
  if (!words.includes('--keep')) return
  process.stdout.write(`\nKafka is at ${kafka.bootstrap}, MinIO at ${minio.endpoint}, the folder is ${folder}; Ctrl-C ends all\n`)
  await once(process, 'SIGINT')
}
