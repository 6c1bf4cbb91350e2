import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millpond', 'interop')

/** What runs another implementation of Avro: `exchange` with the arguments that its program documents. */
export interface OtherTool {
  readonly name: string
  /** Why it cannot run here; undefined where it can. */
  readonly missing: string | undefined
  exchange(args: readonly string[]): Promise<void>
}

/** Fills a folder of the cache once: what fails or is killed leaves no folder, and two that fill it at once do no harm. */
async function filled(key: string, fill: (folder: string) => Promise<unknown>): Promise<string> {
  const folder = join(cache, key)
  if (existsSync(folder)) return folder
  const unfinished = `${folder}.${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  try {
    await fill(unfinished)
    if (!existsSync(folder)) renameSync(unfinished, folder)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  return folder
}

async function open(name: string, prepare: () => Promise<(args: readonly string[]) => Promise<unknown>>): Promise<OtherTool> {
  try {
    const exchange = await prepare()
    return { name, missing: undefined, exchange: async (args) => void (await exchange(args)) }
  } catch (error) {
    const missing = error instanceof Error ? error.message : String(error)
    return { name, missing, exchange: () => Promise.reject(error) }
  }
}

const fastavroPackages = ['fastavro==1.12.1', 'cramjam==2.14.0', 'zstandard==0.25.0']

/** A program of ours in Python with packages of PyPI, installed on first use. */
const openPython = (name: string, packages: readonly string[], program: string): Promise<OtherTool> =>
  open(name, async () => {
    const { stdout: version } = await run('python3', [
      '-c',
      'import sys, platform; print(*sys.version_info[:2], platform.machine())',
    ])
    const key = `${packages.join(' ')} python ${version.trim()}`.replaceAll(/[^\w.]+/g, '-')
    const installed = await filled(key, (folder) =>
      run('python3', ['-m', 'pip', 'install', '--quiet', '--target', folder, ...packages]),
    )
    return (args) => run('python3', [here(program), ...args], { env: { ...process.env, PYTHONPATH: installed } })
  })

/** fastavro of PyPI. */
export const openFastavro = (program = 'exchange.py'): Promise<OtherTool> => openPython('fastavro', fastavroPackages, program)

/** What Python has for lines and tables, and python-snappy and fastavro of PyPI; reads files of a folder. */
export const openLineReaders = (): Promise<OtherTool> =>
  openPython('Python', [...fastavroPackages, 'python-snappy==0.7.3'], 'lines.py')

/** The serializers of Confluent's client for Python. */
export const openSerializers = (): Promise<OtherTool> =>
  openPython("Confluent's serializers", ['confluent-kafka[schemaregistry,avro,json,protobuf]==2.16.0'], 'serialize.py')

/** pyarrow of PyPI. */
export const openPyarrow = (program = 'read_parquet.py'): Promise<OtherTool> =>
  openPython('pyarrow', ['pyarrow==26.0.1'], program)

/** Schemathesis and openapi-spec-validator of PyPI. */
export const openSchemathesis = (): Promise<OtherTool> =>
  openPython('Schemathesis', ['schemathesis==4.32.5', 'openapi-spec-validator==0.9.0'], 'openapi/check.py')

/** Apache Avro for Java of Maven Central, installed on first use. */
export const openJavaAvro = (program = 'Exchange.java'): Promise<OtherTool> =>
  open('Apache Avro for Java', async () => {
    const pom = here('pom.xml')
    await run('java', ['-version'])
    const key = `java-${createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 16)}`
    const jars = await filled(key, (folder) =>
      run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`]),
    )
    return (args) => run('java', ['-Dorg.slf4j.simpleLogger.defaultLogLevel=off', '-cp', join(jars, '*'), here(program), ...args])
  })
