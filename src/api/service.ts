import { hostname } from 'node:os'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import { isMillpondError } from '../errors.ts'
import { withSegmentCache } from '../index/segment-cache.ts'
import type { JobStore } from '../replay/jobs.ts'
import type { Inlet } from '../sink/inlet.ts'
import type { Broker } from '../source/broker.ts'
import { createDeadLetters, openBroker, openIndex, openJobs } from '../wiring.ts'
import { archiveOptions, openArchiveParts } from '../wiring/archive.ts'
import { findFunction } from '../wiring/functions.ts'
import { openKafkaInlet } from '../wiring/kafka.ts'
import { type Log, localBroker, localInlet, openLog } from '../wiring/local.ts'
import { openRegistry } from '../wiring/registry.ts'
import { replaySource } from '../wiring/replay.ts'
import { openStore } from '../wiring/store.ts'
import { openSafety } from './auth/safety.ts'
import { keepArchiving, ownArchiveParts } from './archiving.ts'
import { startDataphosOf } from './dataphos/service.ts'
import { startExpiring } from './expiring.ts'
import { suitHeapToStream } from './heap.ts'
import { startIndexing } from './indexing.ts'
import { createLagObserver, createLagWatch } from './lag.ts'
import { countRequests, createMetrics, type Metrics } from './metrics.ts'
import { settledWithin, startPeriodic } from './periodic.ts'
import { createReadiness, type Readiness } from './readiness.ts'
import { createSearchArchive } from './search/archive.ts'
import { keepSettings } from './settings.ts'
import { closeServer, createServer, listen } from './server.ts'
import { watchSource } from './source-watch.ts'
import { keepWorking } from './working.ts'

export interface ServiceOptions {
  /** Of the program. */
  readonly version: string
  readonly logger: Logger
  /** Told the URL once requests are taken. */
  readonly onListening: (url: string) => void
}

const RETENTION_MS = 60_000
/** What gauges may take that databases are asked for. */
const OBSERVE_WITHIN_MS = 2000
/** What a caller has at the most to finish its request when the service stops. */
const CLOSE_WITHIN_MS = 15_000

/**
 * The whole service in one process: HTTP into the local log, the archive loop, the index behind it, retention. When `signal` aborts
 * it takes no more requests, finishes those it has, commits what was read, and brings that into the index.
 */
export async function runService(
  config: Config,
  { version, logger, onListening }: ServiceOptions,
  signal: AbortSignal,
): Promise<void> {
  await using opened = new AsyncDisposableStack()
  const wayIn = opened.use(await openWayIn(config))
  const { inlet, broker, log } = wayIn
  const registry = opened.use(await openRegistry(config.registry))
  const metrics = createMetrics()
  const store = opened.use(await openStore(config, 'write', countRequests(metrics)))
  const index = opened.use(await openIndex(config))
  const kept = withSegmentCache(index)
  const jobs = opened.use(await openJobs(config))
  const deadLetters = opened.use(createDeadLetters(config))
  const { parts: own } = opened.use(await openArchiveParts(config, store))
  const readiness = createReadiness()
  readiness.tell('source', { state: 'green', why: broker.name })
  const watch = watchSource({
    onNews: ({ level, text, fields }) => logger[level](fields, text),
    readiness,
    monotonicMs: () => performance.now(),
  })
  const source = opened.use(await broker.openSource(watch))
  suitHeapToStream()
  const lag = createLagWatch(broker, index)
  const observeLag = createLagObserver(lag, metrics)

  const archive = createSearchArchive({ store, index: kept, registry }, config.search)
  readiness.tell('log', { state: 'green', why: inlet.name })
  const safety = opened.use(await openSafety(config.http, { readiness, metrics, onNews: (level, text) => logger[level](text) }))
  const server = createServer(
    {
      append: (topic, batch, options) => watchLog(readiness, () => inlet.append(topic, batch, options)),
      directory: inlet,
      ...(registry === undefined ? {} : { registry }),
      search: { archive, limits: config.search },
      jobs: {
        jobs,
        index: kept,
        source: replaySource(config),
        findFunction: (name) => findFunction(config.jobs.functionsPath, name),
      },
      readiness,
      metrics,
      observe: async () => {
        metrics.indexLagSeconds.set(indexing.lag().milliseconds / 1000)
        // Databases that are away, or slow, keep nobody from what else there is to see.
        await settledWithin(OBSERVE_WITHIN_MS, [observeLag(), observeReplays(jobs, metrics)])
      },
      nowMs: Date.now,
      onError: (error, requestId) => logger.error({ err: error, code: error.code, requestId }, 'a request failed'),
    },
    { ...limitsOf(config), safety, version },
  )
  opened.defer(() => server.close())

  // Requests end first, then what archives them; the index comes last.
  const stopIndexing = new AbortController()
  const indexing = startIndexing({ store, index, logger, readiness, maxLagMs: config.index.maxLagMs }, stopIndexing.signal)
  const stopArchiving = new AbortController()
  const archiving = keepArchiving(
    { ...ownArchiveParts(), ...own, source, store, deadLetters },
    () => archiveOptions(config, false),
    {
      logger,
      metrics,
      readiness,
      onCommit: (commit) => {
        lag.archived(commit, commit.nextPosition)
        indexing.add(commit)
      },
    },
    stopArchiving.signal,
  )
  // Looked at when the service ends; a failure before was told to readiness and the log.
  archiving.catch(() => undefined)
  const retention = log && startPeriodic(RETENTION_MS, () => retain(log, { logger, readiness }), stopArchiving.signal)
  const expiring = startExpiring(config, { store, index, logger, readiness, by: `serve@${hostname()}` }, stopArchiving.signal)
  const guarding = safety.keep(server, stopArchiving.signal)
  const keeping = keepSettings(broker, store, logger, stopArchiving.signal)
  const stopWorking = new AbortController()
  const working = keepWorking(config, { archive, jobs, logger }, stopWorking.signal)
  try {
    const url = await listen(server, config.http)
    await using _ = await startDataphosOf(config, process.env, { archive: { store, index }, jobs, logger, safety })
    logger.info({ url, archive: store.name, source: broker.name }, 'serving')
    onListening(url)
    await aborted(signal)
    logger.info('stopping: finishing what was taken')
    await closeServer(server, Math.min(config.http.requestTimeoutMs, CLOSE_WITHIN_MS))
  } finally {
    // What replays still write is archived too.
    stopWorking.abort()
    await Promise.allSettled([working])
    stopArchiving.abort()
    await Promise.allSettled([archiving, retention?.done, expiring?.done, keeping, guarding])
    stopIndexing.abort()
    await indexing.done
  }
  await archiving
  logger.info('stopped')
}

