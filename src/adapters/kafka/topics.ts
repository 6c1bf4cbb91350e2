import { setTimeout as sleep } from 'node:timers/promises'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { alterConfigsVersions, createTopicsVersions, describeConfigsVersions } from './admin-apis.ts'
import type { Cluster } from './cluster.ts'
import type { KafkaTopic } from './cluster-topics.ts'
import { kafkaError, reasonOf } from './cluster-errors.ts'

/** A topic, with the settings that are its own and not the cluster's. */
export interface TopicDescription extends KafkaTopic {
  readonly replicationFactor: number
  /** By name, those that were set for the topic; empty where this user may not see them. */
  readonly settings: Readonly<Record<string, string>>
}

/** A topic to be made. */
export interface NewTopic {
  readonly name: string
  /** The cluster's own number where it is not given. */
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly settings?: Readonly<Record<string, string>>
}

const TOPIC_RESOURCE = 2 as const
/** A value that was set for this topic. Source: Apache Kafka 4.3, `DescribeConfigsResponse.ConfigSource`. */
const SET_FOR_TOPIC = 1
const SET = 0
const DELETE = 1
const REQUEST_TIMEOUT_MS = 30_000
const READY_TIMEOUT_MS = 30_000
const LOOK_AGAIN_MS = 20
const RESOURCES_AT_ONCE = 200

/** Topics of the cluster by name, those of Kafka itself left out; of those that are named, the ones that exist. */
export async function listTopics(cluster: Cluster, names?: readonly string[], signal?: AbortSignal): Promise<TopicDescription[]> {
  const { topics } = await cluster.metadata(names, signal)
  const found = [...topics.values()].filter(({ isInternal }) => !isInternal).sort((a, b) => (a.name < b.name ? -1 : 1))
  const settings = new Map<string, Readonly<Record<string, string>>>()
  for (let from = 0; from < found.length; from += RESOURCES_AT_ONCE) {
    const part = found.slice(from, from + RESOURCES_AT_ONCE).map(({ name }) => name)
    for (const [name, own] of await ownSettings(cluster, part, signal)) settings.set(name, own)
  }
  return found.map((topic) => ({
    ...topic,
    replicationFactor: topic.partitions[0]?.replicas.length ?? 0,
    settings: settings.get(topic.name) ?? {},
  }))
}

async function ownSettings(
  cluster: Cluster,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, Record<string, string>>> {
  const resources = names.map((resourceName) => ({ resourceType: TOPIC_RESOURCE, resourceName, configurationKeys: null }))
  const answer = await cluster.request('any', describeConfigsVersions, [resources, false, false], {
    partial: true,
    ...(signal === undefined ? {} : { signal }),
  })
  const own = new Map<string, Record<string, string>>()
  for (const { errorCode, resourceName, configs } of answer.results) {
    if (errorCode !== 0) continue
    const set = configs.filter(
      ({ configSource, isSensitive, value }) => configSource === SET_FOR_TOPIC && !isSensitive && value !== null,
    )
    own.set(resourceName, Object.fromEntries(set.map(({ name, value }) => [name, value ?? ''])))
  }
  return own
}

/** The values of settings of the topic, all where none are named, wherever they were set; without those that the cluster does not have or this user may not see. */
export async function topicSettings(
  cluster: Cluster,
  topic: string,
  names?: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const resources = [
    { resourceType: TOPIC_RESOURCE, resourceName: topic, configurationKeys: names === undefined ? null : [...names] },
  ]
  const options = { partial: true, ...(signal === undefined ? {} : { signal }) }
  const asked = cluster.request('any', describeConfigsVersions, [resources, false, false], options)
  const answer = await asked.catch((error: unknown) => {
    if (isMillpondError(error, 'BROKER_REFUSED')) return undefined
    throw error
  })
  const configs = answer?.results[0]?.configs ?? []
  return new Map(configs.flatMap(({ name, value }) => (value === null || value === undefined ? [] : [[name, value] as const])))
}

/**
 * Makes the topic and waits until all of its partitions have a leader.
 * @throws MillpondError `TOPIC_EXISTS`; `BROKER_REFUSED` for a name, number or setting that the cluster does not take.
 */
export async function createTopic(cluster: Cluster, topic: NewTopic, signal?: AbortSignal): Promise<KafkaTopic> {
  const { name, partitions = -1, replicationFactor = -1, settings = {} } = topic
  const configs = Object.entries(settings).map(([setting, value]) => ({ name: setting, value }))
  const made = { name, numPartitions: partitions, replicationFactor, assignments: [], configs }
  try {
    await cluster.request(
      'controller',
      createTopicsVersions,
      [[made], REQUEST_TIMEOUT_MS, false],
      signal === undefined ? {} : { signal },
    )
  } catch (error) {
    if (reasonOf(error) !== 'TOPIC_ALREADY_EXISTS') throw error
    throw new MillpondError('TOPIC_EXISTS', `Kafka has a topic ${name} already`, { cause: error, details: { topic: name } })
  }
  return readyTopic(cluster, name, signal)
}

/**
 * The topic, once all of its partitions have a leader.
 * @throws MillpondError `BROKER_UNAVAILABLE` where that takes too long.
 */
export async function readyTopic(cluster: Cluster, name: string, signal?: AbortSignal): Promise<KafkaTopic> {
  const endMs = performance.now() + READY_TIMEOUT_MS
  for (;;) {
    const topic = (await cluster.metadata([name], signal)).topics.get(name)
    if (topic !== undefined && topic.partitions.length > 0 && topic.partitions.every(({ leader }) => leader >= 0)) return topic
    if (performance.now() > endMs) {
      const message = `topic ${name} was made, but its partitions have no leader yet`
      throw new MillpondError('BROKER_UNAVAILABLE', message, { details: { topic: name } })
    }
    await sleep(LOOK_AGAIN_MS, undefined, { signal })
  }
}

/** The topic; made where it is not there, whoever else makes it at the same time. */
export async function ensureTopic(cluster: Cluster, topic: NewTopic, signal?: AbortSignal): Promise<KafkaTopic> {
  if ((await cluster.metadata([topic.name], signal)).topics.has(topic.name)) return readyTopic(cluster, topic.name, signal)
  try {
    return await createTopic(cluster, topic, signal)
  } catch (error) {
    if (!isMillpondError(error, 'TOPIC_EXISTS')) throw error
    return readyTopic(cluster, topic.name, signal)
  }
}

/**
 * Sets settings of the topic, and takes back those that are null to what the cluster has.
 * @throws MillpondError `BROKER_REFUSED` for a setting that the cluster does not take.
 */
export async function setTopicSettings(
  cluster: Cluster,
  topic: string,
  settings: Readonly<Record<string, string | null>>,
): Promise<void> {
  const configs = Object.entries(settings).map(([name, value]) =>
    value === null ? { name, configOperation: DELETE } : { name, configOperation: SET, value },
  )
  if (configs.length === 0) return
  const resource = { resourceType: TOPIC_RESOURCE, resourceName: topic, configs } as const
  const { responses } = await cluster.request('controller', alterConfigsVersions, [[resource as never], false], { partial: true })
  const refused = responses.find(({ errorCode }) => errorCode !== 0)
  if (refused !== undefined) {
    throw kafkaError(refused.errorCode, { what: `settings of topic ${topic}` }, refused.errorMessage)
  }
}
