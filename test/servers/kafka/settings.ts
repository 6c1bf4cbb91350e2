import { join } from 'node:path'

const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'] as const

export type SaslMechanism = (typeof SASL_MECHANISMS)[number]

/** A way into the broker beside plaintext: with encryption, with client certificates, with a mechanism, or with one over encryption. */
export type KafkaListener = 'tls' | 'mutual-tls' | SaslMechanism | `${SaslMechanism}+tls`

/** Who `plain` and the two of SCRAM let in. */
export const KAFKA_USER = { username: 'millpond', password: 'millpond-secret' } as const

/** Where a node listens, and where clients are told to find that. */
export interface ListenerAddress {
  readonly name: 'plaintext' | 'proxied' | KafkaListener
  readonly port: number
  readonly advertisedPort: number
}

/** What the settings of one node follow from. */
export interface NodeSettings {
  readonly nodeId: number
  readonly folder: string
  /** Of node 1, 2 and so on. */
  readonly controllerPorts: readonly number[]
  readonly listeners: readonly ListenerAddress[]
  /** Of a topic that does not say. */
  readonly partitions: number
  /** Whether compaction, retention and deleted topics take effect within a second. */
  readonly cleansSoon: boolean
  /** Further settings, which win. */
  readonly properties: Readonly<Record<string, string>>
}

const nameOf = (listener: string): string => listener.replaceAll(/[-+]/g, '_').toUpperCase()
const mechanismOf = (listener: string): SaslMechanism | undefined =>
  SASL_MECHANISMS.find((name) => name === listener.replace(/\+tls$/u, ''))

function protocolOf(listener: string): string {
  const encrypted = listener.endsWith('tls')
  if (mechanismOf(listener) === undefined) return encrypted ? 'SSL' : 'PLAINTEXT'
  return encrypted ? 'SASL_SSL' : 'SASL_PLAINTEXT'
}

const LOGIN_MODULES: Readonly<Record<SaslMechanism, string>> = {
  plain: `plain.PlainLoginModule required user_${KAFKA_USER.username}="${KAFKA_USER.password}"`,
  'scram-sha-256': 'scram.ScramLoginModule required',
  'scram-sha-512': 'scram.ScramLoginModule required',
  oauthbearer: 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
}

/** The settings by which one listener lets clients in. */
function securityOf(listener: string, folder: string): Record<string, string> {
  const prefix = `listener.name.${nameOf(listener).toLowerCase()}`
  const mechanism = mechanismOf(listener)
  return {
    ...(mechanism !== undefined && {
      [`${prefix}.sasl.enabled.mechanisms`]: mechanism.toUpperCase(),
      [`${prefix}.${mechanism}.sasl.jaas.config`]: `org.apache.kafka.common.security.${LOGIN_MODULES[mechanism]};`,
    }),
    ...(listener.endsWith('tls') && {
      [`${prefix}.ssl.keystore.type`]: 'PEM',
      [`${prefix}.ssl.keystore.location`]: join(folder, 'server-chain.pem'),
      [`${prefix}.ssl.truststore.type`]: 'PEM',
      [`${prefix}.ssl.truststore.location`]: join(folder, 'ca.pem'),
      [`${prefix}.ssl.client.auth`]: listener === 'mutual-tls' ? 'required' : 'none',
    }),
  }
}

const SOON_CLEANED = {
  'log.initial.task.delay.ms': 500,
  'log.retention.check.interval.ms': 500,
  'log.segment.delete.delay.ms': 500,
  'log.cleaner.backoff.ms': 500,
}

/** The `server.properties` of a node: small, quick to start, quick to clean up; nothing in it weakens what a client sees. */
export function kafkaProperties({
  nodeId,
  folder,
  controllerPorts,
  listeners,
  partitions,
  cleansSoon,
  properties,
}: NodeSettings): string {
  const nodeCount = controllerPorts.length
  const addresses = (port: 'port' | 'advertisedPort') =>
    listeners.map((listener) => `${nameOf(listener.name)}://127.0.0.1:${listener[port]}`)
  const settings: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': controllerPorts.map((port, at) => `${at + 1}@127.0.0.1:${port}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    listeners: [`CONTROLLER://127.0.0.1:${controllerPorts[nodeId - 1]}`, ...addresses('port')].join(','),
    'advertised.listeners': addresses('advertisedPort').join(','),
    'listener.security.protocol.map': [
      'CONTROLLER:PLAINTEXT',
      ...listeners.map(({ name }) => `${nameOf(name)}:${protocolOf(name)}`),
    ].join(','),
    'log.dirs': join(folder, 'logs'),
    'num.partitions': partitions,
    // A topic exists when a test made it.
    'auto.create.topics.enable': false,
    'default.replication.factor': nodeCount,
    'offsets.topic.num.partitions': 4,
    'offsets.topic.replication.factor': nodeCount,
    'transaction.state.log.num.partitions': 4,
    'transaction.state.log.replication.factor': nodeCount,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': nodeCount,
    'share.coordinator.state.topic.min.isr': 1,
    // One that was killed comes back when its session has ended, not before.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    'group.initial.rebalance.delay.ms': 0,
    // Down to these, members may choose how soon they are given up.
    'group.min.session.timeout.ms': 500,
    'group.consumer.min.session.timeout.ms': 500,
    'group.consumer.min.heartbeat.interval.ms': 100,
    'group.consumer.heartbeat.interval.ms': 1_000,
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 500,
    'log.cleaner.dedupe.buffer.size': 4 * 1024 * 1024,
    ...(cleansSoon ? SOON_CLEANED : {}),
    ...Object.assign({}, ...listeners.map(({ name }) => securityOf(name, folder))),
    ...properties,
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}\n`)
    .join('')
}
