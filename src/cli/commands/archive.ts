import { type Command, Option } from 'commander'
import { suitHeapToStream } from '../../api/heap.ts'
import type { ArchiveEvent } from '../../archive/options.ts'
import type { StoredCommit } from '../../commit/commit.ts'
import type { Config } from '../../config/config.ts'
import { MillpondError } from '../../errors.ts'
import { createRequestTotals, type RequestKind } from '../../store/requests.ts'
import { type Cli, defineCommand } from '../command.ts'
import { wholeNumber } from '../parse.ts'
import { formatBytes, formatCount, formatDuration, formatMessages } from '../format.ts'
import { createDeadLetters, openBroker, openIndex } from '../../wiring.ts'
import { archiveOptions, openArchiveParts } from '../../wiring/archive.ts'
import { openStore } from '../../wiring/store.ts'

/** `millpond archive`: the archive loop alone. */
export function archiveCommand(cli: Cli): Command {
  return defineCommand('archive', {
    summary: 'archive what the source holds, once or from now on',
    description: `Archives the topics of \`source\` until it is stopped, and keeps the index behind it; with --once until everything that was there is
archived. Any number may run at once, beside \`millpond serve\` too: they share the lanes. Stopping commits what was read.`,
    examples: [
      { run: 'millpond archive --once', does: 'everything that is there, then ends' },
      { run: 'millpond archive', does: 'from now on' },
      { run: 'millpond archive --threads 2', does: 'two archivers in one process, each with lanes of its own' },
    ],
  })
    .addOption(new Option('--once', 'end when everything that was there is archived'))
    .addOption(
      new Option('--threads <count>', 'so many archivers in threads, each a member of the group')
        .argParser(wholeNumber('--threads', 1, 64))
        .default(1),
    )
    .action(async ({ once = false, threads }: { readonly once?: boolean; readonly threads: number }) => {
      suitHeapToStream()
      const config = await cli.loadConfig()
      if (threads > 1 && config.kafka.groupInstanceId !== undefined)
        throw new MillpondError('USAGE', 'kafka.groupInstanceId names one member; threads are several: leave out one of the two')
      if (threads > 1) return archiveInThreads(cli, config, { threads, once })
      await (once ? archiveOnce(cli, config) : archiveOn(cli, config))
    })
}

/** What a run has archived. */
interface Tally {
  commits: number
  segments: number
  messages: number
  bytes: number
  deadLetters: number
}

function count(tally: Tally, event: ArchiveEvent): void {
  if (event.kind === 'dead-lettered') tally.deadLetters += event.count
  if (event.kind !== 'committed') return
  tally.commits += 1
  tally.segments += event.commit.segments.length
  for (const segment of event.commit.segments) {
    tally.messages += segment.count
    tally.bytes += segment.bytes
  }
}

async function archiveOnce(cli: Cli, config: Config): Promise<void> {
  const { runArchive } = await import('../../archive.ts')
  const { ownArchiveParts } = await import('../../api/archiving.ts')
  const { followChains } = await import('../../index/follow.ts')
  const { createLagWatch } = await import('../../api/lag.ts')
  const { watchSource } = await import('../../api/source-watch.ts')
  await using opened = new AsyncDisposableStack()
  const { observe, totals } = createRequestTotals()
  const [broker, store] = await useBoth(opened, openBroker(config), openStore(config, 'write', observe))
  const deadLetters = opened.use(createDeadLetters(config))
  const { parts: own } = opened.use(await openArchiveParts(config, store))
  let note = (line: string): void => cli.note(line)
  const watch = watchSource({ onNews: ({ text }) => note(text), monotonicMs: () => performance.now() })
  const source = opened.use(await broker.openSource(watch))
  const index = opened.use(await openIndex(config))
  const tally: Tally = { commits: 0, segments: 0, messages: 0, bytes: 0, deadLetters: 0 }
  const startedMs = performance.now()
  {
    using progress = cli.progress({ label: 'archiving', state: () => ({ count: tally.messages, bytes: tally.bytes }) })
    note = (line) => progress.note(line)
    const onEvent = (event: ArchiveEvent): void => {
      count(tally, event)
      if (event.kind === 'lane-retrying')
        progress.note(`${event.lane.topic}/${event.lane.lane} tries again: ${event.error.message}`)
    }
    await runArchive(
      { ...ownArchiveParts(), ...own, source, store, deadLetters, onEvent },
      archiveOptions(config, true),
      cli.signal,
    )
  }
  note = (line) => cli.note(line)
  await broker.keepSettings?.(store, { nowMs: Date.now(), everyMs: 0 }, cli.signal)
  await followChains(store, index)
  const milliseconds = Math.round(performance.now() - startedMs)
  const left = (await createLagWatch(broker, index).measure()).reduce((sum, { archive }) => sum + archive, 0)
  const asked = Object.entries(totals().byKind).filter(([, count]) => count > 0)
  const requests = asked.length === 0 ? {} : { requests: Object.fromEntries(asked) }
  await tell(cli, config, { ...tally, left, milliseconds, ...requests })
}

