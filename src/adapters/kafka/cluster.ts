import { setTimeout as wait } from 'node:timers/promises'
import type * as Kafka from '@platformatic/kafka'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { type Address, addressName, createConnections, type Link, type Purpose } from './cluster-connections.ts'
import { brokerError, isCoordinatorStale, isMetadataStale, kafkaError, reasonOf } from './cluster-errors.ts'
import { findCoordinatorVersions, metadataVersions, type Versions } from './cluster-apis.ts'
import type { KafkaOptions } from './cluster-options.ts'
import { protocol } from './protocol.ts'

/** One partition of a topic as the cluster knows it. */
export interface KafkaPartition {
  readonly partition: number
  /** The broker that leads it; -1 while none does. */
  readonly leader: number
  /** -1 where the brokers are too old to say. */
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly inSync: readonly number[]
}

export interface KafkaTopic {
  readonly name: string
  /** Kafka's id of the topic as a UUID; the name where the brokers know no ids (before 2.8). */
  readonly topicId: string
  readonly isInternal: boolean
  /** By number, from 0. */
  readonly partitions: readonly KafkaPartition[]
}

export interface KafkaMetadata {
  readonly clusterId: string | undefined
  /** The broker that requests for the controller go to. */
  readonly controller: number
  readonly brokers: ReadonlyMap<number, Address>
  /** Topics by name; of those that were asked for, the ones that exist. */
  readonly topics: ReadonlyMap<string, KafkaTopic>
}

/** Which broker a request goes to. */
export type Target =
  | 'any'
  | 'controller'
  | { readonly node: number }
  | { readonly topic: string; readonly partition: number }
  | { readonly coordinator: 'group' | 'transaction'; readonly key: string }

export interface RequestOptions {
  /** What the connection is for; requests of other purposes do not wait for this one. */
  readonly purpose?: Purpose
  readonly signal?: AbortSignal
  /** True tries once; otherwise what passes is tried again for as long as `retryTimeoutMs` says. */
  readonly once?: boolean
  /** True gives an answer that holds errors of parts of it, instead of throwing: its `errorCode` fields are to be looked at. */
  readonly partial?: boolean
}

/** The brokers of one Kafka cluster: who leads what, and requests to them. */
export interface Cluster extends AsyncDisposable {
  /** Asks anew. All topics where none are named. */
  metadata(topics?: readonly string[], signal?: AbortSignal): Promise<KafkaMetadata>
  /** The topic as it was last known; asked for where it is not known or may be wrong. @throws MillpondError `TOPIC_UNKNOWN` */
  topic(name: string, signal?: AbortSignal): Promise<KafkaTopic>
  /** Says that what is known of the topic may be wrong. */
  forget(topic: string): void
  /** The broker that leads the partition as it was last known. @throws MillpondError `TOPIC_UNKNOWN`; `BROKER_UNAVAILABLE` where none does. */
  leader(topic: string, partition: number, signal?: AbortSignal): Promise<number>
  /** The broker that holds a group or a transactional id. */
  coordinator(kind: 'group' | 'transaction', key: string, signal?: AbortSignal): Promise<number>
  /** Whether a broker knows the request at all. */
  supports(versions: Versions<never, unknown>, target?: Target): Promise<boolean>
  /**
   * Sends a request in the newest version that both sides speak.
   * @throws MillpondError `BROKER_UNAVAILABLE` for what passes, `BROKER_REFUSED` for what does not; `details.reason` is Kafka's name of it.
   */
  request<Args extends readonly unknown[], Answer>(
    target: Target,
    versions: Versions<Args, Answer>,
    args: Args,
    options?: RequestOptions,
  ): Promise<Answer>
}

const RETRY_TIMEOUT_MS = 30_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2000
const DEFAULT_PORT = 9092
const MAIN: Purpose = { name: 'main' }

