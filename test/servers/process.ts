import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'

const PROBE_EVERY_MS = 50
const TERM_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 10_000
const OUTPUT_LIMIT_MS = 120_000
const TAIL_LINES = 40

/** How a child ended: by itself with a code, or by a signal. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process that was started here; it is killed, at the latest, when the process that started it is gone. */
export interface Child {
  readonly pid: number
  readonly exited: Promise<Exit>
  readonly isRunning: () => boolean
  /** Sends a signal; one that has ended takes none. */
  readonly signal: (name: NodeJS.Signals) => void
  /** Stops all its threads until it gets SIGCONT; they stand still when this returns. */
  readonly pause: () => void
  /** Ends it, by SIGTERM, and where `limitMs` pass by SIGKILL (at once with a limit of 0). */
  readonly end: (limitMs?: number) => Promise<Exit>
}

export interface ChildSpec {
  readonly command: string
  readonly words: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd: string
  /** The file that gets standard output and error, at its end. */
  readonly logPath: string
}

let guard: Socket | undefined

/** Tells the guard what to end and remove; see guard-child.ts. */
function tellGuard(line: string): void {
  if (guard === undefined) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'guard-child.ts')], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    child.unref()
    guard = child.stdin as Socket
    guard.unref()
    // Without it everything works but the cleaning up behind a process that was killed.
    guard.on('error', () => undefined)
    // A test worker whose runner was killed would live as long as its servers do.
    process.once('disconnect', () => process.exit())
  }
  guard.write(`${line}\n`)
}

/** A new folder below the temporary one, which does not outlive this process. */
export function openFolder(name: string): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), `millpond-${name}-`))
  tellGuard(`+folder ${path}`)
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true, maxRetries: 3 })
      tellGuard(`-folder ${path}`)
    },
  }
}

async function spawnGuarded(command: string, words: readonly string[], options: SpawnOptions): Promise<ChildProcess> {
  const child = spawn(command, words, options)
  await new Promise<void>((started, failed) => {
    child.once('spawn', started)
    child.once('error', (cause) => failed(new Error(`${command} cannot be started: ${cause.message}`, { cause })))
  })
  tellGuard(`+pid ${child.pid}`)
  child.once('exit', () => tellGuard(`-pid ${child.pid}`))
  return child
}

/** Starts a command without a shell. @throws Error where there is no such command. */
export async function startChild({ command, words, env, cwd, logPath }: ChildSpec): Promise<Child> {
  const log = openSync(logPath, 'a')
  const options: SpawnOptions = { cwd, env: { ...process.env, ...env }, stdio: ['ignore', log, log] }
  const child = await spawnGuarded(command, words, options).finally(() => closeSync(log))
  const pid = child.pid!
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const exited = new Promise<Exit>((ended) => {
    child.once('exit', (code, signal) => ended({ code, signal }))
  })
  const signal = (name: NodeJS.Signals) => void child.kill(name)
  return {
    pid,
    exited,
    isRunning,
    signal,
    pause() {
      signal('SIGSTOP')
      waitUntilStopped(pid)
    },
    async end(limitMs = TERM_LIMIT_MS) {
      if (limitMs > 0) {
        signal('SIGTERM')
        // One that is paused takes no SIGTERM before it goes on.
        signal('SIGCONT')
        const limit = new AbortController()
        await Promise.race([exited, after(limitMs, undefined, { signal: limit.signal })]).finally(() => limit.abort())
      }
      signal('SIGKILL')
      return exited
    },
  }
}

