import { setTimeout as wait } from 'node:timers/promises'
import { isMillpondError } from '../../errors.ts'
import type { LaneId } from '../../source/lane.ts'
import type { Cluster } from './cluster.ts'
import { kafkaError, kafkaErrorName } from './cluster-errors.ts'
import { offsetCommitVersions } from './group-apis.ts'
import { laneKey } from './group-holdings.ts'
import { NO_EPOCH } from './lane-epochs.ts'

/** Who commits: the member as the group knows it now. */
export interface GroupIdentity {
  readonly memberId: string
  /** The generation, or the member's epoch. */
  readonly generation: number
  readonly instanceId: string | null
}

/** The offsets that a group has committed, set by this member. What many say at a time goes in one request. */
export interface GroupCommits {
  /**
   * Sets the lane's offset, with the epoch of what lies before it where that is known. A rebalance in between is waited for; a lane that is this member's no longer is left as it is.
   * @throws MillpondError where the group's coordinator refuses, or cannot be asked for long.
   */
  commit(lane: LaneId, nextPosition: number, leaderEpoch?: number): Promise<void>
  /** Resolves when all that was to be committed is, or has failed. */
  flush(): Promise<void>
}

/** Errors that say: not as this member, in this generation. */
const MEMBERSHIP = new Set([
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'FENCED_INSTANCE_ID',
  'FENCED_MEMBER_EPOCH',
  'STALE_MEMBER_EPOCH',
])
const TOPIC_GONE = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'])
const MEMBERSHIP_PAUSE_MS = 250
const MEMBERSHIP_LIMIT_MS = 15_000

interface Pending {
  readonly lane: LaneId
  position: number
  leaderEpoch: number
  readonly answers: PromiseWithResolvers<void>[]
  readonly sinceMs: number
}

export interface GroupCommitsOptions {
  readonly group: string
  /** Undefined while this member is in no generation. */
  readonly identity: () => GroupIdentity | undefined
  readonly isHeld: (lane: LaneId) => boolean
}

export function createGroupCommits(cluster: Cluster, { group, identity, isHeld }: GroupCommitsOptions): GroupCommits {
  let pending = new Map<string, Pending>()
  let running: Promise<void> | undefined

  const settle = ({ answers }: Pending, error?: unknown) => {
    for (const answer of answers) {
      if (error === undefined) answer.resolve()
      else answer.reject(error)
    }
  }
  const pump = async () => {
    while (pending.size > 0) {
      const taken = [...pending.values()]
      pending = new Map()
      const again = await send(taken)
      for (const each of again) putBack(each)
      if (again.length > 0) await wait(MEMBERSHIP_PAUSE_MS)
    }
    running = undefined
  }
  const putBack = (each: Pending) => {
    const newer = pending.get(laneKey(each.lane))
    if (newer === undefined) pending.set(laneKey(each.lane), each)
    else newer.answers.push(...each.answers)
  }
  /** Sends once; gives back what is to be sent again. */
  const send = async (all: readonly Pending[]): Promise<readonly Pending[]> => {
    const kept = all.filter((each) => {
      if (isHeld(each.lane)) return true
      settle(each)
      return false
    })
    const member = identity()
    if (member === undefined) return kept.filter((each) => isWorthAgain(each))
    // A topic that was made again has the name of the old one: its offset is not ours to set.
    const sent: Pending[] = []
    for (const each of kept) {
      const topic = await cluster.topic(each.lane.topic).catch(() => undefined)
      if (topic?.topicId === each.lane.topicId) sent.push(each)
      else settle(each)
    }
    if (sent.length === 0) return []
    try {
      const codes = await ask(member, sent)
      return sent.filter((each) => {
        const code = codes.get(laneKey(each.lane)) ?? 0
        const name = kafkaErrorName(code)
        if (code === 0 || TOPIC_GONE.has(name)) settle(each)
        else if (MEMBERSHIP.has(name)) return isWorthAgain(each)
        else settle(each, kafkaError(code, { what: `the offset of ${each.lane.topic}/${each.lane.lane}` }))
        return false
      })
    } catch (error) {
      for (const each of sent) settle(each, error)
      return []
    }
  }
  /** Whether a membership that is being settled is waited for; if not, who asked is told that it is as if another had the lane. */
  const isWorthAgain = (each: Pending): boolean => {
    if (performance.now() - each.sinceMs < MEMBERSHIP_LIMIT_MS) return true
    settle(each)
    return false
  }
  const ask = async (member: GroupIdentity, sent: readonly Pending[]): Promise<Map<string, number>> => {
    const byName = new Map(sent.map(({ lane }) => [`${lane.topic} ${lane.lane}`, lane]))
    const topics = [...Map.groupBy(sent, ({ lane }) => lane.topic)].map(([name, ofTopic]) => ({
      name,
      partitions: ofTopic.map(({ lane, position, leaderEpoch }) => ({
        partitionIndex: Number(lane.lane),
        committedOffset: BigInt(position),
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: '',
      })),
    }))
    const { memberId, generation, instanceId } = member
    const answer = await cluster.request(
      { coordinator: 'group', key: group },
      offsetCommitVersions,
      [group, generation, memberId, instanceId, topics],
      { partial: true, purpose: { name: 'group' } },
    )
    const codes = answer.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode }) => [laneKey(byName.get(`${name} ${partitionIndex}`)!), errorCode] as const),
    )
    return new Map(codes)
  }
  return {
    async commit(lane, position, leaderEpoch = NO_EPOCH) {
      const answer = Promise.withResolvers<void>()
      const there = pending.get(laneKey(lane))
      if (there === undefined) {
        pending.set(laneKey(lane), { lane, position, leaderEpoch, answers: [answer], sinceMs: performance.now() })
      } else {
        if (position >= there.position) Object.assign(there, { position, leaderEpoch })
        there.answers.push(answer)
      }
      running ??= Promise.resolve().then(pump)
      await answer.promise
    },
    async flush() {
      await running?.catch((error: unknown) => {
        if (!isMillpondError(error)) throw error
      })
    },
  }
}
