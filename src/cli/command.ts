import { Command } from 'commander'
import type { Config } from '../config/config.ts'
import type { LoadedConfig } from '../config/load.ts'
import { nearest } from '../nearest.ts'
import { MillpondError } from '../errors.ts'
import type { Progress, ProgressOptions } from './progress.ts'

/**
 * What a command has of its surroundings. Each command is a module `commands/<name>.ts` that exports one function
 * `<name>Command(cli: Cli): Command`; it builds the command by `defineCommand` and sets an action. The table in `program.ts` loads the
 * module only when its command is called. An action fails by throwing a `MillpondError`; the edge prints it and sets the exit code.
 */
export interface Cli {
  /** Aborts at the first SIGINT or SIGTERM; the second one ends the process at once. */
  readonly signal: AbortSignal
  /** `--json`: one JSON object, or JSON lines, on stdout and nothing else there. */
  readonly json: boolean
  /** `--dir`, as it was given. */
  readonly dir: string | undefined
  /** Whether stderr is a terminal: only then is there progress. */
  readonly interactive: boolean
  /** Whether stdout is a terminal: a person reads it. */
  readonly printsToTerminal: boolean
  /** Standard input, as bytes. */
  readonly input: AsyncIterable<Uint8Array>
  /** Reads and checks the configuration that `--config` and `--dir` name. */
  loadConfig(): Promise<Config>
  /** As `loadConfig`, with the form of the file beside it. */
  loadConfiguration(): Promise<LoadedConfig>
  /** Writes to stdout as it is; resolves when more may be written. */
  write(content: Uint8Array | string): Promise<void>
  /** Writes a line to stdout. */
  print(line: string): Promise<void>
  /** Writes one JSON object as a line to stdout. */
  printJson(value: unknown): Promise<void>
  /** Writes a line for people to stderr. */
  note(line: string): void
  /** A line on stderr with count, rate and time left that renews itself; it shows nothing where stderr is no terminal. */
  progress(options: ProgressOptions): Progress
}

/** A line of `--help` that can be copied, and what it does. */
export interface Example {
  readonly run: string
  readonly does: string
}

/** What the help of a command says beside its options. */
export interface CommandText {
  /** One line for the list of commands. */
  readonly summary: string
  /** What the command does, what it needs and what it leaves behind. */
  readonly description: string
  readonly examples: readonly Example[]
}

/** A command with its help; `--config`, `--dir` and `--json` belong to the program and are there for every command. */
export function defineCommand(name: string, text: CommandText): Command {
  const width = Math.max(0, ...text.examples.map(({ run }) => run.length))
  const lines = text.examples.map(({ run, does }) => `  ${run.padEnd(width)}  ${does}`)
  const command = new Command(name).summary(text.summary).description(text.description).configureHelp({ showGlobalOptions: true })
  return lines.length === 0 ? command : command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}

/** Adds what the command does when it is called by itself. A word that is none of its commands is told with the nearest that is. */
export function addDefault(command: Command, standard: Command): Command {
  standard.allowExcessArguments().hook('preAction', (_, called) => {
    const [word] = called.args
    if (word === undefined) return
    const near = nearest(
      word,
      command.commands.map((inner) => inner.name()),
    )
    const hint = near === undefined ? '' : ` (Did you mean ${near}?)`
    throw new MillpondError('USAGE', `unknown command '${word}' of ${command.name()}${hint}`)
  })
  return command.addCommand(standard, { isDefault: true })
}
