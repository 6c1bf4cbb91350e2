import type { KafkaOptions } from '../adapters/kafka/cluster-options.ts'
import type { KafkaOperations } from '../adapters/kafka/operations.ts'
import type { Config } from '../config/config.ts'
import { MillpondError } from '../errors.ts'
import type { ReplayTarget } from '../replay/job.ts'
import { createSecret } from '../secret.ts'
import type { Inlet } from '../sink/inlet.ts'
import type { Sink } from '../sink/sink.ts'
import type { Broker } from '../source/broker.ts'
import type { LaneId } from '../source/lane.ts'
import { given } from './given.ts'
import { readPem } from './pem.ts'

/** What the source may hold of `archive.memory`; more would not make it faster. */
const FETCH_SHARE = 1 / 8
const MAX_FETCH_BYTES = 16 * 1024 * 1024

/** What of the archive's memory fetched bytes may take that no lane has been given yet. */
export const fetchBytes = (memoryBytes: number): number => Math.min(MAX_FETCH_BYTES, Math.floor(memoryBytes * FETCH_SHARE))

/** Opens the cluster as the broker that is archived. */
export async function openKafka(config: Config): Promise<Broker> {
  const { openKafkaBroker } = await import('../adapters/kafka/broker.ts')
  const { source, kafka, archive } = config
  const { groupProtocol, groupInstanceId, sessionTimeoutMs, start, isolation } = kafka
  return openKafkaBroker({
    ...(await kafkaOptions(config)),
    topics: source.topics,
    group: source.group,
    groupProtocol,
    ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
    first: typeof start === 'number' ? { sinceMs: start } : start,
    isolation,
    sessionTimeoutMs,
    bufferBytes: fetchBytes(archive.memoryBytes),
  })
}

/** Opens the cluster as the way in. */
export async function openKafkaInlet(config: Config): Promise<Inlet> {
  const { openKafkaInlet: open } = await import('../adapters/kafka/inlet.ts')
  return open({ ...(await kafkaOptions(config)), codec: config.kafka.compression })
}

/** Opens the Kafka cluster for what is done with all of it: lag, verification, restoring. */
export async function openKafkaCluster(config: Config): Promise<KafkaOperations> {
  const { openKafkaOperations } = await import('../adapters/kafka/operations.ts')
  return openKafkaOperations({ ...(await kafkaOptions(config)), codec: config.kafka.compression })
}

/** Opens the cluster as where a replay goes; topics are made with as many partitions as their origin has lanes among those that are `archived`. */
export async function openKafkaReplaySink(
  config: Config,
  partition: ReplayTarget['partition'],
  archived: readonly LaneId[],
): Promise<Sink> {
  const { openKafkaSink } = await import('../adapters/kafka/sink.ts')
  const partitions = new Map<string, number>()
  for (const { topic, lane } of archived) {
    if (/^\d{1,9}$/u.test(lane)) partitions.set(topic, Math.max(partitions.get(topic) ?? 0, Number(lane) + 1))
  }
  return openKafkaSink({
    ...(await kafkaOptions(config)),
    codec: config.kafka.compression,
    ...(partition === undefined ? {} : { partition }),
    createTopics: { partitions: ({ origin }) => partitions.get(origin.topic) },
  })
}

/** Where the cluster is and how to log in. @throws MillpondError `CONFIG_INVALID` where a file cannot be read, or no broker is named. */
async function kafkaOptions({ kafka }: Config): Promise<KafkaOptions> {
  const { brokers, clientId, requestTimeoutMs, tls, sasl } = kafka
  if (brokers.length === 0) throw new MillpondError('CONFIG_INVALID', 'kafka.brokers names no broker, like [localhost:9092]')
  const pem = async (path: string | undefined) => (path === undefined ? undefined : readPem(path))
  const key = tls?.keyFile === undefined ? undefined : createSecret(await readPem(tls.keyFile))
  return {
    brokers,
    clientId,
    requestTimeoutMs,
    ...(tls === undefined
      ? {}
      : {
          tls: given({
            ca: await pem(tls.caFile),
            certificate: await pem(tls.certificateFile),
            key,
            passphrase: tls.passphrase,
            serverName: tls.serverName,
            verify: tls.verify,
          }),
        }),
    ...(sasl === undefined ? {} : { sasl }),
  }
}
