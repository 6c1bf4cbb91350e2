import { isMillpondError, MillpondError } from '../../errors.ts'
import { pauseAfter } from './waiting.ts'
import { kafkaError, reasonOf } from './cluster-errors.ts'
import { heartbeatVersions, joinGroupVersions, leaveGroupVersions, syncGroupVersions } from './group-apis.ts'
import { assignCooperatively, type TopicPartitions } from './group-assignor.ts'
import type { GroupIdentity } from './group-commits.ts'
import { laneKey } from './group-holdings.ts'
import { type GroupMember, lanesOf, type MemberOptions, partitionsBy, waitForAny } from './group.ts'
import { protocol } from './protocol.ts'

const PROTOCOL_TYPE = 'consumer'
const ASSIGNOR = 'cooperative-sticky'
/** Subscriptions with owned partitions and their generation. */
const SUBSCRIPTION_VERSION = 2
const ASSIGNMENT_VERSION = 1
const MEMBER_ID_REQUIRED = 79
const NO_GENERATION = -1
const JOIN_SLACK_MS = 15_000
/** The group no longer knows this member, or this generation of it. */
const LOST = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'])

/** What a round of the group gave this member. */
interface Generation {
  readonly id: number
  readonly isLeader: boolean
  readonly assigned: readonly TopicPartitions[]
  /** Lanes were revoked by it: when they are given up, the next round gives them to others. */
  readonly hasRevoked: boolean
  /** What the topics were like when it was made. */
  readonly subscription: string
  readonly topicVersion: number
}

/**
 * A member by the classic protocol with cooperative rebalancing (KIP-429): lanes that stay are read on while others move, and a lane
 * that moves is first finished here. The member that the group names its leader shares out the lanes.
 */
