import { randomBytes } from 'node:crypto'
import { cachedFolder } from './cache.ts'
import { type Certificates, newCertificates } from './certificates.ts'
import { javaWords, kafkaFiles, type KafkaVersion } from './kafka/files.ts'
import { type KafkaNode, startNode } from './kafka/node.ts'
import { KAFKA_USER, type KafkaListener } from './kafka/settings.ts'
import { createTopic } from './kafka/wire.ts'
import { freePorts, outputOfChild } from './process.ts'
import type { Toxiproxy } from './toxiproxy.ts'

const SMALL_JVM = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const BENCHMARK_JVM = ['-Xmx512m', '-XX:+UseG1GC']
const TOOLS_PACKAGE = 'org.apache.kafka.tools.'

export interface KafkaOptions {
  readonly version?: KafkaVersion
  /** Nodes, each broker and controller; 1 unless given. With 3, any one can be killed. */
  readonly nodeCount?: number
  /** Of a topic that does not say; 1 unless given. */
  readonly partitions?: number
  /** Ways in beside plaintext, each on a port of its own. */
  readonly listeners?: readonly KafkaListener[]
  /** Gives each node a further plaintext listener that is reached through a proxy of its own. */
  readonly through?: Toxiproxy
  /** Further settings of the server, which win. */
  readonly properties?: Readonly<Record<string, string>>
  /** Heap, compiler and intervals of cleaning as for real use, instead of what is small, starts soon and forgets soon. */
  readonly forBenchmark?: boolean
}

export interface TopicOptions {
  readonly partitions?: number
  readonly replicationFactor?: number
  /** The node ids of each partition, preferred leader first; instead of the two above. */
  readonly replicas?: readonly (readonly number[])[]
  readonly config?: Readonly<Record<string, string>>
}

export interface ToolOptions {
  readonly input?: string | Uint8Array
  /** Of the output, UTF-8 unless given; `latin1` keeps every byte. */
  readonly encoding?: BufferEncoding
  readonly forBenchmark?: boolean
  /** After so long it is killed; two minutes unless given. */
  readonly limitMs?: number
}

/** A running cluster, of one node unless asked for more. What it does as a server it does to all its nodes. */
export interface Kafka extends AsyncDisposable {
  readonly version: KafkaVersion
  /** `host:port` of each node's plaintext listener, commas between. */
  readonly bootstrap: string
  readonly nodes: readonly KafkaNode[]
  readonly pids: () => readonly number[]
  /** The same of the listener that was asked for. */
  readonly listener: (name: KafkaListener) => string
  /** The same of the proxies, where it was started `through` toxiproxy; `nodes[0].proxy` is the first of them. */
  readonly proxied: () => string
  /** There where a listener has TLS. */
  readonly certificates: Certificates | undefined
  readonly user: typeof KAFKA_USER
  readonly stop: () => Promise<void>
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
  readonly restart: () => Promise<void>
  readonly pause: () => void
  readonly resume: () => void
  /** Makes a topic and waits until its partitions have leaders. */
  readonly createTopic: (topic: string, options?: TopicOptions) => Promise<void>
  /**
   * Runs one of Kafka's own programs and gives its standard output. A name that does not begin with `org.` or `kafka.` is one of
   * `org.apache.kafka.tools`: `TopicCommand`, `consumer.ConsoleConsumer`. (Those of 3.9 that write or dump are `kafka.tools.ConsoleProducer`
   * and `kafka.tools.DumpLogSegments`.)
   * @throws Error with what it said where it does not end well.
   */
  readonly tool: (mainClass: string, words: readonly string[], options?: ToolOptions) => Promise<string>
}

/** A token that the listener `oauthbearer` lets in: signed by nobody, good for so many seconds from now. */
export function unsecuredToken(subject: string = KAFKA_USER.username, seconds = 3_600): string {
  const now = Math.floor(Date.now() / 1_000)
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now, exp: now + seconds })}.`
}

/** Starts Apache Kafka; it is ready when each node serves its clients. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const {
    version = '4.3.1',
    nodeCount = 1,
    partitions = 1,
    listeners = [],
    through,
    properties = {},
    forBenchmark = false,
  } = options
  const files = await cachedFolder(kafkaFiles(version))
  const certificates = listeners.some((name) => name.endsWith('tls')) ? await newCertificates() : undefined
  const words = (large: boolean) => [...(large ? BENCHMARK_JVM : SMALL_JVM), ...javaWords(version, files)]
  const plan = {
    // One that begins with a dash is taken for an option.
    clusterId: randomBytes(16).toString('base64url').replace(/^-/u, 'A'),
    controllerPorts: await freePorts(nodeCount),
    serverWords: words(forBenchmark),
    toolWords: words(false),
    cleansSoon: !forBenchmark,
    // On by itself in 4.x, where naming them is a warning.
    properties: { ...(version === '3.9.2' && { 'group.coordinator.rebalance.protocols': 'classic,consumer' }), ...properties },
    partitions,
    listeners,
    certificates,
    through,
  }
  const starting = await Promise.allSettled(plan.controllerPorts.map((_, at) => startNode(plan, at + 1)))
  const nodes = starting.flatMap((node) => (node.status === 'fulfilled' ? [node.value] : []))
  const all = async (act: (node: KafkaNode) => Promise<void>) => void (await Promise.all(nodes.map(act)))
  const stop = () => all((node) => node.stop())
  const failed = starting.find((node) => node.status === 'rejected')
  if (failed) {
    await stop()
    throw failed.reason
  }

  const bootstrap = nodes.map((node) => node.bootstrap).join(',')
  const addresses = (what: string, port: (node: KafkaNode) => number | undefined) =>
    nodes
      .map((node) => {
        const found = port(node)
        if (found === undefined) throw new Error(`this Kafka was started without ${what}`)
        return `127.0.0.1:${found}`
      })
      .join(',')
  return {
    version,
    bootstrap,
    nodes,
    pids: () => nodes.map(({ pid }) => pid),
    listener: (name) => addresses(`the listener ${name}`, (node) => node.listenerPorts.get(name)),
    proxied: () => addresses('a proxy', (node) => node.proxy?.port),
    certificates,
    user: KAFKA_USER,
    stop,
    kill: () => all((node) => node.kill()),
    start: () => all((node) => node.start()),
    restart: () => all((node) => node.restart()),
    pause: () => nodes.forEach((node) => node.pause()),
    resume: () => nodes.forEach((node) => node.resume()),
    createTopic: (topic, { replicas = [], partitions = -1, replicationFactor = -1, config = {} } = {}) =>
      createTopic(bootstrap.split(','), { topic, replicas, partitions, replicationFactor, config }),
    async tool(mainClass, arguments_, { input, limitMs, encoding = 'utf8', forBenchmark = false } = {}) {
      const name = /^(?:org|kafka)\./u.test(mainClass) ? mainClass : TOOLS_PACKAGE + mainClass
      return (await outputOfChild('java', [...words(forBenchmark), name, ...arguments_], { input, limitMs })).toString(encoding)
    },
    [Symbol.asyncDispose]: stop,
  }
}
