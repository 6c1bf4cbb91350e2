import { describe, expect, it } from 'vitest'
import { collectGarbage } from '../../src/commit/collect.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import { againAfter, keep } from '../commit/actors.ts'
import { commitMessages, openSample, sampleMessages } from '../commit/sample-archive.ts'
import { createSimulation } from '../commit/simulation.ts'
import { archived, compactAll, rewritesOf } from './scene.ts'

const SCHEDULES = 90
const LENGTH = 40
/** What may come of a store that fails, of a race for a lane, and of objects that another has replaced and removed. */
const PASSING: readonly ErrorCode[] = ['STORE_UNAVAILABLE', 'OBJECT_MISSING', 'COMPACT_CONFLICT', 'SEGMENT_TAKEN']

const lane = { topic: 'orders', topicId: 'id-1', lane: '0' }

const again = againAfter(PASSING)

async function play(seed: number): Promise<{ rewrites: number }> {
  const simulation = createSimulation(seed, 1 / 5)
  const { random } = simulation
  const below = (limit: number) => Math.floor(random() * limit)
  let writers = 0
  const archive = async (store: Store) => {
    for (let attempt = 0; attempt < 30; attempt++) {
      await again(async () => {
        const chain = await openSample(store, lane, `w${writers++}`)
        while (chain.nextPosition < LENGTH) {
          const from = chain.nextPosition + (below(4) === 0 ? 1 : 0)
          const writer = `w${writers++}`
          await commitMessages(store, chain, sampleMessages(from, from + 1 + below(8)), {
            codec: 'null',
            lookups: ['key'],
            writer,
          })
        }
      })
    }
  }
  const compact = async (store: Store) => {
    for (let round = 0; round < 6; round++) {
      const format = (['avro', 'json', undefined] as const)[below(3)]
      await again(() =>
        compactAll(store, {
          targetBytes: 500 + below(4000),
          ...(format === undefined ? {} : { format }),
          ...(below(2) === 0 ? {} : { removeAfterMs: 0 }),
          merge: { codec: 'null', lookups: ['key'], blockBytes: 256 },
        }),
      )
    }
  }
  const collect = async (store: Store) => {
    for (let round = 0; round < 3; round++)
      await again(() => collectGarbage(store, { olderThanMs: 0, nowMs: Number.MAX_SAFE_INTEGER }))
  }
  const working = Promise.all([
    keep(simulation, archive),
    keep(simulation, compact),
    keep(simulation, compact),
    keep(simulation, collect),
  ])
  await simulation.run()
  await working
  simulation.heal()
  const { store } = simulation
  const report = await verifyArchive(store)
  expect(report.problems, `seed ${seed}`).toEqual([])
  const found = await archived(store)
  const positions = found.map((message) => (message as [number])[0])
  expect(positions, `seed ${seed}`).toEqual([...new Set(positions)].sort((a, b) => a - b))
  expect(report.messages, `seed ${seed}`).toBe(found.length)
  expect(report.messages + report.missing).toBe(report.lanes[0]?.nextPosition ?? 0)
  expect(found).toEqual(await expected(positions))
  return { rewrites: (await rewritesOf(store)).length }
}

/** What the archivers were given at these positions. */
async function expected(positions: readonly number[]): Promise<unknown[]> {
  return positions.flatMap((position) => {
    const [{ timestamp, key = null, value = null, id = null, headers = [] }] = sampleMessages(position, position + 1) as [never]
    return [
      [position, timestamp, key, value, id, (headers as { name: string; value: string }[]).map((one) => [one.name, one.value])],
    ]
  })
}

describe('archivers, compactions and collectors, as they may crash, race and be answered late', () => {
  it.each([0, 1, 2])('lose no message and have none twice (schedules of part %i)', { timeout: 240_000 }, async (part) => {
    let rewrites = 0
    for (let seed = part; seed < SCHEDULES; seed += 3) rewrites += (await play(seed)).rewrites
    expect(rewrites).toBeGreaterThan(SCHEDULES / 3)
  })
})
