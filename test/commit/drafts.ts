import type { CommitDraft } from '../../src/commit/commit.ts'
import type { BlockEntry, SegmentEntry } from '../../src/encode/segment.ts'
import { segmentKey } from '../../src/layout/millpond.ts'
import type { LaneId } from '../../src/source/lane.ts'
import { hashOf } from './arbitrary-commit.ts'

export const lane: LaneId = { topic: 'orders', topicId: 'id-1', lane: '0' }
export const NO_BYTES = new Uint8Array(0)

/** A segment of one block whose object is the JSON of its positions: enough where nobody decodes messages. */
export function tinySegment(
  folder: string,
  positions: readonly number[],
  writer: string,
): { entry: SegmentEntry; object: Uint8Array } {
  const object = Buffer.from(JSON.stringify(positions))
  const firstPosition = positions[0]!
  const lastPosition = positions.at(-1)!
  const extent = { count: positions.length, firstPosition, lastPosition, minTimestamp: 0, maxTimestamp: 0 }
  const block: BlockEntry = { offset: 0, bytes: object.length, crc32c: 0, ...extent }
  const key = segmentKey({ folder, firstPosition, writer, extension: 'avro' })
  const names = { key, bytes: object.length, crc32c: 0, sha256: hashOf(object), format: 'avro', codec: 'null' } as const
  return { entry: { ...names, ...extent, layout: {}, blocks: [block], lookups: [], siblings: [] }, object }
}

/** A draft that covers `[from, to)` with one segment of all positions. */
export function draftOf(folder: string, from: number, to: number, writer = 'w'): CommitDraft {
  const positions = Array.from({ length: to - from }, (_, i) => from + i)
  return {
    nextPosition: to,
    segments: [tinySegment(folder, positions, writer).entry],
    gaps: [],
    deadLetters: [],
    lookupBytes: NO_BYTES,
  }
}
