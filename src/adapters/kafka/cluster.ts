import { setTimeout as wait } from 'node:timers/promises'
import { isMillpondError, MillpondError } from '../../errors.ts'
import { type Address, addressName, createConnections, type Link, parseAddress, type Purpose } from './cluster-connections.ts'
import { brokerError, isCoordinatorStale, isMetadataStale, kafkaError, reasonOf } from './cluster-errors.ts'
import { findCoordinatorVersions, metadataVersions, type Versions } from './cluster-apis.ts'
import type { KafkaOptions } from './cluster-options.ts'
import { type KafkaMetadata, type KafkaTopic, topicsOf } from './cluster-topics.ts'
import { protocol } from './protocol.ts'
import { orAbort, pauseAfter } from './waiting.ts'

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
    for (const name of names ?? [...topics.keys()]) topics.delete(name)
    const found = topicsOf(answer.topics, names !== undefined)
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

const LEADER_NOT_AVAILABLE = 5
const COORDINATOR_NOT_AVAILABLE = 15
const UNSUPPORTED_VERSION = 35

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
