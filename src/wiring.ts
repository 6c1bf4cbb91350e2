import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { KafkaOptions } from './adapters/kafka/cluster-options.ts'
import type { KafkaOperations } from './adapters/kafka/operations.ts'
import type { LocalLog, TopicOptions } from './adapters/local/log.ts'
import type { ArchiveOptions } from './archive.ts'
import type { Config, LocalTopicConfig } from './config/config.ts'
import { MillpondError } from './errors.ts'
import type { SegmentIndex } from './index/segment-index.ts'
import type { ReplaySummary, ReplayTarget } from './replay/job.ts'
import type { JobStore } from './replay/jobs.ts'
import { createSecret } from './secret.ts'
import type { Inlet } from './sink/inlet.ts'
import type { Sink } from './sink/sink.ts'
import type { Broker } from './source/broker.ts'
import type { LaneId } from './source/lane.ts'
import { probeStore } from './store/probe.ts'
import type { ObserveRequest } from './store/requests.ts'
import type { Store } from './store/store.ts'

/** The embedded broker, as the configuration describes it. */
export type Log = LocalLog

/** Opens the archive's store; a writer makes it where it is missing, and proves that it can hold an archive. */
export async function openStore(config: Config, use: 'read' | 'write', observe?: ObserveRequest): Promise<Store> {
  const opened = await openStoreOf(config, use, observe)
  if (use === 'read') return opened
  try {
    await probeStore(opened, { random: randomBytes(8).toString('hex') })
    return opened
  } catch (error) {
    await opened[Symbol.asyncDispose]()
    throw error
  }
}

async function openStoreOf(config: Config, use: 'read' | 'write', observe?: ObserveRequest): Promise<Store> {
  const { store, s3, gcs, azure } = config
  const seen = observe === undefined ? {} : { observe }
  if (store.type === 's3') {
    const { openS3Store } = await import('./adapters/s3/store.ts')
    return openS3Store({ ...given(s3), ...(await authorityOf(s3)), ...seen })
  }
  if (store.type === 'gcs') {
    const { openGcsStore } = await import('./adapters/gcs/store.ts')
    return openGcsStore({ ...given(gcs), ...(await authorityOf(gcs)), ...seen })
  }
  if (store.type === 'azure') {
    const { openAzureStore } = await import('./adapters/azure/store.ts')
    return openAzureStore({ ...given(azure), ...(await authorityOf(azure)), ...seen })
  }
  const { openFileStore } = await import('./adapters/file/store.ts')
  return openFileStore({ path: store.path, create: use === 'write' })
}

const authorityOf = async ({ caFile }: { readonly caFile: string | undefined }): Promise<{ ca?: string }> =>
  caFile === undefined ? {} : { ca: await readPem(caFile) }

/** A section without what is undefined: options that are not given are left out. */
type Given<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>
}

function given<T extends object>(section: T): Given<T> {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => value !== undefined)) as Given<T>
}

/** A file of certificates or keys. @throws MillpondError `CONFIG_INVALID` where it cannot be read. */
async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new MillpondError('CONFIG_INVALID', `${path} cannot be read: ${why}`, { cause: error, details: { path } })
  }
}

/** Opens the index, which is made where there is none. */
export async function openIndex({ index }: Config): Promise<SegmentIndex> {
  const { openSqliteIndex } = await import('./adapters/sqlite/index.ts')
  return openSqliteIndex({ path: index.path })
}

/** An empty index that is gone with the process. */
export async function openMemoryIndex(): Promise<SegmentIndex> {
  const { openSqliteIndex } = await import('./adapters/sqlite/index.ts')
  return openSqliteIndex({ path: ':memory:' })
}

/** Moves an index file that cannot be opened out of the way, so that it can be made anew; says whether there was one. */
export async function setAsideDamagedIndex({ index }: Config): Promise<boolean> {
  const sqlite = await import('./adapters/sqlite/index-database.ts')
  return sqlite.setAsideDamagedIndex(index.path)
}

/** Opens the replay jobs. */
export async function openJobs({ jobs }: Config): Promise<JobStore> {
  const { openSqliteJobs } = await import('./adapters/sqlite/jobs.ts')
  return openSqliteJobs({ path: jobs.path })
}

