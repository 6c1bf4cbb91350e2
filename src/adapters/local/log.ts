import { resolve } from 'node:path'
import type { MessageBatch } from '../../batch/batch.ts'
import type { Codec, LookupField } from '../../encode/block.ts'
import { MillpondError } from '../../errors.ts'
import { type AppendOptions, createAppender } from './appender.ts'
import { type Changes, createChanges } from './changes.ts'
import { createDatabaseFile } from './database.ts'
import type { Removed } from './operations.ts'
import type { Appended } from './plan.ts'
import { type KnownTopic, laneUnknown, openReader, type PartitionRange, type Reader, topicUnknown } from './reader.ts'
import { checkPartitions, checkTopicName, type Topic } from './topic.ts'
import { openWriter, type Writer } from './writer.ts'

/** What a topic is made with. */
export interface TopicOptions {
  readonly partitions?: number
  readonly retentionMs?: number
  readonly retentionBytes?: number
}

export interface LocalLogOptions {
  /** The file of the log; made, with its folder, where it is not there. */
  readonly path: string
  /** As the archive's, so that it takes blocks over as they are. */
  readonly codec?: Codec
  readonly level?: number
  readonly lookups?: readonly LookupField[]
  /** What a topic is made with by its first message; `false` where topics must be made by hand. */
  readonly autoCreate?: TopicOptions | false
  /** Groups for which retention keeps what they have not acknowledged: all that ever had a lane, unless named. */
  readonly protectGroups?: readonly string[] | 'all'
  readonly nowMs?: () => number
}

/** Millpond's embedded broker: topics of partitions in one file, which any number of processes may have open. */
export interface LocalLog extends AsyncDisposable {
  readonly path: string
  /** Bytes of messages that were given to `append` and are not durable yet. */
  readonly waitingBytes: number
  /** @throws MillpondError `TOPIC_INVALID` for a bad name or number of partitions, or a name that is taken. */
  createTopic(name: string, options?: TopicOptions): Promise<Topic>
  /** Takes the topic and its messages away. @throws MillpondError `TOPIC_UNKNOWN`. */
  deleteTopic(name: string): Promise<void>
  topics(): Promise<readonly Topic[]>
  /** @throws MillpondError `TOPIC_UNKNOWN`, `LANE_UNKNOWN`. */
  range(topic: string, lane: string): Promise<PartitionRange>
  /**
   * Appends the messages, all or none, and resolves when they are durable. Positions of the batch are ignored: each message gets
   * its own in the partition that its key's hash chooses. Calls that are not awaited keep their order within a partition. The
   * batch must not change before it resolves; who appends faster than the disk takes it waits here.
   * @throws MillpondError `TOPIC_UNKNOWN`, `TOPIC_INVALID`, `LANE_UNKNOWN`, `INPUT_INVALID`, `MESSAGE_TOO_LARGE`, `LOG_FULL`,
   * `LOG_UNAVAILABLE`, `JOB_CONFLICT`, `STOPPED`.
   */
  append(topic: string, batch: MessageBatch, options?: AppendOptions): Promise<Appended>
  /** Removes what is older or more than its topic's retention says, in whole rows, and gives the space back. */
  applyRetention(nowMs: number): Promise<Removed>
  /** Forgets a consumer group, which then protects nothing any more. */
  deleteGroup(group: string): Promise<void>
  /** What the source and the sink of the log use. */
  readonly parts: { readonly reader: Reader; readonly writer: Writer; readonly changes: Changes }
  close(): Promise<void>
}

const DEFAULT_PARTITIONS = 4
/** Rows of deleted topics that go in one transaction, so that appends need not wait long. */
const PURGED_AT_ONCE = 256

/**
 * Opens the log, which is made where there is none.
 * @throws MillpondError `LOG_CORRUPT` for a file that is foreign, cut or damaged; `LOG_UNAVAILABLE`, `LOG_FULL`.
 */
export async function openLocalLog(options: LocalLogOptions): Promise<LocalLog> {
  const path = resolve(options.path)
  const { autoCreate = {}, nowMs = Date.now, protectGroups = 'all' } = options
  createDatabaseFile(path)
  const writer = await openWriter(path)
  const reader = openReader(path)
  const changes = createChanges(reader)
  const appender = createAppender(reader, writer, {
    codec: options.codec ?? 'zstandard',
    level: options.level,
    lookups: options.lookups ?? [],
    newTopic: autoCreate === false ? undefined : topicFields(autoCreate),
    nowMs,
    onDurable: () => changes.look(),
  })
  const purge = async () => {
    while (await writer.run('purge', { maxRows: PURGED_AT_ONCE }));
  }
  const known = (name: string): KnownTopic => {
    const topic = reader.topic(name)
    if (topic) return topic
    throw topicUnknown(name)
  }
  let closing: Promise<void> | undefined
  const checkOpen = () => {
    if (closing) throw new MillpondError('STOPPED', `local log ${path} is closed`)
  }
  const close = async () => {
    await appender.drain()
    changes.close()
    reader.close()
    await writer.close()
  }
  const log: LocalLog = {
    path,
    parts: { reader, writer, changes },
    get waitingBytes() {
      return appender.waitingBytes
    },
    async createTopic(name, topicOptions = {}) {
      checkOpen()
      checkTopicName(name)
      await writer.run('createTopic', { ...topicFields(topicOptions), name, createdMs: nowMs(), unlessThere: false })
      changes.look()
      return publicTopic(known(name))
    },
    async deleteTopic(name) {
      checkOpen()
      await writer.run('deleteTopic', { name })
      changes.look()
      await purge()
    },
    async topics() {
      checkOpen()
      return reader.topics().map(publicTopic)
    },
    async range(topic, lane) {
      checkOpen()
      const partitionKey = partitionKeyOf(known(topic), lane)
      const range = partitionKey === undefined ? undefined : reader.range(partitionKey)
      if (range) return range
      throw laneUnknown(topic, lane)
    },
    async append(topic, batch, appendOptions) {
      checkOpen()
      return appender.append(topic, batch, appendOptions)
    },
    async applyRetention(retentionNowMs) {
      checkOpen()
      await purge()
      const removed = await writer.run('retain', { nowMs: retentionNowMs, protectGroups })
      while (await writer.run('shrink', { maxPages: SHRUNK_AT_ONCE_PAGES }));
      return removed
    },
    async deleteGroup(group) {
      checkOpen()
      await writer.run('deleteGroup', { group })
    },
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => log.close(),
  }
  return log
}

/** Pages that are given back in one transaction: 16 MiB. */
const SHRUNK_AT_ONCE_PAGES = 1024

/** The key of a lane's partition; undefined for a lane that the topic does not have. */
export function partitionKeyOf(topic: KnownTopic, lane: string): number | undefined {
  const number = Number(lane)
  return String(number) === lane ? topic.partitionKeys[number] : undefined
}

function topicFields({ partitions = DEFAULT_PARTITIONS, retentionMs, retentionBytes }: TopicOptions) {
  checkPartitions(partitions)
  return { partitions, retentionMs: retentionMs ?? null, retentionBytes: retentionBytes ?? null }
}

function publicTopic({ name, topicId, partitions, retentionMs, retentionBytes, createdMs }: KnownTopic): Topic {
  return { name, topicId, partitions, retentionMs, retentionBytes, createdMs }
}
