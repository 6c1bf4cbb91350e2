import { setTimeout as wait } from 'node:timers/promises'
import { isMillpondError } from '../../errors.ts'
import type { HeldLane } from '../../source/held-lane.ts'
import type { Lane, LaneId } from '../../source/lane.ts'
import type { SourceObserver } from '../../source/source-observer.ts'
import { pauseAfter } from './waiting.ts'

/** The lanes of this member: those it has, and those that it is giving up. */
export interface Holdings {
  /** All that the group may not give to others yet. */
  held(): readonly LaneId[]
  isHeld(lane: LaneId): boolean
  /** True while lanes were revoked whose readers are not done. */
  readonly isGivingUp: boolean
  /** These are the lanes to have now; all others are revoked, and given up when their readers are done. */
  assign(wanted: readonly LaneId[]): void
  /** The group has given all lanes to others, or may have: they are revoked and no longer held. */
  lose(): void
  /** The lanes as they come, those that are there already first. */
  lanes(signal: AbortSignal): AsyncGenerator<Lane>
  heldLane(lane: LaneId): HeldLane | undefined
  /** Resolves when the first assignment is there with all its lanes, or the signal aborts. */
  assigned(signal: AbortSignal): Promise<void>
  /** Ends the waiting for lanes with this error. */
  fail(error: unknown): void
  /** Resolves when something was given up the next time. */
  givenUp(): Promise<void>
}

export interface HoldingsOptions {
  /** Where lanes begin that have no chain; undefined for one whose topic is gone. */
  readonly startPosition: (lane: LaneId) => Promise<number | undefined>
  /** A revoked lane is given up after this time whatever its reader does. */
  readonly releaseTimeoutMs: number
  readonly observer: SourceObserver
}

interface Holding {
  readonly id: LaneId
  readonly revocation: AbortController
  lane: Lane | undefined
  /** Its topic is no longer there. */
  isGone: boolean
  /** Assigned again while it was being given up. */
  isWantedAgain: boolean
  openReads: number
  readPosition: number
  acknowledgedPosition: number
}

export const laneKey = ({ topicId, lane }: LaneId): string => `${topicId} ${lane}`

export function createHoldings({ startPosition, releaseTimeoutMs, observer }: HoldingsOptions): Holdings {
  const holdings = new Map<string, Holding>()
  const byLane = new WeakMap<object, HeldLane>()
  let failure: unknown
  let wasAssigned = false
  let changed = Promise.withResolvers<void>()
  let released = Promise.withResolvers<void>()

  const notify = () => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }
  const giveUp = (holding: Holding) => {
    const key = laneKey(holding.id)
    if (holdings.get(key) !== holding) return
    holdings.delete(key)
    if (holding.isWantedAgain) take(holding.id)
    released.resolve()
    released = Promise.withResolvers<void>()
  }
  const look = (holding: Holding) => {
    if (!holding.revocation.signal.aborted || holding.openReads > 0) return
    if (holding.acknowledgedPosition >= holding.readPosition) giveUp(holding)
  }
  const end = ({ id, revocation }: Holding) => {
    revocation.abort()
    observer.settled(id)
  }
  const revoke = (holding: Holding) => {
    end(holding)
    look(holding)
    setTimeout(() => giveUp(holding), releaseTimeoutMs).unref()
  }
  const take = (id: LaneId) => {
    const holding: Holding = {
      id,
      revocation: new AbortController(),
      lane: undefined,
      isGone: false,
      isWantedAgain: false,
      openReads: 0,
      readPosition: -1,
      acknowledgedPosition: -1,
    }
    holdings.set(laneKey(id), holding)
    void begin(holding)
  }
  /** Finds where the lane begins, for as long as it is held. */
  const begin = async (holding: Holding) => {
    const { signal } = holding.revocation
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        const position = await startPosition(holding.id)
        if (signal.aborted) return
        observer.settled(holding.id)
        if (position !== undefined) {
          give(holding, position)
          return
        }
        // So it seems; nobody waits for it until it shows.
        holding.isGone = true
        notify()
      } catch (error) {
        if (!isMillpondError(error) || !error.retryable) {
          fail(error)
          return
        }
        observer.retrying(holding.id, error)
      }
      // A topic that is gone is revoked soon; one that this broker does not know yet is there soon.
      await wait(pauseAfter(failures), undefined, { signal }).catch(() => undefined)
    }
  }
  const give = (holding: Holding, startPosition: number) => {
    const lane: Lane = { ...holding.id, startPosition, revoked: holding.revocation.signal }
    byLane.set(lane, reading(holding))
    holding.lane = lane
    holding.isGone = false
    notify()
  }
  const reading = (holding: Holding): HeldLane => ({
    beginRead() {
      holding.openReads += 1
      let isOpen = true
      return () => {
        if (!isOpen) return
        isOpen = false
        holding.openReads -= 1
        look(holding)
      }
    },
    handedOut(nextPosition) {
      holding.readPosition = Math.max(holding.readPosition, nextPosition)
    },
    acknowledged(nextPosition) {
      holding.acknowledgedPosition = Math.max(holding.acknowledgedPosition, nextPosition)
      look(holding)
    },
  })
  const fail = (error: unknown) => {
    failure ??= error
    notify()
  }
  return {
    held: () => [...holdings.values()].map(({ id }) => id),
    isHeld: (lane) => holdings.has(laneKey(lane)),
    get isGivingUp() {
      return holdings.values().some(({ revocation }) => revocation.signal.aborted)
    },
    assign(wanted) {
      wasAssigned = true
      const byKey = new Map(wanted.map((id) => [laneKey(id), id]))
      for (const holding of holdings.values().toArray()) {
        const isWanted = byKey.has(laneKey(holding.id))
        if (holding.revocation.signal.aborted) holding.isWantedAgain = isWanted
        else if (!isWanted) revoke(holding)
      }
      for (const [key, id] of byKey) if (!holdings.has(key)) take(id)
      notify()
    },
    lose() {
      const lost = holdings.values().toArray()
      holdings.clear()
      for (const holding of lost) end(holding)
      released.resolve()
      released = Promise.withResolvers<void>()
    },
    async *lanes(signal) {
      const given = new WeakSet<Lane>()
      const aborted = Promise.withResolvers<void>()
      const abort = () => aborted.resolve()
      signal.addEventListener('abort', abort, { once: true })
      try {
        while (!signal.aborted) {
          const change = changed.promise
          if (failure !== undefined) throw failure
          for (const { lane } of holdings.values().toArray()) {
            if (lane === undefined || given.has(lane) || lane.revoked.aborted) continue
            given.add(lane)
            yield lane
            if (signal.aborted) return
          }
          await Promise.race([change, aborted.promise])
        }
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
    heldLane: (lane) => byLane.get(lane),
    async assigned(signal) {
      const aborted = Promise.withResolvers<void>()
      const abort = () => aborted.resolve()
      signal.addEventListener('abort', abort, { once: true })
      const isReady = () => wasAssigned && holdings.values().every(({ lane, isGone }) => lane !== undefined || isGone)
      while (!isReady() && failure === undefined && !signal.aborted) await Promise.race([changed.promise, aborted.promise])
      signal.removeEventListener('abort', abort)
    },
    fail,
    givenUp: () => released.promise,
  }
}
