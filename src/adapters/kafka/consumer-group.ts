import { randomUUID } from 'node:crypto'
import { isMillpondError, MillpondError } from '../../errors.ts'
import type { LaneId } from '../../source/lane.ts'
import { pauseAfter } from './waiting.ts'
import { reasonOf } from './cluster-errors.ts'
import { consumerGroupHeartbeatVersions } from './group-apis.ts'
import type { GroupIdentity } from './group-commits.ts'
import { laneKey } from './group-holdings.ts'
import { type GroupMember, type MemberOptions, partitionsBy, waitForAny } from './group.ts'

const JOINING = 0
const LEAVING = -1
/** Gone for now: lanes are kept for who comes back under the same instance id. */
const AWAY = -2
const UNCHANGED_TIMEOUT = -1
const LOST = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH', 'STALE_MEMBER_EPOCH'])

/** Lanes that the group wants this member to have, by topic id. */
type Assignment = readonly { readonly topicId: string; readonly partitions: readonly number[] }[]

/**
 * A member by the protocol of KIP-848: the group's coordinator shares out the lanes and tells each member with its heartbeats. What is
 * to move is revoked, finished here, and given up by the next heartbeat; what is new comes when others have given it up.
 */
export function createConsumerMember(options: MemberOptions): GroupMember {
  const { cluster, group, holdings, watch, instanceId = null, sessionTimeoutMs, rebalanceTimeoutMs, observer } = options
  const target = { coordinator: 'group', key: group } as const
  const purpose = { name: 'group', requestTimeoutMs: 10_000 }
  const memberId = randomUUID()
  let epoch = JOINING
  let isMember = false
  let heartbeatMs = options.heartbeatMs
  let heardMs = performance.now()
  let assignment: Assignment = []
  /** What was said last; only what changed is said again. */
  let saidTopics = ''
  let saidOwned = ''

  const lose = () => {
    epoch = JOINING
    isMember = false
    assignment = []
    holdings.lose()
  }
  /** The lanes of an assignment; a topic that is not known yet is looked for. */
  const reconcile = async () => {
    const find = () => new Map([...watch.topics.values()].map((topic) => [topic.topicId, topic]))
    let byId = find()
    if (assignment.some(({ topicId }) => !byId.has(topicId))) {
      await watch.refresh()
      byId = find()
    }
    const wanted: LaneId[] = assignment.flatMap(({ topicId, partitions }) => {
      const topic = byId.get(topicId)
      return topic === undefined ? [] : partitions.map((partition) => ({ topic: topic.name, topicId, lane: String(partition) }))
    })
    holdings.assign(wanted)
  }
  const beat = async (signal: AbortSignal) => {
    const names = [...watch.topics.keys()]
    const held = epoch === JOINING ? [] : holdings.held()
    const owned = ownedText(held)
    const isJoining = epoch === JOINING
    const isTopicsNew = isJoining || saidTopics !== JSON.stringify(names)
    const isOwnedNew = isJoining || saidOwned !== owned
    const answer = await cluster.request(
      target,
      consumerGroupHeartbeatVersions,
      [
        group,
        memberId,
        epoch,
        isJoining ? instanceId : null,
        null,
        isJoining ? rebalanceTimeoutMs : UNCHANGED_TIMEOUT,
        isTopicsNew ? names : null,
        null,
        null,
        isOwnedNew
          ? partitionsBy(held, ({ topicId }) => topicId).map(({ name, partitions }) => ({ topicId: name, partitions }))
          : null,
      ],
      { once: true, purpose, signal },
    )
    heardMs = performance.now()
    observer.settled('group')
    epoch = answer.memberEpoch
    isMember = true
    saidTopics = JSON.stringify(names)
    saidOwned = owned
    heartbeatMs = Math.min(options.heartbeatMs, answer.heartbeatIntervalMs)
    if (answer.assignment === null) return
    assignment = answer.assignment.topicPartitions
    await reconcile()
  }
  const isSomethingToSay = () => {
    if (epoch === JOINING) return true
    // What is being given up is not said to be gone until all of it is: one heartbeat, one step of the group.
    if (!holdings.isGivingUp && saidOwned !== ownedText(holdings.held())) return true
    return saidTopics !== JSON.stringify([...watch.topics.keys()])
  }
  const stay = async (signal: AbortSignal) => {
    let version = watch.version
    while (!signal.aborted) {
      const changed = watch.changed()
      const givenUp = holdings.givenUp()
      await beat(signal)
      const dueMs = performance.now() + heartbeatMs
      while (!signal.aborted && performance.now() < dueMs && !isSomethingToSay()) {
        await waitForAny(dueMs - performance.now(), signal, [changed, givenUp])
        if (version === watch.version) break
        version = watch.version
        await reconcile()
      }
    }
  }
  /** What an error means for the membership. @throws it where it does not pass. */
  const heed = (error: unknown) => {
    const reason = reasonOf(error)
    if (reason === 'FENCED_INSTANCE_ID') {
      lose()
      const message = `another process has joined group ${group} under the instance id ${instanceId}; members need ids of their own`
      throw new MillpondError('MEMBER_REPLACED', message, { details: { group, instanceId } })
    }
    if (reason !== undefined && LOST.has(reason)) return lose()
    // A member of this name that died is one until its session ends.
    if (reason === 'UNRELEASED_INSTANCE_ID') return
    if (!isMillpondError(error, 'BROKER_UNAVAILABLE')) throw error
    if (performance.now() - heardMs > sessionTimeoutMs) lose()
  }
  return {
    async run(signal) {
      for (let failures = 0; !signal.aborted;) {
        const before = heardMs
        try {
          await stay(signal)
        } catch (error) {
          if (signal.aborted) return
          heed(error)
          if (isMillpondError(error)) observer.retrying('group', error)
          failures = heardMs === before ? failures + 1 : 1
          await waitForAny(pauseAfter(failures), signal, [])
        }
      }
    },
    identity(): GroupIdentity | undefined {
      return isMember ? { memberId, generation: epoch, instanceId } : undefined
    },
    async leave() {
      if (!isMember) return
      isMember = false
      const leaving = instanceId === null ? LEAVING : AWAY
      const args = [group, memberId, leaving, instanceId, null, UNCHANGED_TIMEOUT, null, null, null, null] as const
      await cluster.request(target, consumerGroupHeartbeatVersions, [...args], { once: true, purpose })
    },
  }
}

const ownedText = (held: readonly LaneId[]): string => JSON.stringify(held.map((lane) => laneKey(lane)).sort())
