import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { compactIfSparse } from '../../src/batch/compact.ts'
import type { MessageQuery } from '../../src/search/query.ts'
import { createSelection } from '../../src/search/selection.ts'
import type { SegmentRange } from '../../src/index/segment-directory.ts'
import { jsonValues } from '../../src/values/decoded.ts'

const text = (value: string) => new TextEncoder().encode(value)

const messages: MessageInput[] = [
  { position: 10, timestamp: 500, key: 'a', value: 'v', id: 'one', headers: [{ name: 'h', value: 'x' }] },
  { position: 11, timestamp: 400, key: '', value: null, id: '', headers: [] },
  { position: 12, timestamp: 600, key: null, value: '', id: null, headers: [{ name: 'h', value: null }] },
  {
    position: 15,
    timestamp: 600,
    key: 'ab',
    value: 'v',
    id: 'two',
    headers: [
      { name: 'h', value: 'y' },
      { name: 'h', value: 'x' },
      { name: 'g', value: '' },
    ],
  },
  { position: 20, timestamp: 700, key: 'a', value: 'w', id: 'one', headers: [{ name: 'hh', value: 'x' }] },
]
const batch = batchOf(messages)
const range = { firstPosition: 10, lastPosition: 20, minTimestamp: 400, maxTimestamp: 700 }
const positionsOf = (found: MessageBatch | undefined) => (found === undefined ? [] : [...found.positions])

const lane = { topic: 't', topicId: '1', lane: '0' }
const { signal } = new AbortController()
const matched = async (query: MessageQuery, of: MessageBatch, within: SegmentRange) =>
  createSelection(query)
    .of(lane)
    ?.match(of, within, (part) => jsonValues.open(part, lane.topic, signal), signal)

describe('a matcher', () => {
  it.each<{ query: MessageQuery; positions: number[] }>([
    { query: { key: text('a') }, positions: [10, 20] },
    { query: { key: text('') }, positions: [11] },
    { query: { key: text('b') }, positions: [] },
    { query: { id: 'one' }, positions: [10, 20] },
    { query: { id: '' }, positions: [11] },
    { query: { headers: [{ name: 'h' }] }, positions: [10, 12, 15] },
    { query: { headers: [{ name: 'h', equals: text('x') }] }, positions: [10, 15] },
    { query: { headers: [{ name: 'h', equals: text('') }] }, positions: [] },
    { query: { headers: [{ name: 'g', equals: text('') }] }, positions: [15] },
    { query: { headers: [{ name: 'h', equals: text('x') }, { name: 'g' }] }, positions: [15] },
    { query: { headers: [{ name: '' }] }, positions: [] },
    { query: { positions: { from: 11, to: 20 } }, positions: [11, 12, 15] },
    { query: { positions: { from: 13, to: 15 } }, positions: [] },
    { query: { positions: { from: 21 } }, positions: [] },
    { query: { timestamps: { from: 500, to: 700 } }, positions: [10, 12, 15] },
    { query: { timestamps: { from: 400, to: 500 } }, positions: [11] },
    { query: { timestamps: { to: 400 } }, positions: [] },
    {
      query: { positions: { from: 12 }, timestamps: { to: 700 }, key: text('ab'), id: 'two', headers: [{ name: 'g' }] },
      positions: [15],
    },
    { query: { key: text('a'), id: 'two' }, positions: [] },
  ])('finds for $query the positions $positions', async ({ query, positions }) => {
    expect(positionsOf(await matched(query, batch, range))).toEqual(positions)
  })

  it('gives a batch that is meant as a whole on as it is', async () => {
    for (const query of [{}, { positions: { from: 10, to: 21 } }, { timestamps: { from: 400, to: 701 } }]) {
      expect(await matched(query, batch, range)).toBe(batch)
    }
  })

  it('gives the whole messages of the rows it finds, also of a slice', async () => {
    const found = (await matched({ positions: { from: 11 }, headers: [{ name: 'h', equals: text('x') }] }, batch, range))!
    expect([...messagesOf(found)]).toEqual([[...messagesOf(batch)][3]])
  })
})

describe('compactIfSparse', () => {
  const many = batchOf(
    Array.from({ length: 2000 }, (_, i) => ({
      ...messages[i % 5]!,
      position: i,
      value: i % 3 === 0 ? null : `value ${i} `.repeat(10),
    })),
  )

  it('keeps every message as it is while the bytes shrink to what they need', async () => {
    const few = (await matched({ positions: { from: 700, to: 707 } }, many, { ...range, firstPosition: 0, lastPosition: 1999 }))!
    const small = compactIfSparse(few)
    expect(small.bytes.byteLength).toBeLessThan(1000)
    expect([...messagesOf(small)]).toEqual([...messagesOf(few)])
  })

  it('copies nothing where most is needed or little is held', () => {
    expect(compactIfSparse(many)).toBe(many)
    expect(compactIfSparse(batch)).toBe(batch)
  })
})
