import type { SegmentEntry } from '../encode/segment.ts'

/** How long messages of a topic are kept: what is past any of these goes. */
export interface RetentionRules {
  /** Segments whose newest message is older than this, ms. */
  readonly olderThanMs?: number | undefined
  /** The oldest segments of the topic, while all of them together have more bytes. */
  readonly maxBytes?: number | undefined
  /** Segments that lie wholly before this position of their lane. */
  readonly beforePosition?: number | undefined
}

/** The rules of the topics that a pattern stands for. */
export interface TopicRetention extends RetentionRules {
  /** A topic's name, in which `*` stands for any text. */
  readonly pattern: string
}

/** What is known of a segment that may be due. */
export type DatedSegment = Pick<SegmentEntry, 'key' | 'bytes' | 'maxTimestamp' | 'lastPosition'>

/** Keys of the segments of a topic, of all its lanes, that are no longer to be kept. */
export function dueSegments(segments: readonly DatedSegment[], rules: RetentionRules, nowMs: number): Set<string> {
  const { olderThanMs, maxBytes, beforePosition } = rules
  const isOld = ({ maxTimestamp, lastPosition }: DatedSegment) =>
    (olderThanMs !== undefined && maxTimestamp < nowMs - olderThanMs) ||
    (beforePosition !== undefined && lastPosition < beforePosition)
  const due = new Set(segments.filter(isOld).map(({ key }) => key))
  if (maxBytes === undefined) return due
  const kept = segments.filter(({ key }) => !due.has(key)).sort((a, b) => a.maxTimestamp - b.maxTimestamp)
  let bytes = kept.reduce((sum, segment) => sum + segment.bytes, 0)
  for (const segment of kept) {
    if (bytes <= maxBytes) break
    due.add(segment.key)
    bytes -= segment.bytes
  }
  return due
}

/** Why segments go, as the record says it. */
export function policyText({ olderThanMs, maxBytes, beforePosition }: RetentionRules): string {
  return [
    ...(olderThanMs === undefined ? [] : [`older than ${durationText(olderThanMs)}`]),
    ...(maxBytes === undefined ? [] : [`more than ${maxBytes} bytes of the topic`]),
    ...(beforePosition === undefined ? [] : [`before position ${beforePosition}`]),
  ].join(' or ')
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

/** In the largest unit that it is a whole number of. */
function durationText(ms: number): string {
  const unit = UNITS.find(([, unitMs]) => ms % unitMs === 0)
  return unit === undefined ? `${ms}ms` : `${ms / unit[1]}${unit[0]}`
}

/** Whether nothing says what is to go. */
export const isEmptyRule = ({ olderThanMs, maxBytes, beforePosition }: RetentionRules): boolean =>
  olderThanMs === undefined && maxBytes === undefined && beforePosition === undefined

/** Whether a topic's name fits a pattern, in which `*` stands for any text. */
export function fitsPattern(topic: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => RegExp.escape(part))
  return new RegExp(`^${parts.join('.*')}$`, 'su').test(topic)
}

/** The rules of the first pattern that the topic fits. */
export const retentionOf = (rules: readonly TopicRetention[], topic: string): TopicRetention | undefined =>
  rules.find(({ pattern }) => fitsPattern(topic, pattern))
