import type { offsetFetchV8 } from '@platformatic/kafka'
import type { Cluster } from './cluster.ts'
import { kafkaError } from './cluster-errors.ts'
import { deleteGroupsVersions, listGroupsVersions, offsetCommitVersions, offsetFetchVersions } from './admin-apis.ts'
import type { TopicPartition } from './offsets.ts'

/** What a consumer group has committed for one partition. */
export interface GroupOffset extends TopicPartition {
  readonly offset: number
  /** What the consumer noted beside it. */
  readonly metadata: string
}

/** A consumer group with all that it has committed. */
export interface GroupOffsets {
  readonly group: string
  readonly offsets: readonly GroupOffset[]
}

const CONSUMER_PROTOCOL = 'consumer'
const NO_LEADER_EPOCH = -1
/** A commit that no member makes. */
const NO_GENERATION = -1
const GROUPS_AT_ONCE = 50
const AT_ONCE = 8

/** Names of the consumer groups of all brokers, sorted; groups of other kinds (share, streams, Connect workers) have no offsets of this kind. */
export async function listGroups(cluster: Cluster, signal?: AbortSignal): Promise<string[]> {
  const { brokers } = await cluster.metadata([], signal)
  const options = signal === undefined ? {} : { signal }
  const answers = await Promise.all(
    [...brokers.keys()].map((node) => cluster.request({ node }, listGroupsVersions, [[], []], options)),
  )
  const groups = answers.flatMap((answer) => answer.groups)
  // A group of which only offsets are there, set by a tool or by a consumer that assigns itself, has no protocol.
  const ours = groups.filter(({ protocolType }) => protocolType === CONSUMER_PROTOCOL || protocolType === '')
  return [...new Set(ours.map(({ groupId }) => groupId))].sort()
}

/** What these groups have committed, by group; offsets of open transactions are waited for. */
export async function groupOffsets(cluster: Cluster, groups: readonly string[], signal?: AbortSignal): Promise<GroupOffsets[]> {
  const byCoordinator = new Map<number, string[]>()
  const waiting = groups.values()
  const find = async () => {
    for (const group of waiting) {
      const node = await cluster.coordinator('group', group, signal)
      const others = byCoordinator.get(node)
      if (others === undefined) byCoordinator.set(node, [group])
      else others.push(group)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, find))
  const found = new Map<string, GroupOffset[]>()
  for (const held of byCoordinator.values()) {
    for (let from = 0; from < held.length; from += GROUPS_AT_ONCE) {
      const asked = held.slice(from, from + GROUPS_AT_ONCE).map((groupId) => ({ groupId, topics: null }))
      const target = { coordinator: 'group', key: asked[0]!.groupId } as const
      const options = signal === undefined ? {} : { signal }
      const answer = await cluster.request(target, offsetFetchVersions, [asked, true], options)
      for (const { groupId, topics } of answer.groups) found.set(groupId, topics.flatMap(offsetsOf))
    }
  }
  return groups.map((group) => ({ group, offsets: found.get(group) ?? [] }))
}

const offsetsOf = ({ name, partitions }: offsetFetchV8.OffsetFetchResponseTopic): GroupOffset[] =>
  partitions
    .filter(({ committedOffset }) => committedOffset >= 0n)
    .map(({ partitionIndex, committedOffset, metadata }) => ({
      topic: name,
      partition: partitionIndex,
      offset: Number(committedOffset),
      metadata: metadata ?? '',
    }))

/**
 * Commits offsets for a group that has no members.
 * @throws MillpondError `BROKER_REFUSED` where it has some (`details.reason` is then `UNKNOWN_MEMBER_ID`), or this user may not.
 */
export async function commitGroupOffsets(
  cluster: Cluster,
  { group, offsets }: GroupOffsets,
  signal?: AbortSignal,
): Promise<void> {
  const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, ofTopic]) => ({
    name,
    partitions: ofTopic.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: NO_LEADER_EPOCH,
      committedMetadata: metadata,
    })),
  }))
  if (topics.length === 0) return
  const target = { coordinator: 'group', key: group } as const
  const options = signal === undefined ? {} : { signal }
  await cluster.request(target, offsetCommitVersions, [group, NO_GENERATION, '', null, topics], options)
}

/** Removes groups that have no members; what is not there is no error. */
export async function deleteGroups(cluster: Cluster, groups: readonly string[], signal?: AbortSignal): Promise<void> {
  for (const group of groups) {
    const options = { partial: true, ...(signal === undefined ? {} : { signal }) }
    const { results } = await cluster.request({ coordinator: 'group', key: group }, deleteGroupsVersions, [[group]], options)
    const code = results[0]?.errorCode ?? 0
    if (code !== 0 && code !== GROUP_ID_NOT_FOUND) throw kafkaError(code, { what: `group ${group}` })
  }
}

const GROUP_ID_NOT_FOUND = 69
