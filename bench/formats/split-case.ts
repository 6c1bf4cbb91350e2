import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFileSpill } from '../../src/adapters/file/spill.ts'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { ownArchiveParts } from '../../src/api/archiving.ts'
import { suitHeapToStream } from '../../src/api/heap.ts'
import { runArchive } from '../../src/archive.ts'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { BatchBuilder } from '../../src/batch/builder.ts'
import { measure, rateFigures } from '../../src/cli/bench/measure.ts'
import { checkConfig } from '../../src/config/load.ts'
import { MillpondError } from '../../src/errors.ts'
import type { Sink } from '../../src/sink/sink.ts'
import type { Source } from '../../src/source/source.ts'
import { createValues } from '../../src/values/create-values.ts'
import type { SchemaRegistry } from '../../src/values/schema-registry.ts'
import { archiveOptions } from '../../src/wiring/archive.ts'

/**
 * Measures the archiver with layout and format of the example prism: Avro values with `metric_date` → an object a day → file store. Words: messages, days
 * among which they are dealt out by turns.
 */
const [messages = 2_000_000, days = 4] = process.argv.slice(2).map(Number)

const BATCH_COUNT = 10_000
const POOL = 8
const DAY_MS = 86_400_000
const SCHEMA = JSON.stringify({
  type: 'record',
  name: 'Metric',
  fields: [
    { name: 'customer', type: 'string' },
    { name: 'metric_date', type: 'string' },
    { name: 'metric', type: 'string' },
    { name: 'amount', type: 'double' },
    { name: 'note', type: 'string' },
  ],
})

const text = (content: string): Buffer => {
  const bytes = Buffer.from(content)
  const length = bytes.byteLength * 2
  return Buffer.concat([length < 128 ? Uint8Array.of(length) : Uint8Array.of((length & 127) | 128, length >> 7), bytes])
}

function valueOf(i: number): Buffer {
  const day = new Date(Date.UTC(2005, 0, 1) + (i % days) * DAY_MS).toISOString().slice(0, 10)
  const amount = Buffer.alloc(8)
  amount.writeDoubleLE((i * 7919) % 100_000)
  const note = `order ${i} of ${(i * 31) % 977}, shipped to depot ${(i * 17) % 53} by road, rail or sea as the contract says`
  return Buffer.concat([
    Uint8Array.of(0, 0, 0, 0, 1),
    text(`customer-${i % 9973}`),
    text(day),
    text('user.logins.daily'),
    amount,
    text(note),
  ])
}

/** One after the other, so that what is generated takes no more memory than it has to. */
function batchFrom(first: number): MessageBatch {
  const builder = new BatchBuilder()
  for (let i = first; i < first + BATCH_COUNT; i++) {
    builder.add({
      position: i,
      timestamp: 1_700_000_000_000 + i,
      key: `key-${String(i % 9973).padStart(12, '0')}`,
      value: valueOf(i),
    })
  }
  return builder.build()
}

suitHeapToStream()
const pool = Array.from({ length: POOL }, (_, number) => batchFrom(number * BATCH_COUNT))

const source: Source = {
  joined: async () => {},
  async *lanes() {
    yield { topic: 'metrics', topicId: 'metrics', lane: '0', startPosition: 0, revoked: new AbortController().signal }
  },
  async *read(_lane, position, signal) {
    for (let from = position; from < messages && !signal.aborted; from += BATCH_COUNT) {
      const batch = pool[(from / BATCH_COUNT) % POOL]!
      yield { ...batch, positions: batch.positions.map((_, row) => from + row) }
    }
  },
  range: async () => ({ oldest: 0, next: messages }),
  acknowledge: async () => {},
  async [Symbol.asyncDispose]() {},
}

const registry = {
  byId: async () => ({ type: 'avro', text: SCHEMA, references: [], guid: undefined }) as const,
  versionsOf: async () => [],
  async [Symbol.asyncDispose]() {},
} as unknown as SchemaRegistry

const deadLetters: Sink = {
  name: 'none',
  write: () => Promise.reject(new MillpondError('INTERNAL', 'a generated message went to the dead letters')),
  async [Symbol.asyncDispose]() {},
}

const folder = await mkdtemp(join(tmpdir(), 'millpond-split-'))
try {
  const { config } = await checkConfig(
    JSON.stringify({
      archive: { format: 'value-avro', rotate: { maxCount: 1_000_000 } },
      registry: { urls: ['http://localhost:8081'] },
      layout: {
        type: 'confluent',
        confluent: { partitionerClass: 'DailyPartitioner', timestampExtractor: 'RecordField', timestampField: 'metric_date' },
      },
    }),
    { file: undefined, folder },
    { env: {}, readFile: () => Promise.reject(new Error('none is named')) },
  )
  await using store = await openFileStore({ path: join(folder, 'archive'), create: true })
  let objects = 0
  const measured = await measure(async () => {
    let count = 0
    await runArchive(
      {
        ...ownArchiveParts(),
        source,
        store,
        deadLetters,
        values: createValues({ type: 'auto', registry, check: false, nowMs: Date.now }),
        openSpill: () => openFileSpill(folder),
        onEvent(event) {
          if (event.kind !== 'committed') return
          objects += event.commit.segments.length
          for (const segment of event.commit.segments) count += segment.count
        },
      },
      archiveOptions(config, true),
      new AbortController().signal,
    )
    return count
  })
  process.stdout.write(`${JSON.stringify({ ...rateFigures(measured), objects })}\n`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
