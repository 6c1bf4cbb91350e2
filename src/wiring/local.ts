import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { LocalLog, TopicOptions } from '../adapters/local/log.ts'
import type { Config, LocalTopicConfig } from '../config/config.ts'
import type { Inlet } from '../sink/inlet.ts'
import type { Sink } from '../sink/sink.ts'
import type { Broker } from '../source/broker.ts'

/** The embedded broker, as the configuration describes it. */
export type Log = LocalLog

const topicOptions = ({ partitions, retention }: LocalTopicConfig): TopicOptions => ({
  partitions,
  ...(retention.maxAgeMs === undefined ? {} : { retentionMs: retention.maxAgeMs }),
  ...(retention.maxBytes === undefined ? {} : { retentionBytes: retention.maxBytes }),
})

/** Opens the local log, which is made where there is none, with the topics that have settings of their own. */
export async function openLog({ local, archive }: Config): Promise<Log> {
  const { openLocalLog } = await import('../adapters/local/log.ts')
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

/** The log as a broker; closes it only where it `owns` it. */
export function localBroker({ source }: Config, log: Log, owns: boolean): Broker {
  return {
    name: `local log ${log.path}`,
    place: 'the log',
    topics: () => log.topics(),
    ranges: ({ name, partitions }) => Promise.all(Array.from({ length: partitions }, (_, lane) => log.range(name, String(lane)))),
    async openSource() {
      const { openLocalSource } = await import('../adapters/local/source.ts')
      const member = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`
      return openLocalSource(log, { topics: source.topics, group: source.group, member })
    },
    async [Symbol.asyncDispose]() {
      if (owns) await log.close()
    },
  }
}

/** The log as the way in; it stays open. */
export async function localInlet(log: Log): Promise<Inlet> {
  const { createLocalInlet } = await import('../adapters/local/inlet.ts')
  return createLocalInlet(log)
}

/** Opens the local log as where a replay goes; closing the sink closes the log. */
export async function openLocalReplaySink(config: Config): Promise<Sink> {
  const { createLocalSink } = await import('../adapters/local/sink.ts')
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
