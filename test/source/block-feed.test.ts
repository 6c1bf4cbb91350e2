import { describe, expect, it } from 'vitest'
import { createMemoryBudget } from '../../src/batch/memory-budget.ts'
import { type MessageInput, batchOf } from '../../src/batch/builder.ts'
import type { AvroBlock } from '../../src/encode/block.ts'
import { openBlockFeed } from '../../src/source/block-feed.ts'
import type { Lane } from '../../src/source/lane.ts'
import type { Source } from '../../src/source/source.ts'

const MiB = 1024 * 1024
const lane: Lane = { topic: 'orders', topicId: 'orders', lane: '0', startPosition: 0, revoked: new AbortController().signal }
const COUNT = 40

/** A source of 40 pieces of a mebibyte, which counts how many were asked for. */
function sourceOf(kind: 'blocks' | 'batches') {
  const read = { count: 0, ended: false }
  const pieces = async function* <T>(make: (position: number) => T): AsyncGenerator<T> {
    try {
      while (read.count < COUNT) yield make(read.count++)
    } finally {
      read.ended = true
    }
  }
  const block = (position: number): AvroBlock => ({
    format: 'avro',
    codec: 'null',
    bytes: new Uint8Array(MiB),
    rawBytes: MiB,
    count: 1,
    firstPosition: position,
    lastPosition: position,
    minTimestamp: 0,
    maxTimestamp: 0,
    filters: [],
  })
  const message = (position: number): MessageInput => ({ position, timestamp: 0, value: new Uint8Array(MiB) })
  const source: Source = {
    async *lanes() {},
    read: () => pieces((position) => batchOf([message(position)])),
    ...(kind === 'blocks' && { readBlocks: () => pieces(block) }),
    async range() {
      return { oldest: 0, next: COUNT }
    },
    async acknowledge() {},
    async [Symbol.asyncDispose]() {},
  }
  return { source, read }
}

function feedOf(kind: 'blocks' | 'batches') {
  const { source, read } = sourceOf(kind)
  const budget = createMemoryBudget(1024 * MiB)
  const options = { format: 'avro', codec: 'null', lookups: [], blockBytes: MiB, budget, nowMs: () => 0 } as const
  return { feed: openBlockFeed(source, lane, 0, options, new AbortController().signal), read, budget }
}

describe.each(['blocks', 'batches'] as const)('a lane read as %s', (kind) => {
  it('is read a few blocks ahead of its writer, however large the budget is', async () => {
    const { feed, read, budget } = feedOf(kind)
    const positions: number[] = []
    for (;;) {
      const fed = await feed.next(Infinity)
      if (fed.kind === 'ended') break
      if (fed.kind !== 'block') continue
      positions.push(fed.block.firstPosition)
      budget.release(fed.heldBytes)
      // All that the reader would do without the writer.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(read.count - positions.length).toBeLessThan(8)
    }
    await feed.close()
    expect(positions).toEqual(Array.from({ length: COUNT }, (_, position) => position))
    expect(budget.heldBytes).toBe(0)
  })

  it('stops reading when it is closed, and gives back all that it held', async () => {
    const { feed, read, budget } = feedOf(kind)
    const fed = await feed.next(Infinity)
    budget.release(fed.kind === 'block' ? fed.heldBytes : 0)
    await feed.close()
    expect(read.ended).toBe(true)
    expect(read.count).toBeLessThan(COUNT)
    expect(budget.heldBytes).toBe(0)
  })
})
