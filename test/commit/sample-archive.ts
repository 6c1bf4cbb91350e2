import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { selectRows } from '../../src/batch/batch.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { openAccount } from '../../src/commit/account.ts'
import { type Chain, openChain } from '../../src/commit/chain.ts'
import type { SegmentEntry } from '../../src/encode/segment.ts'
import { encodeBlock } from '../../src/encode/avro-block.ts'
import type { Codec, EncodedBlock, Format, LookupField } from '../../src/encode/block.ts'
import { encodeRecordBlock } from '../../src/encode/record-block.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import { segmentKey } from '../../src/layout/millpond.ts'
import type { LaneId } from '../../src/source/lane.ts'
import type { Store } from '../../src/store/store.ts'

export interface SampleOptions {
  /** `kafka` leaves the ids out. */
  readonly format?: Format
  readonly codec?: Codec
  readonly lookups?: readonly LookupField[]
  /** Messages of one block. */
  readonly blockCount?: number
  readonly writer?: string
}

/** Messages from `from` to before `to`, with some nulls and empties; odd positions are left out where `sparse`. */
export function sampleMessages(from: number, to: number, { sparse = false } = {}): MessageInput[] {
  const positions = Array.from({ length: to - from }, (_, i) => from + i).filter((position) => !sparse || position % 2 === 0)
  return positions.map((position) => ({
    position,
    timestamp: 1_700_000_000_000 + ((position * 7919) % 1000),
    key: position % 5 === 0 ? null : `key-${position % 50}`,
    value: position % 7 === 0 ? '' : `{"position":${position},"text":"${'x'.repeat(position % 40)}"}`,
    id: position % 3 === 0 ? `id-${position}` : null,
    headers: position % 2 === 0 ? [{ name: 'trace', value: `t${position}` }] : [],
  }))
}

/** Writes these messages as one segment. */
export async function writeSegment(
  store: Store,
  folder: string,
  messages: readonly MessageInput[],
  options: SampleOptions = {},
): Promise<{ entry: SegmentEntry; lookupBytes: Uint8Array }> {
  const { format = 'avro', codec = 'zstandard', lookups = ['key', 'id', 'header:trace'], blockCount = 40, writer = 'w' } = options
  const batch = batchOf(format === 'avro' ? messages : messages.map((message) => ({ ...message, id: null })))
  const blocks: EncodedBlock[] = []
  for (let from = 0; from < batch.count; from += blockCount) {
    const rows = Int32Array.from({ length: Math.min(blockCount, batch.count - from) }, (_, i) => from + i)
    const part = selectRows(batch, rows)
    blocks.push(
      format === 'avro' ? await encodeBlock(part, { codec, lookups }) : await encodeRecordBlock([part], { codec, lookups }),
    )
  }
  const builder = createSegmentBuilder({ format, codec: blocks[0]!.codec, sync: Buffer.alloc(16, 7) })
  const chunks = [builder.header, ...blocks.flatMap((block) => builder.append(block).map(({ bytes }) => bytes))]
  const key = segmentKey({ folder, firstPosition: messages[0]!.position, writer, extension: format })
  await store.putIfAbsent(key, Buffer.concat(chunks))
  return builder.finish(key, {})
}

/** Commits these messages as one segment; positions between them are recorded as a gap. */
export async function commitMessages(
  store: Store,
  chain: Chain,
  messages: readonly MessageInput[],
  options: SampleOptions = {},
): Promise<void> {
  const { entry, lookupBytes } = await writeSegment(store, chain.folder, messages, options)
  const account = openAccount(chain.nextPosition)
  for (const block of entry.blocks) account.addBlock(block)
  const { nextPosition } = account
  await chain.append({ nextPosition, segments: [entry], ...account.close(nextPosition), lookupBytes })
}

export const openSample = (store: Store, lane: LaneId, writer = 'w'): Promise<Chain> =>
  openChain({ store, lane, startPosition: 0, writer, now: () => 1_700_000_000_000 })

/** Two lanes: one of three commits with gaps and dead letters, one of a single commit, which may be in another format. */
export async function sampleArchive(count = 120, secondFormat: Format = 'avro'): Promise<Store> {
  const store = createMemoryStore()
  const first = await openSample(store, { topic: 'orders', topicId: 'id-1', lane: '0' })
  await commitMessages(store, first, sampleMessages(0, count))
  await commitMessages(store, first, sampleMessages(count + 10, 2 * count + 10, { sparse: true }))
  const from = first.nextPosition
  const deadLetters = [{ position: from + 1, reason: 'not UTF-8' }]
  const gaps = [{ firstPosition: from, nextPosition: from + 5, missing: 4, reason: 'expired' as const }]
  await first.append({ nextPosition: from + 5, segments: [], gaps, deadLetters, lookupBytes: new Uint8Array() })
  const second = await openSample(store, { topic: 'orders', topicId: 'id-1', lane: '1' })
  await commitMessages(store, second, sampleMessages(0, count), { codec: 'null', format: secondFormat })
  return store
}
