import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { isMillpondError, MillpondError } from '../../errors.ts'
import type { HeldLane } from '../../source/held-lane.ts'
import type { Lane } from '../../source/lane.ts'
import type { LocalLog } from './log.ts'
import type { HeartbeatAnswer, OwnedLane } from './operations.ts'
import { processScope } from './processes.ts'

/** One member of one consumer group. */
export interface MembershipOptions {
  readonly group: string
  readonly member: string
  readonly patterns: readonly string[]
  readonly heartbeatMs: number
  readonly sessionMs: number
  readonly startPosition: (lane: OwnedLane) => number
}

/** A lane in the hands of this member, until it is given up. */
export interface HeldPartition extends HeldLane {
  readonly partitionKey: number
  readonly lane: Lane
}

/** Membership in a group: which lanes this member has, kept by heartbeats. */
export interface Membership extends AsyncDisposable {
  /** The lanes as they come, those it has already first; each until its `revoked` aborts. */
  lanes(signal: AbortSignal): AsyncGenerator<Lane>
  held(lane: Lane): HeldPartition | undefined
}

/** The machine's monotonic clock, ms: the same in all of its processes, and no one sets it back. */
const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n)

/** A heartbeat that follows a change goes through all lanes. It is put off by their number, so that many new topics cost few of them. */
const LANES_A_MS = 40

interface Holding extends HeldPartition {
  readonly revocation: AbortController
}

/** Joins the group when its lanes are first asked for, and leaves it when disposed. */
export function createMembership(log: LocalLog, options: MembershipOptions): Membership {
  const { reader, writer, changes } = log.parts
  const { group, member, patterns, heartbeatMs, sessionMs } = options
  const session = randomUUID()
  const { pid } = process
  const scope = processScope()
  const holdings = new Map<number, Holding>()
  const byLane = new WeakMap<Lane, HeldPartition>()
  const stop = new AbortController()
  let released: number[] = []
  let generation = -1
  let isJoined = false
  let lastAnswerMs = monotonicMs()
  let failure: unknown
  let running: Promise<void> | undefined
  let changed = Promise.withResolvers<void>()

  const notify = () => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }
  const giveUp = (holding: Holding) => {
    if (holdings.get(holding.partitionKey) !== holding) return
    holdings.delete(holding.partitionKey)
    released.push(holding.partitionKey)
    notify()
  }
  const revokeAll = () => {
    for (const holding of holdings.values()) holding.revocation.abort()
    holdings.clear()
    generation = -1
  }
  const apply = (lanes: readonly OwnedLane[]) => {
    const owned = new Map(lanes.map((lane) => [lane.partitionKey, lane]))
    for (const holding of holdings.values()) {
      const lane = owned.get(holding.partitionKey)
      if (lane?.wanted === true || holding.revocation.signal.aborted) continue
      holding.revocation.abort()
      // One that is another's already, or no more, cannot be given up.
      if (lane === undefined) holdings.delete(holding.partitionKey)
    }
    for (const lane of lanes) {
      if (holdings.has(lane.partitionKey)) continue
      if (!lane.wanted) {
        released.push(lane.partitionKey)
        continue
      }
      const holding = createHolding(lane, options, giveUp)
      holdings.set(lane.partitionKey, holding)
      byLane.set(holding.lane, holding)
    }
    notify()
  }
  const heed = (answer: HeartbeatAnswer) => {
    if (answer.kind === 'replaced') {
      const message = `another process has joined group ${group} as member ${member}; members need names of their own`
      throw new MillpondError('MEMBER_REPLACED', message, { details: { group, member } })
    }
    isJoined = true
    lastAnswerMs = monotonicMs()
    if (answer.kind === 'unchanged') return
    generation = answer.generation
    apply(answer.lanes)
  }
  const beat = async () => {
    const releasing = released
    released = []
    const nowMs = monotonicMs()
    try {
      const given = {
        group,
        member,
        session,
        joining: !isJoined,
        patterns,
        nowMs,
        sessionMs,
        scope,
        pid,
        generation,
        released: releasing,
      }
      heed(await writer.run('heartbeat', given))
    } catch (error) {
      if (!isMillpondError(error) || !error.retryable) throw error
      released.unshift(...releasing)
      if (monotonicMs() - lastAnswerMs > sessionMs) revokeAll()
    }
  }
  /** Until the next heartbeat is due: by time, or because the group, the topics or a lane of this member changed. */
  const untilDue = async () => {
    const version = reader.groupVersion(group)
    const due = AbortSignal.any([stop.signal, AbortSignal.timeout(heartbeatMs)])
    while (!due.aborted && released.length === 0 && reader.groupVersion(group) === version) {
      const waiting = new AbortController()
      const either = AbortSignal.any([due, waiting.signal])
      await Promise.race([changes.any(either), changed.promise])
      waiting.abort()
    }
  }
  const rest = async () => {
    const restMs = Math.min(heartbeatMs, holdings.size / LANES_A_MS)
    if (restMs >= 1) await wait(restMs, undefined, { signal: stop.signal }).catch(() => undefined)
  }
  const run = async () => {
    try {
      while (!stop.signal.aborted) {
        await beat()
        await rest()
        if (!stop.signal.aborted) await untilDue()
      }
    } catch (error) {
      failure = error
      revokeAll()
      notify()
    }
  }
  return {
    held: (lane) => byLane.get(lane),
    async *lanes(signal) {
      running ??= run()
      const given = new WeakSet<Lane>()
      const ended = AbortSignal.any([signal, stop.signal])
      const aborted = new Promise<void>((resolve) => ended.addEventListener('abort', () => resolve(), { once: true }))
      while (!ended.aborted) {
        const change = changed.promise
        if (failure !== undefined) throw failure
        for (const { lane } of holdings.values()) {
          if (given.has(lane) || lane.revoked.aborted) continue
          given.add(lane)
          yield lane
          if (ended.aborted) return
        }
        await Promise.race([change, aborted])
      }
    },
    async [Symbol.asyncDispose]() {
      if (stop.signal.aborted) return
      stop.abort()
      await running
      revokeAll()
      if (isJoined && failure === undefined) await writer.run('leave', { group, member, session })
    },
  }
}

/** A lane is given up when it was revoked, nobody reads it any more, and what was read is acknowledged or had its time for that. */
function createHolding(owned: OwnedLane, options: MembershipOptions, giveUp: (holding: Holding) => void): Holding {
  const revocation = new AbortController()
  let openReads = 0
  let readPosition = -1
  let acknowledgedPosition = -1
  const look = () => {
    if (revocation.signal.aborted && openReads === 0 && acknowledgedPosition >= readPosition) giveUp(holding)
  }
  const holding: Holding = {
    partitionKey: owned.partitionKey,
    revocation,
    lane: {
      topic: owned.topic,
      topicId: owned.topicId,
      lane: String(owned.lane),
      startPosition: options.startPosition(owned),
      revoked: revocation.signal,
    },
    beginRead() {
      openReads += 1
      let isOpen = true
      return () => {
        if (!isOpen) return
        isOpen = false
        openReads -= 1
        look()
      }
    },
    handedOut(nextPosition) {
      readPosition = Math.max(readPosition, nextPosition)
    },
    acknowledged(nextPosition) {
      acknowledgedPosition = Math.max(acknowledgedPosition, nextPosition)
      look()
    },
  }
  revocation.signal.addEventListener('abort', () => {
    look()
    setTimeout(() => giveUp(holding), options.sessionMs).unref()
  })
  return holding
}
