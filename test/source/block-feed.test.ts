import { describe, expect, it } from 'vitest'
import { free } from '../../src/batch/given-away.ts'
import { createMemoryBudget } from '../../src/batch/memory-budget.ts'
import { type MessageInput, batchOf } from '../../src/batch/builder.ts'
import { encodeBlock } from '../../src/encode/avro-block.ts'
import type { AvroBlock } from '../../src/encode/block.ts'
import { openBlockFeed } from '../../src/source/block-feed.ts'
import type { Lane } from '../../src/source/lane.ts'
import type { Passed, Source } from '../../src/source/source.ts'
import { recordSetOf } from '../encode/record-sets.ts'
import { until } from '../live/until.ts'

const MiB = 1024 * 1024
const lane: Lane = { topic: 'orders', topicId: 'orders', lane: '0', startPosition: 0, revoked: new AbortController().signal }
const COUNT = 40

const kinds = ['blocks', 'batches', 'record sets'] as const
type Kind = (typeof kinds)[number]

/** A source of 40 pieces of a mebibyte, which counts how many were asked for. */
function sourceOf(kind: Kind) {
  const read = { count: 0, ended: false }
  const pieces = async function* <T>(make: (position: number) => T | Promise<T>): AsyncGenerator<T> {
    try {
      while (read.count < COUNT) yield await make(read.count++)
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
    ...(kind === 'record sets' && {
      readRecordSets: () => pieces((position) => recordSetOf([{ batch: batchOf([message(position)]) }])),
    }),
    async range() {
      return { oldest: 0, next: COUNT }
    },
    async acknowledge() {},
    async [Symbol.asyncDispose]() {},
  }
  return { source, read }
}

function feedOf(kind: Kind, { source, read } = sourceOf(kind)) {
  const budget = createMemoryBudget(() => 1024 * MiB)
  const format = kind === 'record sets' ? 'kafka' : 'avro'
  const options = { format, codec: 'null', lookups: [], blockBytes: MiB, budget, nowMs: () => 0 } as const
  return { feed: openBlockFeed(source, lane, 0, options, new AbortController().signal), read, budget }
}

/** A source that gives these, each with its positions: messages, or that positions were passed. */
function sourceOfSteps(kind: Kind, steps: readonly (readonly number[] | Passed)[]) {
  const { source, read } = sourceOf(kind)
  const given = async function* <T>(make: (positions: readonly number[]) => T | Promise<T>): AsyncGenerator<T | Passed> {
    for (const step of steps) yield 'passedTo' in step ? step : await make(step)
  }
  const messages = (positions: readonly number[]) => positions.map((position) => ({ position, timestamp: 0, value: 'v' }))
  const changed: Source = {
    ...source,
    read: () => given((positions) => batchOf(messages(positions))),
    ...(source.readBlocks && {
      readBlocks: () => given((positions) => encodeBlock(batchOf(messages(positions)), { codec: 'null', lookups: [] })),
    }),
    ...(source.readRecordSets && {
      readRecordSets: () => given((positions) => recordSetOf([{ batch: batchOf(messages(positions)) }])),
    }),
  }
  return { source: changed, read }
}

describe('the memory of a block', () => {
  it.each([
    { kind: 'batches' as const, becomes: "is the taker's", isFreed: true },
    { kind: 'record sets' as const, becomes: "is the taker's", isFreed: true },
    { kind: 'blocks' as const, becomes: "stays the source's", isFreed: false },
  ])('$becomes, read as $kind', async ({ kind, isFreed }) => {
    const { feed } = feedOf(kind)
    const fed = await feed.next(Infinity)
    if (fed.kind !== 'block') throw new Error(`a block was due, not ${fed.kind}`)
    const { bytes } = fed.block
    expect(bytes.length).toBeGreaterThanOrEqual(MiB)
    free(bytes)
    expect(bytes.length === 0).toBe(isFreed)
    await feed.close()
  })
})

describe('a lane read as record sets', () => {
  it('passes positions at the end of a batch whose records are gone', async () => {
    const { source, read } = sourceOf('record sets')
    const [first, second] = await Promise.all([
      recordSetOf([{ batch: batchOf([{ position: 3, timestamp: 0 }]), lastOffset: 9 }]),
      recordSetOf([{ batch: batchOf([{ position: 10, timestamp: 0 }]), lastOffset: 10 }]),
    ])
    const given: Source = {
      ...source,
      async *readRecordSets() {
        yield first
        yield second
      },
    }
    const { feed } = feedOf('record sets', { source: given, read })
    const positions: number[] = []
    for (;;) {
      const fed = await feed.next(Infinity)
      if (fed.kind === 'ended') break
      if (fed.kind === 'passed') positions.push(fed.passedTo)
    }
    await feed.close()
    expect(positions).toEqual([10])
    expect(feed.readPosition).toBe(11)
  })
})

describe.each(kinds)('a lane read as %s', (kind) => {
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

  it('tells of positions without a message once, however often they move on, and never before what lies behind them', async () => {
    const steps = [{ passedTo: 3 }, { passedTo: 5 }, [7, 8], { passedTo: 12 }, [20], { passedTo: 30 }]
    const { feed } = feedOf(kind, sourceOfSteps(kind, steps))
    await until(() => feed.readPosition === 30, 'all to be read')
    const fed: [string, number][] = []
    for (;;) {
      const next = await feed.next(Infinity)
      if (next.kind === 'ended') break
      if (next.kind === 'passed') fed.push(['passed', next.passedTo])
      if (next.kind === 'block') fed.push(['block', next.block.lastPosition])
    }
    await feed.close()
    // Messages wait for their block to fill; blocks of the source itself do not.
    expect(fed).toEqual(
      kind === 'blocks'
        ? [
            ['passed', 5],
            ['block', 8],
            ['passed', 12],
            ['block', 20],
            ['passed', 30],
          ]
        : [
            ['passed', 30],
            ['block', 20],
          ],
    )
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

describe('what a feed holds of the memory budget', () => {
  const messages = (from: number, count: number, id?: string): MessageInput[] =>
    Array.from({ length: count }, (_, i) => ({ position: from + i, timestamp: 0, value: 'v'.repeat(1000), ...(id && { id }) }))
  function open(format: 'avro' | 'kafka', batches: readonly (readonly MessageInput[])[]) {
    const { source } = sourceOf('batches')
    const stop = new AbortController()
    const read = async function* () {
      for (const each of batches) yield batchOf(each)
      await new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
    }
    const budget = createMemoryBudget(() => 1024 * MiB)
    const options = { format, codec: 'null', lookups: [], blockBytes: 64 * 1024, budget, nowMs: () => 0 } as const
    return { feed: openBlockFeed({ ...source, read }, lane, 0, options, stop.signal), budget, stop }
  }

  it('is nothing for messages that no block can hold', async () => {
    // Records of Kafka have no id.
    const { feed, budget, stop } = open('kafka', [messages(0, 10, 'a')])
    await until(() => feed.readPosition === 10, 'all are read')
    expect(await feed.next(Infinity)).toMatchObject({ kind: 'unencodable' })
    expect(budget.heldBytes).toBe(0)
    stop.abort()
    await feed.close()
  })

  it('stays held for those behind a full block until theirs is taken too', async () => {
    const { feed, budget, stop } = open('avro', [messages(0, 100)])
    const first = await feed.next(Infinity)
    if (first.kind !== 'block') throw new Error(first.kind)
    budget.release(first.heldBytes)
    expect(feed.pendingHeldBytes).toBeGreaterThanOrEqual((100 - first.block.count) * 1000)
    expect(budget.heldBytes).toBe(feed.pendingHeldBytes)
    feed.flush()
    const last = await feed.next(Infinity)
    if (last.kind !== 'block') throw new Error(last.kind)
    budget.release(last.heldBytes)
    expect(budget.heldBytes).toBe(0)
    stop.abort()
    await feed.close()
  })
})
