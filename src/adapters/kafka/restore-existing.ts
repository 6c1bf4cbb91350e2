import { MillpondError } from '../../errors.ts'
import type { IndexedLane, SegmentIndex } from '../../index/segment-index.ts'
import type { Cluster } from './cluster.ts'
import type { KafkaTopic } from './cluster-topics.ts'
import { topicSettings } from './topics.ts'

/** A setting of the target by which not all comes in, or stays, as it was. */
export interface RestoreWarning {
  readonly setting: string
  readonly value: string
  readonly reason: string
}

/** What is to be restored. */
export interface Arrivals {
  readonly index: SegmentIndex
  readonly lanes: readonly IndexedLane[]
  /** Settings that the topic had; undefined where they are not known. */
  readonly settings: Readonly<Record<string, string>> | undefined
  readonly nowMs: number
}

const SETTINGS = [
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'message.timestamp.type',
  'message.timestamp.before.max.ms',
  'message.timestamp.after.max.ms',
  'max.message.bytes',
] as const
type Setting = (typeof SETTINGS)[number]

/** Source: Apache Kafka 4.3, `ServerLogConfigs.MAX_MESSAGE_BYTES_DEFAULT`. */
const DEFAULT_MAX_MESSAGE_BYTES = '1048588'

const timeOf = (timestamp: number): string => {
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? `${timestamp} ms` : date.toISOString()
}

/** Each lane goes into the partition of its number. @throws MillpondError `INPUT_INVALID` where there is none for one. */
export function checkPartitions({ name, partitions }: KafkaTopic, lanes: readonly IndexedLane[]): void {
  const needed = Math.max(0, ...lanes.filter(({ messages }) => messages > 0).map(({ lane }) => Number(lane) + 1))
  if (partitions.length >= needed) return
  const message = `topic ${name} has ${partitions.length} partitions, and the archive has messages of ${needed}; add partitions to it, or restore under another name`
  throw new MillpondError('INPUT_INVALID', message, { details: { topic: name, partitions: partitions.length, needed } })
}

/** What settings of a topic that is there already would do to these messages; wherever they were set. */
export async function warningsOf(
  cluster: Cluster,
  topic: string,
  arrivals: Arrivals,
  signal?: AbortSignal,
): Promise<RestoreWarning[]> {
  const found = await topicSettings(cluster, topic, SETTINGS, signal)
  if (found.size === 0) {
    return [
      {
        setting: 'all',
        value: '',
        reason: 'this user may not see them: whether messages come in and stay as they were is not known',
      },
    ]
  }
  const warnings: RestoreWarning[] = []
  const value = (setting: Setting): string => found.get(setting) ?? ''
  const warn = (setting: Setting, reason: string) => void warnings.push({ setting, value: value(setting), reason })
  const policies = value('cleanup.policy').split(',')
  if (policies.includes('compact')) {
    warn('cleanup.policy', 'of messages with the same key only the last stays, and messages without a key are refused')
  }
  if (value('message.timestamp.type') === 'LogAppendTime') {
    warn('message.timestamp.type', 'every timestamp is replaced by the time at which the message comes in')
  } else warnOfAge(arrivals, policies.includes('delete'), value, warn)
  const largest = Math.max(0, ...arrivals.lanes.map(({ bytes }) => bytes))
  if (policies.includes('delete') && isBelow(value('retention.bytes'), largest)) {
    warn(
      'retention.bytes',
      `the archive has ${largest} bytes of one partition: its oldest messages are deleted soon after they come in`,
    )
  }
  const block = await largestBlock(arrivals, Number(value('max.message.bytes')))
  if (block !== undefined) {
    warn(
      'max.message.bytes',
      `the archive has blocks of up to ${block} bytes: larger batches are divided, and messages that are larger alone are refused`,
    )
  }
  return warnings
}

/** True for a limit, which -1 and what is not known are not, that is less than `actual`. */
const isBelow = (limit: string, actual: number): boolean => limit !== '' && Number(limit) >= 0 && Number(limit) < actual

function warnOfAge(
  { lanes, nowMs }: Arrivals,
  isDeleting: boolean,
  value: (setting: Setting) => string,
  warn: (setting: Setting, reason: string) => void,
): void {
  const oldest = Math.min(...lanes.map(({ minTimestamp }) => minTimestamp ?? Infinity))
  const newest = Math.max(...lanes.map(({ maxTimestamp }) => maxTimestamp ?? -Infinity))
  const [ofOldest, ofNewest] = [`the oldest message is of ${timeOf(oldest)}`, `the newest message is of ${timeOf(newest)}`]
  if (isDeleting && isBelow(value('retention.ms'), nowMs - oldest)) {
    warn('retention.ms', `${ofOldest}: what is older than that is deleted soon after it comes in`)
  }
  if (isBelow(value('message.timestamp.before.max.ms'), nowMs - oldest)) {
    warn('message.timestamp.before.max.ms', `${ofOldest}: what is older than that is refused`)
  }
  if (isBelow(value('message.timestamp.after.max.ms'), newest - nowMs)) {
    warn('message.timestamp.after.max.ms', `${ofNewest}: what is further ahead than that is refused`)
  }
}

/**
 * Bytes of the largest block that may hold a batch of more than `maxBytes`: where the topic took larger batches than this one, or a message is alone
 * in its block. How many bytes each batch had is not in the index.
 */
async function largestBlock({ index, lanes, settings }: Arrivals, maxBytes: number): Promise<number | undefined> {
  const [lane] = lanes
  if (lane === undefined || !(maxBytes > 0)) return undefined
  const tookMore = settings !== undefined && Number(settings['max.message.bytes'] ?? DEFAULT_MAX_MESSAGE_BYTES) > maxBytes
  let largest: number | undefined
  for await (const { blocks } of index.segments({ topic: lane.topic, topicId: lane.topicId })) {
    for (const { bytes, count } of blocks) {
      if (bytes > maxBytes && (tookMore || count === 1)) largest = Math.max(largest ?? 0, bytes)
    }
  }
  return largest
}
