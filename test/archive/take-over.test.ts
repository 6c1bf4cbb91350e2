import { describe, expect, it } from 'vitest'
import type { MessageInput } from '../../src/batch/builder.ts'
import { collectGarbage } from '../../src/commit/collect.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import type { Layout } from '../../src/layout/layout.ts'
import type { Store } from '../../src/store/store.ts'
import { layoutOf } from '../layout/layout-of.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { createRandom } from '../live/random.ts'
import { mortal } from './mortal-store.ts'
import { archiver, byKey, commitsOf, listed, messages, openStore, options, positionsByObject } from './split-scene.ts'

/** Batches of a lane with gaps, as `random` cuts them. */
function produce(random: () => number, letters: string, change = (message: MessageInput): MessageInput => message) {
  const source = createMemorySource('orders')
  let position = 0
  for (let batches = 0; batches < 12; batches++) {
    const to = position + 1 + Math.floor(random() * 15)
    source.produce('0', messages(position, to, letters).map(change))
    position = to + (random() < 0.2 ? Math.floor(random() * 4) : 0)
  }
  source.pass('0', position)
  // It has given its lanes at once: a run that ends by itself need not wait for more of them.
  return { ...source, joined: async () => undefined }
}

interface Schedule {
  readonly seed: number
  readonly source: ReturnType<typeof produce>
  readonly random: () => number
  readonly layout: Layout
  readonly nowMs?: () => number
  /** What others do while writers are at work, and after them. */
  readonly beside?: (store: Store) => Promise<unknown>
}

/** Writers one after the other and beside each other, all of which die but the last. */
async function runAll({ source, random, layout, nowMs = Date.now, beside = async () => undefined }: Schedule): Promise<Store> {
  const store = openStore()
  // Each run cuts objects and blocks elsewhere: settings change, memory and time close early.
  const start = async (name: string, lastCall: number) => {
    source.reassign('0')
    const maxObjectCount = random() < 0.3 ? 1 + Math.floor(random() * 8) : Infinity
    const maxBytes = 300 << Math.floor(random() * 8)
    const rotate = { ...options.rotate, maxObjectCount, maxCount: 3 + Math.floor(random() * 40), maxBytes }
    const blockBytes = 64 << Math.floor(random() * 6)
    const through = mortal(store, lastCall, random() < 0.5, random)
    const changes = { writer: name, layout, rotate, blockBytes, codec: random() < 0.5 ? 'null' : 'zstandard' } as const
    const early = { ...(random() < 0.3 ? { graceMs: 5000 } : {}), ...(random() < 0.3 ? { maxOpenObjects: 2 } : {}) }
    await archiver(source)
      .run(through, { ...changes, ...early }, { nowMs })
      .catch(() => undefined)
  }
  for (let run = 0; run < 6; run++) {
    const lastCalls = [2 + Math.floor(random() * 25), 2 + Math.floor(random() * 25)]
    const racing = random() < 0.4 ? lastCalls : lastCalls.slice(0, 1)
    let isRunning = true
    const besides = async () => {
      do {
        await beside(store)
        await new Promise((resolve) => setImmediate(resolve))
      } while (isRunning)
    }
    const others = besides()
    await Promise.all(racing.map((lastCall, at) => start(`w${run}-${at}`, lastCall)))
    isRunning = false
    await others
  }
  source.reassign('0')
  await archiver(source).run(store, { writer: 'last', layout }, { nowMs })
  return store
}

const namedIn = async (store: Store) => (await commitsOf(store)).flatMap(({ segments }) => segments.map(({ key }) => key))

/** What anybody finds who lists the store is each message once, and what the chain names. */
async function expectExactlyOnce(store: Store, { seed, source }: Schedule): Promise<void> {
  const objects = await positionsByObject(store)
  const all = Object.values(objects).flat()
  expect(new Set(all).size, `seed ${seed}`).toBe(all.length)
  for (const held of Object.values(objects)) expect(held).toEqual([...held].sort((a, b) => a - b))
  const report = await verifyArchive(store, { against: source })
  expect(report, `seed ${seed}`).toMatchObject({ clean: true, messages: all.length, compared: all.length })
}

const parts = Array.from({ length: 4 }, (_, part) => part)
const seedsOf = (part: number, count: number) => Array.from({ length: count }, (_, i) => part * count + i)

describe('a writer that finds objects under its names', () => {
  it.each(parts)(
    'takes them over, so that listing alone is exactly once in the end, whatever crashes and races come (schedules of part %i)',
    async (part) => {
      for (const seed of seedsOf(part, 25)) {
        const random = createRandom(seed)
        const source = produce(random, 'abcde'.slice(0, 1 + Math.floor(random() * 5)))
        const schedule: Schedule = { seed, source, random, layout: byKey }
        const store = await runAll(schedule)
        expect(new Set(await listed(store)), `seed ${seed}`).toEqual(new Set(await namedIn(store)))
        await expectExactlyOnce(store, schedule)
      }
    },
  )
})

const HOUR_MS = 3_600_000

/** A clock that goes on by minutes, and now and then by hours, or back. */
function unsteady(random: () => number): () => number {
  let nowMs = Date.UTC(2026, 10, 29, 23, 30)
  return () => {
    const chance = random()
    if (chance < 0.1) nowMs += Math.floor(random() * 5 * HOUR_MS)
    else if (chance < 0.15) nowMs -= Math.floor(random() * 3 * HOUR_MS)
    else nowMs += Math.floor(random() * 4 * 60_000)
    return nowMs
  }
}

/** Messages of a few keys, of which some come late and some are from the future. */
const untimely =
  (random: () => number) =>
  (message: MessageInput): MessageInput => {
    const letter = String(message.key)[0]!
    const chance = random()
    const lateMs = chance < 0.2 ? random() * 5 * HOUR_MS : chance < 0.22 ? -10 * 365 * 24 * HOUR_MS : 0
    return { ...message, key: letter === 'e' ? null : letter, timestamp: Math.floor(message.timestamp - lateMs) }
  }

const byTime = (time: string, settings: Record<string, unknown> = {}) =>
  layoutOf({
    type: 'template',
    ...settings,
    template: { key: `{topic}/{${time}:yyyy-MM-dd-HH}/{key}/{lane}-{position:6}.{extension}` },
  })

describe('a layout whose paths go by more than each message alone', () => {
  it.each(
    parts.flatMap(
      (part) =>
        [
          { part, by: 'wallclock' },
          { part, by: 'late' },
        ] as const,
    ),
  )(
    'is exactly once by listing alone, whatever crashes and races come and wherever the clock goes (schedules by $by of part $part)',
    async ({ part, by }) => {
      const layout = by === 'wallclock' ? await byTime(by) : await byTime('record', { late: 'current', grace: '1m' })
      for (const seed of seedsOf(part, 15)) {
        const random = createRandom(seed)
        const source = produce(random, 'abcde'.slice(0, 1 + Math.floor(random() * 5)), untimely(random))
        const nowMs = unsteady(random)
        const beside = async (store: Store) => {
          if (random() < 0.2) await collectGarbage(store, { olderThanMs: 0, nowMs: Date.now() + 1 })
        }
        const schedule: Schedule = { seed, source, random, layout, nowMs, beside }
        const store = await runAll(schedule)
        expect(new Set(await listed(store)), `seed ${seed}`).toEqual(new Set(await namedIn(store)))
        await expectExactlyOnce(store, schedule)
      }
    },
  )
})
