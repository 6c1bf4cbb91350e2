import type { MessageBatch } from '../../batch/batch.ts'
import type { RecordSet } from '../../encode/block.ts'
import { isMillpondError } from '../../errors.ts'
import { watched } from '../../source/held-lane.ts'
import type { Lane } from '../../source/lane.ts'
import { type Passed, positionBehind, type Source } from '../../source/source.ts'
import type { SourceObserver } from '../../source/source-observer.ts'
import { createClassicMember } from './classic-group.ts'
import { type Cluster, openCluster } from './cluster.ts'
import type { KafkaOptions } from './cluster-options.ts'
import { createConsumerMember } from './consumer-group.ts'
import { createFetcher } from './fetch.ts'
import { createPartitionOffsets } from './fetch-offsets.ts'
import { createGroupCommits } from './group-commits.ts'
import { createHoldings } from './group-holdings.ts'
import { createStartPositions, type FirstPosition } from './group-starts.ts'
import { watchTopics } from './group-topics.ts'
import type { GroupMember } from './group.ts'
import { createCommittedEpochs, createLaneEpochs } from './lane-epochs.ts'
import { fetchedSets, keptSets, readColumns } from './source-read.ts'

export interface KafkaSourceOptions extends KafkaOptions {
  /** Names of topics; `*` stands for any text. Kafka's own (`__…`) are taken by name only. */
  readonly topics: readonly string[]
  /** Members of a group share its lanes. */
  readonly group: string
  /** `consumer` is the protocol of KIP-848, which Kafka 4 has. */
  readonly groupProtocol?: 'classic' | 'consumer'
  /** A stable name of this member, another for each: over a restart it has its lanes back at once. */
  readonly groupInstanceId?: string
  /** Where a lane begins that no archive has yet. Topics and partitions that come later begin at their beginning in any case. */
  readonly first?: FirstPosition
  /** Whether messages of aborted transactions are left out, and those of open ones waited for. */
  readonly isolation?: 'committed' | 'uncommitted'
  /** A member that was not heard of for so long loses its lanes. With `consumer` the brokers decide it. */
  readonly sessionTimeoutMs?: number
  readonly heartbeatMs?: number
  /** How long the group waits for each member when lanes move. */
  readonly rebalanceTimeoutMs?: number
  /** How long a revoked lane may take to be committed before it is given up. */
  readonly releaseTimeoutMs?: number
  /** How often it is looked for new topics. */
  readonly topicsRefreshMs?: number
  /** Fetched bytes that wait for their readers, of all lanes together. */
  readonly bufferBytes?: number
  /** Told of what goes wrong in the group and with fetching, and is tried again. */
  readonly observer?: SourceObserver
}

const SESSION_TIMEOUT_MS = 45_000
const REBALANCE_TIMEOUT_MS = 60_000
const RELEASE_TIMEOUT_MS = 30_000
const MAX_HEARTBEAT_MS = 3000
const TOPICS_REFRESH_MS = 3000
const BUFFER_BYTES = 16 * 1024 * 1024
const NOBODY: SourceObserver = { retrying() {}, settled() {} }

/** A subscription of a Kafka cluster as a member of a consumer group; it joins when its lanes are first asked for. */
export async function openKafkaSource(options: KafkaSourceOptions): Promise<Source> {
  const cluster = await openCluster(options)
  try {
    return await openOn(cluster, options)
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

async function openOn(cluster: Cluster, options: KafkaSourceOptions): Promise<Source> {
  const { group, topics, first = 'earliest', isolation = 'committed', bufferBytes = BUFFER_BYTES } = options
  const { sessionTimeoutMs = SESSION_TIMEOUT_MS, releaseTimeoutMs = RELEASE_TIMEOUT_MS } = options
  const { rebalanceTimeoutMs = REBALANCE_TIMEOUT_MS, topicsRefreshMs = TOPICS_REFRESH_MS } = options
  const { heartbeatMs = Math.min(MAX_HEARTBEAT_MS, sessionTimeoutMs / 3), groupInstanceId, groupProtocol = 'classic' } = options
  const { observer = NOBODY } = options
  const watch = await watchTopics(cluster, topics, topicsRefreshMs)
  const offsets = createPartitionOffsets(cluster)
  const epochs = createLaneEpochs(createCommittedEpochs(cluster, group))
  const fetcher = createFetcher(cluster, offsets, { isolation, bufferBytes, observer, epochs })
  const stop = new AbortController()
  let running: Promise<void> | undefined

  const commits = createGroupCommits(cluster, {
    group,
    identity: () => member.identity(),
    isHeld: (lane) => holdings.isHeld(lane),
  })
  const startPosition = await createStartPositions({ cluster, group, first, isolation, watch, offsets, commits })
  const holdings = createHoldings({ startPosition, releaseTimeoutMs, observer })
  const createMember = groupProtocol === 'consumer' ? createConsumerMember : createClassicMember
  const member: GroupMember = createMember({
    cluster,
    group,
    holdings,
    watch,
    instanceId: groupInstanceId,
    sessionTimeoutMs,
    heartbeatMs,
    rebalanceTimeoutMs,
    observer,
  })
  const run = async () => {
    try {
      await member.run(stop.signal)
    } catch (error) {
      observer.settled('group')
      holdings.lose()
      holdings.fail(error)
    }
  }
  const openSets = (lane: Lane, position: number, signal: AbortSignal) =>
    fetchedSets(fetcher.open(lane, position, AbortSignal.any([signal, lane.revoked, stop.signal])))

  return {
    async *lanes(signal) {
      running ??= run()
      yield* holdings.lanes(AbortSignal.any([signal, stop.signal]))
    },
    joined: (signal) => holdings.assigned(AbortSignal.any([signal, stop.signal])),
    async *read(lane, position, signal) {
      const items = readColumns(openSets(lane, position, signal), AbortSignal.any([signal, lane.revoked]))
      yield* watched(items, holdings.heldLane(lane), positionBehind)
    },
    async *readRecordSets(lane, position, signal) {
      yield* watched(keptSets(openSets(lane, position, signal), fetcher.release), holdings.heldLane(lane), positionBehindSet)
    },
    async range(lane) {
      const kinds = ['oldest', isolation === 'committed' ? 'stable-end' : 'end', 'end'] as const
      const [oldest, next, end] = await Promise.all(kinds.map((kind) => offsets.of(lane, kind)))
      if (oldest === undefined || next === undefined || end === undefined) return undefined
      // Between two questions the oldest may have overtaken what was the end.
      return { oldest, next: Math.max(oldest, next), end: Math.max(oldest, next, end) }
    },
    async acknowledge(lane, nextPosition) {
      try {
        await commits.commit(lane, nextPosition, await epochs.before(lane, nextPosition))
        epochs.passed(lane, nextPosition)
      } finally {
        holdings.heldLane(lane)?.acknowledged(nextPosition)
      }
    },
    async [Symbol.asyncDispose]() {
      if (stop.signal.aborted) return
      stop.abort()
      fetcher.close()
      watch.close()
      await running
      await commits.flush()
      holdings.lose()
      await member.leave().catch(ignoreBroker)
      await cluster[Symbol.asyncDispose]()
    },
  }
}

/** A group that cannot be told notices by itself. */
function ignoreBroker(error: unknown): void {
  if (!isMillpondError(error)) throw error
}

const positionBehindSet = (item: RecordSet | MessageBatch | Passed): number =>
  'batches' in item ? item.batches.at(-1)!.lastOffset + 1 : positionBehind(item)
