import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Cached, cachedFolder, cachedMissing } from '../../servers/cache.ts'

const run = promisify(execFile)
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const pythonPackages = [
  'pyiceberg==0.12.0',
  'pyarrow==26.0.1',
  'duckdb==1.5.5',
  'duckdb-extension-iceberg==1.5.5',
  'duckdb-extension-avro==1.5.5',
  'pytz==2025.2',
]
const fingerprint = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12)

/** pyiceberg, and DuckDB with its extension, of PyPI. */
const python: Cached = {
  name: 'iceberg-python',
  version: fingerprint(pythonPackages.join(' ')),
  tools: ['python3'],
  get: (folder, get) => get('python3', ['-m', 'pip', 'install', '--quiet', '--target', folder, ...pythonPackages]),
}

/** Apache Iceberg for Java of Maven Central. */
const java: Cached = {
  name: 'iceberg-java',
  version: fingerprint(readFileSync(here('pom.xml'), 'utf8')),
  tools: ['java', 'mvn'],
  get: (folder, get) =>
    get('mvn', ['-q', '-B', '-f', here('pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`]),
}

/** Why the readers cannot run here; undefined where they can, and always under CI, where their tests have to run. */
export const readersMissing = (): string | undefined =>
  process.env['CI'] === 'true' ? undefined : (cachedMissing(python) ?? cachedMissing(java))

/** A row as all readers tell it: long numbers, times (microseconds) and decimals as text, bytes in hex. */
export type PlainRow = Readonly<Record<string, unknown>>

/** How many files and rows a filter leaves; DuckDB does not tell of files. */
export interface FilterCounts {
  readonly files?: number
  readonly rows: number
}

/** What a reader wrote: a line for each filter, then the rows. */
function parseOut(file: string, filters: number): { counts: FilterCounts[]; rows: PlainRow[] } {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  const values = lines.map((line) => JSON.parse(line) as unknown)
  return { counts: values.slice(0, filters) as FilterCounts[], rows: values.slice(filters) as PlainRow[] }
}

/** Reads a table by pyiceberg or DuckDB; what comes after the mode is as `tables.py` documents it. */
export async function readByPython(words: readonly string[], out: string, filters: readonly string[]) {
  const packages = await cachedFolder(python)
  const env = { ...process.env, PYTHONPATH: packages, TZ: 'UTC' }
  await run('python3', [here('tables.py'), ...words, out, ...filters], { env, maxBuffer: 1 << 24 })
  return parseOut(out, filters.length)
}

const javaWords = async () => [
  '-Xmx512m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-cp',
  join(await cachedFolder(java), '*'),
  here('Iceberg.java'),
]

/** Reads a table by Iceberg for Java, by the address of its metadata; filters are JSON. */
export async function readByJava(metadata: string, out: string, filters: readonly object[]) {
  await run('java', [...(await javaWords()), metadata, out, ...filters.map((filter) => JSON.stringify(filter))], {
    maxBuffer: 1 << 24,
  })
  return parseOut(out, filters.length)
}

/** A running REST catalogue. */
export interface RestServer extends AsyncDisposable {
  readonly url: string
}

/** Starts the REST catalogue of Iceberg's own tests over SQLite; new tables lie in `warehouse` unless they say where. */
export async function startRestServer(warehouse: string, database: string): Promise<RestServer> {
  const child = spawn('java', [...(await javaWords()), 'serve', warehouse, database], { stdio: ['pipe', 'pipe', 'pipe'] })
  const errors: string[] = []
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()))
  const port = await firstLine(child)
  if (port === undefined) throw new Error(`the REST catalogue did not start: ${errors.join('')}`)
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.stdin.end()
      if (child.exitCode === null) await ended
    },
  }
}

async function firstLine(child: ChildProcess): Promise<string | undefined> {
  for await (const line of createInterface(child.stdout!)) return line
  return undefined
}
