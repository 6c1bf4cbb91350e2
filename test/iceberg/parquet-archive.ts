import { createHash } from 'node:crypto'
import type { SchemaElement } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { type Chain, openChain } from '../../src/commit/chain.ts'
import type { SegmentEntry } from '../../src/encode/segment.ts'
import type { Store } from '../../src/store/store.ts'

/** A column of a test file: its elements, parents before children, and its values. */
export interface TestColumn {
  readonly elements: readonly SchemaElement[]
  readonly data: readonly unknown[]
}

const leaf = (name: string, data: readonly unknown[], element: Omit<SchemaElement, 'name'>): TestColumn => ({
  elements: [{ name, repetition_type: data.includes(null) ? 'OPTIONAL' : 'REQUIRED', ...element }],
  data,
})

/** Columns of each kind that a table can have. */
export const column = {
  long: (name: string, data: readonly (bigint | null)[]) => leaf(name, data, { type: 'INT64' }),
  int: (name: string, data: readonly (number | null)[]) => leaf(name, data, { type: 'INT32' }),
  float: (name: string, data: readonly (number | null)[]) => leaf(name, data, { type: 'FLOAT' }),
  double: (name: string, data: readonly (number | null)[]) => leaf(name, data, { type: 'DOUBLE' }),
  truth: (name: string, data: readonly (boolean | null)[]) => leaf(name, data, { type: 'BOOLEAN' }),
  text: (name: string, data: readonly (string | null)[]) => leaf(name, data, { type: 'BYTE_ARRAY', converted_type: 'UTF8' }),
  bytes: (name: string, data: readonly (Uint8Array | null)[]) => leaf(name, data, { type: 'BYTE_ARRAY' }),
  date: (name: string, data: readonly (Date | null)[]) => leaf(name, data, { type: 'INT32', converted_type: 'DATE' }),
  /** Microseconds since 1970. */
  time: (name: string, data: readonly (bigint | null)[]) =>
    leaf(name, data, { type: 'INT64', converted_type: 'TIMESTAMP_MICROS' }),
  millis: (name: string, data: readonly (bigint | null)[]) =>
    leaf(name, data, { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' }),
  decimal: (name: string, data: readonly (bigint | null)[], precision: number, scale: number) =>
    leaf(name, data, { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, converted_type: 'DECIMAL', precision, scale }),
  texts: (name: string, data: readonly (readonly string[])[]): TestColumn => ({
    elements: [
      { name, repetition_type: 'OPTIONAL', converted_type: 'LIST', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', repetition_type: 'REQUIRED', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
    ],
    data,
  }),
  place: (name: string, data: readonly ({ readonly city: string; readonly zip: number | null } | null)[]): TestColumn => ({
    elements: [
      { name, repetition_type: 'OPTIONAL', num_children: 2 },
      { name: 'city', repetition_type: 'REQUIRED', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
      { name: 'zip', repetition_type: 'OPTIONAL', type: 'INT32' },
    ],
    data,
  }),
}

/** A Parquet file of these columns, in row groups of so many rows. */
export function parquetFile(columns: readonly TestColumn[], rowGroupSize = 1000): Uint8Array {
  const root = { name: 'root', num_children: columns.length }
  const columnData = columns.map(({ elements, data }) => ({ name: elements[0]!.name, data: [...data] }))
  const schema = [root, ...columns.flatMap(({ elements }) => elements)]
  return new Uint8Array(parquetWriteBuffer({ columnData, schema, rowGroupSize }))
}

/** Opens the chain of a lane at its end. */
export const openTestChain = (store: Store, topic: string, lane = '0'): Promise<Chain> =>
  openChain({ store, lane: { topic, topicId: 'id-1', lane }, startPosition: 0, writer: 'w', now: () => 0 })

/** Puts Parquet files and one commit that names them all. */
export async function commitParquet(
  store: Store,
  chain: Chain,
  files: readonly (readonly TestColumn[])[],
): Promise<SegmentEntry[]> {
  const entries: SegmentEntry[] = []
  let at = chain.nextPosition
  for (const columns of files) {
    const { entry, object } = segmentOf(chain.folder, at, parquetFile(columns), columns[0]!.data.length)
    await store.putIfAbsent(entry.key, object)
    entries.push(entry)
    at = entry.lastPosition + 1
  }
  const draft = { nextPosition: at, segments: entries, gaps: [], deadLetters: [], lookupBytes: new Uint8Array(0) }
  const { outcome } = await chain.append(draft)
  if (outcome !== 'committed') throw new Error('the commit lost its race')
  return entries
}

function segmentOf(folder: string, firstPosition: number, object: Uint8Array, count: number) {
  const key = `${folder}/${String(firstPosition).padStart(16, '0')}-w.parquet`
  const extent = { count, firstPosition, lastPosition: firstPosition + count - 1, minTimestamp: 0, maxTimestamp: 0 }
  const sha256 = createHash('sha256').update(object).digest('hex')
  const names = { key, bytes: object.length, crc32c: 0, sha256, format: 'parquet', codec: 'snappy' } as const
  const blocks = [{ offset: 4, bytes: object.length - 4, crc32c: 0, ...extent }]
  const entry: SegmentEntry = { ...names, ...extent, layout: {}, blocks, lookups: [], siblings: [] }
  return { object, entry }
}
