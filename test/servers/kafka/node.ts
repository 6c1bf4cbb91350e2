import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Certificates } from '../certificates.ts'
import { outputOfChild } from '../process.ts'
import { type Server, startServer } from '../server.ts'
import type { Proxy, Toxiproxy } from '../toxiproxy.ts'
import { KAFKA_USER, type KafkaListener, kafkaProperties } from './settings.ts'
import { brokerServes } from './wire.ts'

/** One node of a cluster, broker and controller. Its `stop` is for good; `kill` and `start` leave its data. */
export interface KafkaNode extends Server {
  readonly nodeId: number
  /** `host:port` of its plaintext listener. */
  readonly bootstrap: string
  /** The port of each listener that was asked for. */
  readonly listenerPorts: ReadonlyMap<KafkaListener, number>
  /** The way to it through toxiproxy, where one was asked for. */
  readonly proxy: Proxy | undefined
}

/** What all nodes of a cluster have in common. */
export interface ClusterPlan {
  readonly clusterId: string
  readonly controllerPorts: readonly number[]
  readonly partitions: number
  readonly listeners: readonly KafkaListener[]
  readonly certificates: Certificates | undefined
  readonly through: Toxiproxy | undefined
  readonly cleansSoon: boolean
  readonly properties: Readonly<Record<string, string>>
  /** The words for Java that come before the class. */
  readonly serverWords: readonly string[]
  readonly toolWords: readonly string[]
}

/** Formats and starts one node; it is ready when it serves and counts itself among the brokers at work, so when a majority of nodes runs. */
export async function startNode(plan: ClusterPlan, nodeId: number): Promise<KafkaNode> {
  let proxy: Proxy | undefined
  const server = await startServer({
    name: 'kafka',
    portCount: 2 + plan.listeners.length,
    async prepare({ folder, ports: [plaintextPort = 0, proxiedPort = 0, ...listenerPorts] }) {
      const own = (name: 'plaintext' | KafkaListener, port: number) => ({ name, port, advertisedPort: port })
      const listeners = [own('plaintext', plaintextPort), ...plan.listeners.map((name, at) => own(name, listenerPorts[at]!))]
      await proxy?.remove()
      proxy = await plan.through?.createProxy(`kafka-${proxiedPort}`, `127.0.0.1:${proxiedPort}`)
      const proxied = proxy && { name: 'proxied' as const, port: proxiedPort, advertisedPort: proxy.port }
      const properties = kafkaProperties({ ...plan, nodeId, folder, listeners: proxied ? [...listeners, proxied] : listeners })
      return { command: 'java', words: [...plan.serverWords, 'kafka.Kafka', await format(plan, folder, properties)] }
    },
    probe: ({ ports }) => brokerServes(`127.0.0.1:${ports[0]}`, nodeId),
  })
  const { stop: stopServer } = server
  const stop = async () => {
    await stopServer()
    // Toxiproxy may have been stopped before.
    await proxy?.remove().catch(() => undefined)
    proxy = undefined
  }
  return Object.assign(server, {
    nodeId,
    bootstrap: `127.0.0.1:${server.ports[0]}`,
    listenerPorts: new Map(plan.listeners.map((name, at) => [name, server.ports[2 + at]!])),
    proxy,
    stop,
    [Symbol.asyncDispose]: stop,
  })
}

/** Makes a node's folder ready to be served; gives the path of its settings. */
async function format({ certificates, clusterId, toolWords }: ClusterPlan, folder: string, properties: string): Promise<string> {
  const path = join(folder, 'server.properties')
  await writeFile(path, properties)
  if (certificates) {
    await writeFile(join(folder, 'server-chain.pem'), certificates.server.key + certificates.server.certificate)
    await writeFile(join(folder, 'ca.pem'), certificates.ca)
  }
  const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${KAFKA_USER.username},password=${KAFKA_USER.password}]`,
  ])
  const words = ['format', '--ignore-formatted', '--cluster-id', clusterId, '--config', path, ...users]
  await outputOfChild('java', [...toolWords, 'kafka.tools.StorageTool', ...words])
  return path
}