const topicOptions = ({ partitions, retention }: LocalTopicConfig): TopicOptions => ({
  partitions,
  ...(retention.maxAgeMs === undefined ? {} : { retentionMs: retention.maxAgeMs }),
  ...(retention.maxBytes === undefined ? {} : { retentionBytes: retention.maxBytes }),
})

/** Opens the local log, which is made where there is none, with the topics that have settings of their own. */
export async function openLog({ local, archive }: Config): Promise<Log> {
  const { openLocalLog } = await import('./adapters/local/log.ts')
  const log = await openLocalLog({
    path: local.path,
    codec: archive.codec,
    ...(archive.level === undefined ? {} : { level: archive.level }),
    lookups: archive.lookups,
    autoCreate: topicOptions(local),
  })
  try {
    const wanted = Object.entries(local.topics)
    const there = new Set(wanted.length === 0 ? [] : (await log.topics()).map(({ name }) => name))
    for (const [name, topic] of wanted) if (!there.has(name)) await makeTopic(log, name, topicOptions(topic))
    return log
  } catch (error) {
    await log.close()
    throw error
  }
}

async function makeTopic(log: Log, name: string, options: TopicOptions): Promise<void> {
  try {
    await log.createTopic(name, options)
  } catch (error) {
    // Another process that starts at the same time may have been first.
    if (!(await log.topics()).some((topic) => topic.name === name)) throw error
  }
}

/** Opens the broker that `source` names; the local log is made where there is none. */
export async function openBroker(config: Config): Promise<Broker> {
  return config.source.type === 'kafka' ? openKafka(config) : localBroker(config, await openLog(config), true)
}

async function openKafka(config: Config): Promise<Broker> {
  const { openKafkaBroker } = await import('./adapters/kafka/broker.ts')
  const { source, kafka } = config
  const { groupProtocol, groupInstanceId, sessionTimeoutMs, start, isolation } = kafka
  return openKafkaBroker({
    ...(await kafkaOptions(config)),
    topics: source.topics,
    group: source.group,
    groupProtocol,
    ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
    first: typeof start === 'number' ? { sinceMs: start } : start,
    isolation,
    sessionTimeoutMs,
  })
}

/** The Kafka cluster as the way in. */
export async function openKafkaInlet(config: Config): Promise<Inlet> {
  const { openKafkaInlet: open } = await import('./adapters/kafka/inlet.ts')
  return open({ ...(await kafkaOptions(config)), codec: config.kafka.compression })
}

/** The log as the way in; it stays open. */
export async function localInlet(log: Log): Promise<Inlet> {
  const { createLocalInlet } = await import('./adapters/local/inlet.ts')
  return createLocalInlet(log)
}

/** Opens the Kafka cluster for what is done with all of it: lag, verification, restoring. */
export async function openKafkaCluster(config: Config): Promise<KafkaOperations> {
  const { openKafkaOperations } = await import('./adapters/kafka/operations.ts')
  return openKafkaOperations({ ...(await kafkaOptions(config)), codec: config.kafka.compression })
}

