import { crc32 } from 'node:zlib'
import { MillpondError } from '../../errors.ts'

/** A topic of the log. */
export interface Topic {
  readonly name: string
  /** Another one for a topic that was deleted and made again. */
  readonly topicId: string
  readonly partitions: number
  /** How long messages stay after their arrival, ms; null for ever. */
  readonly retentionMs: number | null
  /** Bytes that each partition may hold; null without bound. */
  readonly retentionBytes: number | null
  readonly createdMs: number
}

const MAX_NAME_BYTES = 1024
const MAX_PARTITIONS = 1024

/**
 * Checks a topic's name: text of 1 to 1,024 bytes of UTF-8, whatever it holds.
 * @throws MillpondError `TOPIC_INVALID`.
 */
export function checkTopicName(name: string): void {
  const bytes = Buffer.byteLength(name)
  if (bytes === 0) throw new MillpondError('TOPIC_INVALID', 'the name of a topic must not be empty')
  if (bytes > MAX_NAME_BYTES)
    throw new MillpondError('TOPIC_INVALID', `the name of a topic has at most ${MAX_NAME_BYTES} bytes, not ${bytes}`)
  if (!name.isWellFormed())
    throw new MillpondError('TOPIC_INVALID', 'the name of a topic must be text: it holds half a surrogate pair')
}

/** @throws MillpondError `TOPIC_INVALID` for a number of partitions that is not 1 to 1,024. */
export function checkPartitions(partitions: number): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= MAX_PARTITIONS) return
  throw new MillpondError('TOPIC_INVALID', `a topic has 1 to ${MAX_PARTITIONS} partitions, not ${partitions}`)
}

/** CRC-32 of what decides where messages go and what they are called. */
export function topicChecksum({ name, topicId, partitions }: Pick<Topic, 'name' | 'topicId' | 'partitions'>): number {
  return crc32(JSON.stringify([name, topicId, partitions]))
}

const special = /[.+?^${}()|[\]\\/]/gu

/** Whether a topic's name fits one of the patterns, in which `*` stands for any text. */
export function topicMatcher(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.includes('*')) return () => true
  const alternatives = patterns.map((pattern) => pattern.replace(special, '\\$&').replaceAll(/\*+/gu, '.*'))
  const expression = new RegExp(`^(?:${alternatives.join('|')})$`, 'su')
  return (name) => patterns.length > 0 && expression.test(name)
}
