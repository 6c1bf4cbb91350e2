import type { MessageBatch } from '../../batch/batch.ts'
import { archivedBatches, createCursor, isUnread } from '../../commit/archived-batches.ts'
import { findChains, readCommits } from '../../commit/chain.ts'
import { messageDifference } from '../../commit/message-difference.ts'
import { readRecordsOfAnyTime } from '../../encode/record-times.ts'
import { isMillpondError } from '../../errors.ts'
import type { LaneId } from '../../source/lane.ts'
import type { Store } from '../../store/store.ts'
import type { Cluster } from './cluster.ts'
import { partitionName, partitionOffsets } from './offsets.ts'
import { readPartitionBatches } from './partition-reader.ts'

/** What became of the offsets of one partition, from the oldest that the cluster has to the end of the archive: each is counted once. */
export interface OffsetAccount {
  readonly from: number
  readonly to: number
  /** Messages that the archive holds. */
  readonly archived: number
  /** Of those, the ones that the cluster still has too, and that were compared. */
  readonly compared: number
  /** Messages whose segments do not keep all of them, so that they cannot be compared; the commits say that they are there. */
  readonly notCompared: number
  /** Messages that could not be archived; the dead-letter sink has them. */
  readonly deadLettered: number
  /** Records of transactions that were aborted. */
  readonly aborted: number
  /** Records of brokers: the ends of transactions. */
  readonly control: number
  /** Offsets that no record has any more, in the cluster or the archive. */
  readonly compacted: number
  /** Messages that the cluster has and the archive lacks: damage. */
  readonly missing: number
  /** Offsets before `from` that the archive's chain covers, and the cluster dropped. */
  readonly gone: number
}

export interface OffsetProblem {
  readonly offset: number
  readonly message: string
}

/** How one lane of the archive compares with its partition. */
export interface KafkaLaneVerdict {
  readonly lane: LaneId
  /** Undefined where the cluster no longer has the topic, or another one under its name. */
  readonly account: OffsetAccount | undefined
  /** The first of them. */
  readonly problems: readonly OffsetProblem[]
  readonly problemCount: number
}

export interface KafkaVerifyReport {
  readonly clean: boolean
  readonly lanes: readonly KafkaLaneVerdict[]
}

export interface KafkaVerifyOptions {
  readonly topic?: string
  readonly lane?: string
  readonly onLane?: (verdict: KafkaLaneVerdict) => void
}

/** Problems of a lane that are listed. */
const MAX_PROBLEMS = 1000
/** The cluster may drop its oldest records while they are read; then reading begins anew this often. */
const ATTEMPTS = 3
const LANES_AT_ONCE = 2

/**
 * Accounts for every offset of the archived topics, from the oldest that the cluster has to the end of the archive, by reading all records with those
 * of aborted transactions and of brokers, and compares every message.
 * @throws MillpondError where the store or the cluster cannot be used, or a chain cannot be read.
 */
export async function verifyAgainstKafka(
  cluster: Cluster,
  store: Store,
  { topic, lane, onLane }: KafkaVerifyOptions = {},
  signal?: AbortSignal,
): Promise<KafkaVerifyReport> {
  const filter = { ...(topic === undefined ? {} : { topic }), ...(lane === undefined ? {} : { lane }) }
  const chains = await Array.fromAsync(findChains(store, filter, signal))
  const verdicts: KafkaLaneVerdict[] = []
  const waiting = chains.entries()
  const work = async () => {
    for (const [at, chain] of waiting) {
      verdicts[at] = await verifyLane(cluster, store, chain, signal)
      onLane?.(verdicts[at])
    }
  }
  await Promise.all(Array.from({ length: LANES_AT_ONCE }, work))
  return { clean: verdicts.every(({ problemCount }) => problemCount === 0), lanes: verdicts }
}

interface Chain {
  readonly lane: LaneId
  readonly folder: string
}

