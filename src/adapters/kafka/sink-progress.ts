import { createHash } from 'node:crypto'
import type { SinkTarget } from '../../sink/sink.ts'
import { offsetFetchVersions } from './admin-apis.ts'
import type { Cluster } from './cluster.ts'
import { laneNumber, type PartitionChoice } from './sink-partition.ts'

/** How far a job came with one lane of its origin, as the target cluster itself keeps it. */
export interface LaneProgressAtTarget {
  /** The first origin position that is still to be delivered. */
  readonly position: number
  /** The offset behind the last message that was delivered; only where all go to one partition. */
  readonly end: { readonly partition: number; readonly offset: number } | undefined
}

/** Where the progress of a lane is kept: as the offset of a consumer group for a partition of the target's topic. */
export interface ProgressPlace {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

/** What is kept at a place. */
export interface KeptProgress {
  readonly place: ProgressPlace
  readonly target: SinkTarget
  readonly progress: LaneProgressAtTarget
}

const PREFIX = 'millpond-'
const HASH_DIGITS = 16
/** Metadata of an offset may have 4096 bytes (offset.metadata.max.bytes). */
const MAX_NAME_CHARACTERS = 300

/** What the consumer groups and transactional ids of a job begin with. */
export const jobName = (job: string): string => `${PREFIX}${job}`

/**
 * The place for a lane's progress. Lanes that keep their partitions share a group, which tools then show as the job's progress; others have one each.
 * Brokers forget a group of which nothing is heard for a week (offsets.retention.minutes).
 */
export function progressPlace({ job = '', origin, topic, share }: SinkTarget, choice: PartitionChoice): ProgressPlace {
  const number = choice === 'lane' ? laneNumber(origin.lane) : undefined
  const ofLane = number === undefined ? [origin.lane] : []
  const identity = [origin.topic, origin.topicId ?? null, ...ofLane, ...(share === undefined ? [] : [{ share }])]
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, HASH_DIGITS)
  return { group: `${jobName(job)}-${hash}`, topic, partition: number ?? 0 }
}

/** The progress that is kept at a place. Where a transaction on it is open, its outcome is waited for. */
export async function readProgress(
  cluster: Cluster,
  { group, topic, partition }: ProgressPlace,
  signal?: AbortSignal,
): Promise<LaneProgressAtTarget | undefined> {
  const { groups } = await cluster.request(
    { coordinator: 'group', key: group },
    offsetFetchVersions,
    [[{ groupId: group, topics: [{ name: topic, partitionIndexes: [partition] }] }], true],
    signal === undefined ? {} : { signal },
  )
  const kept = groups[0]?.topics[0]?.partitions[0]
  const position = Number(kept?.committedOffset ?? -1)
  return position < 0 ? undefined : { position, end: parseEnd(kept?.metadata ?? null) }
}

/** The text beside the position: what people want to see, and where the last message lies. */
export function progressText({ origin }: SinkTarget, { end }: LaneProgressAtTarget): string {
  const [topic, lane] = [origin.topic, origin.lane].map((text) => text.slice(0, MAX_NAME_CHARACTERS))
  return JSON.stringify({ origin: { topic, lane }, end })
}

function parseEnd(metadata: string | null): LaneProgressAtTarget['end'] {
  try {
    const { end } = JSON.parse(metadata ?? '{}') as { end?: { partition?: unknown; offset?: unknown } }
    const [partition, offset] = [Number(end?.partition ?? NaN), Number(end?.offset ?? NaN)]
    return Number.isSafeInteger(partition) && Number.isSafeInteger(offset) ? { partition, offset } : undefined
  } catch {
    return undefined
  }
}
