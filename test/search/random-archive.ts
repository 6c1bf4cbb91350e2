import * as fc from 'fast-check'
import { expect } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import type { LookupField } from '../../src/encode/block.ts'
import { followChains } from '../../src/index/follow.ts'
import { compareLanes } from '../../src/index/lane-order.ts'
import type { SelectedBatch } from '../../src/search/read.ts'
import { createSliceCache } from '../../src/search/slice-cache.ts'
import type { LaneId } from '../../src/source/lane.ts'
import { type CommitContent, cut, writeLane } from './archives.ts'

/** A lane as the model knows it: all its messages by position. */
export interface ModelLane {
  readonly lane: LaneId
  readonly messages: readonly MessageInput[]
}

export const words = ['', 'a', 'b', 'ab', 'ünï', '0123456789abcdef']
export const word = fc.constantFrom(...words)
const header = fc.record({ name: fc.constantFrom('h', 'g', 'trace'), value: fc.option(word) })
const message = fc.record({
  gap: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) }),
  timestamp: fc.integer({ min: -50, max: 200 }),
  key: fc.option(word),
  value: fc.option(fc.string()),
  id: fc.option(word),
  headers: fc.array(header, { maxLength: 3 }),
})
const lookups = fc.constantFrom<LookupField[][]>(
  [],
  ['key'],
  ['key', 'id', 'header:h'],
  ['header:trace', 'header:h', 'header:g', 'id', 'key'],
)
export const laneContent = fc.record({
  startPosition: fc.nat(50),
  messages: fc.array(message, { maxLength: 60, size: 'max' }),
  sizes: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 })),
  lookups,
  dealt: fc.boolean(),
  format: fc.constantFrom('avro' as const, 'kafka' as const, 'both' as const),
})
type LaneContent = typeof laneContent extends fc.Arbitrary<infer Content> ? Content : never

export const lanes = fc.uniqueArray(
  fc.record({ topic: fc.constantFrom('t', 'u'), topicId: fc.constantFrom('1', '2'), lane: fc.constantFrom('0', '2', '10', 'w') }),
  { selector: ({ topic, topicId, lane }) => `${topic} ${topicId} ${lane}`, minLength: 1, maxLength: 5 },
)
/** Segments of one commit that lie across each other: each second message goes to the second. */
const acrossEachOther = (messages: readonly MessageInput[], blockCount: number): CommitContent['segments'] =>
  [0, 1].flatMap((half) =>
    cut(
      messages.filter((_, at) => at % 2 === half),
      blockCount,
      100,
      1,
    ).flat(),
  )

export async function archiveOf(made: readonly (LaneId & { readonly content: LaneContent })[]) {
  const store = createMemoryStore()
  const index = await openSqliteIndex({ path: ':memory:' })
  const model: ModelLane[] = []
  for (const { content, ...lane } of made) {
    let position = content.startPosition
    const messages = content.messages.map(({ gap, ...rest }) => {
      position += gap + 1
      return { ...rest, position: position - 1, ...(content.format === 'avro' ? {} : { id: null }) }
    })
    const formatOf = (commit: number) => (content.format === 'both' ? (['avro', 'kafka'] as const)[commit % 2]! : content.format)
    const parts = content.dealt ? [acrossEachOther(messages, content.sizes[0])] : cut(messages, ...content.sizes)
    const commits = parts.map((segments, i) => ({ segments, lookups: content.lookups, format: formatOf(i) }))
    await writeLane(store, lane, content.startPosition, messages.length === 0 ? [] : commits)
    model.push({ lane, messages })
  }
  await followChains(store, index)
  model.sort((a, b) => compareLanes(a.lane, b.lane))
  return { archive: { store, index, slices: createSliceCache() }, model }
}

export const utf8 = (text: Uint8Array | string | null | undefined): string | null | undefined =>
  text instanceof Uint8Array ? new TextDecoder().decode(text) : text

/** What was selected as plain objects, checked to go on where it ended. */
export async function plain(batches: AsyncIterable<SelectedBatch>) {
  const found: unknown[] = []
  const next = new Map<string, number>()
  for await (const { lane, batch, nextPosition } of batches) {
    const name = JSON.stringify(lane)
    expect(batch.positions[0]).toBeGreaterThanOrEqual(next.get(name) ?? 0)
    expect(nextPosition).toBeGreaterThan(batch.positions.at(-1)!)
    next.set(name, nextPosition)
    for (const { key, value, headers, ...rest } of messagesOf(batch)) {
      const texts = headers.map(({ name, value }) => ({ name, value: utf8(value) }))
      found.push({ ...lane, ...rest, key: utf8(key), value: utf8(value), headers: texts })
    }
  }
  return found
}
