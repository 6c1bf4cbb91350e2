import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { MessageBatch } from '../../batch/batch.ts'
import type { SegmentEntry } from '../../encode/segment.ts'
import type { EncodedBlock, Format } from '../../encode/block.ts'
import { readStoredBlock, segmentFormat } from '../../encode/formats.ts'
import { DEFAULT_BLOCK_BYTES } from '../../encode/block-encoder.ts'
import { createSegmentBuilder } from '../../encode/segment-builder.ts'
import { MillpondError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { ValueKind } from '../../values/values.ts'
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
export function prepareBatches(messages: number, batches = pool()): () => Generator<MessageBatch> {
  return function* () {
    for (let first = 0; first < messages; first += BATCH_COUNT) {
      const batch = batches[(first / BATCH_COUNT) % POOL_COUNT]!
      const positions = new Float64Array(BATCH_COUNT)
      for (let i = 0; i < BATCH_COUNT; i++) positions[i] = first + i
      yield { ...batch, positions }
    }
  }
}

/** How segments are written. */
export interface BenchFormat {
  readonly format: Format
  /** What values are, for formats by schema; they are looked at as on the way in. */
  readonly kind?: ValueKind
}

/** Batches → blocks, zstandard 1, filter over the keys → segments in the store, durable. Gives the segments. */
export async function encodeBatches(
  store: Store,
  batches: Iterable<MessageBatch>,
  { format, kind }: BenchFormat = { format: 'avro' },
): Promise<SegmentEntry[]> {
  const rules = segmentFormat(format)
  const entries: SegmentEntry[] = []
  const encoder = rules.createEncoder({
    codec: 'zstandard',
    lookups: ['key'],
    blockBytes: DEFAULT_BLOCK_BYTES,
    ...(kind && { kind }),
  })
  const waiting: Promise<EncodedBlock>[] = []
  let open = await openSegment(store, format, entries.length)
  const close = async () => {
    for (const chunk of open.builder.end()) await open.object.write(chunk.bytes, chunk.crc32c)
    entries.push(open.builder.finish(open.key, {}).entry)
    await open.object.finish()
  }
  const write = async (block: EncodedBlock) => {
    for (const chunk of open.builder.append(block)) await open.object.write(chunk.bytes, chunk.crc32c)
    if (open.builder.count < SEGMENT_COUNT) return
    await close()
    open = await openSegment(store, format, entries.length)
  }
  for (const batch of batches) {
    const faults = kind ? rules.findUnencodable(batch, kind) : []
    if (faults[0] !== undefined) throw new MillpondError('INTERNAL', `generated message: ${faults[0].reason}`)
    waiting.push(...encoder.add(batch))
    // As between two reads of a source: what threads have done is taken over.
    await setImmediate()
    while (waiting.length > AT_ONCE) await write(await waiting.shift()!)
  }
  const last = encoder.flush()
  for (const block of last ? [...waiting, last] : waiting) await write(await block)
  if (open.builder.count > 0) await close()
  return entries
}

async function openSegment(store: Store, format: Format, number: number) {
  const key = `encoded/${String(number).padStart(6, '0')}.${segmentFormat(format).extension('zstandard')}`
  const builder = createSegmentBuilder({ format, codec: 'zstandard', sync: randomBytes(16) })
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
