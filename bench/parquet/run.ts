// `npm run -s bench:parquet -- [messages]`: the format parquet beside other writers of the same rows, one JSON line each; one process a writer.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants, zstdCompressSync } from 'node:zlib'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { headersAt, keyAt, valueAt } from '../../src/batch/view.ts'
import { encodeBatches, prepareBatches } from '../../src/cli/bench/encode-case.ts'
import { measure, rateFigures } from '../../src/cli/bench/measure.ts'
import { openFileStore } from '../../src/adapters/file/store.ts'

const [messagesText = '400000', writer] = process.argv.slice(2)
const messages = Number(messagesText)
const folder = mkdtempSync(join(tmpdir(), 'millpond-bench-parquet-'))
const LEVEL = 1
/** Rows of a row group, as ours come to have. */
const GROUP_ROWS = 56_000

/** What a writer is given, and the length of what it wrote. */
type Writer = () => Promise<{ readonly run: () => Promise<number> }>

async function ours() {
  const store = await openFileStore({ path: folder })
  const batches = prepareBatches(messages)
  return {
    async run() {
      const entries = await encodeBatches(store, batches(), { format: 'parquet' })
      return entries.reduce((sum, { bytes }) => sum + bytes, 0)
    },
  }
}

/** Columns of objects are made of the batches, as this writer takes them: that is a part of what it costs. */
async function hyparquetWriter() {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const batches = [...prepareBatches(messages)()]
  const rows = <T>(of: (batch: MessageBatch, row: number) => T): T[] =>
    batches.flatMap((batch) => Array.from({ length: batch.count }, (_, row) => of(batch, row)))
  const options = { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }
  return {
    run: async () =>
      parquetWriteBuffer({
        codec: 'ZSTD',
        compressors: { ZSTD: (bytes) => zstdCompressSync(bytes, options) },
        rowGroupSize: GROUP_ROWS,
        schema: [
          { name: 'root', num_children: 5 },
          { name: 'position', type: 'INT64', repetition_type: 'REQUIRED' },
          { name: 'timestamp', type: 'INT64', repetition_type: 'REQUIRED' },
          { name: 'key', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
          { name: 'value', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
          { name: 'headers', repetition_type: 'REQUIRED', num_children: 1, converted_type: 'LIST' },
          { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
          { name: 'element', repetition_type: 'REQUIRED', num_children: 2 },
          { name: 'name', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
          { name: 'value', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        ],
        columnData: [
          { name: 'position', data: rows((batch, row) => BigInt(batch.positions[row]!)) },
          { name: 'timestamp', data: rows((batch, row) => BigInt(batch.timestamps[row]!)) },
          { name: 'key', data: rows(keyAt) },
          { name: 'value', data: rows(valueAt) },
          { name: 'headers', data: rows(headersAt) },
        ],
      }).byteLength,
  }
}

/** From a table of its own in memory: that the rows had to come there is not counted. */
async function duckdb() {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const file = join(folder, 'duckdb.parquet')
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const filled = await ours()
  await filled.run()
  await connection.run(`create table rows as select * from '${folder}/encoded/*.parquet'`)
  return {
    async run() {
      await connection.run(`copy rows to '${file}' (format parquet, compression zstd, compression_level ${LEVEL})`)
      return statSync(file).size
    },
  }
}

const writers: Readonly<Record<string, Writer>> = { millpond: ours, 'hyparquet-writer': hyparquetWriter, duckdb }

try {
  if (writer === undefined) {
    for (const name of Object.keys(writers))
      process.stdout.write(execFileSync(process.execPath, [import.meta.filename, messagesText, name]))
  } else {
    const { run } = await writers[writer]!()
    let bytes = 0
    const measured = await measure(async () => {
      bytes = await run()
      return messages
    })
    const figures = { ...rateFigures(measured), bytesPerMessage: Math.round((10 * bytes) / messages) / 10 }
    process.stdout.write(`${JSON.stringify({ writer, ...figures })}\n`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
