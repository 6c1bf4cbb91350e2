import { describe, expect, it } from 'vitest'
import { openSqliteIndex } from '../../src/adapters/sqlite/index.ts'
import { collectGarbage } from '../../src/commit/collect.ts'
import { readRemovals } from '../../src/commit/removals.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { followChains, rebuildIndex } from '../../src/index/follow.ts'
import type { Store } from '../../src/store/store.ts'
import { againAfter, keep } from '../commit/actors.ts'
import { commitMessages, openSample, sampleMessages } from '../commit/sample-archive.ts'
import { createSimulation } from '../commit/simulation.ts'
import { archived, compactAll, keysOf } from '../compact/scene.ts'
import { dumpOf } from '../index/chains.ts'
import { expireAll, forgetAll, keyOf } from './scene.ts'

const SCHEDULES = 60
const LENGTH = 40
/** What may come of a store that fails, of a race for a lane, and of objects that another has replaced and removed. */
const PASSING: readonly ErrorCode[] = ['STORE_UNAVAILABLE', 'OBJECT_MISSING', 'COMPACT_CONFLICT', 'SEGMENT_TAKEN', 'INDEX_GAP']
const SUBJECT = 'key-7'

const lane = { topic: 'orders', topicId: 'id-1', lane: '0' }

const again = againAfter(PASSING)

const merge = { codec: 'null' as const, lookups: ['key' as const], blockBytes: 256 }
/** What the archiver was given: every third message is of the subject. */
const messagesOf = (from: number, to: number) =>
  sampleMessages(from, to).map((message) => (message.position % 3 === 0 ? { ...message, key: SUBJECT } : message))

async function play(seed: number): Promise<number> {
  const simulation = createSimulation(seed, 1 / 5)
  const { random } = simulation
  const below = (limit: number) => Math.floor(random() * limit)
  let writers = 0
  let expiredTo = 0
  const archive = (store: Store) =>
    again(async () => {
      const chain = await openSample(store, lane, `w${writers++}`)
      while (chain.nextPosition < LENGTH) {
        const from = chain.nextPosition + (below(4) === 0 ? 1 : 0)
        const told = { codec: 'null' as const, lookups: ['key' as const], writer: `w${writers++}` }
        await commitMessages(store, chain, messagesOf(from, from + 1 + below(8)), told)
      }
    })
  const compact = async (store: Store) => {
    for (let round = 0; round < 4; round++) {
      const removal = below(2) === 0 ? {} : { removeAfterMs: 0 }
      const format = below(3) === 0 ? { format: 'json' as const } : {}
      await again(() => compactAll(store, { targetBytes: 500 + below(4000), ...format, ...removal, merge }))
    }
  }
  const expire = async (store: Store) => {
    for (let round = 0; round < 4; round++) {
      const beforePosition = below(LENGTH / 2)
      expiredTo = Math.max(expiredTo, beforePosition)
      await again(() => expireAll(store, { beforePosition }))
    }
  }
  const forget = async (store: Store) => {
    for (let round = 0; round < 2; round++) await again(() => forgetAll(store, [keyOf(SUBJECT)], { merge }))
  }
  const collect = async (store: Store) => {
    for (let round = 0; round < 2; round++)
      await again(() => collectGarbage(store, { olderThanMs: 0, nowMs: Number.MAX_SAFE_INTEGER }))
  }
  await using index = await openSqliteIndex({ path: ':memory:' })
  const follow = async (store: Store) => {
    for (let round = 0; round < 6; round++) await again(() => followChains(store, index))
  }
  const working = Promise.all([archive, compact, expire, forget, collect, follow].map((act) => keep(simulation, act)))
  await simulation.run()
  await working
  simulation.heal()
  const { store } = simulation
  const report = await verifyArchive(store)
  expect(report.problems, `seed ${seed}`).toEqual([])
  const nextPosition = report.lanes[0]?.nextPosition ?? 0
  expect(report.messages + report.missing + report.removed).toBe(nextPosition)
  // What is not there was removed by a rule or for whose it was, and all else is there as it was.
  const found = (await archived(store)).map((message) => message as [number, number, string | null])
  const positions = found.map(([position]) => position)
  expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b))
  expect(found.map(([position, , key]) => [position, key])).toEqual(
    positions.map((position) => [position, messagesOf(position, position + 1)[0]!.key ?? null]),
  )
  const removals = await Array.fromAsync(readRemovals(store))
  expect(report.removed).toBe(removals.reduce((sum, { messages }) => sum + messages, 0))
  await checkEnd(store, index, expiredTo)
  return removals.length
}

/** When all has come to rest, one run more of each makes the store hold what is named, and no byte of the subject. */
async function checkEnd(store: Store, index: Awaited<ReturnType<typeof openSqliteIndex>>, expiredTo: number): Promise<void> {
  await forgetAll(store, [keyOf(SUBJECT)], { merge })
  await expireAll(store, { beforePosition: expiredTo })
  await collectGarbage(store, { olderThanMs: 0, nowMs: Number.MAX_SAFE_INTEGER })
  const report = await verifyArchive(store)
  expect(report.problems).toEqual([])
  expect(report.replaced).toEqual({ objects: 0, bytes: 0 })
  for (const key of await keysOf(store, '_millpond/')) expect(Buffer.from(await store.read(key)).includes(SUBJECT)).toBe(false)
  const named = new Set<string>()
  await followChains(store, index)
  for await (const segment of index.segments({})) {
    named.add(segment.key)
    expect(Buffer.from(await store.read(segment.key)).includes(SUBJECT)).toBe(false)
  }
  expect(report.segments).toBe(named.size)
  await using anew = await openSqliteIndex({ path: ':memory:' })
  await rebuildIndex(store, anew)
  expect(await dumpOf(index)).toEqual(await dumpOf(anew))
}

describe('archivers, compactions, expiry, forgetting, collectors and followers, as they may crash, race and be answered late', () => {
  it.each([0, 1, 2])('remove what they say and nothing else (schedules of part %i)', { timeout: 240_000 }, async (part) => {
    let removals = 0
    for (let seed = part; seed < SCHEDULES; seed += 3) removals += await play(seed)
    expect(removals).toBeGreaterThan(SCHEDULES / 3)
  })
})
