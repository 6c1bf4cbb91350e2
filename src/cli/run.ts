import { parentPort } from 'node:worker_threads'
import { type Command, CommanderError } from 'commander'
import { isMillpondError, MillpondError } from '../errors.ts'
import type { Cli } from './command.ts'
import { nextStep } from './error-help.ts'
import { createOutput, type Output } from './output.ts'
import { silentProgress, startProgress } from './progress.ts'
import { buildProgram, type CommonOptions } from './program.ts'

const INTERRUPTED_EXIT_CODE = 130

/** Runs the command that the arguments of the process name and sets its exit code. */
export async function run(host: NodeJS.Process): Promise<void> {
  const words = host.argv.slice(2)
  const stopping = stopOnSignals(host)
  const output = createOutput(host.stdout, () => {
    stopping.abort(new MillpondError('STOPPED', 'nobody reads the output any more'))
  })
  // What goes wrong with stderr can be told nowhere.
  host.stderr.on('error', () => undefined)
  let common: () => CommonOptions = () => ({})
  try {
    const program = await buildProgram(
      createCli(host, stopping.signal, output, () => common()),
      words,
    )
    common = () => program.opts<CommonOptions>()
    prepare(program, host)
    if (words.length === 0) await output.write(program.helpInformation())
    else await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    if (output.closed) return
    host.exitCode = report(error, host, words.includes('--json'))
  }
}

/** Aborts at the first signal; the second one ends the process. */
function stopOnSignals(host: NodeJS.Process): AbortController {
  const stopping = new AbortController()
  const stop = (): void => {
    if (stopping.signal.aborted) host.exit(INTERRUPTED_EXIT_CODE)
    stopping.abort(new MillpondError('STOPPED', 'stopped'))
    if (host.stderr.isTTY) host.stderr.write('\nstopping; once more ends it at once\n')
  }
  host.on('SIGINT', stop)
  host.on('SIGTERM', stop)
  // Threads get no signals: the one that started this one says it.
  parentPort?.once('message', stop)
  parentPort?.unref()
  return stopping
}

function createCli(host: NodeJS.Process, signal: AbortSignal, output: Output, common: () => CommonOptions): Cli {
  const note = (line: string): void => {
    host.stderr.write(`${line}\n`)
  }
  return {
    signal,
    get json() {
      return common().json === true
    },
    get dir() {
      return common().dir
    },
    interactive: host.stderr.isTTY,
    printsToTerminal: host.stdout.isTTY,
    get input() {
      return host.stdin as AsyncIterable<Uint8Array>
    },
    async loadConfiguration() {
      const { loadConfig } = await import('../config/load.ts')
      const { config, dir } = common()
      return loadConfig({ file: config, dir, workingFolder: host.cwd() }, host.env)
    },
    async loadConfig() {
      return (await this.loadConfiguration()).config
    },
    write: (content) => output.write(content),
    print: (line) => output.write(`${line}\n`),
    printJson: (value) => output.write(`${JSON.stringify(value)}\n`),
    note,
    progress: (options) => (host.stderr.isTTY && !host.env['CI'] ? startProgress(host.stderr, options) : silentProgress(note)),
  }
}

/** Makes every command of the tree report instead of exiting, with suggestions for what is misspelt. */
function prepare(command: Command, host: NodeJS.Process): void {
  command
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({ writeOut: (text) => host.stdout.write(text), writeErr: () => undefined })
  for (const inner of command.commands) prepare(inner, host)
}

const SHOWN = new Set(['commander.helpDisplayed', 'commander.help', 'commander.version'])

/** Prints the error for people, or as JSON, and gives the exit code. */
function report(error: unknown, host: NodeJS.Process, json: boolean): number {
  if (error instanceof CommanderError && SHOWN.has(error.code)) return error.exitCode === 0 ? 0 : 2
  const known = asKnown(error)
  if (json) {
    const { code, message, details } = known
    host.stderr.write(`${JSON.stringify({ error: { code, message, details } })}\n`)
    return known.exitCode
  }
  const next = nextStep(known)
  host.stderr.write(`error: ${known.message} (${known.code})\n${next === undefined ? '' : `next: ${next}\n`}`)
  if (known.code === 'INTERNAL' && error instanceof Error) host.stderr.write(`${error.stack}\n`)
  return known.exitCode
}

function asKnown(error: unknown): MillpondError {
  if (isMillpondError(error)) return error
  if (error instanceof CommanderError) {
    return new MillpondError('USAGE', error.message.replace(/^error: /u, '').replaceAll(/\s*\n\s*/gu, ' '), { cause: error })
  }
  if (error instanceof Error && error.name === 'AbortError') return new MillpondError('STOPPED', 'stopped', { cause: error })
  return new MillpondError('INTERNAL', error instanceof Error ? error.message : String(error), { cause: error })
}
