import { describe, expect, it } from 'vitest'
import { type Chain, openChain, readCommits } from '../../src/commit/chain.ts'
import { collectGarbage } from '../../src/commit/collect.ts'
import type { CommitDraft, DeadLetter, Gap, StoredCommit } from '../../src/commit/commit.ts'
import type { SegmentEntry } from '../../src/encode/segment.ts'
import { isMillpondError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import { lane, NO_BYTES, tinySegment } from './drafts.ts'
import { createSimulation, type Simulation } from './simulation.ts'

const SCHEDULES = 2500
const COLLECT = { olderThanMs: 0, nowMs: Number.MAX_SAFE_INTEGER }

/** What the broker has at each position, from 0 on. */
type Held = 'message' | 'skipped' | 'unencodable'

/** What a run of a lane is measured by. */
interface Model {
  readonly simulation: Simulation
  readonly held: readonly Held[]
  /** Positions before it are no longer to be had from the broker; it rises. */
  oldest: number
  /** What writers were told to be committed, up to which they acknowledged. */
  acknowledged: number
  /** Counts runs of writers, whose names are never used twice. */
  runs: number
}

function createModel(seed: number): Model {
  const simulation = createSimulation(seed)
  const { random } = simulation
  const length = 8 + Math.floor(random() * 40)
  const kinds: readonly Held[] = ['message', 'message', 'message', 'message', 'skipped', 'unencodable']
  const held = Array.from({ length }, () => kinds[Math.floor(random() * kinds.length)]!)
  return { simulation, held, oldest: Math.floor(random() * 3), acknowledged: 0, runs: 0 }
}

const below = (model: Model, limit: number) => Math.floor(model.simulation.random() * limit)

/** Up to `count` positions from the chain's end on, as an archiver covers them, and the objects that have to be written before. */
function nextDraft(model: Model, chain: Chain, writer: string): { draft: CommitDraft; objects: [string, Uint8Array][] } {
  const from = chain.nextPosition
  if (from < model.oldest) {
    const gap: Gap = { firstPosition: from, nextPosition: model.oldest, missing: model.oldest - from, reason: 'expired' }
    return {
      draft: { nextPosition: model.oldest, segments: [], gaps: [gap], deadLetters: [], lookupBytes: NO_BYTES },
      objects: [],
    }
  }
  const nextPosition = Math.min(model.held.length, from + 1 + below(model, 6))
  const positions: number[] = []
  const gaps: Gap[] = []
  const deadLetters: DeadLetter[] = []
  for (let position = from; position < nextPosition; position++) {
    const kind = model.held[position]!
    if (kind === 'message') positions.push(position)
    else if (kind === 'skipped') gaps.push({ firstPosition: position, nextPosition: position + 1, missing: 1, reason: 'skipped' })
    else deadLetters.push({ position, reason: 'not UTF-8' })
  }
  const cut = below(model, positions.length + 1)
  const segments: SegmentEntry[] = []
  const objects: [string, Uint8Array][] = []
  for (const part of [positions.slice(0, cut), positions.slice(cut)]) {
    if (part.length === 0) continue
    const { entry, object } = tinySegment(chain.folder, part, writer)
    segments.push(entry)
    objects.push([entry.key, object])
  }
  return { draft: { nextPosition, segments, gaps, deadLetters, lookupBytes: NO_BYTES }, objects }
}

/** An archiver of the lane: from the chain's end on until the source's end, begun anew after whatever fails. */
async function archive(model: Model, store: Store): Promise<void> {
  for (;;) {
    const writer = `w${model.runs++}`
    try {
      // Writers disagree about where to begin, and their clocks about the time.
      const chain = await openChain({ store, lane, startPosition: below(model, 3), writer, now: () => below(model, 1e6) })
      while (chain.nextPosition < model.held.length) await takeNext(model, store, chain, writer)
      return
    } catch (error) {
      if (!isMillpondError(error, 'STORE_UNAVAILABLE')) throw error
    }
  }
}

/** Segments, then the commit, then the acknowledgement. */
async function takeNext(model: Model, store: Store, chain: Chain, writer: string): Promise<void> {
  const { draft, objects } = nextDraft(model, chain, writer)
  const isTaken: boolean[] = []
  for (const [key, object] of objects) {
    const outgoing = await store.openWriter(key)
    await outgoing.write(object)
    isTaken.push((await outgoing.finish()) === 'exists')
  }
  // An earlier batch of this run was lost after it was written. As the archive loop does: a new run, with a new name.
  if (isTaken.includes(true)) return archive(model, store)
  for (;;) {
    try {
      const result = await chain.append(draft)
      if (result.outcome === 'committed') model.acknowledged = Math.max(model.acknowledged, draft.nextPosition)
      return
    } catch (error) {
      // The same draft again, or a run from the beginning: both must be right.
      if (!isMillpondError(error, 'STORE_UNAVAILABLE') || below(model, 2) === 0) throw error
    }
  }
}

/** Keeps `count` actors at their work: one that crashed is started anew, a few times. */
async function keep(model: Model, count: number, act: (store: Store) => Promise<void>): Promise<void> {
  const one = async () => {
    for (let life = 0; life < 5; life++) if ((await model.simulation.start(act)) === 'done') return
  }
  await Promise.all(Array.from({ length: count }, one))
}

/** What the archive says of every position, and what lies in the objects it names. */
async function covered(store: Store, commits: readonly StoredCommit[]): Promise<Map<number, string[]>> {
  const said = new Map<number, string[]>()
  const say = (position: number, what: string) => said.set(position, [...(said.get(position) ?? []), what])
  for (const commit of commits) {
    for (const segment of commit.segments) {
      const positions: number[] = JSON.parse(Buffer.from(await store.read(segment.key)).toString())
      expect(positions).toHaveLength(segment.count)
      for (const position of positions) say(position, 'message')
    }
    for (const gap of commit.gaps) for (let at = gap.firstPosition; at < gap.nextPosition; at++) say(at, gap.reason)
    for (const letter of commit.deadLetters) say(letter.position, 'unencodable')
  }
  return said
}

async function play(seed: number): Promise<{ commits: number; crashes: number }> {
  const model = createModel(seed)
  const { simulation, held } = model
  const writers = 1 + below(model, 4)
  const working = Promise.all([
    keep(model, writers, (store) => archive(model, store)),
    keep(model, below(model, 2), async (store) => {
      for (let round = 0; round < 4; round++) {
        // The broker's retention moves on meanwhile.
        model.oldest = Math.min(held.length, model.oldest + below(model, 5))
        await collectGarbage(store, COLLECT).catch((error: unknown) => {
          if (!isMillpondError(error, 'STORE_UNAVAILABLE')) throw error
        })
      }
    }),
  ])
  await simulation.run()
  await working
  // Whatever became of the others, one more writer brings the lane to its end.
  simulation.heal()
  const last = simulation.start((store) => archive(model, store))
  await simulation.run()
  await last
  await collectGarbage(simulation.store, COLLECT)

  const commits = await Array.fromAsync(readCommits(simulation.store, 'orders/0'))
  const said = await covered(simulation.store, commits)
  const first = commits[0]!.firstPosition
  expect(first).toBeLessThan(3)
  expect(commits.at(-1)!.nextPosition).toBe(held.length)
  expect(model.acknowledged).toBeLessThanOrEqual(held.length)
  for (let position = first; position < held.length; position++) {
    const what = said.get(position)
    const isExpired = position < model.oldest && what?.[0] === 'expired'
    expect(what, `position ${position}`).toEqual([isExpired ? 'expired' : held[position]])
  }
  expect(said.size).toBe(held.length - first)
  const named = commits.flatMap(({ segments }) => segments.map(({ key }) => key)).sort()
  const stored = (await Array.fromAsync(simulation.store.list('orders/'))).map(({ key }) => key)
  expect(stored, 'objects that no commit names').toEqual(named)
  return { commits: commits.length, crashes: model.runs }
}

describe('writers that race, crash, sleep and retry', () => {
  const share = 5
  it.each(Array.from({ length: share }, (_, i) => i))(
    'cover every position once, in order, and lose nothing (schedules of part %i)',
    async (part) => {
      let commits = 0
      let runs = 0
      for (let seed = part; seed < SCHEDULES; seed += share) {
        const played = await play(seed).catch((error: unknown) => {
          throw new Error(`schedule of seed ${seed}`, { cause: error })
        })
        commits += played.commits
        runs += played.crashes
      }
      // Proof that the schedules were worth playing.
      expect(commits).toBeGreaterThan((SCHEDULES / share) * 5)
      expect(runs).toBeGreaterThan((SCHEDULES / share) * 2)
    },
  )
})
