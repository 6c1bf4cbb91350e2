import { createRecordsBatch, Reader, readRecordsBatches } from '@platformatic/kafka'
import * as fc from 'fast-check'
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { writeRecordBatch } from '../../src/encode/record-batch.ts'
import type { RecordCodec } from '../../src/encode/record-header.ts'
import { readRecordBatches, scanRecordSet } from '../../src/encode/record-set.ts'
import { messagesArbitrary, plainMessage, plainMessages } from '../batch/message-arbitrary.ts'

const codecs: readonly RecordCodec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const bytesOf = (content: Uint8Array | string) => Buffer.from(content as Uint8Array)
const bytesOrNull = (content: Uint8Array | string | null | undefined) =>
  content === null || content === undefined ? null : bytesOf(content)

/** Messages without gaps, within twelve days (what is wider @platformatic/kafka 2.12 writes wrong), with header names that a map can hold. */
const dense = messagesArbitrary({ minLength: 1 }).map((messages) =>
  messages.map((message, position): MessageInput => {
    const names = new Map((message.headers ?? []).map((header) => [header.name, header]))
    const timestamp = 1_700_000_000_000 + (Math.abs(message.timestamp) % 2 ** 30)
    return { ...message, id: null, position, timestamp, headers: [...names.values()] }
  }),
)
const readAll = async (set: Uint8Array) => plainMessages(await readRecordBatches(set, scanRecordSet(set).batches, 0))

describe.each(codecs)('@platformatic/kafka under %s', (codec) => {
  it('writes what is read here, and reads what is written here', async () => {
    await fc.assert(
      fc.asyncProperty(dense, async (messages) => {
        const theirs = createRecordsBatch(
          messages.map(({ timestamp, key, value, headers = [] }) => ({
            topic: 'orders',
            timestamp: BigInt(timestamp),
            key: bytesOrNull(key) as Buffer,
            value: bytesOrNull(value) as Buffer,
            headers: new Map(headers.map((header) => [bytesOf(header.name), bytesOrNull(header.value) as Buffer])),
          })),
          { compression: codec },
        ).buffer
        expect(await readAll(theirs)).toEqual(messages.map(plainMessage))

        const ours = await writeRecordBatch(batchOf(messages), 0, messages.length, { codec })
        const [batch] = readRecordsBatches(Reader.from(Buffer.from(ours)))
        const read = batch!.records.map(({ timestampDelta, offsetDelta, key, value, headers }): MessageInput => ({
          position: Number(batch!.firstOffset) + offsetDelta,
          timestamp: Number(batch!.firstTimestamp + timestampDelta),
          key,
          value,
          headers: headers.map(([name, content]) => ({ name: String(name), value: content })),
        }))
        expect(read.map(plainMessage)).toEqual(messages.map(plainMessage))
      }),
      { numRuns: 50 },
    )
  })
})

/** The parts of kafkajs that write and read record batches; the package has no types for them. */
interface KafkajsMessage {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | Buffer[]>>
}
interface KafkajsBatches {
  readonly RecordBatch: (batch: object) => Promise<{ readonly buffer: Buffer }>
}
const require = createRequire(import.meta.url)
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as KafkajsBatches
const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => object
const Decoder = require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => object
const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (
  decoder: object,
) => Promise<{ readonly records: readonly KafkajsMessage[] }>

/** What kafkajs can hold: a value for each header, and no name that every object has already. */
const forKafkajs = dense.map((messages) =>
  messages.map((message) => ({
    ...message,
    headers: (message.headers ?? []).flatMap((header) =>
      header.value === null || header.name in {} || /^\d+$/u.test(header.name) ? [] : [header],
    ),
  })),
)

describe.each([
  { codec: 'none', number: 0 },
  { codec: 'gzip', number: 1 },
] as const)('kafkajs under $codec', ({ codec, number }) => {
  it('writes what is read here, and reads what is written here', async () => {
    await fc.assert(
      fc.asyncProperty(forKafkajs, async (messages) => {
        const firstTimestamp = messages[0]!.timestamp
        const theirs = await RecordBatch({
          compression: number,
          firstTimestamp,
          maxTimestamp: Math.max(...messages.map(({ timestamp }) => timestamp)),
          lastOffsetDelta: messages.length - 1,
          records: messages.map(({ position, timestamp, key, value, headers }) =>
            Record({
              offsetDelta: position,
              timestampDelta: (BigInt(timestamp) - BigInt(firstTimestamp)).toString(),
              key: bytesOrNull(key),
              value: bytesOrNull(value),
              headers: Object.fromEntries(headers.map((header) => [header.name, bytesOrNull(header.value)])),
            }),
          ),
        })
        expect(await readAll(theirs.buffer)).toEqual(messages.map(plainMessage))

        const ours = await writeRecordBatch(batchOf(messages), 0, messages.length, { codec })
        const { records } = await decodeBatch(new Decoder(Buffer.from(ours)))
        const read = records.map(({ offset, timestamp, key, value, headers }): MessageInput => ({
          position: Number(offset),
          timestamp: Number(timestamp),
          key,
          value,
          headers: Object.entries(headers).map(([name, content]) => ({ name, value: content as Buffer })),
        }))
        expect(read.map(plainMessage)).toEqual(messages.map(plainMessage))
      }),
      { numRuns: 50 },
    )
  })
})
