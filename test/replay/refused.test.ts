import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import type { ReplayOptions } from '../../src/replay/job.ts'
import { holdsPosition, inBoth, type Positions } from '../../src/replay/positions.ts'
import { addRefused, MAX_REFUSED_RANGES, type Refused } from '../../src/replay/refused.ts'
import { planRetry } from '../../src/replay/retry.ts'
import { rangesOf, rowsOf } from '../../src/replay/rows-of-part.ts'
import { newPart } from '../../src/replay/split.ts'
import { runWorker } from '../../src/replay/worker.ts'
import { createMemorySink, laneOf, type MemorySink, openScene, type Scene } from './archives.ts'

type Fate = 'delivered' | 'refused' | 'left out'

/** Messages that a part selects, each with what becomes of it, and after how many of them the steps end. */
const course = fc
  .uniqueArray(
    fc.tuple(fc.integer({ min: 0, max: 400 }), fc.constantFrom<Fate>('delivered', 'refused', 'refused', 'refused', 'left out')),
    { selector: ([position]) => position, maxLength: 120 },
  )
  .map((messages) => messages.toSorted(([a], [b]) => a - b))
const steps = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 200 })

function run(messages: readonly (readonly [number, Fate])[], lengths: readonly number[]): Refused | undefined {
  let refused: Refused | undefined
  let [from, at] = [0, 0]
  for (const length of [...lengths, Infinity]) {
    const some = messages.slice(at, at + length)
    at += some.length
    const to = messages[at]?.[0] ?? 1000
    const of = (fate: Fate) => some.filter((message) => message[1] === fate).map(([position]) => position)
    const counts = { read: some.length, delivered: of('delivered').length, failed: of('refused').length, bytes: 0 }
    refused = addRefused(refused, { from, to, counts, refused: of('refused').toReversed() })
    from = to
  }
  return refused
}

describe('what was refused', () => {
  it('lies where nothing else lies that the part selects, and is counted', () => {
    fc.assert(
      fc.property(course, steps, (messages, lengths) => {
        const { at, count } = run(messages, lengths) ?? { at: [], count: 0 }
        const wanted = messages.filter(([, fate]) => fate === 'refused').map(([position]) => position)
        expect(messages.map(([position]) => position).filter((position) => holdsPosition(at, position))).toEqual(wanted)
        expect(count).toBe(wanted.length)
      }),
      { numRuns: 300 },
    )
  })

  it('is one range where nothing else is read, whatever the part does not select', () => {
    const messages = Array.from({ length: 3000 }, (_, i) => [i * 7, 'refused'] as const)
    expect(run(messages.slice(0, 100), [3, 10, 0, 0, 5])).toEqual({ at: [[0, 694]], count: 100, clearTo: 1000 })
    expect(run([[5, 'refused']], [0, 0])).toEqual({ at: [5], count: 1, clearTo: 1000 })
  })

  it('is kept as far as there is room, and never what was delivered', () => {
    const messages = Array.from({ length: 5000 }, (_, i) => [i, i % 2 === 0 ? 'refused' : 'delivered'] as const)
    const { at, count } = run(
      messages,
      Array.from({ length: 500 }, () => 10),
    )!
    expect([at.length, count]).toEqual([MAX_REFUSED_RANGES, MAX_REFUSED_RANGES])
    expect(at).toEqual(Array.from({ length: MAX_REFUSED_RANGES }, (_, i) => i * 2))
  })

  it('is not counted twice by a target that is sent it again', () => {
    const counts = { read: 3, delivered: 1, failed: 2, bytes: 0 }
    const first = addRefused(undefined, { from: 0, to: 10, counts, refused: [3, 7] })
    expect(addRefused(first, { from: 0, to: 10, counts, refused: [3, 7] })).toEqual(first)
  })
})

const positions: fc.Arbitrary<Positions> = fc.uniqueArray(fc.integer({ min: 0, max: 3000 }), { maxLength: 40 }).map((cuts) => {
  const sorted = cuts.toSorted((a, b) => a - b)
  return sorted.flatMap((from, i): Positions =>
    i % 2 === 1 ? [] : i + 1 < sorted.length ? [[from, sorted[i + 1]!] as const] : [from],
  )
})
const all = Array.from({ length: 3001 }, (_, i) => i)
const setOf = (some: Positions) => all.filter((position) => holdsPosition(some, position))

describe('positions', () => {
  it('are in both where they are in each', () => {
    fc.assert(
      fc.property(positions, positions, (a, b) => {
        expect(setOf(inBoth(a, b))).toEqual(setOf(a).filter((position) => holdsPosition(b, position)))
      }),
      { numRuns: 50 },
    )
  })

  it('are read and taken by a part that names them, from wherever it goes on', () => {
    const batch = batchOf(all.filter((n) => n % 3 === 0).map((position) => ({ position, timestamp: 0, key: null, value: 'v' })))
    fc.assert(
      fc.property(positions, fc.integer({ min: 0, max: 3000 }), (only, from) => {
        const part = newPart('job', 0, { lane: laneOf('t', '0', 0), fromPosition: 0, toPosition: 3001 }, { only })
        const wanted = setOf(only).filter((position) => position >= from)
        const ranges = [...rangesOf(part, from)]
        expect(wanted.every((position) => ranges.some((range) => position >= range.from && position < range.to))).toBe(true)
        expect(ranges.every((range) => range.from >= from && range.from < range.to)).toBe(true)
        expect([...rowsOf(batch, part).positions]).toEqual(setOf(only).filter((position) => position % 3 === 0))
      }),
      { numRuns: 50 },
    )
  })
})

