import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { startAzurite } from '../../test/servers/azurite.ts'
import { startFakeGcs } from '../../test/servers/fake-gcs.ts'
import { startKafka } from '../../test/servers/kafka.ts'
import { compareTopics, sendOrders } from './orders.ts'

const main = resolve(import.meta.dirname, '../../src/cli/main.ts')
const COUNT = 20_000
const TOPIC = 'orders'
const COLLECTION = 'indexer_collection'

/** The request of Dataphos' quickstart, as it stands there. */
const REQUEST = `curl -XPOST -H "Content-type: application/json" -d '{
    "broker_id": "origin_broker_id",
    "lb": "0001-01-01T00:00:00Z",
    "ub": "2021-09-27T14:15:05Z"
}' 'http://<rsb-host>:8081/range/<mongo-collection>?topic=<destination_topic_id>'`

/** What a user has in the environment. */
type Surroundings = Readonly<Record<string, string>>

/** Runs a command as a user does; what they write is printed first. */
async function millpond(folder: string, words: readonly string[], env: Surroundings): Promise<void> {
  process.stdout.write(`\n$ millpond ${words.join(' ')}\n`)
  const child = spawn(process.execPath, [main, ...words, '--dir', folder], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [exitCode] = (await once(child, 'exit')) as [number | null]
  if (exitCode !== 0) throw new Error(`millpond ${words[0]} ended with ${exitCode}`)
}

interface Interfaces extends AsyncDisposable {
  readonly indexerUrl: string
  readonly resubmitterUrl: string
}

/** Starts `millpond dataphos` and waits for its addresses. */
async function startInterfaces(folder: string, env: Surroundings): Promise<Interfaces> {
  const addresses = {
    IDX_API_SERVER_ADDRESS: `127.0.0.1:${(await isFree(8080)) ? 8080 : 0}`,
    RSB_SERVER_ADDRESS: `127.0.0.1:${(await isFree(8081)) ? 8081 : 0}`,
  }
  process.stdout.write(
    `\n$ ${Object.entries(addresses)
      .map((pair) => pair.join('='))
      .join(' ')} millpond dataphos &\n`,
  )
  const child = spawn(process.execPath, [main, 'dataphos', '--dir', folder, '--json'], {
    env: { ...process.env, ...env, ...addresses },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), exited])) as [unknown]
  if (typeof line !== 'string') throw new Error(`millpond dataphos ended with ${String(line)}`)
  const urls = JSON.parse(line) as { readonly indexerUrl: string; readonly resubmitterUrl: string }
  process.stdout.write(`Indexer API at ${urls.indexerUrl}, Resubmitter at ${urls.resubmitterUrl}\n`)
  return {
    ...urls,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve: settle } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => settle(false))
  server.listen(port, '127.0.0.1', () => server.close(() => settle(true)))
  return promise
}

/** Runs a line of the shell, and gives what it says; without curl, the same request is sent by fetch. */
async function request(line: string): Promise<string> {
  process.stdout.write(`\n$ ${line}\n`)
  const child = spawn('sh', ['-c', `command -v curl >/dev/null || exit 127\n${line.replace(/^curl /u, 'curl -sS ')}`])
  let output = ''
  child.stdout.on('data', (part: Buffer) => (output += part.toString()))
  child.stderr.pipe(process.stderr)
  const [exitCode] = (await once(child, 'close')) as [number | null]
  if (exitCode === 127) {
    const [, body, url] = /-d '([^']*)' '([^']*)'$/u.exec(line)!
    output = await (await fetch(url!, { method: 'POST', headers: { 'content-type': 'application/json' }, body: body! })).text()
  } else if (exitCode !== 0) throw new Error(`curl ended with ${exitCode}`)
  process.stdout.write(`${JSON.stringify(JSON.parse(output), undefined, 4)}\n`)
  return output
}

interface Stand {
  readonly name: string
  readonly bootstrap: string
  readonly store: string
  readonly env: Surroundings
}

