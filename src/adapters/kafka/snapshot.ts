import { createHash } from 'node:crypto'
import { CHAINS_PREFIX } from '../../commit/commit-names.ts'
import { MillpondError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import type { Cluster } from './cluster.ts'
import type { GroupOffsets } from './groups.ts'
import { groupOffsets, listGroups } from './groups.ts'
import { partitionName, partitionOffsets } from './offsets.ts'
import { listTopics } from './topics.ts'

/** A topic as it was. */
export interface SnapshotTopic {
  readonly name: string
  readonly topicId: string
  readonly partitions: number
  readonly replicationFactor: number
  /** Settings of its own. */
  readonly settings: Readonly<Record<string, string>>
  /** By partition: the oldest offset, and the one behind the last that was committed. */
  readonly oldest: readonly number[]
  readonly ends: readonly number[]
}

/** What of a Kafka cluster is no message: its topics, and how far its consumer groups were. Never changes once it is stored. */
export interface KafkaSnapshot {
  readonly version: 1
  readonly timeMs: number
  readonly clusterId: string
  /** By name. */
  readonly topics: readonly SnapshotTopic[]
  /** By name, those that had committed offsets for these topics. */
  readonly groups: readonly GroupOffsets[]
}

/** A snapshot as it lies in the store. */
export interface StoredSnapshot {
  readonly key: string
  readonly snapshot: KafkaSnapshot
}

/** Beside the chains: no topic's folder begins with an underscore, and no chain lies here, for there are no folders in it. */
const PREFIX = `${CHAINS_PREFIX}_kafka/`
const NAME = /^(\d{16})-(\d{1,16})-([0-9a-f]{64})\.json$/u

/**
 * The snapshot's key: newest first in a listing, as with commits; ends in the SHA-256 of the object, so that its content proves itself.
 */
function snapshotKey(timeMs: number, bytes: Uint8Array): string {
  const countdown = String(Number.MAX_SAFE_INTEGER - timeMs).padStart(16, '0')
  return `${PREFIX}${countdown}-${timeMs}-${createHash('sha256').update(bytes).digest('hex')}.json`
}

export interface SnapshotOptions {
  /** All topics but Kafka's own where none are named. */
  readonly topics?: readonly string[]
  readonly nowMs: number
  /** A snapshot that is younger is enough, whatever has changed since; none is unless given. */
  readonly everyMs?: number
}

/**
 * Stores what the cluster says of its topics and groups beside the archive's chains, unless the newest snapshot says the same; gives that then.
 * Offsets are those of one moment for each group, not for all.
 * @throws MillpondError of the cluster and the store.
 */
export async function snapshotKafka(
  cluster: Cluster,
  store: Store,
  { topics: names, nowMs, everyMs }: SnapshotOptions,
  signal?: AbortSignal,
): Promise<StoredSnapshot & { readonly outcome: 'created' | 'unchanged' }> {
  const newest = await newestSnapshot(store, signal)
  if (everyMs !== undefined && newest !== undefined && newest.snapshot.timeMs > nowMs - everyMs)
    return { ...newest, outcome: 'unchanged' }
  const snapshot = await takeSnapshot(cluster, names, nowMs, signal)
  const content = (of: KafkaSnapshot): string => JSON.stringify({ ...of, timeMs: 0 })
  if (newest !== undefined && content(newest.snapshot) === content(snapshot)) return { ...newest, outcome: 'unchanged' }
  const bytes = Buffer.from(`${JSON.stringify(snapshot, null, 1)}\n`)
  const key = snapshotKey(nowMs, bytes)
  // Where it is there already, it is the same: its name holds its hash.
  await store.putIfAbsent(key, bytes, signal)
  return { key, snapshot, outcome: 'created' }
}

async function takeSnapshot(
  cluster: Cluster,
  names: readonly string[] | undefined,
  timeMs: number,
  signal: AbortSignal | undefined,
): Promise<KafkaSnapshot> {
  const { clusterId = '' } = await cluster.metadata([], signal)
  const described = await listTopics(cluster, names, signal)
  const groups = await groupOffsets(cluster, await listGroups(cluster, signal), signal)
  const places = described.flatMap(({ name: topic, partitions }) => partitions.map(({ partition }) => ({ topic, partition })))
  const [oldest, ends] = await Promise.all([
    partitionOffsets(cluster, places, 'oldest', signal),
    partitionOffsets(cluster, places, 'stable-end', signal),
  ])
  const topics = described.map(({ name, topicId, partitions, replicationFactor, settings }) => {
    const of = (offsets: ReadonlyMap<string, number>) =>
      partitions.map(({ partition }) => offsets.get(partitionName({ topic: name, partition })) ?? 0)
    return {
      name,
      topicId,
      partitions: partitions.length,
      replicationFactor,
      settings: Object.fromEntries(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1))),
      oldest: of(oldest),
      ends: of(ends),
    }
  })
  const known = new Set(topics.map(({ name }) => name))
  const ofTopics = groups
    .map(({ group, offsets }) => ({ group, offsets: offsets.filter(({ topic }) => known.has(topic)).sort(byPlace) }))
    .filter(({ offsets }) => offsets.length > 0)
  return { version: 1, timeMs, clusterId, topics, groups: ofTopics }
}

type Place = { readonly topic: string; readonly partition: number }

const byPlace = (a: Place, b: Place): number => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1)

/**
 * Snapshots of the store, the newest first.
 * @throws MillpondError `COMMIT_CORRUPT` where one is not what was written.
 */
export async function* readSnapshots(store: Store, signal?: AbortSignal): AsyncGenerator<StoredSnapshot> {
  for await (const { key } of store.list(PREFIX, {}, signal)) {
    const sha256 = NAME.exec(key.slice(PREFIX.length))?.[3]
    if (sha256 === undefined) continue
    const bytes = await store.read(key, undefined, signal)
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
      throw new MillpondError('COMMIT_CORRUPT', `snapshot ${key} is not what was written: its SHA-256 differs`, {
        details: { key },
      })
    }
    const snapshot = JSON.parse(Buffer.from(bytes).toString()) as KafkaSnapshot
    if (snapshot.version !== 1) {
      const message = `snapshot ${key} is of version ${String(snapshot.version)}, which is newer than this program`
      throw new MillpondError('FORMAT_UNSUPPORTED', message, { details: { key } })
    }
    yield { key, snapshot }
  }
}

async function newestSnapshot(store: Store, signal: AbortSignal | undefined): Promise<StoredSnapshot | undefined> {
  for await (const newest of readSnapshots(store, signal)) return newest
  return undefined
}

/** The newest snapshot that knows the topic, of this id where one is given; undefined where there is none. */
export async function newestSnapshotOf(
  store: Store,
  { topic, topicId }: { readonly topic: string; readonly topicId?: string },
  signal?: AbortSignal,
): Promise<(StoredSnapshot & { readonly topic: SnapshotTopic }) | undefined> {
  for await (const stored of readSnapshots(store, signal)) {
    const found = stored.snapshot.topics.find(({ name, topicId: id }) => name === topic && (topicId ?? id) === id)
    if (found !== undefined) return { ...stored, topic: found }
  }
  return undefined
}
