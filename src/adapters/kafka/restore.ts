import type { MessageBatch } from '../../batch/batch.ts'
import { isMillpondError, MillpondError } from '../../errors.ts'
import type { IndexedLane } from '../../index/segment-index.ts'
import type { NewJob, ReplayJob } from '../../replay/job.ts'
import type { JobStore } from '../../replay/jobs.ts'
import type { ReplayProgress } from '../../replay/lane.ts'
import { planReplay } from '../../replay/plan.ts'
import { runReplay } from '../../replay/replay.ts'
import type { Archive } from '../../search/read.ts'
import type { Sink } from '../../sink/sink.ts'
import type { Cluster } from './cluster.ts'
import { reasonOf } from './cluster-errors.ts'
import { commitGroupOffsets, deleteGroups, type GroupOffset } from './groups.ts'
import { partitionName, partitionOffsets } from './offsets.ts'
import { checkPartitions, type RestoreWarning, warningsOf } from './restore-existing.ts'
import { createTranslation, type Translate } from './restore-offsets.ts'
import { createKafkaSink, type KafkaSinkOptions } from './sink.ts'
import { type ProgressPlace, progressPlace, readProgress } from './sink-progress.ts'
import { newestSnapshotOf, type KafkaSnapshot, type SnapshotTopic } from './snapshot.ts'
import { ensureTopic, type NewTopic, readyTopic, setTopicSettings } from './topics.ts'

/** What of a topic is to be restored, and how. */
export interface RestoreOrder {
  readonly topic: string
  /** Which of several topics of this name; the one that the newest snapshot knows, or else the only one. */
  readonly topicId?: string
  /** What it is called in the target; the same unless given. */
  readonly to?: string
  /** Names the replay job. The same id goes on with a restore that was interrupted. */
  readonly jobId: string
  /** False restores no offsets of consumer groups; a list those of these groups. */
  readonly groups?: false | readonly string[]
  /** Settings that go before those that the topic had; null leaves one to the target. */
  readonly settings?: Readonly<Record<string, string | null>>
  readonly replicationFactor?: number
  /** Over all partitions; as fast as it goes unless given. */
  readonly rateMessagesPerSecond?: number
  /** Whether the topic may be there already, with messages; nobody else may write to it meanwhile, and its settings stay. */
  readonly intoExisting?: boolean
}

/** What a restore takes. */
export interface RestoreParts {
  readonly cluster: Cluster
  /** How messages are produced. */
  readonly sink: Omit<KafkaSinkOptions, 'partition' | 'createTopics' | 'exactlyOnce'>
  readonly archive: Archive
  readonly jobs: JobStore
  readonly nowMs: () => number
  readonly onProgress?: (progress: ReplayProgress) => void
  /** Told before the first message is sent. */
  readonly onWarning?: (warning: RestoreWarning) => void
  /** Changes messages on their way, and nothing but their keys and values. */
  readonly rewrite?: (batch: MessageBatch) => MessageBatch
  /** How long to wait for a lease that a killed process left. */
  readonly claimWithinMs?: number
}

