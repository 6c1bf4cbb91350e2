import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { suitHeapToStream } from '../../src/api/heap.ts'
import { encodeBatches, prepareBatches } from '../../src/cli/bench/encode-case.ts'
import { measure, rateFigures } from '../../src/cli/bench/measure.ts'
import { openChain } from '../../src/commit/chain.ts'
import type { Format } from '../../src/encode/block.ts'
import type { FormatOptions } from '../../src/encode/format-options.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { followChains } from '../../src/index/follow.ts'
import { readTopic } from '../../src/query/read.ts'
import { queryTopics } from '../../src/query/topics.ts'
import { readValues } from '../../src/query/value-read.ts'
import { learnTopics } from '../../src/query/value-topic.ts'
import { openParquetReader, openQuery } from '../../src/wiring.ts'

/**
 * Measures one query over a topic in a format, as `millpond query` asks it, or by DuckDB's own reader over the same objects. Words: messages, format,
 * `millpond` or `duckdb`. The archive is made by a process of its own.
 */
const [messages = '2000000', format = 'value-parquet', by = 'millpond', made] = process.argv.slice(2)
const rules = segmentFormat(format as Format)
const lane = { topic: 'orders', topicId: 'orders', lane: '0' }
const formatOptions: FormatOptions =
  format === 'csv' ? { fields: ['position', 'value.order', 'value.customer', 'value.amount', 'value.status', 'value.city'] } : {}

/** Fields are columns, or are taken out of JSON. */
const isTable = !rules.keepsAll && format !== 'raw'
const field = (name: string): string => (isTable ? name : `(value->>'$.${name}')`)
const statement = (from: string): string =>
  `SELECT count(*), sum(${field('amount')}::DOUBLE), max(${field('city')}), count(DISTINCT ${field('status')}) FROM ${from}`

async function make(folder: string): Promise<void> {
  await using store = await openFileStore({ path: folder, create: true })
  const shape = { format: format as Format, codec: 'zstandard', formatOptions } as const
  const segments = await encodeBatches(store, prepareBatches(Number(messages), shape.format)(), shape)
  const chain = await openChain({ store, lane, startPosition: 0, writer: 'w', now: Date.now })
  for (const segment of segments) {
    const draft = { segments: [{ ...segment, lookups: [] }], gaps: [], deadLetters: [], lookupBytes: new Uint8Array(0) }
    await chain.append({ ...draft, nextPosition: segment.lastPosition + 1 })
  }
}

async function askMillpond(folder: string): Promise<void> {
  await using store = await openFileStore({ path: folder, create: false })
  await using index = await openSqliteIndex({ path: ':memory:' })
  await followChains(store, index)
  const archive = { store, index }
  const signal = new AbortController().signal
  const answer = { form: 'text' } as const
  await using query = await openQuery({
    sql: statement('orders'),
    answer,
    memoryBytes: 1 << 30,
    tempFolder: folder,
    allowFiles: false,
    signal,
  })
  let parquet: ReturnType<typeof openParquetReader> | undefined
  const formats = { formatOptions, openParquet: () => (parquet ??= openParquetReader()) }
  const topics = await learnTopics(archive, (await queryTopics(index, query.tables)).topics, formats)
  await query.run(
    {
      topics,
      read: ({ name: topic, values }, conditions, columns, stop) =>
        values === undefined
          ? readTopic(archive, topic, { conditions, columns }, { signal: stop })
          : readValues(archive, { ...formats, topic, values, conditions, columns }, { signal: stop }),
    },
    { columns: async () => undefined, rows: async (rows) => checkCount(rows[0]?.[0]) },
  )
}

async function askDuckDb(folder: string): Promise<void> {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const objects = (await readdir(join(folder, 'encoded'))).map((name) => `'${join(folder, 'encoded', name)}'`).join(', ')
  const reader = format.endsWith('parquet') ? 'read_parquet' : format === 'csv' ? 'read_csv' : 'read_json'
  const answer = await connection.runAndReadAll(statement(`${reader}([${objects}])`))
  checkCount(String(answer.getRows()[0]?.[0]))
}

function checkCount(count: string | null | undefined): void {
  if (count !== messages) throw new Error(`the answer counts ${String(count)} of ${messages} messages`)
}

suitHeapToStream()
if (by === 'make') await make(made!)
else {
  const folder = await mkdtemp(join(tmpdir(), 'millpond-query-bench-'))
  try {
    const self = fileURLToPath(import.meta.url)
    await promisify(execFile)(process.execPath, [self, messages, format, 'make', folder])
    const measured = await measure(async () => {
      await (by === 'duckdb' ? askDuckDb(folder) : askMillpond(folder))
      return Number(messages)
    })
    process.stdout.write(`${JSON.stringify({ ...rateFigures(measured), format, by })}\n`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
