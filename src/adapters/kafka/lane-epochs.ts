import { isMillpondError } from '../../errors.ts'
import type { LaneId } from '../../source/lane.ts'
import { offsetFetchVersions } from './admin-apis.ts'
import type { Cluster } from './cluster.ts'

/** Up to a position, from where the one before ends, all is of one leader's epoch. */
export interface EpochRun {
  readonly epoch: number
  readonly nextPosition: number
}

/** What a leader says where its log is another one than what was read: its newest epoch up to the one that was read, and where that ends. */
export interface Divergence {
  readonly epoch: number
  readonly endOffset: number
}

/**
 * Leader epochs of what was read of each lane (KIP-101, KIP-320). A leader that is asked for what follows a position and its epoch says so where its
 * log was cut back below; by the position alone nobody could tell, once it has grown again. Lanes are told apart as objects: one that comes back after
 * others had it may have been read anew.
 */
export interface LaneEpochs {
  /** The epoch of what lies before the position; -1 where that is not known. The group's committed offset is asked where this process has not read it. */
  before(lane: LaneId, position: number): Promise<number>
  /** Takes note of what was read from a position on. */
  read(lane: LaneId, fromPosition: number, runs: readonly EpochRun[]): void
  /** Nothing below the position will be asked for any more. */
  passed(lane: LaneId, position: number): void
  /** The position up to which what was read is what the leader has. */
  commonEnd(lane: LaneId, divergence: Divergence): number
}

/** A run with its beginning. */
interface KnownRun {
  readonly epoch: number
  readonly from: number
  readonly to: number
}

export const NO_EPOCH = -1

/** What the group has committed for a lane. */
export type CommittedEpoch = (lane: LaneId) => Promise<{ readonly position: number; readonly epoch: number } | undefined>

export function createLaneEpochs(committed: CommittedEpoch): LaneEpochs {
  const byLane = new WeakMap<LaneId, readonly KnownRun[]>()
  const known = (lane: LaneId): readonly KnownRun[] => byLane.get(lane) ?? []
  const runBefore = (lane: LaneId, position: number) => known(lane).find(({ from, to }) => from < position && position <= to)
  return {
    async before(lane, position) {
      if (position === 0) return NO_EPOCH
      const there = runBefore(lane, position)
      if (there !== undefined) return there.epoch
      const kept = await committed(lane)
      if (kept?.position !== position || kept.epoch === NO_EPOCH) return NO_EPOCH
      // What came to be known meanwhile is newer.
      if (known(lane).length === 0) byLane.set(lane, [{ epoch: kept.epoch, from: position - 1, to: position }])
      return kept.epoch
    },
    read(lane, fromPosition, runs) {
      const before = known(lane)
        .filter(({ from }) => from < fromPosition)
        .map((run) => ({ ...run, to: Math.min(run.to, fromPosition) }))
      // What does not reach to where reading goes on says nothing of what lies between.
      const all: KnownRun[] = before.at(-1)?.to === fromPosition ? before : []
      let from = fromPosition
      for (const { epoch, nextPosition: to } of runs) {
        const last = all.at(-1)
        if (epoch === NO_EPOCH) all.length = 0
        else if (last?.epoch === epoch) all[all.length - 1] = { ...last, to }
        else all.push({ epoch, from, to })
        from = to
      }
      byLane.set(lane, all)
    },
    passed(lane, position) {
      const runs = known(lane)
      if (runs.length > 1) {
        byLane.set(
          lane,
          runs.filter(({ to }) => to >= position),
        )
      }
    },
    commonEnd(lane, { epoch, endOffset }) {
      const later = known(lane).find((run) => run.epoch > epoch)
      return Math.min(endOffset, later?.from ?? Infinity)
    },
  }
}

/** The offset that the group has committed for a lane, with its epoch; undefined where it cannot be asked. What many ask at a time is one request. */
export function createCommittedEpochs(cluster: Cluster, group: string): CommittedEpoch {
  let asked:
    | { readonly lanes: LaneId[]; readonly answer: Promise<ReadonlyMap<string, { position: number; epoch: number }>> }
    | undefined
  const ask = async (lanes: readonly LaneId[]) => {
    const topics = [...Map.groupBy(lanes, ({ topic }) => topic)].map(([name, ofTopic]) => ({
      name,
      partitionIndexes: [...new Set(ofTopic.map(({ lane }) => Number(lane)))],
    }))
    const args = [[{ groupId: group, topics }], false] as [{ groupId: string; topics: typeof topics }[], boolean]
    const { groups } = await cluster.request({ coordinator: 'group', key: group }, offsetFetchVersions, args)
    const found = groups.flatMap((each) => each.topics)
    return new Map(
      found.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch }) => [
          `${name} ${partitionIndex}`,
          { position: Number(committedOffset), epoch: committedLeaderEpoch },
        ]),
      ),
    )
  }
  return async (lane) => {
    if (asked === undefined) {
      const lanes: LaneId[] = []
      const turn = Promise.withResolvers<void>()
      asked = { lanes, answer: turn.promise.then(() => ask(lanes)) }
      setImmediate(() => {
        asked = undefined
        turn.resolve()
      })
    }
    const { lanes, answer } = asked
    lanes.push(lane)
    try {
      return (await answer).get(`${lane.topic} ${lane.lane}`)
    } catch (error) {
      // Without it reading goes on as well, only that less is noticed.
      if (!isMillpondError(error)) throw error
      return undefined
    }
  }
}
