import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { LocalLog, TopicOptions } from './adapters/local/log.ts'
import type { ArchiveOptions } from './archive.ts'
import type { Config, LocalTopicConfig } from './config/config.ts'
import { MillpondError } from './errors.ts'
import type { SegmentIndex } from './index/segment-index.ts'
import type { ReplaySummary } from './replay/job.ts'
import type { JobStore } from './replay/jobs.ts'
import type { Sink } from './sink/sink.ts'
import type { Broker } from './source/broker.ts'
import { probeStore } from './store/probe.ts'
import type { Store } from './store/store.ts'

/** The embedded broker, as the configuration describes it. */
export type Log = LocalLog

/** Opens the archive's store; a writer makes it where it is missing, and proves that it can hold an archive. */
export async function openStore({ store }: Config, use: 'read' | 'write'): Promise<Store> {
  const { openFileStore } = await import('./adapters/file/store.ts')
  const opened = await openFileStore({ path: store.path, create: use === 'write' })
  if (use === 'read') return opened
  try {
    await probeStore(opened, { random: randomBytes(8).toString('hex') })
    return opened
  } catch (error) {
    await opened[Symbol.asyncDispose]()
    throw error
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
  return localBroker(config, await openLog(config), true)
}

/** The log as a broker; closes it only where it `owns` it. */
export function localBroker({ source }: Config, log: Log, owns: boolean): Broker {
  return {
    name: `local log ${log.path}`,
    place: 'the log',
    topics: () => log.topics(),
    range: (topic, lane) => log.range(topic, lane),
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
    format: 'avro',
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
 * Opens where a replay goes. A job that was started before goes on in what it wrote; a dry run only counts.
 * @throws MillpondError `INPUT_INVALID` for a target that lacks something; what the sink throws.
 */
export async function openReplaySink(config: Config, { id, target, options, startedMs }: ReplaySummary): Promise<Sink> {
  const { kind, path, url, headers } = target
  if (options.dryRun || kind === 'count') return (await import('./adapters/count/sink.ts')).createCountSink()
  if (kind === 'local') return openLocalReplaySink(config)
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
