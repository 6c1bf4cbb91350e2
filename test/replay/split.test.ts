import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { replayOptions } from '../../src/replay/job.ts'
import { rangesOf, rowsOf } from '../../src/replay/rows-of-part.ts'
import { newPart, splitLanes } from '../../src/replay/split.ts'

const lane = (name: string, topicId = 'id-1') => ({ topic: 'orders', topicId, lane: name })
const local = (options: Parameters<typeof replayOptions>[1] = {}) => replayOptions('local', options)
const startsAt = (...positions: number[]) => positions.map((position) => ({ position, bytes: 100 }))

describe('splitting a job into parts', () => {
  const range = { lane: lane('0'), fromPosition: 10, toPosition: 100 }

  it('makes a part of each lane, and has lanes of one name wait for each other', () => {
    const lanes = [
      range,
      { ...range, lane: lane('1') },
      { ...range, lane: lane('0', 'id-2') },
      { ...range, lane: lane('0', 'id-3') },
    ]
    const parts = splitLanes('a', lanes, local(), [])
    expect(parts.map(({ part, lane: { topicId, lane: name }, after, share }) => [part, topicId, name, after, share])).toEqual([
      [0, 'id-1', '0', [], null],
      [1, 'id-1', '1', [], null],
      [2, 'id-2', '0', [0], null],
      [3, 'id-3', '0', [0, 2], null],
    ])
  })

  it('makes shards of keys that each span the lane', () => {
    const parts = splitLanes('a', [range, { ...range, lane: lane('0', 'id-2') }], local({ order: 'key', split: 2 }), [])
    expect(parts.map(({ shard, fromPosition, toPosition, after }) => [shard, fromPosition, toPosition, after])).toEqual([
      [{ index: 0, count: 2 }, 10, 100, []],
      [{ index: 1, count: 2 }, 10, 100, []],
      [{ index: 0, count: 2 }, 10, 100, [0, 1]],
      [{ index: 1, count: 2 }, 10, 100, [0, 1]],
    ])
    expect(new Set(parts.map(({ share }) => share)).size).toBe(2)
  })

  it.each([
    { options: { order: 'key', split: 1 }, because: 'one shard is the lane' },
    { options: { order: 'none', split: 1 }, because: 'one range is the lane' },
    { options: { order: 'key', dryRun: true }, because: 'a dry run counts by the index' },
  ] as const)('leaves a lane whole: $because', ({ options }) => {
    expect(splitLanes('a', [range], local(options), [startsAt(0, 50)])).toMatchObject([
      { share: null, shard: null, toPosition: 100 },
    ])
  })

  it.each([
    { starts: startsAt(0, 30, 60, 90), split: 2, bounds: [10, 60, 100] },
    { starts: startsAt(0, 30, 60, 90), split: 4, bounds: [10, 30, 60, 90, 100] },
    { starts: startsAt(0, 30, 60, 90), split: 100, bounds: [10, 30, 60, 90, 100] },
    { starts: startsAt(5), split: 4, bounds: [10, 100] },
    { starts: [], split: 4, bounds: [10, 100] },
    {
      starts: [
        { position: 0, bytes: 900 },
        { position: 30, bytes: 50 },
        { position: 60, bytes: 50 },
      ],
      split: 2,
      bounds: [10, 30, 100],
    },
  ])('cuts a lane whose segments begin at $starts.length places into at most $split', ({ starts, split, bounds }) => {
    const parts = splitLanes('a', [range], local({ order: 'none', split }), [starts])
    expect([...parts.map(({ fromPosition }) => fromPosition), parts.at(-1)!.toPosition]).toEqual(bounds)
    expect(parts.slice(1).map(({ fromPosition }) => fromPosition)).toEqual(parts.slice(0, -1).map(({ toPosition }) => toPosition))
    expect(parts.length).toBeLessThanOrEqual(split)
  })
})

describe('the messages of a part', () => {
  const key = fc.option(fc.constantFrom('', 'a', 'b', 'c', 'd', 'e', 'long key of another customer'), { nil: null })

  it('fall to exactly one shard, all of a key to the same, those without one to the first', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (keys, count) => {
        const batch = batchOf(keys.map((each, position) => ({ position, timestamp: 0, key: each, value: 'v' })))
        const whole = { lane: lane('0'), fromPosition: 0, toPosition: 100 }
        const shards = Array.from({ length: count }, (_, index) =>
          [...messagesOf(rowsOf(batch, newPart('a', index, whole, { shard: { index, count } })))].map(({ position }) => position),
        )
        expect(shards.flat().toSorted((a, b) => a - b)).toEqual(keys.map((_, position) => position))
        for (const name of new Set(keys)) {
          const holding = shards.filter((positions) => positions.some((position) => keys[position] === name))
          expect(holding).toHaveLength(1)
        }
        const keyless = keys.flatMap((each, position) => (each === null ? [position] : []))
        expect(shards[0]!.filter((position) => keys[position] === null)).toEqual(keyless)
      }),
    )
  })

  it('are those that it names, read in ranges that are near each other', () => {
    const only = [3, 5, 900, 5000, 5001, 90_000]
    const part = newPart('a', 0, { lane: lane('0'), fromPosition: 3, toPosition: 90_001 }, { only })
    expect([...rangesOf(part, 3)]).toEqual([
      { from: 3, to: 901 },
      { from: 5000, to: 5002 },
      { from: 90_000, to: 90_001 },
    ])
    expect([...rangesOf(part, 5001)]).toEqual([
      { from: 5001, to: 5002 },
      { from: 90_000, to: 90_001 },
    ])
    const batch = batchOf([2, 3, 4, 5, 6].map((position) => ({ position, timestamp: 0, key: 'k', value: 'v' })))
    expect([...rowsOf(batch, part).positions]).toEqual([3, 5])
  })
})