const configOf = ({
  name,
  bootstrap,
  store,
}: Stand): string => `source: { type: kafka, topics: [${TOPIC}], group: persistor-${name} }
kafka: { brokers: ['${bootstrap}'], compression: gzip }
${store}
layout:
  type: dataphos
  dataphos:
    mask: topic/group/year/month/day/hour
    customValues: { topic: '{topic}', group: persistor-${name} }
dataphos:
  brokerIds: { ${TOPIC}: origin_broker_id }
log: { level: warn }
`

/** One of the quickstart's ways: from Kafka into the store, and back by the Resubmitter. */
async function runStand(stand: Stand): Promise<void> {
  const { name, bootstrap, env } = stand
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), `millpond-dataphos-${name}-`))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const config = configOf(stand)
  await writeFile(join(folder, 'millpond.yaml'), config)
  process.stdout.write(`\n${folder}/millpond.yaml\n${config}`)
  await millpond(folder, ['archive', '--once'], env)
  const destination = `orders-from-${name}`
  {
    await using interfaces = await startInterfaces(folder, env)
    const { port } = new URL(interfaces.resubmitterUrl)
    const indexed = await (await fetch(`${interfaces.indexerUrl}/range/${COLLECTION}/origin_broker_id?limit=1`)).text()
    process.stdout.write(`\nfirst row of the index: ${indexed}\n`)
    const line = REQUEST.replace('<rsb-host>', '127.0.0.1')
      .replace('<mongo-collection>', COLLECTION)
      .replace('<destination_topic_id>', destination)
      .replace(':8081', `:${port}`)
    const answer = JSON.parse(await request(line)) as {
      readonly status: number
      readonly summary: { readonly published_count: number }
    }
    if (answer.status !== 200 || answer.summary.published_count !== COUNT)
      throw new Error(`the Resubmitter answered ${JSON.stringify(answer)}`)
  }
  await compareTopics(bootstrap, { from: TOPIC, to: destination, count: COUNT })
  process.stdout.write(
    `\nall ${COUNT} messages came back from ${name}, each once, with key, headers and time, in the order of their partitions\n`,
  )
  await millpond(folder, ['verify'], env)
}

/** Dataphos Persistor's quickstart whole: Kafka into Google Cloud Storage and Azure Blob Storage, an index, and the Resubmitter's request as it stands there. */
export async function tour(words: readonly string[]): Promise<void> {
  await using opened = new AsyncDisposableStack()
  process.stdout.write(
    'starting Kafka, a Google Cloud Storage and an Azure Blob Storage; the first time they are got, which takes minutes\n',
  )
  const [kafka, gcs, azure] = await Promise.all([startKafka({ partitions: 3 }), startFakeGcs(), startAzurite()])
  for (const server of [kafka, gcs, azure]) opened.defer(() => server.stop())
  await Promise.all([gcs.createBucket('persistor'), azure.createContainer('persistor')])
  await kafka.createTopic(TOPIC, { partitions: 3, config: { 'retention.ms': '-1' } })
  await sendOrders(kafka.bootstrap, TOPIC, COUNT)
  process.stdout.write(`sent ${COUNT} messages of September 2021 to ${TOPIC}, 3 partitions\n`)
  const stands: readonly Stand[] = [
    {
      name: 'gcs',
      bootstrap: kafka.bootstrap,
      store: `store: { type: gcs }\ngcs: { bucket: persistor, endpoint: '${gcs.apiEndpoint}', anonymous: true }`,
      env: {},
    },
    {
      name: 'azure',
      bootstrap: kafka.bootstrap,
      store: "store: { type: azure }\nazure: { container: persistor, connectionString: '${AZURE_STORAGE_CONNECTION_STRING}' }",
      env: { AZURE_STORAGE_CONNECTION_STRING: azure.connectionString },
    },
  ]
  for (const stand of stands) await runStand(stand)
  if (!words.includes('--keep')) return
  process.stdout.write(
    `\nKafka is at ${kafka.bootstrap}, the stores at ${gcs.apiEndpoint} and ${azure.endpoint}; Ctrl-C ends all\n`,
  )
  await once(process, 'SIGINT')
}