/** A group's offset in the origin, and in the target. */
export interface RestoredOffset {
  readonly group: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

/** Something that could not be restored, and why. */
export interface RestoreRefusal {
  readonly what: string
  readonly reason: string
}

export interface RestoreReport {
  readonly topic: string
  readonly partitions: number
  /** Key of the snapshot that settings and groups were taken from; undefined where the archive has none of this topic. */
  readonly snapshotKey: string | undefined
  readonly job: ReplayJob
  /** What settings of a topic that was there already do to the messages. */
  readonly warnings: readonly RestoreWarning[]
  /** Empty where the job did not end: then groups and final settings are still to be restored. */
  readonly offsets: readonly RestoredOffset[]
  readonly refused: readonly RestoreRefusal[]
}

/** Kept for as long as messages come in: what is old would be dropped or compacted away at once, and brokers would change times. */
const WHILE_RESTORING: Readonly<Record<string, string>> = {
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'local.retention.ms': '-2',
  'local.retention.bytes': '-2',
  'cleanup.policy': 'delete',
  'message.timestamp.type': 'CreateTime',
}
/** These say which times producers may give: by default not those of an hour to come. Brokers before 3.6 do not know them. */
const TIMES = ['message.timestamp.before.max.ms', 'message.timestamp.after.max.ms']
/** Of what the replacement is for a setting that a topic need not have. */
const ALWAYS = new Set(['retention.ms', 'retention.bytes', 'cleanup.policy', 'message.timestamp.type'])
const ANY_TIME = '9223372036854775807'

/**
 * Restores a topic of the archive in a cluster: settings, partitions, every message in its partition with key, headers and timestamp, and then the
 * offsets of consumer groups, translated to the new ones. Called again with the same job id it goes on where it was.
 * While messages come in, the topic keeps everything; its own retention, compaction and times come last.
 * @throws MillpondError `TOPIC_UNKNOWN` where the archive has no such topic; `TOPIC_EXISTS` where the target has one; `INPUT_INVALID` where lanes are
 * no partitions, or a topic that is there has too few; what the cluster, the archive and the job throw.
 */
export async function restoreTopic(parts: RestoreParts, order: RestoreOrder, signal: AbortSignal): Promise<RestoreReport> {
  const { cluster, archive, jobs } = parts
  const origin = await originOf(archive, order, signal)
  const to = order.to ?? order.topic
  const planned = await jobs.get(order.jobId, parts.nowMs())
  const wanted = { ...origin.known?.topic.settings, ...order.settings }
  const settings = Object.fromEntries(Object.entries(wanted).filter((entry): entry is [string, string] => entry[1] !== null))
  const topic = {
    name: to,
    partitions: origin.partitions,
    ...(order.replicationFactor === undefined ? {} : { replicationFactor: order.replicationFactor }),
    settings: whileRestoring(settings),
  }
  const existing = (await cluster.metadata([to], signal)).topics.get(to)
  if (planned === undefined && order.intoExisting !== true && existing !== undefined) {
    const message = `the target has a topic ${to} already; restore under another name, or allow an existing one`
    throw new MillpondError('TOPIC_EXISTS', message, { details: { topic: to } })
  }
  if (existing !== undefined) checkPartitions(existing, origin.lanes)
  const arrivals = { index: archive.index, lanes: origin.lanes, settings: origin.known?.topic.settings, nowMs: parts.nowMs() }
  const warnings = order.intoExisting === true && existing !== undefined ? await warningsOf(cluster, to, arrivals, signal) : []
  for (const warning of warnings) parts.onWarning?.(warning)
  if (planned === undefined) await jobs.create(await planJob(parts, order, origin.topicId))
  else await checkUnfinished(cluster, planned, to, signal)
  const partitions = await prepareTopic(cluster, topic, signal)
  const { job } = await replay(parts, order, signal)
  const report = { topic: to, partitions, snapshotKey: origin.known?.key, job, warnings, offsets: [], refused: [] }
  if (job.state !== 'done') return report
  const restored = await restoreGroups(parts, { order, origin, job, to }, signal)
  const refused = [...restored.refused, ...(order.intoExisting === true ? [] : await settle(cluster, to, settings))]
  // With them goes the word that something is left to restore, so they are the last.
  await deleteGroups(cluster, [...new Set(progressPlaces(job, to).map(({ group }) => group))], signal)
  return { ...report, offsets: restored.offsets, refused }
}

const progressPlaces = ({ id, parts }: ReplayJob, topic: string): ProgressPlace[] =>
  parts.map(({ lane }) => progressPlace({ topic, origin: lane, job: id }, 'lane'))

/** A restore that is complete must not be done again: consumers may have gone on from the offsets that it gave them. */
async function checkUnfinished(cluster: Cluster, job: ReplayJob, topic: string, signal: AbortSignal): Promise<void> {
  if (job.state !== 'done' || job.counts.read === 0) return
  for (const place of progressPlaces(job, topic)) if ((await readProgress(cluster, place, signal)) !== undefined) return
  const message = `job ${job.id} has restored topic ${topic} already; begin another job to restore it again`
  throw new MillpondError('JOB_CONFLICT', message, { details: { job: job.id, topic } })
}

/** Makes the topic; where the target does not take all of its settings, with those that a restore needs. Gives its partitions. */
async function prepareTopic(cluster: Cluster, topic: NewTopic, signal: AbortSignal): Promise<number> {
  try {
    return (await ensureTopic(cluster, topic, signal)).partitions.length
  } catch (error) {
    if (reasonOf(error) !== 'INVALID_CONFIG') throw error
    const settings = Object.fromEntries(Object.entries(WHILE_RESTORING).filter(([name]) => ALWAYS.has(name)))
    return (await ensureTopic(cluster, { ...topic, settings }, signal)).partitions.length
  }
}

interface Origin {
  readonly topicId: string
  readonly partitions: number
  readonly lanes: readonly IndexedLane[]
  readonly known: { readonly key: string; readonly snapshot: KafkaSnapshot; readonly topic: SnapshotTopic } | undefined
}

async function originOf({ store, index }: Archive, { topic, topicId }: RestoreOrder, signal: AbortSignal): Promise<Origin> {
  const known = await newestSnapshotOf(store, { topic, ...(topicId === undefined ? {} : { topicId }) }, signal)
  const all = await index.lanes(topic)
  const ids = new Set(all.map((lane) => lane.topicId))
  const id = topicId ?? (known !== undefined && ids.has(known.topic.topicId) ? known.topic.topicId : [...ids][0])
  const lanes = all.filter((lane) => lane.topicId === id)
  if (id === undefined || (lanes.length === 0 && known === undefined)) {
    throw new MillpondError('TOPIC_UNKNOWN', `the archive has no topic ${topic}`, { details: { topic, topicId } })
  }
  if (topicId === undefined && known === undefined && ids.size > 1) {
    const message = `the archive has ${ids.size} topics called ${topic}, one after the other; say which by its id: ${[...ids].join(', ')}`
    throw new MillpondError('INPUT_INVALID', message, { details: { topic, ids: [...ids] } })
  }
  const numbers = lanes.map(({ lane }) => Number(lane))
  const strange = lanes.find(({ lane }) => String(Number(lane)) !== lane || !Number.isInteger(Number(lane)))
  if (strange !== undefined) {
    throw new MillpondError('INPUT_INVALID', `lane ${strange.lane} of ${topic} is no partition; replay it by key instead`, {
      details: { topic, lane: strange.lane },
    })
  }
  const ofId = known?.topic.topicId === id ? known : undefined
  return {
    topicId: id,
    partitions: Math.max(ofId?.topic.partitions ?? 1, ...numbers.map((number) => number + 1)),
    lanes,
    known: ofId,
  }
}

async function planJob({ archive, nowMs }: RestoreParts, restore: RestoreOrder, topicId: string): Promise<NewJob> {
  const { topic, to, jobId, rateMessagesPerSecond } = restore
  const rate = rateMessagesPerSecond === undefined ? {} : { rateMessagesPerSecond }
  const order = {
    query: { topic, topicId },
    target: { kind: 'kafka', topic: to ?? topic },
    // What is restored is what was there, without marks; a topic of the same name in another cluster is no loop.
    options: { ...rate, marks: false, allowLoop: true },
  }
  return planReplay(order, { index: archive.index, id: jobId, nowMs: nowMs() })
}

async function replay(parts: RestoreParts, { jobId }: RestoreOrder, signal: AbortSignal): Promise<{ readonly job: ReplayJob }> {
  const { cluster, archive, jobs, nowMs, onProgress, claimWithinMs, rewrite } = parts
  const known = await jobs.get(jobId, nowMs())
  // A restore that was ended between its messages and the rest goes on with the rest.
  if (known?.state === 'done') return { job: known }
  await using kafkaSink = createKafkaSink(cluster, { ...parts.sink, partition: 'lane', createTopics: false })
  const sink = rewrite === undefined ? kafkaSink : rewriting(kafkaSink, rewrite)
  const run = {
    archive,
    sink,
    jobs,
    nowMs,
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(claimWithinMs === undefined ? {} : { claimWithinMs }),
  }
  return runReplay(jobId, run, signal)
}

/** The sink for messages that are changed: blocks as they are stored would pass by the change. */
function rewriting(sink: Sink, rewrite: (batch: MessageBatch) => MessageBatch): Sink {
  return {
    name: sink.name,
    ...(sink.writeBytes === undefined ? {} : { writeBytes: sink.writeBytes }),
    write: (target, batch, signal) => sink.write(target, rewrite(batch), signal),
    ...(sink.resumePosition === undefined ? {} : { resumePosition: (target) => sink.resumePosition!(target) }),
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  }
}

function whileRestoring(settings: Readonly<Record<string, string>>): Record<string, string> {
  const kept = { ...settings }
  for (const [name, value] of Object.entries(WHILE_RESTORING)) if (ALWAYS.has(name) || name in settings) kept[name] = value
  for (const name of TIMES) kept[name] = ANY_TIME
  return kept
}

/** Gives the topic the settings that it is to have from now on. */
async function settle(cluster: Cluster, topic: string, settings: Readonly<Record<string, string>>): Promise<RestoreRefusal[]> {
  const during = whileRestoring(settings)
  // Those that were refused together with others when the topic was made are tried once more, alone.
  const final = Object.keys({ ...settings, ...during })
  const refused: RestoreRefusal[] = []
  for (const name of final) {
    try {
      await setTopicSettings(cluster, topic, { [name]: settings[name] ?? null })
    } catch (error) {
      if (!isMillpondError(error, 'BROKER_REFUSED')) throw error
      // Brokers that do not know a setting have nothing to take back.
      if (name in settings) refused.push({ what: `setting ${name} of topic ${topic}`, reason: error.message })
    }
  }
  return refused
}

/** Commits the translated offsets of each group. */
async function restoreGroups(
  { cluster, archive }: RestoreParts,
  {
    order,
    origin,
    job,
    to,
  }: { readonly order: RestoreOrder; readonly origin: Origin; readonly job: ReplayJob; readonly to: string },
  signal: AbortSignal,
): Promise<{ readonly offsets: RestoredOffset[]; readonly refused: RestoreRefusal[] }> {
  const offsets: RestoredOffset[] = []
  const refused: RestoreRefusal[] = []
  const { groups: wanted } = order
  if (wanted === false || origin.known === undefined) return { offsets, refused }
  const ready = await readyTopic(cluster, to, signal)
  const places = ready.partitions.map(({ partition }) => ({ topic: to, partition }))
  const ends = await partitionOffsets(cluster, places, 'stable-end', signal)
  const translations = new Map<number, Translate>()
  for (const lane of job.parts) {
    const translate = createTranslation({ cluster, archive, job, topic: to }, lane, signal)
    translations.set(Number(lane.lane.lane), translate)
  }
  for (const { group, offsets: committed } of origin.known.snapshot.groups) {
    if (wanted !== undefined && !wanted.includes(group)) continue
    const ofTopic = committed.filter(({ topic, partition }) => topic === order.topic && partition < ready.partitions.length)
    const translated: GroupOffset[] = []
    try {
      for (const { partition, offset, metadata } of ofTopic) {
        // Of a partition without a lane nothing is archived.
        const position = (await translations.get(partition)?.(offset)) ?? ends.get(partitionName({ topic: to, partition })) ?? 0
        translated.push({ topic: to, partition, offset: position, metadata })
      }
      await commitGroupOffsets(cluster, { group, offsets: translated }, signal)
      for (const [i, { partition, offset }] of ofTopic.entries()) {
        offsets.push({ group, partition, from: offset, to: translated[i]!.offset })
      }
    } catch (error) {
      if (!isMillpondError(error) || (error.retryable && error.code !== 'DELIVERY_FAILED')) throw error
      const isActive = reasonOf(error) === 'UNKNOWN_MEMBER_ID'
      refused.push({ what: `group ${group}`, reason: isActive ? 'it has members; stop its consumers first' : error.message })
    }
  }
  return { offsets, refused }
}
