import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { benchCases } from '../bench/cases.ts'
import type { BenchCase, BenchContext } from '../bench/context.ts'
import { loadShapes, sendLoad } from '../bench/http-case.ts'
import { MESSAGE_SHAPE } from '../bench/messages.ts'
import { prepare } from '../bench/prepare.ts'
import type { Format } from '../../encode/block.ts'
import { formatNames } from '../../encode/formats.ts'
import { MillpondError } from '../../errors.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatTable } from '../format.ts'
import { wholeNumber } from '../parse.ts'

interface BenchOptions {
  readonly messages?: number
  readonly folder?: string
  readonly keep?: true
  readonly format?: Format
  readonly stage?: 'prepare' | 'run' | 'load'
  readonly url?: string
}

/** `millpond bench`: measures the way of the data on this machine, one case a process. */
export function benchCommand(cli: Cli): Command {
  const width = Math.max(...benchCases.map(({ name }) => name.length))
  const list = benchCases.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')
  return defineCommand('bench', {
    summary: 'measure this machine',
    description: `Measures one part of the way of the data with generated messages: ${MESSAGE_SHAPE}, compressible about four times.
What the case needs is made first, by another process, in a folder that is removed afterwards.

Cases:
${list}
  all${' '.repeat(width - 3)}  one after another`,
    examples: [
      { run: 'millpond bench archive --json', does: 'one line with the figures' },
      { run: 'millpond bench encode --format json', does: 'another format than Avro' },
      { run: 'millpond bench search-key --messages 1000000', does: 'a smaller archive' },
      { run: 'millpond bench replay --folder /mnt/fast --keep', does: 'on another disk; what was made is kept for the next run' },
    ],
  })
    .argument('<case>', 'one of the cases, or all')
    .addOption(new Option('-n, --messages <count>', 'messages to measure with').argParser(wholeNumber('--messages', 1000, 1e10)))
    .addOption(new Option('--folder <folder>', 'where to work (default: a folder of its own below the temporary one)'))
    .addOption(new Option('--keep', 'keep what was made'))
    .addOption(new Option('--format <format>', 'what encode writes (default: avro)').choices(formatNames))
    .addOption(new Option('--stage <stage>').choices(['prepare', 'run', 'load']).hideHelp())
    .addOption(new Option('--url <url>').hideHelp())
    .action(async (name: string, options: BenchOptions) => {
      const chosen = name === 'all' ? benchCases : benchCases.filter((one) => one.name === name)
      if (chosen.length === 0)
        throw new MillpondError('USAGE', `there is no case ${name}: ${benchCases.map((one) => one.name).join(', ')}`)
      if (options.stage) return runStage(cli, chosen[0]!, options)
      for (const one of chosen) await runCase(cli, one, options)
    })
}

/** Prepares and measures a case, each in a process of its own, in a folder of its own. */
async function runCase(cli: Cli, one: BenchCase, options: BenchOptions): Promise<void> {
  const base = options.folder === undefined ? await mkdtemp(join(tmpdir(), 'millpond-bench-')) : resolve(options.folder)
  const folder = join(base, one.needs ?? one.name)
  await mkdir(folder, { recursive: true })
  try {
    const words = ['bench', one.name, '--dir', folder, '--messages', String(options.messages ?? one.messages)]
    if (options.format !== undefined) words.push('--format', options.format)
    if (one.needs) await startStage(cli, [...words, '--stage', 'prepare'])
    await startStage(cli, [...words, '--stage', 'run', ...(cli.json ? ['--json'] : [])])
  } finally {
    if (!options.keep) await rm(options.folder === undefined ? base : folder, { recursive: true, force: true })
  }
}

async function runStage(cli: Cli, one: BenchCase, options: BenchOptions): Promise<void> {
  const messages = options.messages ?? one.messages
  if (options.stage === 'load') {
    await sendLoad(options.url ?? '', loadShapes[one.name as keyof typeof loadShapes], messages)
    return
  }
  const config = await cli.loadConfig()
  const folder = cli.dir ?? '.'
  const start = (stage: string, words: readonly string[]) =>
    startStage(cli, ['bench', one.name, '--dir', folder, '--stage', stage, ...words])
  const context: BenchContext = { config, folder, messages, format: options.format, signal: cli.signal, start }
  if (options.stage === 'prepare') return prepare(one.needs!, context)
  const figures = { case: one.name, ...(await one.run(context)) }
  const ran = `${one.summary}; ${messages} messages: ${MESSAGE_SHAPE}; Node ${process.versions.node}, ${availableParallelism()} cores`
  if (cli.json) return cli.printJson({ ...figures, ran })
  await cli.print(formatTable([Object.keys(figures), Object.values(figures).map(String)]))
}

/** Runs this program with other words; what it prints goes where ours goes. */
async function startStage(cli: Cli, words: readonly string[]): Promise<void> {
  const ended = Promise.withResolvers<number | null>()
  const child = spawn(process.execPath, [process.argv[1]!, ...words], {
    stdio: ['ignore', 'inherit', 'inherit'],
    signal: cli.signal,
  })
  child.on('error', ended.reject)
  child.on('exit', ended.resolve)
  const code = await ended.promise
  if (code !== 0) throw new MillpondError('INTERNAL', `${words.slice(0, 2).join(' ')} ended with code ${code}`)
}