describe('a retry', { timeout: 120_000 }, () => {
  const COUNT = 4000
  const openLanes = () => openScene([laneOf('orders', '0', COUNT), laneOf('orders', '1', 200)], { blockCount: 200 })

  async function work({ archive, jobs }: Scene, sink: MemorySink): Promise<void> {
    await runWorker(
      { archive, jobs, nowMs: Date.now, partsAtOnce: 4, isOnce: true, openSink: async () => sink },
      AbortSignal.timeout(100_000),
    )
  }
  /** Replays what is selected with these refused, and retries it: what arrives then, and what the retry does not know. */
  async function retried(
    scene: Scene,
    isBad: (position: number) => boolean,
    options: Partial<ReplayOptions> = {},
    where?: string,
  ) {
    const sink = createMemorySink()
    sink.refuse = (position) => (isBad(position) ? 'status 400' : undefined)
    const query = { topic: 'orders', ...(where === undefined ? {} : { key: new TextEncoder().encode(where) }) }
    await scene.plan({ query, target: { kind: 'local', topic: 'new' }, isDetached: true, options }, 'first')
    await work(scene, sink)
    const first = (await scene.jobs.get('first', Date.now()))!
    const retry = planRetry(first, { id: 'again', nowMs: Date.now() })
    await scene.jobs.create(retry)
    return { sink, first, retry }
  }
  const arrived = (sink: MemorySink) => ['0', '1'].map((lane) => sink.positions('orders', lane).toSorted((a, b) => a - b))
  const wantedOf = (isWanted: (position: number) => boolean) =>
    [COUNT, 200].map((count) => Array.from({ length: count }, (_, i) => i).filter(isWanted))

  it.each<{ how: string; options?: Partial<ReplayOptions>; key?: string }>([
    { how: 'lane by lane' },
    { how: 'by shards of keys', options: { order: 'key', split: 3 } },
    { how: 'by ranges', options: { order: 'none', split: 3 } },
    { how: 'of a selection', key: 'key 3' },
  ])('sends all that was refused though only the first thousand have reasons: $how', async ({ options, key }) => {
    await using scene = await openLanes()
    const isBad = (position: number) => position >= 500 && position !== 2222
    const isSelected = (position: number) => key === undefined || position % 7 === 3
    const { sink, first, retry } = await retried(scene, isBad, options, key)
    const wanted = wantedOf((position) => isBad(position) && isSelected(position))
    const count = wanted.flat().length
    expect(first.counts.failed).toBe(count)
    expect(first.failures.length).toBe(Math.min(count, 1000))
    expect(retry).toMatchObject({ beyond: 0, job: { planned: { messages: count } } })
    // Refused once more: of a retry only what it named itself is sent again.
    sink.writes.length = 0
    sink.refuse = (position) => (position >= 3000 ? 'status 500' : undefined)
    await work(scene, sink)
    expect(arrived(sink)).toEqual(wanted.map((lane) => lane.filter((position) => position < 3000)))
    const again = (await scene.jobs.get('again', Date.now()))!
    const last = planRetry(again, { id: 'last', nowMs: Date.now() })
    expect(last.beyond).toBe(0)
    sink.refuse = undefined
    sink.writes.length = 0
    await scene.jobs.create(last)
    await work(scene, sink)
    expect(arrived(sink)).toEqual(wanted.map((lane) => lane.filter((position) => position >= 3000)))
    expect(await scene.jobs.get('last', Date.now())).toMatchObject({ state: 'done', counts: { failed: 0 } })
  })

  it('says how many it does not know where they lie apart', async () => {
    await using scene = await openLanes()
    const { sink, retry } = await retried(scene, (position) => position % 2 === 0)
    expect(retry.beyond).toBe(COUNT / 2 - MAX_REFUSED_RANGES)
    sink.refuse = undefined
    sink.writes.length = 0
    await work(scene, sink)
    expect(arrived(sink)).toEqual(wantedOf((position) => position % 2 === 0 && position < 2 * MAX_REFUSED_RANGES))
  })

  it('of a job of an older version is of what is known by name', async () => {
    await using scene = await openLanes()
    const { first } = await retried(scene, (position) => position < 600)
    const parts = first.parts.map((part) => {
      const { refused: _, ...before } = part
      return before
    })
    const old = { ...first, parts }
    const retry = planRetry(old, { id: 'old', nowMs: 1 })
    expect(retry).toMatchObject({ beyond: 0, job: { planned: { messages: 800 } } })
    // One that went on in a newer version has both.
    const [lane, other] = first.parts
    const both = planRetry({ ...first, parts: [old.parts[0]!, other!] }, { id: 'both', nowMs: 1 })
    expect(both.parts.map(({ lane: of, only }) => [of.lane, only!.length])).toEqual([
      [other!.lane.lane, 1],
      [lane!.lane.lane, 600],
    ])
    expect(both.beyond).toBe(0)
  })
})