/** Waits for both, which are opened side by side, to be closed with the stack; where one fails the other is closed with it too. */
async function useBoth<A extends AsyncDisposable, B extends AsyncDisposable>(
  opened: AsyncDisposableStack,
  first: Promise<A>,
  second: Promise<B>,
): Promise<[A, B]> {
  const settled = await Promise.allSettled([first, second])
  for (const result of settled) if (result.status === 'fulfilled') opened.use(result.value)
  return [await first, await second]
}

/** What `archive --once` prints as JSON. */
interface Told extends Tally {
  readonly left: number
  readonly milliseconds: number
  /** Requests to a store behind a network, by kind. */
  readonly requests?: Partial<Record<RequestKind, number>>
}

async function tell(cli: Cli, config: Config, told: Told): Promise<void> {
  if (cli.json) return cli.printJson(told)
  const { left, milliseconds, ...tally } = told
  const what = `${formatMessages(tally.messages)} in ${formatCount(tally.segments)} segments (${formatBytes(tally.bytes)})`
  await cli.print(`archived ${what} in ${formatDuration(milliseconds)}`)
  if (tally.deadLetters > 0) await cli.print(`${formatMessages(tally.deadLetters)} went to ${config.deadLetters.path}`)
  if (left > 0)
    await cli.print(
      `${formatMessages(left)} are not archived: they came since, are of topics not in source.topics, or in the hands of another archiver`,
    )
}

/** The sums of what the threads did; each has kept the index for itself. */
async function archiveInThreads(
  cli: Cli,
  config: Config,
  { threads, once }: { readonly threads: number; readonly once: boolean },
): Promise<void> {
  const { runArchiveThreads } = await import('../archive-threads.ts')
  const startedMs = performance.now()
  const outputs = await runArchiveThreads(config, { threads, once }, cli.signal)
  if (!once) return
  const all = outputs.map((output) => JSON.parse(output) as Told)
  const sum = (of: (told: Told) => number): number => all.reduce((total, told) => total + of(told), 0)
  const kinds = new Set(all.flatMap(({ requests = {} }) => Object.keys(requests) as RequestKind[]))
  const requests = Object.fromEntries([...kinds].map((kind) => [kind, sum((told) => told.requests?.[kind] ?? 0)]))
  await tell(cli, config, {
    commits: sum(({ commits }) => commits),
    segments: sum(({ segments }) => segments),
    messages: sum(({ messages }) => messages),
    bytes: sum(({ bytes }) => bytes),
    deadLetters: sum(({ deadLetters }) => deadLetters),
    // Who ended last knows best what is left.
    left: Math.min(...all.map(({ left }) => left)),
    milliseconds: Math.round(performance.now() - startedMs),
    ...(kinds.size === 0 ? {} : { requests }),
  })
}

async function archiveOn(cli: Cli, config: Config): Promise<void> {
  const { keepArchiving, ownArchiveParts } = await import('../../api/archiving.ts')
  const { keepSettings } = await import('../../api/settings.ts')
  const { startIndexing } = await import('../../api/indexing.ts')
  const { createMetrics } = await import('../../api/metrics.ts')
  const { createReadiness } = await import('../../api/readiness.ts')
  const { watchSource } = await import('../../api/source-watch.ts')
  const { createLogger } = await import('../logger.ts')
  const logger = createLogger(config.log.level)
  await using opened = new AsyncDisposableStack()
  const [broker, store] = await useBoth(opened, openBroker(config), openStore(config, 'write'))
  const deadLetters = opened.use(createDeadLetters(config))
  const { parts: own } = opened.use(await openArchiveParts(config, store))
  const readiness = createReadiness()
  const watch = watchSource({
    onNews: ({ level, text, fields }) => logger[level](fields, text),
    readiness,
    monotonicMs: () => performance.now(),
  })
  const source = opened.use(await broker.openSource(watch))
  const index = opened.use(await openIndex(config))
  const stopIndexing = new AbortController()
  const indexing = startIndexing({ store, index, logger, readiness, maxLagMs: config.index.maxLagMs }, stopIndexing.signal)
  const observers = { logger, metrics: createMetrics(), readiness, onCommit: (commit: StoredCommit) => indexing.add(commit) }
  const parts = { ...ownArchiveParts(), ...own, source, store, deadLetters }
  logger.info({ archive: store.name, source: broker.name }, 'archiving')
  const keeping = keepSettings(broker, store, logger, cli.signal)
  try {
    await keepArchiving(parts, () => archiveOptions(config, false), observers, cli.signal)
  } finally {
    stopIndexing.abort()
    await Promise.all([indexing.done, keeping])
  }
  logger.info('stopped')
}
