import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openChain, readCommits } from '../../src/commit/chain.ts'
import { collectGarbage } from '../../src/commit/collect.ts'
import { MillpondError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import { draftOf, lane } from './drafts.ts'

const END = 6

/** Archives positions up to `END`, two in a commit: opens, writes a segment, commits, acknowledges. */
async function archive(store: Store, writer: string, acknowledge: (nextPosition: number) => void): Promise<void> {
  const chain = await openChain({ store, lane, startPosition: 0, writer, now: () => 1 })
  while (chain.nextPosition < END) {
    const draft = draftOf(chain.folder, chain.nextPosition, chain.nextPosition + 2, writer)
    await store.putIfAbsent(draft.segments[0]!.key, new Uint8Array(1))
    if ((await chain.append(draft)).outcome === 'committed') acknowledge(draft.nextPosition)
  }
}

interface Fault {
  /** Whether the call does its work before it fails. */
  readonly isDone: boolean
  /** Whether the store lives on; otherwise every later call fails too, as for a process that is gone. */
  readonly livesOn: boolean
}

/** A store whose call number `at` fails. */
function failingAt(store: Store, at: number, { isDone, livesOn }: Fault): { store: Store; calls: () => number } {
  let calls = 0
  const meet = async <T>(work: () => Promise<T>): Promise<T> => {
    const call = calls++
    const isHit = call === at || (call > at && !livesOn)
    if (!isHit) return work()
    if (isDone && call === at) await work()
    throw new MillpondError('STORE_UNAVAILABLE', `call ${call} failed`)
  }
  const failing: Store = {
    ...store,
    putIfAbsent: (...call) => meet(() => store.putIfAbsent(...call)),
    read: (...call) => meet(() => store.read(...call)),
    size: (...call) => meet(() => store.size(...call)),
    async *list(...call) {
      yield* await meet(() => Array.fromAsync(store.list(...call)))
    },
  }
  return { store: failing, calls: () => calls }
}

describe('a writer whose store fails at one call, or who is gone from there on', () => {
  const faults: (Fault & { what: string })[] = [
    { what: 'the process ends before a call is done', isDone: false, livesOn: false },
    { what: 'the process ends after a call is done', isDone: true, livesOn: false },
    { what: 'a call fails', isDone: false, livesOn: true },
    { what: 'an answer is lost', isDone: true, livesOn: true },
  ]

  it.each(faults)('leaves an archive that the next one goes on with, wherever $what', async (fault) => {
    const whole = failingAt(createMemoryStore(), Infinity, fault)
    await archive(whole.store, 'a', () => undefined)
    expect(whole.calls()).toBeGreaterThan(8)
    for (let at = 0; at < whole.calls(); at++) {
      const store = createMemoryStore()
      let acknowledged = 0
      const acknowledge = (nextPosition: number) => (acknowledged = nextPosition)
      await archive(failingAt(store, at, fault).store, 'a', acknowledge).catch(() => undefined)
      const covered = (await Array.fromAsync(readCommits(store, 'orders/0'))).at(-1)?.nextPosition ?? 0
      expect(covered, `call ${at}`).toBeGreaterThanOrEqual(acknowledged)

      await archive(store, 'b', acknowledge)
      const commits = await Array.fromAsync(readCommits(store, 'orders/0'))
      expect(commits.map(({ nextPosition }) => nextPosition)).toEqual([0, 2, 4, 6])
      await collectGarbage(store, { olderThanMs: 0, nowMs: Number.MAX_SAFE_INTEGER })
      const objects = (await Array.fromAsync(store.list('orders/'))).map(({ key }) => key)
      expect(objects).toEqual(commits.flatMap(({ segments }) => segments.map(({ key }) => key)))
    }
  })
})