/** Connects to the first broker that answers and learns what the cluster is. */
export async function openCluster(options: KafkaOptions): Promise<Cluster> {
  const bootstrap = options.brokers.map((broker) => parseAddress(broker))
  if (bootstrap.length === 0) throw new MillpondError('CONFIG_INVALID', 'no Kafka broker is named')
  const cluster = createCluster(bootstrap, options)
  try {
    // Names no topic, so that the answer is small; it tells the brokers.
    await cluster.metadata([])
    return cluster
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

/** @throws MillpondError `CONFIG_INVALID` for what is no `host:port`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<host>[^:\s]+))(?::(?<port>\d{1,5}))?$/u.exec(text.trim())
  const port = Number(match?.groups?.['port'] ?? DEFAULT_PORT)
  const host = match?.groups?.['six'] ?? match?.groups?.['host']
  if (host === undefined || port < 1 || port > 65_535) {
    throw new MillpondError('CONFIG_INVALID', `${text} is no broker's address; write host:port`)
  }
  return { host, port }
}

function createCluster(bootstrap: readonly Address[], options: KafkaOptions): Cluster {
  const { retryTimeoutMs = RETRY_TIMEOUT_MS } = options
  const connections = createConnections(options)
  const stop = new AbortController()
  const topics = new Map<string, KafkaTopic>()
  const asking = new Map<string, Promise<KafkaMetadata>>()
  const coordinators = new Map<string, number>()
  let brokers: ReadonlyMap<number, Address> = new Map()
  let controller = -1

  const addressOf = async (node: number, signal: AbortSignal | undefined): Promise<Address> => {
    if (!brokers.has(node)) await metadata([], signal)
    const address = brokers.get(node)
    if (address === undefined) {
      throw new MillpondError('BROKER_UNAVAILABLE', `broker ${node} is not in the cluster at the moment`, {
        details: { node, reason: 'BROKER_NOT_AVAILABLE' },
      })
    }
    return address
  }
  /** Brokers in any order, those that were named at the start last: they may be names that others answer to. */
  const anyone = (): Address[] => {
    const known = [...brokers.values()].map((address) => ({ address, order: Math.random() }))
    return [...known.sort((a, b) => a.order - b.order).map(({ address }) => address), ...bootstrap]
  }
  const linkToAny = async (purpose: Purpose): Promise<Link> => {
    const tried = new Set<string>()
    let failure: unknown
    for (const address of anyone()) {
      const name = addressName(address)
      if (tried.has(name)) continue
      tried.add(name)
      try {
        return await connections.link(address, purpose)
      } catch (error) {
        // A refusal says more than a broker that is away.
        if (failure === undefined || isMillpondError(error, 'BROKER_REFUSED')) failure = error
      }
    }
    throw failure
  }
  const nodeOf = async (target: Exclude<Target, 'any'>, signal: AbortSignal | undefined): Promise<number> => {
    if (target === 'controller') {
      if (controller < 0) await metadata([], signal)
      return controller
    }
    if ('node' in target) return target.node
    if ('coordinator' in target) return coordinator(target.coordinator, target.key, signal)
    return leader(target.topic, target.partition, signal)
  }
  const locate = async (target: Target, { purpose = MAIN, signal }: RequestOptions): Promise<Link> => {
    if (target === 'any') return linkToAny(purpose)
    const node = await nodeOf(target, signal)
    const address = await addressOf(node, signal)
    try {
      return await connections.link(address, purpose)
    } catch (error) {
      // It may listen elsewhere by now, or be gone.
      brokers = new Map([...brokers].filter(([known]) => known !== node))
      throw error
    }
  }
  /** Drops what an error shows to be wrong. */
  const heed = (target: Target, error: unknown): void => {
    if (target === 'any') return
    if (target === 'controller') controller = -1
    else if ('coordinator' in target) {
      if (isCoordinatorStale(error) || isConnectionTrouble(error))
        coordinators.delete(coordinatorName(target.coordinator, target.key))
    } else if ('topic' in target && (isMetadataStale(error) || isConnectionTrouble(error))) topics.delete(target.topic)
  }
  const attempt = async <Args extends readonly unknown[], Answer>(
    target: Target,
    versions: Versions<Args, Answer>,
    args: Args,
    options: RequestOptions,
  ): Promise<Answer> => {
    const link = await locate(target, options)
    const api = chosen(versions, link)
    const what = protocol.protocolAPIsById[versions[0]!.key]
    const doing = { what: what ?? `request ${versions[0]!.key}`, broker: addressName(link.address) }
    if (api === undefined) throw kafkaError(UNSUPPORTED_VERSION, doing)
    const end = link.begin()
    try {
      return await orAbort(api.async(link.connection, ...args), options.signal)
    } catch (error) {
      options.signal?.throwIfAborted()
      const failure = brokerError(error, doing)
      const answer = (error as { readonly response?: Answer }).response
      if (options.partial !== true || answer === undefined || !isAnswer(error)) throw failure
      // A broker that is not, or not yet, the coordinator answers nothing of use.
      if (isCoordinatorStale(failure) || reasonOf(failure) === 'COORDINATOR_LOAD_IN_PROGRESS') throw failure
      return answer
    } finally {
      end()
    }
  }
  const request: Cluster['request'] = async (target, versions, args, options = {}) => {
    const endMs = performance.now() + retryTimeoutMs
    for (let failures = 1; ; failures++) {
      if (stop.signal.aborted) throw new MillpondError('STOPPED', 'the connections to Kafka are closed')
      options.signal?.throwIfAborted()
      try {
        return await attempt(target, versions, args, options)
      } catch (error) {
        heed(target, error)
        if (!isMillpondError(error, 'BROKER_UNAVAILABLE') || options.once === true) throw error
        const pauseMs = pauseAfter(failures)
        if (performance.now() + pauseMs > endMs) throw error
        const signals = [stop.signal, ...(options.signal === undefined ? [] : [options.signal])]
        await wait(pauseMs, undefined, { signal: AbortSignal.any(signals) }).catch(() => undefined)
      }
    }
  }
  const metadata = async (names?: readonly string[], signal?: AbortSignal): Promise<KafkaMetadata> => {
    // Who asks for the same while it is asked gets the same answer.
    const name = names === undefined ? '*' : JSON.stringify([...names].sort())
    const under = asking.get(name)
    if (under !== undefined) return orAbort(under, signal)
    const asked = askMetadata(names)
    asking.set(name, asked)
    try {
      return await orAbort(asked, signal)
    } finally {
      asking.delete(name)
    }
  }
  const askMetadata = async (names: readonly string[] | undefined): Promise<KafkaMetadata> => {
    const answer = await request('any', metadataVersions, [names === undefined ? null : [...names], false, false], {
      partial: true,
    })
    brokers = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    controller = answer.controllerId
    const found = new Map<string, KafkaTopic>()
    for (const name of names ?? [...topics.keys()]) topics.delete(name)
    for (const each of answer.topics) {
      const name = each.name ?? ''
      if (each.errorCode === UNKNOWN_TOPIC_OR_PARTITION || each.errorCode === LEADER_NOT_AVAILABLE) continue
      if (each.errorCode !== 0) {
        // Of all topics, only those that this user may see count.
        if (names === undefined) continue
        throw kafkaError(each.errorCode, { what: `topic ${name}` })
      }
      found.set(name, topicOf(each))
    }
    for (const [name, each] of found) topics.set(name, each)
    return { clusterId: answer.clusterId ?? undefined, controller, brokers, topics: found }
  }
  const topic = async (name: string, signal?: AbortSignal): Promise<KafkaTopic> => {
    const known = topics.get(name) ?? (await metadata([name], signal)).topics.get(name)
    if (known !== undefined) return known
    throw new MillpondError('TOPIC_UNKNOWN', `Kafka has no topic ${name}`, {
      details: { topic: name, reason: 'UNKNOWN_TOPIC_OR_PARTITION' },
    })
  }
  const leader = async (name: string, partition: number, signal?: AbortSignal): Promise<number> => {
    const { partitions } = await topic(name, signal)
    const node = partitions.find((each) => each.partition === partition)?.leader ?? -1
    if (node >= 0) return node
    throw kafkaError(LEADER_NOT_AVAILABLE, { what: `${name}/${partition}` })
  }
  const coordinator = async (kind: 'group' | 'transaction', key: string, signal?: AbortSignal): Promise<number> => {
    const name = coordinatorName(kind, key)
    const known = coordinators.get(name)
    if (known !== undefined) return known
    const answer = await request(
      'any',
      findCoordinatorVersions,
      [kind === 'group' ? 0 : 1, [key]],
      signal === undefined ? {} : { signal },
    )
    const found = answer.coordinators[0]
    if (found === undefined) throw kafkaError(COORDINATOR_NOT_AVAILABLE, { what: `the coordinator of ${key}` })
    if (!brokers.has(found.nodeId)) brokers = new Map([...brokers, [found.nodeId, { host: found.host, port: found.port }]])
    coordinators.set(name, found.nodeId)
    return found.nodeId
  }
  return {
    metadata,
    topic,
    forget: (name) => void topics.delete(name),
    leader,
    coordinator,
    supports: async (versions, target = 'any') => chosen(versions, await locate(target, {})) !== undefined,
    request,
    async [Symbol.asyncDispose]() {
      stop.abort()
      connections.close()
    },
  }
}

const UNKNOWN_TOPIC_OR_PARTITION = 3
const LEADER_NOT_AVAILABLE = 5
const COORDINATOR_NOT_AVAILABLE = 15
const UNSUPPORTED_VERSION = 35
const NO_TOPIC_ID = '00000000-0000-0000-0000-000000000000'

const coordinatorName = (kind: string, key: string): string => `${kind} ${key}`

const isConnectionTrouble = (error: unknown): boolean =>
  isMillpondError(error, 'BROKER_UNAVAILABLE') && error.details['reason'] === undefined

const isAnswer = (error: unknown): boolean =>
  error instanceof Error && (error as { readonly code?: unknown }).code === protocol.ResponseError.code

/** The newest version that the broker speaks. */
function chosen<Api extends { readonly key: number; readonly version: number }>(
  versions: readonly Api[],
  link: Link,
): Api | undefined {
  return versions.find(({ key, version }) => {
    const spoken = link.versions.get(key)
    return spoken !== undefined && version >= spoken.oldest && version <= spoken.newest
  })
}

/** Pauses double up to their longest; each is cut at random, so that many clients do not come back at once. */
export function pauseAfter(failures: number, random: () => number = Math.random): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1)) * (0.5 + random() / 2)
}

/** The promise's outcome, or the signal's reason as soon as it aborts; the call itself goes on. */
async function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  // It was begun: how it ends may be of interest to nobody any more.
  promise.catch(() => undefined)
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Answers of older versions lack some fields. */
type Older<T, Later extends keyof T> = Omit<T, Later> & Partial<Pick<T, Later>>

function topicOf(topic: Older<Kafka.metadataV12.MetadataResponseTopic, 'topicId' | 'isInternal'>): KafkaTopic {
  const { topicId = NO_TOPIC_ID, isInternal = false } = topic
  const name = topic.name ?? ''
  return {
    name,
    topicId: topicId === NO_TOPIC_ID ? name : topicId,
    isInternal,
    partitions: topic.partitions.map((partition) => partitionOf(partition)).sort((a, b) => a.partition - b.partition),
  }
}

function partitionOf(partition: Older<Kafka.metadataV12.MetadataResponsePartition, 'leaderEpoch'>): KafkaPartition {
  const { partitionIndex, leaderId, leaderEpoch = -1, replicaNodes, isrNodes } = partition
  return { partition: partitionIndex, leader: leaderId, leaderEpoch, replicas: replicaNodes, inSync: isrNodes }
}