async function verifyLane(
  cluster: Cluster,
  store: Store,
  chain: Chain,
  signal: AbortSignal | undefined,
): Promise<KafkaLaneVerdict> {
  const { lane } = chain
  const place = { topic: lane.topic, partition: Number(lane.lane) }
  const topic = (await cluster.metadata([lane.topic], signal)).topics.get(lane.topic)
  if (topic?.topicId !== lane.topicId || place.partition >= topic.partitions.length) {
    return { lane, account: undefined, problems: [], problemCount: 0 }
  }
  const range = { first: -1, next: 0 }
  for await (const commit of readCommits(store, chain.folder, {}, signal)) {
    if (range.first < 0) range.first = commit.firstPosition
    range.next = commit.nextPosition
  }
  for (let attempt = 1; ; attempt++) {
    const name = partitionName(place)
    const oldest = (await partitionOffsets(cluster, [place], 'oldest', signal)).get(name) ?? 0
    const end = (await partitionOffsets(cluster, [place], 'stable-end', signal)).get(name) ?? 0
    const notes = createNotes()
    // Nothing is archived that readers of committed messages are not given.
    if (range.next > end) notes.problem(end, `the archive goes on to offset ${range.next - 1}, the cluster ends before ${end}`)
    const from = Math.max(oldest, range.first)
    try {
      const counts = await account(
        { cluster, store, chain, place, notes },
        { from, to: Math.max(from, Math.min(range.next, end)) },
        signal,
      )
      const gone = Math.max(0, Math.min(oldest, range.next) - range.first)
      return { lane, account: { ...counts, gone }, problems: notes.problems, problemCount: notes.count }
    } catch (error) {
      if (!isMillpondError(error, 'POSITION_GONE') || attempt >= ATTEMPTS) throw error
    }
  }
}

function createNotes() {
  const problems: OffsetProblem[] = []
  const notes = {
    problems,
    count: 0,
    problem(offset: number, message: string): void {
      notes.count++
      if (problems.length < MAX_PROBLEMS) problems.push({ offset, message })
    },
  }
  return notes
}

interface Accounting {
  readonly cluster: Cluster
  readonly store: Store
  readonly chain: Chain
  readonly place: { readonly topic: string; readonly partition: number }
  readonly notes: ReturnType<typeof createNotes>
}

/** Walks the partition and the archive side by side. */
async function account(
  { cluster, store, chain, place, notes }: Accounting,
  { from, to }: { readonly from: number; readonly to: number },
  signal: AbortSignal | undefined,
): Promise<Omit<OffsetAccount, 'gone'>> {
  const counts = {
    from,
    to,
    archived: 0,
    compared: 0,
    notCompared: 0,
    deadLettered: 0,
    aborted: 0,
    control: 0,
    compacted: 0,
    missing: 0,
  }
  const archived = { letters: new Set<number>(), unread: [] }
  const { letters } = archived
  const archive = createCursor(archivedBatches({ store, folder: chain.folder, signal }, { from, to, notes: archived }))
  let next = from
  /** Counts offsets up to `end` of which the cluster has no message, and gives those that the archive has none of either. */
  const passTo = async (end: number, isArchivedWrong: string | undefined): Promise<number> => {
    let empty = end - next
    for (; archive.position < end; await archive.next()) {
      empty--
      counts.archived++
      if (isArchivedWrong !== undefined)
        notes.problem(archive.position, `the archive has a message where the cluster has ${isArchivedWrong}`)
    }
    for (const position of letters) {
      if (position < next || position >= end) continue
      letters.delete(position)
      empty--
      counts.deadLettered++
    }
    next = end
    return empty
  }
  const compare = async (batch: MessageBatch) => {
    for (let row = 0; row < batch.count && batch.positions[row]! < to; row++) {
      const offset = batch.positions[row]!
      counts.compacted += await passTo(offset, undefined)
      if (archive.position === offset) {
        counts.archived++
        counts.compared++
        const difference = messageDifference(batch, row, archive.batch!, archive.row)
        if (difference !== undefined) notes.problem(offset, `the ${difference} is not what the cluster has`)
        await archive.next()
      } else if (letters.delete(offset)) {
        counts.deadLettered++
      } else if (isUnread(archived, offset)) {
        counts.notCompared++
      } else {
        counts.missing++
        notes.problem(offset, 'the cluster has a message, the archive has none')
      }
      next = offset + 1
    }
  }
  try {
    await archive.next()
    for await (const { set, info, kind } of readPartitionBatches(cluster, place, { from, to }, signal)) {
      counts.compacted += await passTo(Math.max(next, Math.min(info.baseOffset, to)), undefined)
      const end = Math.min(info.lastOffset + 1, to)
      if (kind === 'messages') {
        await compare(await readRecordsOfAnyTime(set, [info], next))
        counts.compacted += await passTo(Math.max(next, end), undefined)
      } else {
        counts[kind] += await passTo(end, kind === 'aborted' ? 'a message of an aborted transaction' : 'a record of its own')
      }
    }
    counts.compacted += await passTo(to, undefined)
  } finally {
    await archive.end()
  }
  return counts
}
