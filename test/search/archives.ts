import type { MessageInput } from '../../src/batch/builder.ts'
import { batchOf } from '../../src/batch/builder.ts'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { openChain } from '../../src/commit/chain.ts'
import type { Gap } from '../../src/commit/commit.ts'
import type { SegmentEntry } from '../../src/encode/segment.ts'
import { encodeBlock } from '../../src/encode/avro-block.ts'
import type { EncodedBlock, Format, LookupField } from '../../src/encode/block.ts'
import { encodeRecordBlock } from '../../src/encode/record-block.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import type { LaneId } from '../../src/source/lane.ts'
import type { Store } from '../../src/store/store.ts'

/** One segment as its blocks. */
export type SegmentPlan = readonly MessageBatch[]

/** A commit's segments, and the position after it where more than the last message's is to be covered. */
export interface CommitContent {
  readonly segments: readonly SegmentPlan[]
  readonly lookups?: readonly LookupField[]
  readonly nextPosition?: number
  /** `avro` unless said otherwise; `kafka` takes no ids. */
  readonly format?: Format
}

const codec = 'zstandard'

const encode = (batch: MessageBatch, format: Format, lookups: readonly LookupField[]): Promise<EncodedBlock> =>
  format === 'avro' ? encodeBlock(batch, { codec, lookups }) : encodeRecordBlock([batch], { codec, lookups })

/** Writes a lane's segments and commits them, as the archive loop would. */
export async function writeLane(
  store: Store,
  lane: LaneId,
  startPosition: number,
  commits: readonly CommitContent[],
): Promise<void> {
  const chain = await openChain({ store, lane, startPosition, writer: 'w', now: () => 1_700_000_000_000 })
  for (const { segments, lookups = [], nextPosition, format = 'avro' } of commits) {
    const entries: SegmentEntry[] = []
    const parts: Uint8Array[] = []
    let lookupBytes = 0
    for (const plan of segments) {
      const blocks = await Promise.all(plan.map((batch) => encode(batch, format, lookups)))
      const written = await writeSegment(store, `${chain.folder}/${blocks[0]!.firstPosition}-w.${format}`, blocks)
      const at = lookupBytes
      entries.push({
        ...written.entry,
        lookups: written.entry.lookups.map((lookup) => ({ ...lookup, offset: lookup.offset + at })),
      })
      parts.push(written.lookupBytes)
      lookupBytes += written.lookupBytes.byteLength
    }
    const positions = segments.flatMap((plan) => plan.flatMap((batch) => [...batch.positions])).sort((a, b) => a - b)
    const end = nextPosition ?? (positions.at(-1) ?? chain.nextPosition) + 1
    const gaps = gapsOf(positions, chain.nextPosition, end)
    const draft = { nextPosition: end, segments: entries, gaps, deadLetters: [], lookupBytes: Buffer.concat(parts) }
    const { outcome } = await chain.append(draft)
    if (outcome !== 'committed') throw new Error('nobody else writes here')
  }
}

async function writeSegment(store: Store, key: string, blocks: readonly EncodedBlock[]) {
  const [{ format, codec }] = blocks as [EncodedBlock]
  const builder = createSegmentBuilder({ format, codec, sync: new Uint8Array(16).fill(7) })
  const chunks = [builder.header, ...blocks.flatMap((block) => builder.append(block).map(({ bytes }) => bytes))]
  const finished = builder.finish(key, {})
  await store.putIfAbsent(key, Buffer.concat(chunks))
  return finished
}

function gapsOf(positions: readonly number[], from: number, to: number): Gap[] {
  const gaps: Gap[] = []
  let next = from
  for (const position of [...positions, to]) {
    if (position > next) gaps.push({ firstPosition: next, nextPosition: position, missing: position - next, reason: 'skipped' })
    next = position + 1
  }
  return gaps
}

/** The messages in blocks of `blockCount`, those in segments of `segmentBlocks`, those in commits of `commitSegments`. */
export function cut(
  messages: readonly MessageInput[],
  blockCount: number,
  segmentBlocks: number,
  commitSegments: number,
): SegmentPlan[][] {
  const blocks = chunked(messages, blockCount).map((some) => batchOf(some))
  return chunked(chunked(blocks, segmentBlocks), commitSegments)
}

function chunked<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = []
  for (let from = 0; from < items.length; from += size) chunks.push(items.slice(from, from + size))
  return chunks
}
