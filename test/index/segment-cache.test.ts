import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { withSegmentCache } from '../../src/index/segment-cache.ts'
import type { SegmentIndex, SegmentQuery } from '../../src/index/segment-index.ts'
import { segmentIndexContract } from '../contract/segment-index.ts'
import { addAll, chainOf, rewriteOf, segmentsOf } from './chains.ts'

const newFolder = () => mkdtemp(join(tmpdir(), 'millpond-segment-cache-'))

segmentIndexContract('sqlite, cached', async () => {
  const folder = await newFolder()
  return {
    open: async () => withSegmentCache(await openSqliteIndex({ path: join(folder, 'index.db') })),
    remove: () => rm(folder, { recursive: true }),
  }
})

const lane = (name: string) => ({ topic: 'orders', topicId: 'id-1', lane: name })
const plan = (blocks = 2) => ({ segments: [{ count: 10 * blocks, minTimestamp: 0, maxTimestamp: 9, blocks }] })

describe('withSegmentCache', () => {
  let folder: string
  let index: SegmentIndex
  /** What was asked of the index behind. */
  let asked: SegmentQuery[]
  let seen: SegmentIndex
  beforeEach(async () => {
    folder = await newFolder()
    index = await openSqliteIndex({ path: join(folder, 'index.db') })
    asked = []
    seen = {
      name: index.name,
      add: (commit) => index.add(commit),
      replace: (rewrite) => index.replace(rewrite),
      lane: (id) => index.lane(id),
      lanes: (topic) => index.lanes(topic),
      clear: (id) => index.clear(id),
      segments(query) {
        asked.push(query)
        return index.segments(query)
      },
      [Symbol.asyncDispose]: () => index[Symbol.asyncDispose](),
    }
  })
  afterEach(async () => {
    await index[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  it('reads a lane once while it does not change, whatever is asked of it', async () => {
    await addAll(index, chainOf(lane('0'), 0, [plan(), plan()]))
    const cached = withSegmentCache(seen)
    expect(await segmentsOf(cached, {})).toEqual(await segmentsOf(index, {}))
    expect(await segmentsOf(cached, { positions: { from: 25 } })).toHaveLength(1)
    expect(await segmentsOf(cached, { topic: 'orders', lanes: ['0'], timestamps: { from: 100 } })).toEqual([])
    expect(asked).toHaveLength(1)
  })

  it('reads of a lane that has grown what is new', async () => {
    const commits = chainOf(lane('0'), 0, [plan(), plan(), plan()])
    await addAll(index, commits.slice(0, 3))
    const cached = withSegmentCache(seen)
    expect(await segmentsOf(cached, {})).toHaveLength(2)
    await addAll(index, commits.slice(3))
    expect(await segmentsOf(cached, {})).toEqual(await segmentsOf(index, {}))
    expect(asked).toEqual([
      expect.not.objectContaining({ positions: expect.anything() }),
      expect.objectContaining({ positions: { from: 40 } }),
    ])
  })

  it('reads a lane again of which segments were rewritten, or that was made anew', async () => {
    const commits = chainOf(lane('0'), 0, [plan(), plan(), plan()])
    await addAll(index, commits)
    const cached = withSegmentCache(seen)
    await segmentsOf(cached, {})
    await index.replace(rewriteOf(lane('0'), commits.slice(1, 3), { sequence: 0, previousSha256: '' }))
    expect(await segmentsOf(cached, {})).toEqual(await segmentsOf(index, {}))
    await index.clear()
    expect(await segmentsOf(cached, {})).toEqual([])
    await addAll(index, commits.slice(0, 2))
    expect(await segmentsOf(cached, {})).toEqual(await segmentsOf(index, {}))
  })

  it('keeps nothing that was read while the lane changed', async () => {
    const commits = chainOf(lane('0'), 0, [plan(), plan(), plan()])
    await addAll(index, commits.slice(0, 2))
    const racing: SegmentIndex = {
      ...seen,
      async *segments(query) {
        // The lane grows between the reading of its totals and that of its segments.
        if (asked.length === 0) await addAll(index, commits.slice(2))
        yield* seen.segments(query)
      },
    }
    const cached = withSegmentCache(racing)
    await segmentsOf(cached, {})
    expect(await segmentsOf(cached, {})).toEqual(await segmentsOf(index, {}))
  })

  it('passes large lanes on, and forgets what was asked for longest ago', async () => {
    await addAll(index, chainOf(lane('0'), 0, [plan(40)]))
    for (const name of ['1', '2', '3', '4', '5']) await addAll(index, chainOf(lane(name), 0, [plan(20)]))
    const cached = withSegmentCache(seen, 100)
    const ask = async (name: string) => {
      asked.length = 0
      expect(await segmentsOf(cached, { lanes: [name] })).toEqual(await segmentsOf(index, { lanes: [name] }))
      return asked.length
    }
    expect([await ask('0'), await ask('0')]).toEqual([1, 1])
    for (const name of ['1', '2', '3', '4', '5']) expect(await ask(name)).toBe(1)
    expect(await ask('1')).toBe(0)
    await addAll(index, chainOf(lane('6'), 0, [plan(20)]))
    expect(await ask('6')).toBe(1)
    expect([await ask('2'), await ask('1')]).toEqual([1, 0])
  })

  it('gives what the index gives, whatever happens in between', async () => {
    const chains = ['0', '1'].map((name) =>
      chainOf(
        lane(name),
        0,
        Array.from({ length: 12 }, () => plan()),
      ),
    )
    const step = fc.oneof(
      fc.record({ act: fc.constant('add' as const), of: fc.nat(1) }),
      fc.record({ act: fc.constant('clear' as const), of: fc.nat(1) }),
      fc.record({ act: fc.constant('ask' as const), from: fc.nat(200), to: fc.nat(200) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await index.clear()
        const next = [0, 0]
        const cached = withSegmentCache(seen, 1000)
        const same: boolean[] = []
        for (const each of steps) {
          if (each.act === 'clear') {
            await index.clear(lane(String(each.of)))
            next[each.of] = 0
          } else if (each.act === 'add') {
            const commit = chains[each.of]![next[each.of]!]
            if (commit !== undefined) await index.add(commit)
            next[each.of]!++
          } else {
            const query = { positions: { from: each.from, to: each.to } }
            same.push(isDeepStrictEqual(await segmentsOf(cached, query), await segmentsOf(index, query)))
          }
        }
        expect(same).not.toContain(false)
      }),
      { numRuns: 60 },
    )
  })
})
