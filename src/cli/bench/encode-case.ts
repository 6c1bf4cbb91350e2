import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { MessageBatch } from '../../batch/batch.ts'
import type { SegmentEntry } from '../../encode/segment.ts'
import type { Codec, EncodedBlock, Format } from '../../encode/block.ts'
import { DEFAULT_BLOCK_BYTES } from '../../encode/block-encoder.ts'
import type { FormatOptions } from '../../encode/format-options.ts'
import { readStoredBlock, segmentFormat } from '../../encode/formats.ts'
import { createSegmentBuilder } from '../../encode/segment-builder.ts'
import { MillpondError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { orderKind, withAvroValues } from './avro-messages.ts'
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

/** Batches as they come from a broker: positions rise, bytes are there; formats by schema get values that have one. */
export function prepareBatches(messages: number, format: Format = 'avro'): () => Generator<MessageBatch> {
  const batches = segmentFormat(format).byKind === true ? pool().map(withAvroValues) : pool()
  return function* () {
    for (let first = 0; first < messages; first += BATCH_COUNT) {
      const batch = batches[(first / BATCH_COUNT) % POOL_COUNT]!
      const positions = new Float64Array(BATCH_COUNT)
      for (let i = 0; i < BATCH_COUNT; i++) positions[i] = first + i
      yield { ...batch, positions }
    }
  }
}

/** How segments are written where a case does not say it. */
const USUAL: EncodeShape = { format: 'avro', codec: 'zstandard' }

/** What is measured. */
export interface EncodeShape {
  readonly format: Format
  readonly codec: Codec
  readonly formatOptions?: FormatOptions
}

/**
 * Batches → blocks, level 1, filter over the keys → segments in the store, durable; messages that no block can hold are looked for, as the archiver
 * does. Gives the segments.
 */
export async function encodeBatches(store: Store, batches: Iterable<MessageBatch>, shape = USUAL): Promise<SegmentEntry[]> {
  const entries: SegmentEntry[] = []
  const rules = segmentFormat(shape.format)
  const encoder = rules.createEncoder({
    ...shape,
    lookups: ['key'],
    blockBytes: DEFAULT_BLOCK_BYTES,
    origin: { topic: 'orders', lane: '0' },
    ...(rules.byKind === true && { kind: orderKind }),
  })
  const waiting: Promise<EncodedBlock>[] = []
  let open: OpenSegment | undefined
  const close = async () => {
    if (open === undefined) return
    for (const chunk of open.builder.end()) await open.object.write(chunk.bytes, chunk.crc32c)
    entries.push(open.builder.finish(open.key, {}).entry)
    await open.object.finish()
    open = undefined
  }
  const write = async (block: EncodedBlock) => {
    open ??= await openSegment(store, entries.length, shape, block)
    for (const chunk of open.builder.append(block)) await open.object.write(chunk.bytes, chunk.crc32c)
    if (open.builder.count >= SEGMENT_COUNT) await close()
  }
  for (const batch of batches) {
    const [fault] = rules.findUnencodable(batch, shape.formatOptions, rules.byKind === true ? orderKind : undefined)
    if (fault !== undefined) throw new MillpondError('INTERNAL', `message ${fault.row}: ${fault.reason}`)
    waiting.push(...encoder.add(batch))
    // As between two reads of a source: what threads have done is taken over.
    await setImmediate()
    while (waiting.length > AT_ONCE) await write(await waiting.shift()!)
  }
  const last = encoder.flush()
  for (const block of last ? [...waiting, last] : waiting) await write(await block)
  await close()
  return entries
}

type OpenSegment = Awaited<ReturnType<typeof openSegment>>

/** A segment for blocks like this one, whose codec may have another name than what was asked for. */
async function openSegment(store: Store, number: number, { format, formatOptions }: EncodeShape, { codec }: EncodedBlock) {
  const key = `encoded/${String(number).padStart(6, '0')}.${segmentFormat(format).extension(codec, formatOptions)}`
  const rules = segmentFormat(format)
  const kind = rules.byKind === true ? { kind: orderKind } : {}
  const builder = createSegmentBuilder({ format, codec, sync: randomBytes(16), formatOptions, ...kind })
  const object = await store.openWriter(key)
  if (builder.header.byteLength > 0) await object.write(builder.header)
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
