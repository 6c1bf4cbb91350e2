import type { Format } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { IndexedLane, SegmentIndex, SegmentQuery } from '../index/segment-index.ts'
import type { Archive } from '../search/read.ts'

/** An archive of which only what holds whole messages, or values alone, is there. */
export function onlyHolding<A extends Archive>(archive: A, what: 'messages' | 'values'): A {
  const { index } = archive
  const isKept = (format: Format) => segmentFormat(format).keepsAll === (what === 'messages')
  const segments = async function* (query: SegmentQuery) {
    for await (const segment of index.segments(query)) if (isKept(segment.format)) yield segment
  }
  const lanes = async (topic?: string): Promise<readonly IndexedLane[]> => {
    const counts = new Map<string, { segments: number; blocks: number; messages: number; bytes: number }>()
    const nameOf = (lane: { topic: string; topicId: string; lane: string }) =>
      JSON.stringify([lane.topic, lane.topicId, lane.lane])
    for await (const { lane, blocks, count, bytes } of segments(topic === undefined ? {} : { topic })) {
      const known = counts.get(nameOf(lane)) ?? { segments: 0, blocks: 0, messages: 0, bytes: 0 }
      known.segments++
      known.blocks += blocks.length
      known.messages += count
      known.bytes += bytes
      counts.set(nameOf(lane), known)
    }
    const all = await index.lanes(topic)
    return all.flatMap((lane) => (counts.has(nameOf(lane)) ? [{ ...lane, ...counts.get(nameOf(lane)) }] : []))
  }
  const filtered: SegmentIndex = {
    name: index.name,
    add: (commit) => index.add(commit),
    lane: (id) => index.lane(id),
    lanes,
    segments,
    clear: (id) => index.clear(id),
    replace: (...words) => index.replace(...words),
    [Symbol.asyncDispose]: () => index[Symbol.asyncDispose](),
  }
  return { ...archive, index: filtered }
}
