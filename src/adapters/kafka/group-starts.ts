import type { LaneId } from '../../source/lane.ts'
import type { Cluster } from './cluster.ts'
import type { PartitionOffsets } from './fetch-offsets.ts'
import type { GroupCommits } from './group-commits.ts'
import { laneKey } from './group-holdings.ts'
import type { TopicWatch } from './group-topics.ts'
import { groupOffsets } from './groups.ts'

/** Where a lane begins that no archive has yet. */
export type FirstPosition = 'earliest' | 'latest' | { readonly sinceMs: number }

/** Finds where lanes begin; undefined for one whose topic is gone. */
export type StartPositions = (lane: LaneId) => Promise<number | undefined>

export interface StartOptions {
  readonly cluster: Cluster
  readonly group: string
  readonly first: FirstPosition
  readonly isolation: 'committed' | 'uncommitted'
  readonly watch: TopicWatch
  readonly offsets: PartitionOffsets
  readonly commits: GroupCommits
}

/**
 * `earliest` begins at the oldest message. The others hold for the lanes that are there when the group first begins, and for no later
 * ones: of a topic or partition that comes while the group is at work or between two of its runs, nothing is missed. So the position
 * that was found is committed at once, and who takes the lane next begins there too.
 */
export async function createStartPositions(options: StartOptions): Promise<StartPositions> {
  const { cluster, group, first, isolation, watch, offsets, commits } = options
  if (first === 'earliest') return (lane) => offsets.of(lane, 'oldest')
  const before = await committed(cluster, group)
  const isNewGroup = before.size === 0
  const there = new Set(
    [...watch.topics.values()].flatMap(({ name, topicId, partitions }) =>
      partitions.map(({ partition }) => laneKey({ topic: name, topicId, lane: String(partition) })),
    ),
  )
  const end = isolation === 'committed' ? 'stable-end' : 'end'
  const firstOf = async (lane: LaneId): Promise<number | undefined> => {
    if (!isNewGroup || !there.has(laneKey(lane))) return offsets.of(lane, 'oldest')
    // The end is asked for before: a message that comes meanwhile is young enough, and behind it.
    const endPosition = await offsets.of(lane, end)
    const found = first === 'latest' ? -1 : await offsets.of(lane, first)
    // No message is that young yet.
    return found === -1 ? endPosition : found
  }
  let asked: Promise<ReadonlyMap<string, number>> | undefined
  return async (lane) => {
    // Lanes that are taken at a time ask once.
    asked ??= committed(cluster, group)
    const asking = asked
    setImmediate(() => {
      if (asked === asking) asked = undefined
    })
    const known = (await asking).get(`${lane.topic} ${lane.lane}`)
    const [oldest, next] = await Promise.all([offsets.of(lane, 'oldest'), offsets.of(lane, 'end')])
    if (oldest === undefined || next === undefined) return undefined
    // An offset beyond the end is that of a topic of this name that was deleted.
    if (known !== undefined && known <= next) return Math.max(known, oldest)
    const position = await firstOf(lane)
    if (position !== undefined) await commits.commit(lane, position)
    return position
  }
}

async function committed(cluster: Cluster, group: string): Promise<ReadonlyMap<string, number>> {
  const [found] = await groupOffsets(cluster, [group])
  return new Map((found?.offsets ?? []).map(({ topic, partition, offset }) => [`${topic} ${partition}`, offset]))
}
