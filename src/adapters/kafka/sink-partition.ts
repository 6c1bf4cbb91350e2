import type { MessageBatch } from '../../batch/batch.ts'
import { selectRows } from '../../batch/batch.ts'
import { MillpondError } from '../../errors.ts'
import { partitionKeys } from '../../kernel/partition.ts'

/**
 * Which partition a message goes to: that of its lane's number, the one that Kafka's own producer gives its key (murmur2; all of a lane
 * without a key to one), always the same, or what `lanes` says of its lane, the lane's number where it says nothing.
 */
export type PartitionChoice = 'lane' | 'key' | number | { readonly lanes: Readonly<Record<string, number>> }

/** Messages for one partition, in their order. */
export interface PartitionShare {
  readonly partition: number
  readonly batch: MessageBatch
}

const LANE_NUMBER = /^(?:0|[1-9]\d{0,8})$/u

/** Where messages are to go. */
export interface PartitionTarget {
  readonly topic: string
  /** Partitions that the topic has. */
  readonly partitions: number
  /** The lane that they come from. */
  readonly lane: string
  readonly choice: PartitionChoice
}

/** The number that a lane of Kafka is called by; undefined for the lanes of others. */
export const laneNumber = (lane: string): number | undefined => (LANE_NUMBER.test(lane) ? Number(lane) : undefined)

/**
 * The partition for a whole lane; undefined where that differs from key to key.
 * @throws MillpondError `INPUT_INVALID` where the topic has no such partition.
 */
export function lanePartition({ topic, partitions, lane, choice }: PartitionTarget): number | undefined {
  if (choice === 'key') return undefined
  const partition = typeof choice === 'number' ? choice : (mappedLane(choice, lane) ?? laneNumber(lane))
  if (partition !== undefined && Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition
  const wanted =
    typeof choice === 'number'
      ? `partition ${choice}`
      : `lane ${lane}${choice === 'lane' ? '' : ` as partition ${partition ?? 'of its number'}`}`
  const message = `${wanted} has no place in topic ${topic}, which has ${partitions} partitions; choose partitions by key, or make more of them`
  throw new MillpondError('INPUT_INVALID', message, { details: { topic, partitions, lane, choice } })
}

const mappedLane = (choice: Exclude<PartitionChoice, number>, lane: string): number | undefined =>
  typeof choice === 'object' && Object.hasOwn(choice.lanes, lane) ? choice.lanes[lane] : undefined

/**
 * The messages by partition.
 * @throws MillpondError `INPUT_INVALID` where the topic has no such partition.
 */
export function shareOut(batch: MessageBatch, target: PartitionTarget): PartitionShare[] {
  const partition = lanePartition(target)
  if (partition !== undefined) return batch.count === 0 ? [] : [{ partition, batch }]
  return shareBy(batch, choosePartitions(batch, target), target.partitions)
}

/** The partition of each message by its key. */
export function choosePartitions(batch: MessageBatch, target: Pick<PartitionTarget, 'lane' | 'partitions'>): Int32Array {
  const chosen = partitionKeys(batch, target.partitions)
  const keyless = keylessPartition(target)
  for (let row = 0; row < batch.count; row++) if (chosen[row] === -1) chosen[row] = keyless
  return chosen
}

/** The messages by the partition that was chosen for each, below `partitions`; those with -1 are left out. */
export function shareBy(batch: MessageBatch, chosen: Int32Array, partitions: number): PartitionShare[] {
  const counts = new Int32Array(partitions)
  for (const to of chosen) if (to >= 0) counts[to]!++
  const rows = Array.from(counts, (count) => new Int32Array(count))
  counts.fill(0)
  for (let row = 0; row < batch.count; row++) {
    const to = chosen[row]!
    if (to >= 0) rows[to]![counts[to]!++] = row
  }
  const shares: PartitionShare[] = []
  for (const [to, ofPartition] of rows.entries()) {
    if (ofPartition.length === batch.count) return [{ partition: to, batch }]
    if (ofPartition.length > 0) shares.push({ partition: to, batch: selectRows(batch, ofPartition) })
  }
  return shares
}

/** Messages without a key keep their order, so all of a lane go to one partition; lanes are spread. */
function keylessPartition({ lane, partitions }: Pick<PartitionTarget, 'lane' | 'partitions'>): number {
  const number = laneNumber(lane)
  if (number !== undefined) return number % partitions
  let sum = 0
  for (const character of lane) sum = (sum * 31 + character.codePointAt(0)!) % 0x7fff_ffff
  return sum % partitions
}
