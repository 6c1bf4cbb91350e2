import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { startKafka } from '../../test/servers/kafka.ts'
import { startMinio } from '../../test/servers/minio.ts'
import { startSchemaRegistry } from '../../test/servers/schema-registry.ts'

const main = resolve(import.meta.dirname, '../../src/cli/main.ts')
const COUNT = 3000
const PARTITIONS = 3

/** What a user has in the environment. */
type Surroundings = Readonly<Record<string, string>>

/** Runs a command as a user does; the `words` of it that they write are printed first. */
async function run(words: readonly string[], command: readonly [string, ...string[]], env: Surroundings): Promise<void> {
  process.stdout.write(`\n$ ${words.join(' ')}\n`)
  const [program, ...given] = command
  const child = spawn(program, given, { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'inherit'] })
  const [exitCode] = (await once(child, 'exit')) as [number | null]
  if (exitCode !== 0) throw new Error(`${words[0]} ended with ${exitCode}`)
}

/** Starts `millpond serve` and waits for its address. */
async function serve(folder: string, env: Surroundings): Promise<AsyncDisposable & { readonly url: string }> {
  process.stdout.write('\n$ millpond serve &\n')
  const words = [main, 'serve', '--dir', folder, '--port', '0', '--json']
  const child = spawn(process.execPath, words, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), exited])) as [unknown]
  if (typeof line !== 'string') throw new Error(`millpond serve ended with ${String(line)}`)
  const { url } = JSON.parse(line) as { url: string }
  process.stdout.write(`${url}\n`)
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** Prism's long-term storage: user events by the REST proxy's call into Kafka, and from there into MinIO below the days that they count for. */
export async function tour(words: readonly string[]): Promise<void> {
  await using opened = new AsyncDisposableStack()
  process.stdout.write(
    'starting Kafka, a schema registry and MinIO; the first time they are got and built, which takes minutes\n',
  )
  const [kafka, registry, minio] = await Promise.all([startKafka(), startSchemaRegistry(), startMinio()])
  for (const server of [kafka, registry, minio]) opened.defer(() => server.stop())
  await minio.createBucket('prism-lts')
  for (const topic of ['ac-user-event', 'prism-test']) await kafka.createTopic(topic, { partitions: PARTITIONS })
  const folder = await mkdtemp(join(tmpdir(), 'millpond-prism-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  await copyFile(join(import.meta.dirname, 'millpond.yaml'), join(folder, 'millpond.yaml'))
  const env = {
    // The scripts take the Node that runs this.
    PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
    KAFKA_BROKER: kafka.bootstrap,
    SCHEMA_REGISTRY: registry.url,
    S3_ENDPOINT: minio.endpoint,
    AWS_REGION: minio.region,
    AWS_ACCESS_KEY_ID: minio.accessKeyId,
    AWS_SECRET_ACCESS_KEY: minio.secretAccessKey,
  }
  const script = (name: string, given: readonly string[], url: string) =>
    run([`bin/${name}`, ...given], [join(import.meta.dirname, 'bin', name), ...given], { ...env, REST_PROXY: url })
  const check = ['check.ts', 'ac-user-event', String(COUNT)]
  {
    await using served = await serve(folder, env)
    await script('send_a_bunch_of_data', ['ac-user-event', String(COUNT)], served.url)
    await run(['node', ...check], [process.execPath, ...check.with(0, join(import.meta.dirname, 'check.ts'))], env)
    await script('kafka-connect-test', [], served.url)
  }
  await run(['millpond', 'verify'], [process.execPath, main, 'verify', '--dir', folder], env)
  if (!words.includes('--keep')) return
  process.stdout.write(`\nKafka is at ${kafka.bootstrap}, MinIO at ${minio.endpoint}, the folder is ${folder}; Ctrl-C ends all\n`)
  await once(process, 'SIGINT')
}