/** A thread takes the signal when it next has a core, and only then stops the others: on a busy machine one may answer meanwhile. */
function waitUntilStopped(pid: number): void {
  const deadline = performance.now() + STOP_LIMIT_MS
  const clock = new Int32Array(new SharedArrayBuffer(4))
  while (!isStopped(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} does not stop`)
    Atomics.wait(clock, 0, 0, 1)
  }
}

/** Whether no thread of the process runs: all are stopped, or it has ended. */
function isStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
      return 'TtZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2))
    })
  } catch {
    return !isRunning(pid)
  }
}

/** Whether there is a process of this id. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** The last lines of a log. */
export function tailOf(logPath: string, lineCount = TAIL_LINES): string {
  return readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-lineCount).join('\n')
}

/** Runs a command until it ends, with its output in the log. @throws Error with the log's end where it does not end well. */
export async function runChild(spec: ChildSpec, niceness = 0): Promise<void> {
  const child = await startChild(spec)
  if (niceness > 0) setPriority(child.pid, niceness)
  const { code, signal } = await child.exited
  if (code === 0) return
  throw new Error(`${spec.command} ${spec.words.join(' ')} ended with ${code ?? signal}:\n${tailOf(spec.logPath)}`)
}

export interface OutputOptions {
  readonly input?: string | Uint8Array | undefined
  readonly cwd?: string
  /** After so long it is killed; two minutes unless given. */
  readonly limitMs?: number | undefined
}

/** Runs a command and gives its standard output. @throws Error with what it said where it does not end well, or in time. */
export async function outputOfChild(
  command: string,
  words: readonly string[],
  { input, cwd = tmpdir(), limitMs = OUTPUT_LIMIT_MS }: OutputOptions = {},
): Promise<Buffer> {
  const child = await spawnGuarded(command, words, { cwd, stdio: 'pipe', timeout: limitMs, killSignal: 'SIGKILL' })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout!.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr!.on('data', (chunk: Buffer) => stderr.push(chunk))
  // It may end before it has read everything.
  child.stdin!.on('error', () => undefined)
  child.stdin!.end(input)
  const { code, signal } = await new Promise<Exit>((ended) => {
    child.once('close', (code, signal) => ended({ code, signal }))
  })
  if (code === 0) return Buffer.concat(stdout)
  const how = signal === 'SIGKILL' ? `was killed, at the latest after ${limitMs} ms` : `ended with ${code ?? signal}`
  throw new Error(`${command} ${words.join(' ')} ${how}:\n${Buffer.concat([...stderr, ...stdout]).toString()}`)
}

/** Asks `probe` until it says yes; one that throws has said no. @throws Error with the log's end where the child ends before or `limitMs` pass. */
export async function waitUntilReady(
  child: Child,
  probe: () => Promise<boolean>,
  { name, logPath, limitMs }: { readonly name: string; readonly logPath: string; readonly limitMs: number },
): Promise<void> {
  const deadline = performance.now() + limitMs
  let refusal: unknown
  const isReady = () =>
    probe().catch((error: unknown) => {
      refusal = error
      return false
    })
  while (!(await isReady()) || !child.isRunning()) {
    const failure = await failureOf(child, performance.now() > deadline)
    if (failure !== undefined) throw new Error(`${name} ${failure}; its log ends:\n${tailOf(logPath)}`, { cause: refusal })
    await after(PROBE_EVERY_MS)
  }
}

async function failureOf(child: Child, isLate: boolean): Promise<string | undefined> {
  if (child.isRunning()) return isLate ? 'is not ready in time' : undefined
  const { code, signal } = await child.exited
  return `ended with ${code ?? signal}`
}

// Below the ports that systems give to outgoing connections: a server that comes back must not find its port taken by one, and a client
// that dials a closed port of that range can connect to itself.
const FIRST_PORT = 10_000
const END_PORT = 32_000
const given = new Set<number>()

/** Loopback ports that nothing listened on a moment ago, none of them given before. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * (END_PORT - FIRST_PORT))
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    ports.push(port)
  }
  return ports
}

function isFree(port: number): Promise<boolean> {
  return new Promise((free) => {
    const server = createServer()
    server.once('error', () => free(false))
    server.listen(port, '127.0.0.1', () => server.close(() => free(true)))
  })
}
