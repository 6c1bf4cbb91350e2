import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Kafka } from '../../test/servers/kafka.ts'
import type { Minio } from '../../test/servers/minio.ts'

/** The servers of a run, and where programs work. */
export interface Bench {
  readonly kafka: Kafka
  readonly minio: Minio
  readonly folder: string
  /** The program's words: the installed form, or the source where that is wanted. */
  readonly program: readonly string[]
}

/** What a case tells, by name. */
export type Figures = Readonly<Record<string, unknown>>

/** What one run of a program cost. */
export interface Cost {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakMemoryMB: number
  readonly exitCode: number | null
}

/** An archive of the bench; `name` is that of its bucket, its group and, unless another is given, its folder. */
export interface ArchivePlace {
  readonly name: string
  readonly topic: string
  readonly settings?: Readonly<Record<string, object>>
  readonly folder?: string
}

const root = resolve(import.meta.dirname, '../..')

/** The words that start the program. */
export const programWords = (fromSource: boolean): string[] => [
  process.execPath,
  join(root, fromSource ? 'src/cli/main.ts' : 'dist/cli/main.js'),
]

/** Runs a command and tells what it cost. Takes what is still to be written to the disk out of the way first. */
export async function measured(
  bench: Bench,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ cost: Cost; output: string }> {
  await run('sync', [], bench.folder)
  const resultFile = join(bench.folder, 'cost.json')
  const output = await run(
    process.execPath,
    [join(import.meta.dirname, 'measured-child.ts'), resultFile, ...words],
    bench.folder,
    env,
  )
  return { cost: JSON.parse(await readFile(resultFile, 'utf8')) as Cost, output }
}

/** Runs a command to its end and gives what it printed. @throws Error where it does not end well. */
export async function run(
  command: string,
  words: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'], cwd, env: { ...process.env, ...env } })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = Promise.withResolvers<number | null>()
  child.once('error', ended.reject)
  child.once('close', ended.resolve)
  const exitCode = await ended.promise
  if (exitCode !== 0) throw new Error(`${words.join(' ')} ended with ${exitCode}: ${output}`)
  return output
}

/** Makes the bucket of an archive. */
export const makeBucket = (bench: Bench, name: string): Promise<void> => bench.minio.createBucket(`bench-${name}`)

/** Makes a folder with a configuration of its own: archive, index and jobs of one case. Gives its path. */
export async function makeFolder(bench: Bench, { name, topic, settings = {}, folder = name }: ArchivePlace): Promise<string> {
  const path = join(bench.folder, folder)
  await mkdir(path, { recursive: true })
  const { endpoint, region, accessKeyId, secretAccessKey } = bench.minio
  const config = {
    source: { type: 'kafka', topics: [topic], group: `bench-${name}` },
    store: { type: 's3' },
    s3: { bucket: `bench-${name}`, endpoint, region, accessKeyId, secretAccessKey },
    log: { level: 'warn' },
    ...settings,
    kafka: { brokers: bench.kafka.bootstrap.split(','), ...settings['kafka'] },
  }
  // YAML takes JSON.
  await writeFile(join(path, 'millpond.yaml'), JSON.stringify(config, undefined, 2))
  return path
}

/** Runs a command of the program in such a folder and gives what it printed as JSON. */
export async function millpond(
  bench: Bench,
  folder: string,
  words: readonly string[],
): Promise<{ cost: Cost; answer: Record<string, unknown> }> {
  const { cost, output } = await measured(bench, [...bench.program, ...words, '--dir', folder, '--json'])
  return { cost, answer: JSON.parse(output) as Record<string, unknown> }
}

/** Proves that the archive equals the topic, offset by offset. @throws Error where it does not hold so many messages. */
export async function proveWhole(bench: Bench, folder: string, messages: number): Promise<void> {
  const { answer } = await millpond(bench, folder, ['verify', '--against', 'kafka'])
  if (Number(answer['messages']) !== messages)
    throw new Error(`${folder}: ${String(answer['messages'])} of ${messages} messages are archived`)
}

/** What a program's run says of its rate and price, in figures that all cases and peers have. */
export const costFigures = (cost: Cost, messages: number) => ({
  messagesPerSecondWithStart: Math.round(messages / cost.seconds),
  cpuMicrosPerMessage: Number(((cost.cpuSeconds / messages) * 1e6).toFixed(3)),
  peakMemoryMB: cost.peakMemoryMB,
})
