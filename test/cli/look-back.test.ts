import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { newestOf } from '../../src/cli/look-back.ts'
import type { LaneEnds, Stretch } from '../../src/cli/tail-places.ts'
import { MillpondError } from '../../src/errors.ts'

/** What a place holds of a lane: positions that are meant, rising, with a timestamp each. */
type Content = readonly (readonly [position: number, timestamp: number])[]

const laneOf = (name: string) => ({ topic: 't', topicId: 't', lane: name })
const endsOf = (name: string, next: number, oldest = 0): LaneEnds => ({ lane: laneOf(name), oldest, next })

/** A place that gives what is meant, a few messages a batch, and says what it was asked for. */
function placeOf(contents: Readonly<Record<string, Content>>, oldest = 0) {
  const asked: Stretch[] = []
  return {
    asked,
    async *read(stretch: Stretch) {
      asked.push(stretch)
      const { lane, from, to } = stretch
      if (from < oldest) throw new MillpondError('POSITION_GONE', 'gone', { details: { position: from, oldest } })
      const meant = contents[lane.lane]!.filter(([position]) => position >= from && position < to)
      for (let at = 0; at < meant.length; at += 7) {
        const some = meant.slice(at, at + 7)
        yield batchOf(some.map(([position, timestamp]) => ({ position, timestamp, key: null, value: 'v' })))
      }
    },
  }
}

const placesOf = (found: Awaited<ReturnType<typeof newestOf>>) =>
  found.map(({ lane, batch, timestamp }) => [lane.lane, batch.positions[0], timestamp, batch.count])

const NEXT = 20_000
const content = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 0, max: NEXT - 1 }), fc.integer({ min: 0, max: 50 })), {
    selector: ([position]) => position,
    maxLength: 60,
  })
  .map((all) => all.toSorted(([a], [b]) => a - b))

describe('looking back', () => {
  it('finds the newest of the last of each lane, wherever they lie', async () => {
    const property = fc.asyncProperty(
      fc.tuple(content, content),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      fc.constantFrom(Infinity, 0, 1500, NEXT),
      async ([a, b], count, isAll, end) => {
        const place = placeOf({ a, b })
        let looked = 0
        const onLooked = (positions: number) => (looked += positions)
        const found = await newestOf(place, [endsOf('a', NEXT), endsOf('b', NEXT)], { count, end, isAll, onLooked })
        const lastOf = (name: string, all: Content) =>
          all
            .filter(([position]) => position < end)
            .slice(-count)
            .map(([position, timestamp]) => [name, position, timestamp, 1] as const)
        const expected = [...lastOf('a', a), ...lastOf('b', b)].sort((x, y) => x[2] - y[2]).slice(-count)
        expect(placesOf(found)).toEqual(expected)
        expect(looked).toBeLessThanOrEqual(2 * Math.min(end, NEXT))
        // No position is read twice.
        expect(looked).toBe(place.asked.reduce((sum, { from, to }) => sum + to - from, 0))
      },
    )
    await fc.assert(property, { numRuns: 200 })
  })

  it('looks at no more than are wanted where all are meant, and not much further than it must', async () => {
    const all = Array.from({ length: NEXT }, (_, position) => [position, position] as const)
    const look = async (content: Content, isAll: boolean) => {
      const place = placeOf({ a: content })
      await newestOf(place, [endsOf('a', NEXT)], { count: 10, end: Infinity, isAll, onLooked: () => undefined })
      return place.asked.map(({ from, to }) => [from, to])
    }
    expect(await look(all, true)).toEqual([[NEXT - 10, NEXT]])
    const every200th = all.filter(([position]) => position % 200 === 0)
    expect(await look(every200th, false)).toEqual([
      [19_000, 20_000],
      [17_000, 19_000],
    ])
  })

  it('leaves out what was removed meanwhile', async () => {
    const every100th = Array.from({ length: 200 }, (_, i) => [i * 100, i] as const)
    const look = async (oldest: number, next = NEXT) => {
      const found = await newestOf(placeOf({ a: every100th }, oldest), [endsOf('a', next)], {
        count: 100,
        end: Infinity,
        isAll: false,
        onLooked: () => undefined,
      })
      return found.map(({ batch }) => batch.positions[0])
    }
    expect(await look(15_050)).toEqual(every100th.map(([position]) => position).filter((position) => position >= 15_050))
    expect(await look(NEXT)).toEqual([])
  })

  it('fails as the place does', async () => {
    const place = {
      async *read() {
        yield batchOf([{ position: 5, timestamp: 0, key: null, value: 'v' }])
        throw new MillpondError('BROKER_UNAVAILABLE', 'away')
      },
    }
    const looking = newestOf(place, [endsOf('a', 10)], { count: 1, end: Infinity, isAll: true, onLooked: () => undefined })
    await expect(looking).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' })
  })
})
