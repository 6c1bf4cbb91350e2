import { setTimeout as sleep } from 'node:timers/promises'
import type { Archive } from '../../search/read.ts'
import { countMessages } from '../../search/count.ts'
import { MillpondError } from '../../errors.ts'
import type { ReplayJob } from '../../replay/job.ts'
import type { ReplayPart } from '../../replay/part.ts'
import type { Cluster } from './cluster.ts'
import type { TopicPartition } from './offsets.ts'
import { partitionName, partitionOffsets } from './offsets.ts'
import { readPartitionBatches } from './partition-reader.ts'
import { type ProgressPlace, progressPlace, readProgress } from './sink-progress.ts'

const STABLE_TIMEOUT_MS = 30_000
const LOOK_AGAIN_MS = 20

/** Gives the new offset for a position of one lane. */
export type Translate = (position: number) => Promise<number>

/**
 * The new offsets of a lane that a job has restored: a position stands for the first message at or behind it that was delivered, and its new offset
 * is that message's; behind the last it is the end of the partition. So neither gaps of the origin nor what brokers put between the messages of
 * transactions lead a consumer astray.
 *
 * Nothing keeps a table of offsets: how many messages lie behind a position is counted in the archive, by its index mostly, and as many are
 * counted back from the last one in the partition. So only the part of the partition is read that the group has still to read.
 * @throws MillpondError `DELIVERY_FAILED` where what the target refused is not known by name, or messages are missing there.
 */
export function createTranslation(
  {
    cluster,
    archive,
    job,
    topic,
  }: { readonly cluster: Cluster; readonly archive: Archive; readonly job: ReplayJob; readonly topic: string },
  lane: ReplayPart,
  signal?: AbortSignal,
): Translate {
  const place = { topic, partition: Number(lane.lane.lane) }
  let bounds: Promise<Bounds> | undefined
  return async (position) => {
    bounds ??= boundsOf(cluster, progressPlace({ topic, origin: lane.lane, job: job.id }, 'lane'), place, signal)
    const { oldest, lastEnd, end } = await bounds
    const from = Math.max(position, lane.fromPosition)
    const { topic: origin, topicId, lane: name } = lane.lane
    const query = { topic: origin, topicId, lanes: [name], positions: { from, to: lane.toPosition } }
    const archived = await countMessages(archive, query, signal === undefined ? {} : { signal })
    const behind = archived - refusedFrom(job, lane, from)
    return behind <= 0
      ? firstMessageFrom(cluster, place, { from: lastEnd, to: end }, signal)
      : countBack(cluster, place, { oldest, end: lastEnd, behind }, signal)
  }
}

interface Bounds {
  readonly oldest: number
  /** Behind the last message of the job. */
  readonly lastEnd: number
  /** Of the partition. */
  readonly end: number
}

async function boundsOf(
  cluster: Cluster,
  kept: ProgressPlace,
  place: TopicPartition,
  signal: AbortSignal | undefined,
): Promise<Bounds> {
  const progress = await readProgress(cluster, kept, signal)
  const name = partitionName(place)
  const oldest = (await partitionOffsets(cluster, [place], 'oldest', signal)).get(name) ?? 0
  const end = await stableEnd(cluster, place, signal)
  return { oldest, end, lastEnd: progress?.end?.offset ?? (progress === undefined ? oldest : end) }
}

/** The end of the partition, once no transaction is open that began before: one is committed a moment before its partitions say so. */
async function stableEnd(cluster: Cluster, place: TopicPartition, signal: AbortSignal | undefined): Promise<number> {
  const name = partitionName(place)
  const wanted = (await partitionOffsets(cluster, [place], 'end', signal)).get(name) ?? 0
  const endMs = performance.now() + STABLE_TIMEOUT_MS
  for (;;) {
    const stable = (await partitionOffsets(cluster, [place], 'stable-end', signal)).get(name) ?? 0
    if (stable >= wanted) return stable
    if (performance.now() > endMs) {
      const message = `${name}: a transaction stays open at offset ${stable}, so offsets behind it cannot be told`
      throw new MillpondError('DELIVERY_FAILED', message, { details: { ...place, stable } })
    }
    await sleep(LOOK_AGAIN_MS, undefined, { signal })
  }
}

/** How many messages at or behind a position the target refused. */
function refusedFrom({ failures }: ReplayJob, { lane, counts }: ReplayPart, from: number): number {
  const ofLane = failures.filter(({ topic, lane: name }) => topic === lane.topic && name === lane.lane)
  if (ofLane.length >= counts.failed) return ofLane.filter(({ position }) => position >= from).length
  const message = `of ${counts.failed} messages of lane ${lane.lane} that were refused only ${ofLane.length} are known by name, so offsets cannot be told`
  throw new MillpondError('DELIVERY_FAILED', message, { details: { lane, failed: counts.failed } })
}

/** The offset of the message that has `behind - 1` others behind it, before `end`. */
async function countBack(
  cluster: Cluster,
  place: TopicPartition,
  { oldest, end, behind }: { readonly oldest: number; readonly end: number; readonly behind: number },
  signal: AbortSignal | undefined,
): Promise<number> {
  let upper = end
  // So many messages take so many offsets at least; markers and aborted batches among them make it more.
  for (let missing = behind; upper > oldest;) {
    const from = Math.max(oldest, upper - missing)
    let first: number | undefined
    let found = 0
    for await (const { info, kind } of readPartitionBatches(cluster, place, { from, to: upper }, signal)) {
      if (kind !== 'messages') continue
      const start = Math.max(from, info.baseOffset)
      first ??= start
      found += Math.min(upper - 1, info.lastOffset) - start + 1
    }
    missing -= found
    if (missing === 0 && first !== undefined) return first
    upper = from
  }
  const message = `${partitionName(place)} holds fewer messages than were delivered to it; something removed some, or the topic is another one`
  throw new MillpondError('DELIVERY_FAILED', message, { details: { ...place, behind } })
}

/** The first message of the range, or its end: what lies between is of brokers alone. */
async function firstMessageFrom(
  cluster: Cluster,
  place: TopicPartition,
  range: { readonly from: number; readonly to: number },
  signal: AbortSignal | undefined,
): Promise<number> {
  for await (const { info, kind } of readPartitionBatches(cluster, place, range, signal)) {
    if (kind === 'messages') return Math.max(range.from, info.baseOffset)
  }
  return range.to
}