/** The log as a broker; closes it only where it `owns` it. */
export function localBroker({ source }: Config, log: Log, owns: boolean): Broker {
  return {
    name: `local log ${log.path}`,
    place: 'the log',
    topics: () => log.topics(),
    ranges: ({ name, partitions }) => Promise.all(Array.from({ length: partitions }, (_, lane) => log.range(name, String(lane)))),
    async openSource() {
      const { openLocalSource } = await import('./adapters/local/source.ts')
      const member = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`
      return openLocalSource(log, { topics: source.topics, group: source.group, member })
    },
    async [Symbol.asyncDispose]() {
      if (owns) await log.close()
    },
  }
}

/** How the archive is written. */
export function archiveOptions({ archive }: Config, untilCaughtUp: boolean): ArchiveOptions {
  return {
    format: archive.format,
    codec: archive.codec,
    ...(archive.level === undefined ? {} : { level: archive.level }),
    lookups: archive.lookups,
    blockBytes: archive.blockBytes,
    rotate: archive.rotate,
    memoryBytes: archive.memoryBytes,
    writer: randomBytes(6).toString('hex'),
    untilCaughtUp,
  }
}

/**
 * The sink of messages that cannot be archived: JSON lines, a file for each process that has some, in the folder of dead letters. The
 * file is made when there is the first one.
 */
export function createDeadLetters({ deadLetters }: Config): Sink {
  const path = join(
    deadLetters.path,
    `${new Date().toISOString().replaceAll(/[:.]/gu, '-')}-${randomBytes(4).toString('hex')}.jsonl`,
  )
  let opened: Promise<Sink> | undefined
  const open = async (): Promise<Sink> => {
    const { openFileSink } = await import('./adapters/file/sink.ts')
    await mkdir(deadLetters.path, { recursive: true })
    return openFileSink({ path, format: 'json' })
  }
  return {
    name: `dead letters in ${deadLetters.path}`,
    async write(target, batch, signal) {
      opened ??= open().catch((error: unknown) => {
        opened = undefined
        throw error
      })
      return (await opened).write(target, batch, signal)
    },
    async [Symbol.asyncDispose]() {
      await (await opened)?.[Symbol.asyncDispose]()
    },
  }
}

/**
 * Opens where a replay goes. A job that was started before goes on in what it wrote; a dry run only counts. A topic of Kafka that is
 * missing is made with as many partitions as its origin has lanes among those that are `archived`.
 * @throws MillpondError `INPUT_INVALID` for a target that lacks something; what the sink throws.
 */
export async function openReplaySink(
  config: Config,
  { id, target, options, startedMs }: ReplaySummary,
  archived: readonly LaneId[] = [],
): Promise<Sink> {
  const { kind, path, url, headers } = target
  if (options.dryRun || kind === 'count') return (await import('./adapters/count/sink.ts')).createCountSink()
  if (kind === 'local') return openLocalReplaySink(config)
  if (kind === 'kafka') return openKafkaReplaySink(config, target.partition, archived)
  const format = target.format === 'raw' ? 'raw' : 'json'
  if (kind === 'file' && path !== undefined) {
    const { openFileSink } = await import('./adapters/file/sink.ts')
    return openFileSink({ path, format, ...(startedMs === null || path === '-' ? {} : { resumeJob: id }) })
  }
  if (kind === 'http' && url !== undefined) {
    const { openHttpSink } = await import('./adapters/http/sink.ts')
    return openHttpSink({ url, body: format, ...(headers === undefined ? {} : { headers }) })
  }
  throw new MillpondError('INPUT_INVALID', `a replay cannot go to ${kind} so`, { details: { kind } })
}

async function openKafkaReplaySink(
  config: Config,
  partition: ReplayTarget['partition'],
  archived: readonly LaneId[],
): Promise<Sink> {
  const { openKafkaSink } = await import('./adapters/kafka/sink.ts')
  const partitions = new Map<string, number>()
  for (const { topic, lane } of archived) {
    if (/^\d{1,9}$/u.test(lane)) partitions.set(topic, Math.max(partitions.get(topic) ?? 0, Number(lane) + 1))
  }
  return openKafkaSink({
    ...(await kafkaOptions(config)),
    codec: config.kafka.compression,
    ...(partition === undefined ? {} : { partition }),
    createTopics: { partitions: ({ origin }) => partitions.get(origin.topic) },
  })
}

/** Where the cluster is and how to log in. @throws MillpondError `CONFIG_INVALID` where a file cannot be read, or no broker is named. */
async function kafkaOptions({ kafka }: Config): Promise<KafkaOptions> {
  const { brokers, clientId, requestTimeoutMs, tls, sasl } = kafka
  if (brokers.length === 0) throw new MillpondError('CONFIG_INVALID', 'kafka.brokers names no broker, like [localhost:9092]')
  const pem = async (path: string | undefined) => (path === undefined ? undefined : readPem(path))
  const key = tls?.keyFile === undefined ? undefined : createSecret(await readPem(tls.keyFile))
  return {
    brokers,
    clientId,
    requestTimeoutMs,
    ...(tls === undefined
      ? {}
      : {
          tls: given({
            ca: await pem(tls.caFile),
            certificate: await pem(tls.certificateFile),
            key,
            passphrase: tls.passphrase,
            serverName: tls.serverName,
            verify: tls.verify,
          }),
        }),
    ...(sasl === undefined ? {} : { sasl }),
  }
}

async function openLocalReplaySink(config: Config): Promise<Sink> {
  const { createLocalSink } = await import('./adapters/local/sink.ts')
  const log = await openLog(config)
  const sink = createLocalSink(log)
  return {
    ...sink,
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]()
      await log.close()
    },
  }
}
