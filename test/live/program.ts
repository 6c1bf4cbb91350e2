import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts')
const START_DEADLINE_MS = 30_000
const RUN_DEADLINE_MS = 120_000

/** What surrounds a process of the program. */
export interface ProgramOptions {
  /** Arguments for Node itself. */
  readonly nodeWords?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly input?: Uint8Array | string
  /** Aborting kills the process at once, as kill -9 does. */
  readonly kill?: AbortSignal
}

/** How a process of the program ended; `exitCode` is null where a signal ended it. */
export interface Ended {
  readonly exitCode: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** A running `millpond serve`. */
export interface Served {
  readonly url: string
  readonly pid: number
  /** Its log so far. */
  readonly log: () => string
  /** Ends it as kill -9 does. */
  readonly kill: () => Promise<Ended>
  /** Ends it gracefully. */
  readonly stop: () => Promise<Ended>
  readonly ended: Promise<Ended>
}

function start(words: readonly string[], { nodeWords = [], env = {}, input, kill }: ProgramOptions) {
  const child = spawn(process.execPath, [...nodeWords, MAIN, ...words], { env: { ...process.env, ...env }, stdio: 'pipe' })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  // It may end before it has read everything.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  kill?.addEventListener('abort', () => child.kill('SIGKILL'), { once: true })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => {
      resolve({ exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() })
    })
  })
  return { child, stdout, stderr, ended }
}

async function within<T>(milliseconds: number, child: ChildProcess, what: string, promise: Promise<T>): Promise<T> {
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, milliseconds)
  const result = await promise.finally(() => clearTimeout(timer))
  if (late) throw new Error(`${what} took more than ${milliseconds} ms`)
  return result
}

/** Runs the command line of the program in a process of its own, until it ends. */
export async function runProgram(words: readonly string[], options: ProgramOptions = {}): Promise<Ended> {
  const { child, ended } = start(words, options)
  return within(RUN_DEADLINE_MS, child, words.join(' '), ended)
}

/** Starts `millpond serve` on the folder, at a free port unless `words` name one, and waits until it listens. */
export async function serve(dir: string, words: readonly string[] = [], options: ProgramOptions = {}): Promise<Served> {
  const port = words.includes('--port') ? [] : ['--port', '0']
  const { child, stdout, stderr, ended } = start(['serve', '--dir', dir, '--json', ...port, ...words], options)
  const listening = Promise.withResolvers<string>()
  child.stdout.on('data', () => {
    const line = /^(.*)\n/u.exec(Buffer.concat(stdout).toString())?.[1]
    if (line !== undefined) listening.resolve((JSON.parse(line) as { url: string }).url)
  })
  void ended.then(
    ({ exitCode, stderr: log }) => listening.reject(new Error(`serve ended with ${exitCode}: ${log}`)),
    listening.reject,
  )
  const url = await within(START_DEADLINE_MS, child, 'the start of serve', listening.promise)
  const end = (signal: NodeJS.Signals): Promise<Ended> => {
    child.kill(signal)
    return within(RUN_DEADLINE_MS, child, `${signal} of serve`, ended)
  }
  return {
    url,
    pid: child.pid!,
    log: () => Buffer.concat(stderr).toString(),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    ended,
  }
}

/** Writes the configuration of the folder. YAML takes JSON, so a plain object is enough. */
export async function configure(dir: string, config: object): Promise<void> {
  await writeFile(join(dir, 'millpond.yaml'), JSON.stringify(config))
}

/** The JSON lines that the program printed. */
export function jsonLines(printed: Buffer): unknown[] {
  return printed
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}