const limitsOf = ({ http: { maxBodyBytes, maxMessageBytes, maxConnections, requestTimeoutMs } }: Config) => ({
  maxBodyBytes,
  maxMessageBytes,
  maxConnections,
  requestTimeoutMs,
})

/** Where posted messages go, and the broker that they are archived from; `log` is there where that is the local log. */
interface WayIn extends AsyncDisposable {
  readonly inlet: Inlet
  readonly broker: Broker
  readonly log: Log | undefined
}

async function openWayIn(config: Config): Promise<WayIn> {
  await using opened = new AsyncDisposableStack()
  const log = config.source.type === 'local' ? opened.use(await openLog(config)) : undefined
  const broker = log === undefined ? opened.use(await openBroker(config)) : localBroker(config, log, false)
  const inlet = opened.use(log === undefined ? await openKafkaInlet(config) : await localInlet(log))
  const kept = opened.move()
  return {
    inlet,
    broker,
    log,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** A log that cannot take messages turns readiness red, until it takes some again. */
async function watchLog<T>(readiness: Readiness, act: () => Promise<T>): Promise<T> {
  try {
    const taken = await act()
    readiness.settle('log', 'append')
    return taken
  } catch (error) {
    if (isMillpondError(error) && error.httpStatus >= 500) {
      readiness.tell('log', { state: 'red', why: `${error.code}: ${error.message}` }, 'append')
    }
    throw error
  }
}

/** Shows the replays that run now, in whatever process. */
async function observeReplays(jobs: JobStore, metrics: Metrics): Promise<void> {
  const running = await jobs.list(Date.now(), { states: ['running'] })
  metrics.replaysRunning.set(running.length)
  metrics.replayRead.reset()
  metrics.replayPlanned.reset()
  for (const { id, counts, planned } of running) {
    metrics.replayRead.set({ job: id }, counts.read)
    metrics.replayPlanned.set({ job: id }, planned.messages)
  }
}

async function retain(
  log: Log,
  { logger, readiness }: { readonly logger: Logger; readonly readiness: Readiness },
): Promise<void> {
  try {
    const removed = await log.applyRetention(Date.now())
    readiness.settle('retention', '')
    logger.debug({ removed }, 'retention applied')
  } catch (error) {
    readiness.tell('retention', { state: 'amber', why: `nothing is removed from the log: ${String(error)}` })
    logger.error({ err: error }, 'retention failed')
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
