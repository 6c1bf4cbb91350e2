import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { joined } from '../../src/replay/joined.ts'
import type { SelectedBatch, SelectedStored } from '../../src/search/read.ts'

const lane = { topic: 'orders', topicId: 'a', lane: '0' }
/** Ten bytes of values, and two of keys. */
const batch = (first: number): SelectedBatch => ({
  lane,
  batch: batchOf([first, first + 1].map((position) => ({ position, timestamp: position, key: 'k', value: '12345' }))),
  nextPosition: first + 3,
})
const set = (first: number): SelectedStored => ({
  lane,
  stored: [{ format: 'kafka', bytes: new Uint8Array(12).fill(first) }],
  count: 2,
  nextPosition: first + 2,
})

async function* given(items: readonly (SelectedBatch | SelectedStored)[]) {
  yield* items
}

const join = (items: readonly (SelectedBatch | SelectedStored)[], bytes: number) => Array.fromAsync(joined(given(items), bytes))

describe('joined', () => {
  it.each([
    { bytes: 36, counts: [6, 6, 2], because: 'three fit' },
    { bytes: 35, counts: [4, 4, 4, 2], because: 'three are a byte too much' },
    { bytes: 1, counts: [2, 2, 2, 2, 2, 2, 2], because: 'one is more than that' },
    { bytes: 1000, counts: [14], because: 'all fit' },
  ])('gives batches of about $bytes bytes: $because', async ({ bytes, counts }) => {
    const items = [0, 3, 6, 9, 12, 15, 18].map(batch)
    const items2 = await join(items, bytes)
    const batches = items2.map((item) => ('batch' in item ? item : undefined)!)
    expect(batches.map((item) => item.batch.count)).toEqual(counts)
    expect(batches.flatMap((item) => [...messagesOf(item.batch)])).toEqual(items.flatMap((item) => [...messagesOf(item.batch)]))
    expect(batches.at(-1)!.nextPosition).toBe(21)
    for (const { batch: one, nextPosition } of batches) expect(nextPosition).toBe(one.positions.at(-1)! + 2)
  })

  it('joins what is stored, and never those with batches', async () => {
    const items = await join([set(0), set(2), batch(4), set(7), set(9), set(11)], 30)
    expect(items.map((item) => ('stored' in item ? item.stored.map(({ bytes }) => bytes[0]) : 'batch'))).toEqual([
      [0, 2],
      'batch',
      [7, 9],
      [11],
    ])
    expect(items.map((item) => ('stored' in item ? [item.count, item.nextPosition] : item.nextPosition))).toEqual([
      [4, 4],
      7,
      [4, 11],
      [2, 13],
    ])
  })
})
