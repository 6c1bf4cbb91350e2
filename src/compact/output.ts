import { randomBytes } from 'node:crypto'
import { rewriter } from '../commit/commit-names.ts'
import type { EncodeOptions } from '../encode/avro-block.ts'
import type { EncodedBlock } from '../encode/block.ts'
import type { FormatOptions } from '../encode/format-options.ts'
import { segmentFormat } from '../encode/formats.ts'
import { createSegmentBuilder, type FinishedSegment, type SegmentBuilder } from '../encode/segment-builder.ts'
import { MillpondError } from '../errors.ts'
import { segmentKey } from '../layout/millpond.ts'
import type { LaneId } from '../source/lane.ts'
import type { ObjectWriter, Store } from '../store/store.ts'
import type { SegmentGroup } from './plan.ts'

/** How new segments are written. */
export interface MergeOptions extends EncodeOptions {
  readonly blockBytes: number
  readonly targetBytes: number
  readonly formatOptions?: FormatOptions | undefined
}

/** The rewrite that new segments are for. */
export interface Making {
  readonly store: Store
  readonly lane: LaneId
  /** How many rewrites of the lane came before. */
  readonly sequence: number
  readonly writer: string
  /** Told how many messages were read. */
  readonly onRead: (read: { readonly count: number }) => void
  readonly signal: AbortSignal | undefined
}

/** Segments that are filled one after the other. */
export function openOutput(
  { store, sequence, writer, signal }: Making,
  { folder, layout, format }: SegmentGroup,
  { targetBytes, formatOptions }: MergeOptions,
) {
  const made: FinishedSegment[] = []
  let open: { readonly key: string; readonly builder: SegmentBuilder; readonly object: ObjectWriter } | undefined
  const begin = async (block: EncodedBlock) => {
    const extension = segmentFormat(format).extension(block.codec, formatOptions)
    const key = segmentKey({ folder, firstPosition: block.firstPosition, writer: rewriter(sequence, writer), extension })
    const builder = createSegmentBuilder({ format, codec: block.codec, sync: randomBytes(16), formatOptions })
    const object = await store.openWriter(key, signal)
    if (builder.header.byteLength > 0) await object.write(builder.header, builder.headerCrc32c)
    return { key, builder, object }
  }
  const close = async () => {
    if (open === undefined) return
    const { key, builder, object } = open
    for (const chunk of builder.end()) await object.write(chunk.bytes, chunk.crc32c)
    const finished = builder.finish(key, layout)
    if ((await object.finish()) === 'exists')
      throw new MillpondError('SEGMENT_TAKEN', `${key} is there already; a writer's id must be new with every run`)
    made.push(finished)
    open = undefined
  }
  return {
    async take(block: EncodedBlock) {
      if (open !== undefined && (open.builder.bytes >= targetBytes || !open.builder.suits(block))) await close()
      open ??= await begin(block)
      for (const chunk of open.builder.append(block)) await open.object.write(chunk.bytes, chunk.crc32c)
    },
    async finish() {
      await close()
      return made
    },
    abort: async () => open?.object.abort(),
  }
}
