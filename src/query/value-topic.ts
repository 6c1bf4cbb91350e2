import type { Format } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import { MillpondError } from '../errors.ts'
import type { IndexedSegment } from '../index/segment-index.ts'
import { type Archive, READ_AHEAD, type ReadOptions, reading } from '../search/read.ts'
import { readAhead } from '../search/read-ahead.ts'
import type { ReadContext } from '../search/context.ts'
import { learnLines, noShape, shapeColumns } from './json-rows.ts'
import type { QueryTopic } from './topics.ts'
import { isOfJson, jsonLines, namingObject, openValueSegment, type ValueOptions } from './value-segment.ts'
import type { ValueTopic } from './value-columns.ts'
import { type ValueColumn, widerColumns } from './value-types.ts'

/** How a topic of values is looked at before it is asked. */
export interface LearnOptions extends ValueOptions, ReadOptions {
  /** Objects that are looked into; undefined for as many as is usual. */
  readonly sample?: number | undefined
}

/** Objects whose beginning or end says their columns, and those whose values have to be read for it. */
const SAMPLE = 1000
const SAMPLE_OF_LINES = 100
/** Lines that are looked at, shared by all objects, but some of each. */
const LINES = 50_000
const LEAST_LINES = 100
const OPEN_AT_ONCE = 16

/**
 * The topics, those of values with what they look like.
 * @throws MillpondError as `learnValueTopic`.
 */
export async function learnTopics(
  archive: Archive,
  topics: readonly QueryTopic[],
  options: LearnOptions,
): Promise<readonly QueryTopic[]> {
  const learnt: QueryTopic[] = []
  for (const topic of topics) {
    const isOfValues = await holdsValues(archive, topic.name)
    learnt.push(isOfValues ? { ...topic, values: await learnValueTopic(archive, topic.name, options) } : topic)
  }
  return learnt
}

/** What of a topic's segments decides how it is asked. */
interface Survey {
  readonly formats: ReadonlySet<Format>
  readonly paths: ReadonlyMap<string, ReadonlySet<string>>
  readonly sample: readonly IndexedSegment[]
}

/** Whether the topic begins with objects that hold values alone. One segment is looked at: topics of messages cost no more. */
async function holdsValues({ index }: Archive, topic: string): Promise<boolean> {
  for await (const { format } of index.segments({ topic })) return !segmentFormat(format).keepsAll
  return false
}

/**
 * Looks at a topic of values: what columns it has. Objects are looked into from the first to the last, evenly.
 * @throws MillpondError `QUERY_FAILED` for a topic of messages and values; what opening an object throws.
 */
async function learnValueTopic(archive: Archive, topic: string, options: LearnOptions): Promise<ValueTopic> {
  const { formats, paths, sample } = await surveyOf(archive, topic, options.sample)
  return {
    ...(await learnColumns(archive, sample, options)),
    hasLines: [...formats].some(isOfJson),
    isRaw: formats.has('raw'),
    paths: [...paths].map(([name, texts]) => ({ name, texts: [...texts].sort() })),
  }
}

async function surveyOf({ index }: Archive, topic: string, wanted: number | undefined): Promise<Survey> {
  const formats = new Set<Format>()
  const paths = new Map<string, Set<string>>()
  const sample: IndexedSegment[] = []
  const lanes = await index.lanes(topic)
  const total = lanes.reduce((sum, { segments }) => sum + segments, 0)
  let seen = 0
  for await (const segment of index.segments({ topic })) {
    formats.add(segment.format)
    for (const [name, text] of Object.entries(segment.layout)) {
      const texts = paths.get(name)
      if (texts === undefined) paths.set(name, new Set([text]))
      else texts.add(text)
    }
    const most = wanted ?? (isOfJson(segment.format) ? SAMPLE_OF_LINES : SAMPLE)
    if (isSampled(seen++, total, most)) sample.push(segment)
  }
  checkFormats(topic, formats)
  return { formats, paths, sample }
}

/** Whether the object at `at` is one of `most` that lie evenly among `total`, the first and the last included. */
function isSampled(at: number, total: number, most: number): boolean {
  if (most >= total || at === 0 || at === total - 1) return true
  return Math.floor((at * most) / total) !== Math.floor(((at - 1) * most) / total)
}

function checkFormats(topic: string, formats: ReadonlySet<Format>): void {
  const names = [...formats]
  const whole = names.filter((name) => segmentFormat(name).keepsAll)
  if (whole.length > 0) {
    const message = `the topic ${topic} holds messages (${whole.join(', ')}) and values alone (${names.filter((name) => !whole.includes(name)).join(', ')}): one view cannot show both; --only messages or --only values asks for the ones or the others`
    throw new MillpondError('QUERY_FAILED', message, { details: { topic, formats: names } })
  }
  if (formats.has('persistorrecord')) {
    const message = `the topic ${topic} holds blobs for Dataphos' tools (persistorrecord), whose values have no columns; its tools read them`
    throw new MillpondError('QUERY_FAILED', message, { details: { topic, formats: names } })
  }
  if (formats.has('raw') && names.length > 1) {
    const message = `the topic ${topic} holds objects in ${names.join(' and ')}: values in raw have no columns that would be the same`
    throw new MillpondError('QUERY_FAILED', message, { details: { topic, formats: names } })
  }
}

interface Learnt {
  readonly columns: readonly ValueColumn[]
  readonly isRecord: boolean
}

async function learnColumns(archive: Archive, sample: readonly IndexedSegment[], options: LearnOptions): Promise<Learnt> {
  const maxLines = Math.max(LEAST_LINES, Math.ceil(LINES / Math.max(1, sample.length)))
  let columns: readonly ValueColumn[] = []
  let shape = noShape
  const looks = reading(archive, options, READ_AHEAD, (context) =>
    readAhead(each(sample), (segment) => namingObject(segment, () => look(context, segment, options)), {
      count: OPEN_AT_ONCE,
      weight: Infinity,
      weightOf: () => 0,
    }),
  )
  for await (const seen of looks) {
    if (seen instanceof Uint8Array) shape = learnLines(shape, seen, maxLines)
    else columns = widerColumns(columns, seen)
  }
  const lines = sample.some(({ format }) => isOfJson(format)) ? shapeColumns(shape) : []
  return { columns: widerColumns(columns, lines), isRecord: shape.kind === 'record' }
}

async function* each(segments: readonly IndexedSegment[]): AsyncGenerator<IndexedSegment> {
  yield* segments
}

/** The columns of an object, or some of its lines. */
async function look(
  context: ReadContext,
  segment: IndexedSegment,
  options: LearnOptions,
): Promise<readonly ValueColumn[] | Uint8Array> {
  if (!isOfJson(segment.format)) {
    const opened = await openValueSegment(context, segment, { ...options, learns: true })
    return opened.columns ?? []
  }
  const { offset, bytes } = segment.blocks[0]!
  const stored = await context.store.read(segment.key, { start: offset, end: offset + bytes }, context.signal)
  context.counters.bytesRead += stored.byteLength
  return jsonLines(segment, stored)
}
