import { fileURLToPath } from 'node:url'
import { formatNames } from '../../src/encode/formats.ts'

/** One thing that is measured, in a process of its own that prints its figures as one line of JSON: those of `millpond bench` at the least. */
export interface FormatCase {
  readonly name: string
  readonly summary: string
  /** What Node runs for so many messages. */
  readonly words: (messages: number) => readonly string[]
}

const splitting = fileURLToPath(new URL('split-case.ts', import.meta.url))
const program = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Every format of the table, zstandard, with a filter over the keys, into the file store. */
const encodeCases = formatNames.map((name): FormatCase => ({
  name,
  summary: `batches → ${name} → file store, durable`,
  words: (messages) => [program, 'bench', 'encode', '--format', name, '--messages', String(messages), '--json'],
}))

/** Cases that are more than a format; each a script of this folder that measures itself by `src/cli/bench/measure.ts`. */
const moreCases: readonly FormatCase[] = [
  {
    name: 'prism',
    summary: 'Avro values → layout confluent by the day of a field, four of them at a time → value-avro → file store, durable',
    words: (messages) => [splitting, String(messages), '4'],
  },
  {
    name: 'open-partitions-5000',
    summary: 'the same with 5,000 days, an object each, open at once',
    words: (messages) => [splitting, String(messages), '5000'],
  },
]

const compacting = fileURLToPath(new URL('compact-case.ts', import.meta.url))

/** Segments of 10,000 messages, put together and perhaps converted. */
const compactCases = (['avro', 'parquet'] as const).map((name): FormatCase => ({
  name: `compact-${name}`,
  summary: `segments of 10,000 messages in avro → few in ${name}, read back and compared`,
  words: (messages) => [compacting, String(messages), name],
}))

const querying = fileURLToPath(new URL('query-case.ts', import.meta.url))
const queryCase = (format: string, by: 'millpond' | 'duckdb'): FormatCase => ({
  name: by === 'millpond' ? `query-${format}` : `duckdb-${format}`,
  summary: `one query over ${format} in the file store, ${by === 'millpond' ? 'as millpond query asks it' : "by DuckDB's own reader over the same objects"}`,
  words: (messages) => [querying, String(messages), format, by],
})

/** Three fields of all values, summed up. */
const queryCases: readonly FormatCase[] = [
  ...formatNames.map((format) => queryCase(format, 'millpond')),
  queryCase('value-parquet', 'duckdb'),
  queryCase('value-json', 'duckdb'),
]

/** All that `npm run -s bench:formats` measures, in this order. */
export const formatCases: readonly FormatCase[] = [...encodeCases, ...moreCases, ...compactCases, ...queryCases]