export function createClassicMember(options: MemberOptions): GroupMember {
  const {
    cluster,
    group,
    holdings,
    watch,
    instanceId = null,
    sessionTimeoutMs,
    heartbeatMs,
    rebalanceTimeoutMs,
    observer,
  } = options
  const target = { coordinator: 'group', key: group } as const
  const joining = { name: 'group join', requestTimeoutMs: rebalanceTimeoutMs + JOIN_SLACK_MS }
  const beating = { name: 'group', requestTimeoutMs: Math.max(1000, Math.min(sessionTimeoutMs, 10_000)) }
  let memberId = ''
  let generation: Generation | undefined
  let heardMs = performance.now()

  const topicNames = () => [...watch.topics.keys()]
  const subscriptionOf = (names: readonly string[]) => JSON.stringify(names)

  const lose = () => {
    generation = undefined
    holdings.lose()
  }
  const join = async (signal: AbortSignal): Promise<void> => {
    const names = topicNames()
    const topicVersion = watch.version
    const owned = partitionsBy(holdings.held(), ({ topic }) => topic).map(({ name, partitions }) => ({ topic: name, partitions }))
    const metadata = protocol.encodeConsumerProtocolSubscription({
      version: SUBSCRIPTION_VERSION,
      topics: names,
      ownedPartitions: owned,
      generationId: generation?.id ?? NO_GENERATION,
    })
    const ask = () =>
      cluster.request(
        target,
        joinGroupVersions,
        [group, sessionTimeoutMs, rebalanceTimeoutMs, memberId, instanceId, PROTOCOL_TYPE, [{ name: ASSIGNOR, metadata }], null],
        { partial: true, once: true, purpose: joining, signal },
      )
    let joined = await ask()
    if (joined.errorCode === MEMBER_ID_REQUIRED) {
      memberId = joined.memberId
      joined = await ask()
    }
    if (joined.errorCode !== 0) throw kafkaError(joined.errorCode, { what: `joining group ${group}` })
    memberId = joined.memberId
    heardMs = performance.now()
    const isLeader = joined.leader === memberId
    const assignments = isLeader && !joined.skipAssignment ? await share(joined.members, signal) : []
    const synced = await cluster.request(
      target,
      syncGroupVersions,
      [group, joined.generationId, memberId, instanceId, PROTOCOL_TYPE, ASSIGNOR, assignments],
      { once: true, purpose: joining, signal },
    )
    heardMs = performance.now()
    const { assignedPartitions } = protocol.decodeConsumerProtocolAssignment(synced.assignment)
    // A topic that another member already sees may be new here.
    if (assignedPartitions.some(({ topic }) => !watch.topics.has(topic))) await watch.refresh()
    const lanes = lanesOf(watch, assignedPartitions)
    const kept = new Set(lanes.map((lane) => laneKey(lane)))
    generation = {
      id: joined.generationId,
      hasRevoked: holdings.held().some((lane) => !kept.has(laneKey(lane))),
      isLeader,
      assigned: assignedPartitions,
      subscription: subscriptionOf(names),
      topicVersion,
    }
    holdings.assign(lanes)
  }
  /** The leader's part: who has what from now on. */
  const share = async (members: readonly { readonly memberId: string; readonly metadata: Buffer }[], signal: AbortSignal) => {
    const subscriptions = members.map((member) => {
      const { topics, ownedPartitions, generationId, userData } = protocol.decodeConsumerProtocolSubscription(member.metadata)
      const latest = generationId >= 0 ? generationId : protocol.decodeCooperativeStickyGeneration(userData)
      return { memberId: member.memberId, topics, owned: ownedPartitions, generation: latest }
    })
    const names = [...new Set(subscriptions.flatMap(({ topics }) => topics))]
    const { topics } = await cluster.metadata(names, signal)
    const counts = new Map([...topics.values()].map(({ name, partitions }) => [name, partitions.length]))
    return [...assignCooperatively(subscriptions, counts)].map(([id, assignedPartitions]) => ({
      memberId: id,
      assignment: protocol.encodeConsumerProtocolAssignment({
        version: ASSIGNMENT_VERSION,
        assignedPartitions: assignedPartitions.map(({ topic, partitions }) => ({ topic, partitions: [...partitions] })),
      }),
    }))
  }
  /** Heartbeats until there is a reason to join again. */
  const stay = async (signal: AbortSignal): Promise<void> => {
    let nextBeatMs = performance.now() + heartbeatMs
    while (!signal.aborted && generation !== undefined) {
      const changed = watch.changed()
      const givenUp = holdings.givenUp()
      if (generation.hasRevoked && !holdings.isGivingUp) return
      if (subscriptionOf(topicNames()) !== generation.subscription) return
      if (watch.version !== generation.topicVersion) {
        if (generation.isLeader) return
        // A topic that was made again has other lanes of the same names.
        holdings.assign(lanesOf(watch, generation.assigned))
        generation = { ...generation, topicVersion: watch.version }
      }
      await waitForAny(nextBeatMs - performance.now(), signal, [changed, givenUp])
      if (signal.aborted || performance.now() < nextBeatMs) continue
      nextBeatMs = performance.now() + heartbeatMs
      await cluster.request(target, heartbeatVersions, [group, generation.id, memberId, instanceId], {
        purpose: beating,
        once: true,
        signal,
      })
      heardMs = performance.now()
    }
  }
  /** What an error means for the membership. @throws it where it does not pass. */
  const heed = (error: unknown) => {
    const reason = reasonOf(error)
    if (reason === 'REBALANCE_IN_PROGRESS') return
    if (reason === 'FENCED_INSTANCE_ID') {
      lose()
      const message = `another process has joined group ${group} under the instance id ${instanceId}; members need ids of their own`
      throw new MillpondError('MEMBER_REPLACED', message, { details: { group, instanceId } })
    }
    if (reason !== undefined && LOST.has(reason)) {
      if (reason === 'UNKNOWN_MEMBER_ID') memberId = ''
      lose()
      return
    }
    if (!isMillpondError(error, 'BROKER_UNAVAILABLE')) throw error
    // The group has given this member's lanes to others by now.
    if (performance.now() - heardMs > sessionTimeoutMs) lose()
  }
  return {
    async run(signal) {
      let failures = 0
      while (!signal.aborted) {
        try {
          await join(signal)
          failures = 0
          observer.settled('group')
          await stay(signal)
        } catch (error) {
          if (signal.aborted) return
          heed(error)
          failures += 1
          // A group that is between two generations is joined at once.
          const isRebalance = reasonOf(error) === 'REBALANCE_IN_PROGRESS'
          if (!isRebalance && isMillpondError(error)) observer.retrying('group', error)
          if (!isRebalance || failures > 1) await waitForAny(pauseAfter(failures), signal, [])
        }
      }
    },
    identity(): GroupIdentity | undefined {
      return generation === undefined ? undefined : { memberId, generation: generation.id, instanceId }
    },
    async leave() {
      if (memberId === '' || instanceId !== null) return
      await cluster.request(target, leaveGroupVersions, [group, [{ memberId, reason: 'the source was closed' }]], {
        purpose: { name: 'group' },
        once: true,
      })
      memberId = ''
      generation = undefined
    },
  }
}
