import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { MillpondError } from '../../src/errors.ts'
import type { ObjectWriter, Store } from '../../src/store/store.ts'

/** Uniform in [0, 1), the same for the same seed. Source: "mulberry32" by Tommy Ettinger, public domain. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What can become of one call of the store. */
type Fate =
  | 'answered'
  | 'refused' // it did nothing and failed
  | 'unanswered' // it did its work, and the answer was lost
  | 'late' // it failed, and does its work later
  | 'crash-before'
  | 'crash-after'
  | 'crash-late' // the caller is gone, and the call does its work later
  | 'pause'

const FATES: readonly (readonly [Fate, number])[] = [
  ['refused', 3],
  ['unanswered', 3],
  ['late', 3],
  ['crash-before', 2],
  ['crash-after', 2],
  ['crash-late', 2],
  ['pause', 4],
  ['answered', 81],
]

interface Actor {
  /** Told when the actor crashed, so that what stands for it can be started anew. */
  readonly ended: PromiseWithResolvers<'done' | 'crashed'>
  sleepsUntil: number
}

interface Call {
  readonly actor: Actor | undefined
  readonly isWrite: boolean
  /** Does the work; what it gives back answers the call. */
  readonly perform: () => Promise<() => void>
  readonly fail: (error: unknown) => void
}

/** Actors over one memory store, whose calls happen one by one in an order, and with a fate, that a seed decides. */
export interface Simulation {
  /** The store without faults. */
  readonly store: Store
  readonly random: () => number
  /** Starts an actor with a store of its own; `crashed` where one of its calls killed it. It is then never heard of again. */
  start(act: (store: Store) => Promise<void>): Promise<'done' | 'crashed'>
  /** Lets calls happen until no actor has any left. */
  run(): Promise<void>
  /** From now on every call is answered, and late ones have happened. */
  heal(): void
}

/** With `faultShare` so much of the usual number of faults: work of many calls would never end otherwise. */
export function createSimulation(seed: number, faultShare = 1): Simulation {
  const random = seededRandom(seed)
  const store = createMemoryStore()
  const calls: Call[] = []
  let step = 0
  let isHealed = false
  const running = new Set<Actor>()
  let failure: { readonly error: unknown } | undefined

  const fateOf = (): Fate => {
    let left = (random() * 100) / faultShare
    for (const [fate, share] of FATES) if ((left -= share) < 0) return fate
    return 'answered'
  }

  const crash = (actor: Actor) => {
    for (let at = calls.length - 1; at >= 0; at--) if (calls[at]!.actor === actor) calls.splice(at, 1)
    actor.ended.resolve('crashed')
  }

  const happen = async (call: Call) => {
    const { actor } = call
    if (actor === undefined) {
      await call.perform()
      return
    }
    const fate = isHealed ? 'answered' : fateOf()
    if (fate === 'pause') {
      actor.sleepsUntil = step + 1 + Math.floor(random() * 60)
      calls.push(call)
      return
    }
    if (fate === 'answered' || fate === 'unanswered' || fate === 'crash-after') {
      const answer = await call.perform()
      if (fate === 'answered') answer()
    }
    if (call.isWrite && (fate === 'late' || fate === 'crash-late')) calls.push({ ...call, actor: undefined })
    if (fate === 'refused' || fate === 'unanswered' || fate === 'late') {
      call.fail(new MillpondError('STORE_UNAVAILABLE', `the store did not answer (${fate})`))
    }
    if (fate.startsWith('crash')) crash(actor)
  }

  return {
    store,
    random,
    start(act) {
      const actor: Actor = { ended: Promise.withResolvers(), sleepsUntil: 0 }
      running.add(actor)
      act(schedule(store, actor, calls)).then(
        () => actor.ended.resolve('done'),
        (error: unknown) => {
          failure ??= { error }
          actor.ended.resolve('done')
        },
      )
      return actor.ended.promise.finally(() => running.delete(actor))
    },
    async run() {
      await settled()
      while (running.size > 0 || calls.length > 0) {
        if (failure) throw failure.error
        step += 1
        const awake = calls.filter(({ actor }) => isHealed || actor === undefined || actor.sleepsUntil <= step)
        const call = awake[Math.floor(random() * awake.length)]
        if (call !== undefined) {
          calls.splice(calls.indexOf(call), 1)
          await happen(call)
        } else if (calls.length === 0) throw new Error('every actor waits, but none for the store')
        await settled()
      }
      if (failure) throw failure.error
    },
    heal() {
      isHealed = true
    },
  }
}

/** Resolves when all that can go on without a call of the store has gone on. */
const settled = () => new Promise((resolve) => void setImmediate(resolve))

const PAGE_OBJECTS = 3

/** The actor's own view of the store: each call waits until it is its turn. */
function schedule(store: Store, actor: Actor, calls: Call[]): Store {
  const turn = <T>(work: () => Promise<T>, isWrite = false) =>
    new Promise<T>((resolve, reject) => {
      // An error of the work itself, such as OBJECT_MISSING, is an answer.
      const perform = () =>
        work().then(
          (value) => () => resolve(value),
          (error: unknown) => () => reject(error),
        )
      calls.push({ actor, isWrite, perform, fail: reject })
    })

  return {
    ...store,
    put: (key, bytes) => turn(() => store.put(key, bytes), true),
    putIfAbsent: (key, bytes) => turn(() => store.putIfAbsent(key, bytes), true),
    openWriter: async (key) => {
      const parts: Uint8Array[] = []
      const writer: ObjectWriter = {
        heldBytes: 0,
        write: async (bytes) => void parts.push(bytes),
        finish: () => turn(() => store.putIfAbsent(key, Buffer.concat(parts)), true),
        abort: async () => undefined,
      }
      return writer
    },
    read: (key, range) => turn(() => store.read(key, range)),
    size: (key) => turn(() => store.size(key)),
    delete: (key) => turn(() => store.delete(key), true),
    async *list(prefix, { after, limit = Infinity } = {}) {
      // Page by page, as stores do: between two pages others may write.
      let last = after
      for (let left = limit; left > 0;) {
        const options = { limit: Math.min(left, PAGE_OBJECTS), ...(last === undefined ? {} : { after: last }) }
        const page = await turn(() => Array.fromAsync(store.list(prefix, options)))
        yield* page
        if (page.length < options.limit) return
        last = page.at(-1)!.key
        left -= page.length
      }
    },
    async *folders(prefix) {
      yield* await turn(() => Array.fromAsync(store.folders(prefix)))
    },
  }
}
