import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openParquetReader } from '../../src/adapters/hyparquet/reader.ts'
import { openQuery, type QueryOptions } from '../../src/adapters/duckdb/query.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { openChain } from '../../src/commit/chain.ts'
import type { Gap } from '../../src/commit/commit.ts'
import type { Codec, EncodedBlock, Format } from '../../src/encode/block.ts'
import type { FormatOptions } from '../../src/encode/format-options.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import { followChains } from '../../src/index/follow.ts'
import { queryTopics } from '../../src/query/topics.ts'
import { readTopic } from '../../src/query/read.ts'
import { readValues } from '../../src/query/value-read.ts'
import { learnTopics } from '../../src/query/value-topic.ts'
import { type Archive, createReadStats } from '../../src/search/read.ts'
import type { LaneId } from '../../src/source/lane.ts'
import type { Store } from '../../src/store/store.ts'
import type { ValueKind } from '../../src/values/values.ts'

/** An object that is to be in an archive. */
export interface ObjectPlan {
  readonly format: Format
  readonly messages: readonly MessageInput[]
  readonly codec?: Codec
  readonly kind?: ValueKind
  readonly formatOptions?: FormatOptions
  readonly layout?: Readonly<Record<string, string>>
  /** Bytes of a block before compression; 1 KiB unless said otherwise. */
  readonly blockBytes?: number
}

/** A schema of Avro as a registry would give it. */
export const avroKind = (schema: unknown): ValueKind => ({
  id: JSON.stringify(schema),
  type: 'avro',
  name: undefined,
  text: JSON.stringify(schema),
  references: [],
})

/** Writes a lane's objects, one a commit, as the archive loop would. */
async function writeObjects(store: Store, lane: LaneId, plans: readonly ObjectPlan[]): Promise<string[]> {
  const chain = await openChain({ store, lane, startPosition: 0, writer: 'w', now: () => 1_700_000_000_000 })
  const keys: string[] = []
  for (const [at, plan] of plans.entries()) {
    const { entry, bytes } = await objectOf(`${lane.topic}/${lane.lane}/${at}`, plan)
    await store.putIfAbsent(entry.key, bytes)
    keys.push(entry.key)
    const nextPosition = entry.lastPosition + 1
    const gaps = gapsOf(plan.messages, chain.nextPosition)
    const draft = { nextPosition, segments: [{ ...entry, lookups: [] }], gaps, deadLetters: [], lookupBytes: new Uint8Array(0) }
    const { outcome } = await chain.append(draft)
    if (outcome !== 'committed') throw new Error('nobody else writes here')
  }
  return keys
}

async function objectOf(name: string, { format, messages, codec = 'zstandard', kind, formatOptions, ...plan }: ObjectPlan) {
  const rules = segmentFormat(format)
  const batch = batchOf(messages)
  const faults = rules.findUnencodable(batch, formatOptions, kind)
  if (faults.length > 0) throw new Error(`message ${faults[0]!.row}: ${faults[0]!.reason}`)
  const { blockBytes = 1024, layout = {} } = plan
  const encoder = rules.createEncoder({
    codec,
    lookups: [],
    blockBytes,
    formatOptions,
    ...(kind && { kind }),
  })
  const made = encoder.add(batch)
  const last = encoder.flush()
  const blocks: EncodedBlock[] = await Promise.all(last === undefined ? made : [...made, last])
  const stored = format.endsWith('parquet') && codec === 'deflate' ? 'gzip' : codec
  const builder = createSegmentBuilder({
    format,
    codec: stored,
    sync: new Uint8Array(16).fill(7),
    ...(kind && { kind }),
    ...(formatOptions && { formatOptions }),
  })
  const chunks = [
    builder.header,
    ...blocks.flatMap((block) => builder.append(block).map(({ bytes }) => bytes)),
    ...builder.end().map(({ bytes }) => bytes),
  ]
  return {
    entry: builder.finish(`${name}.${rules.extension(stored, formatOptions)}`, layout).entry,
    bytes: Buffer.concat(chunks),
  }
}

function gapsOf(messages: readonly MessageInput[], from: number): Gap[] {
  const gaps: Gap[] = []
  let next = from
  for (const { position } of messages) {
    if (position > next) gaps.push({ firstPosition: next, nextPosition: position, missing: position - next, reason: 'skipped' })
    next = position + 1
  }
  return gaps
}

/** An archive of these topics, each with one lane; in memory unless there is another store. */
export async function archiveOf(
  topics: Readonly<Record<string, readonly ObjectPlan[]>>,
  store: Store = createMemoryStore(),
): Promise<Archive & { readonly store: Store }> {
  for (const [topic, plans] of Object.entries(topics)) await writeObjects(store, { topic, topicId: topic, lane: '0' }, plans)
  const index = await openSqliteIndex({ path: ':memory:' })
  await followChains(store, index)
  return { store, index }
}

/** How a query is asked. */
export interface AskOptions extends Partial<QueryOptions> {
  readonly formatOptions?: FormatOptions
  readonly sample?: number
}

/** Asks an archive; gives rows of text, and what was read for them. */
export async function ask(archive: Archive, sql: string, { formatOptions = {}, sample, ...options }: AskOptions = {}) {
  const stats = createReadStats()
  const rows: (string | null)[][] = []
  const signal = options.signal ?? new AbortController().signal
  await using query = await openQuery({
    sql,
    answer: { form: 'text' },
    memoryBytes: 500_000_000,
    tempFolder: '/tmp',
    allowFiles: false,
    signal,
    ...options,
  })
  const formats = { formatOptions, openParquet: openParquetReader }
  const named = await queryTopics(archive.index, query.tables)
  const topics = await learnTopics(archive, named.topics, { ...formats, sample })
  let columns: readonly { readonly name: string; readonly type: string }[] = []
  await query.run(
    {
      topics,
      read: ({ name: topic, values }, conditions, wanted, stop) =>
        values === undefined
          ? readTopic(archive, topic, { conditions, columns: wanted }, { stats, signal: stop })
          : readValues(archive, { ...formats, topic, values, conditions, columns: wanted }, { stats, signal: stop }),
    },
    {
      columns: async (some) => void (columns = some),
      rows: async (some) => void rows.push(...some.map((row) => [...row])),
    },
  )
  return { rows, stats, columns: columns.map(({ name, type }) => `${name} ${type}`) }
}
