import { randomBytes } from 'node:crypto'
import type { MessageBatch } from '../../batch/batch.ts'
import type { SegmentEntry } from '../../encode/segment.ts'
import type { EncodedBlock } from '../../encode/block.ts'
import { readStoredBlock } from '../../encode/formats.ts'
import { createBlockEncoder } from '../../encode/block-encoder.ts'
import { createSegmentBuilder } from '../../encode/segment-builder.ts'
import type { Store } from '../../store/store.ts'
import { createMessageGenerator } from './messages.ts'

/** Batches that are made beforehand and used again and again, so that making them is not measured. */
const POOL_COUNT = 8
const BATCH_COUNT = 10_000
/** Blocks on their way through compression or decompression at once: enough for two cores. */
const AT_ONCE = 4
/** Messages of one segment, about. */
const SEGMENT_COUNT = 2_000_000

const pool = (): MessageBatch[] => {
  const generator = createMessageGenerator({ ids: false, messagesPerMs: 100 })
  return Array.from({ length: POOL_COUNT }, (_, i) => generator.batch(i * BATCH_COUNT, BATCH_COUNT))
}

/** Batches as they come from a broker: positions rise, bytes are there. */
export function prepareBatches(messages: number): () => Generator<MessageBatch> {
  const batches = pool()
  return function* () {
    for (let first = 0; first < messages; first += BATCH_COUNT) {
      const batch = batches[(first / BATCH_COUNT) % POOL_COUNT]!
      const positions = new Float64Array(BATCH_COUNT)
      for (let i = 0; i < BATCH_COUNT; i++) positions[i] = first + i
      yield { ...batch, positions }
    }
  }
}

/** Batches → Avro blocks, zstandard 1, filter over the keys → segments in the store, durable. Gives the segments. */
export async function encodeBatches(store: Store, batches: Iterable<MessageBatch>): Promise<SegmentEntry[]> {
  const entries: SegmentEntry[] = []
  const encoder = createBlockEncoder({ codec: 'zstandard', lookups: ['key'] })
  const waiting: Promise<EncodedBlock>[] = []
  let open = await openSegment(store, entries.length)
  const write = async (block: EncodedBlock) => {
    for (const chunk of open.builder.append(block)) await open.object.write(chunk.bytes, chunk.crc32c)
    if (open.builder.count < SEGMENT_COUNT) return
    entries.push(open.builder.finish(open.key, {}).entry)
    await open.object.finish()
    open = await openSegment(store, entries.length)
  }
  for (const batch of batches) {
    waiting.push(...encoder.add(batch))
    while (waiting.length > AT_ONCE) await write(await waiting.shift()!)
  }
  const last = encoder.flush()
  for (const block of last ? [...waiting, last] : waiting) await write(await block)
  if (open.builder.count > 0) {
    entries.push(open.builder.finish(open.key, {}).entry)
    await open.object.finish()
  }
  return entries
}

async function openSegment(store: Store, number: number) {
  const key = `encoded/${String(number).padStart(6, '0')}.avro`
  const builder = createSegmentBuilder({ format: 'avro', codec: 'zstandard', sync: randomBytes(16) })
  const object = await store.openWriter(key)
  await object.write(builder.header)
  return { key, builder, object }
}

/** Segments of the store → columns, block by block by ranged reads. Gives the number of messages. */
export async function decodeSegments(store: Store, entries: readonly SegmentEntry[]): Promise<number> {
  let messages = 0
  const waiting: Promise<MessageBatch>[] = []
  const take = async () => {
    messages += (await waiting.shift()!).count
  }
  for (const entry of entries) {
    for (const { offset, bytes } of entry.blocks) {
      waiting.push(store.read(entry.key, { start: offset, end: offset + bytes }).then((stored) => readStoredBlock(entry, stored)))
      if (waiting.length > AT_ONCE) await take()
    }
  }
  while (waiting.length > 0) await take()
  return messages
}
