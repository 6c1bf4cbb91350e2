import type { Logger } from 'pino'
import type { Config } from '../../config/config.ts'
import { isLoopback } from '../../config/resolve-http.ts'
import { followChains } from '../../index/follow.ts'
import { openIndex, openJobs } from '../../wiring.ts'
import { openStore } from '../../wiring/store.ts'
import { openSafety } from '../auth/safety.ts'
import { startIndexing } from '../indexing.ts'
import { createMetrics } from '../metrics.ts'
import { createReadiness } from '../readiness.ts'
import { applyEnvironment, type Environment } from './environment.ts'
import { type DataphosInterfaces, type DataphosParts, type DataphosServers, startDataphos } from './server.ts'

/** How the interfaces of Dataphos run by themselves. */
export interface DataphosOptions {
  readonly env: Environment
  readonly which: DataphosInterfaces
  readonly logger: Logger
  /** Told where requests are taken. */
  readonly onListening: (servers: Pick<DataphosServers, 'indexerUrl' | 'resubmitterUrl'>) => void
}

/** Runs the interfaces of Dataphos over the archive until `signal` aborts; the index follows what others archive. */
export async function runDataphos(config: Config, options: DataphosOptions, signal: AbortSignal): Promise<void> {
  const { env, which, logger, onListening } = options
  const given = applyEnvironment(config, env, which)
  await using opened = new AsyncDisposableStack()
  const store = opened.use(await openStore(given.config, 'read'))
  const index = opened.use(await openIndex(given.config))
  const jobs = opened.use(await openJobs(given.config))
  const readiness = createReadiness()
  const onNews = (level: 'info' | 'warn', text: string): void => logger[level](text)
  const http = { ...given.config.http, host: hostOf(given.config, which) }
  const safety = opened.use(await openSafety(http, { readiness, metrics: createMetrics(), onNews }))
  // What is archived is found from the first request on.
  await followChains(store, index, {}, signal)
  const stopIndexing = new AbortController()
  const indexing = startIndexing({ store, index, logger, readiness, maxLagMs: config.index.maxLagMs }, stopIndexing.signal)
  try {
    await using servers = await startWith(given.config, given.notes, { archive: { store, index }, jobs, logger, safety }, which)
    onListening(servers)
    await aborted(signal)
  } finally {
    stopIndexing.abort()
    await indexing.done
  }
}

/** The address that others reach first, where one is: what is kept of calls goes by that. */
function hostOf({ dataphos: { indexer, resubmitter } }: Config, which: DataphosInterfaces): string {
  const hosts = which === 'both' ? [indexer.host, resubmitter.host] : [which === 'indexer' ? indexer.host : resubmitter.host]
  return hosts.find((host) => !isLoopback(host)) ?? hosts[0]!
}

/**
 * Starts the interfaces within the service, where the configuration asks for them; undefined where it does not.
 * @throws MillpondError as `startDataphos`.
 */
export async function startDataphosOf(
  config: Config,
  env: Environment,
  parts: DataphosParts,
): Promise<DataphosServers | undefined> {
  if (!config.dataphos.enabled) return undefined
  const given = applyEnvironment(config, env)
  return startWith(given.config, given.notes, parts, 'both')
}

async function startWith(
  config: Config,
  notes: readonly string[],
  parts: DataphosParts,
  which: DataphosInterfaces,
): Promise<DataphosServers> {
  for (const note of notes) parts.logger.info(note)
  const servers = await startDataphos(config, parts, which)
  const { indexerUrl, resubmitterUrl } = servers
  parts.logger.info({ indexerUrl, resubmitterUrl }, 'serving the interfaces of Dataphos')
  return servers
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
