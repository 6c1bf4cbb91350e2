import { resolve } from 'node:path'
import type { KafkaConfig, KafkaSaslConfig, KafkaTlsConfig } from './config.ts'
import type { Finding } from './mistake.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration } from './units.ts'

type Written = FileConfig['kafka']

const msOf = (written: string | number): number => parseDuration(written)!

/** The cluster as it is written, its units counted and its paths absolute. */
export function resolveKafka(kafka: Written, folder: string): KafkaConfig {
  const { brokers, clientId, groupProtocol, groupInstanceId, start, isolation } = kafka
  return {
    brokers,
    clientId,
    groupProtocol,
    groupInstanceId,
    sessionTimeoutMs: msOf(kafka.sessionTimeout),
    start: start === 'earliest' || start === 'latest' ? start : Date.parse(start),
    isolation,
    compression: kafka.compression,
    requestTimeoutMs: msOf(kafka.requestTimeout),
    tls: tlsOf(kafka.tls, folder),
    sasl: saslOf(kafka.sasl, folder),
  }
}

const usesTls = (tls: Written['tls']): boolean =>
  tls.enabled || tls.ca !== undefined || tls.certificate !== undefined || tls.serverName !== undefined

function tlsOf(tls: Written['tls'], folder: string): KafkaTlsConfig | undefined {
  if (!usesTls(tls)) return undefined
  const file = (path: string | undefined) => (path === undefined ? undefined : resolve(folder, path))
  return {
    caFile: file(tls.ca),
    certificateFile: file(tls.certificate),
    keyFile: file(tls.key),
    passphrase: tls.passphrase,
    serverName: tls.serverName,
    verify: tls.verify,
  }
}

// The rules have let through only what is whole.
function saslOf(sasl: Written['sasl'], folder: string): KafkaSaslConfig | undefined {
  const { mechanism, username, password, token, tokenFile, tokenEndpoint, clientId, clientSecret, scope, audience } = sasl
  if (mechanism === undefined) return undefined
  if (mechanism !== 'OAUTHBEARER') return { mechanism, username: username!, password: password! }
  if (token !== undefined) return { mechanism, token: { kind: 'static', token } }
  if (tokenFile !== undefined) return { mechanism, token: { kind: 'file', path: resolve(folder, tokenFile) } }
  return {
    mechanism,
    token: {
      kind: 'client-credentials',
      endpoint: tokenEndpoint!,
      clientId: clientId!,
      clientSecret: clientSecret!,
      ...(scope === undefined ? {} : { scope }),
      ...(audience === undefined ? {} : { audience }),
    },
  }
}

/** What no key of the section can tell alone. */
export function kafkaRules({ source, kafka: { brokers, tls, sasl } }: FileConfig): Finding[] {
  const findings: Finding[] = []
  const tell = (path: readonly string[], message: string) => findings.push({ path: ['kafka', ...path], message })
  if (source.type === 'kafka' && brokers.length === 0)
    tell(['brokers'], 'source.type is kafka: name a broker, like [localhost:9092]')
  if ((tls.certificate === undefined) !== (tls.key === undefined)) {
    const missing = tls.certificate === undefined ? 'certificate' : 'key'
    tell(['tls', missing], 'a certificate and its key are given together')
  }
  const { mechanism } = sasl
  const given = Object.entries(sasl).filter(([key, value]) => key !== 'mechanism' && value !== undefined)
  if (mechanism === undefined) {
    for (const [key] of given) tell(['sasl', key], 'has no meaning without sasl.mechanism')
    return findings
  }
  const wanted = mechanism === 'OAUTHBEARER' ? bearerKeys(sasl) : ['username', 'password']
  for (const key of wanted) {
    if (sasl[key as keyof typeof sasl] === undefined) tell(['sasl', key], `${mechanism} needs it`)
  }
  const allowed = mechanism === 'OAUTHBEARER' ? [...wanted, 'scope', 'audience'] : wanted
  for (const [key] of given) if (!allowed.includes(key)) tell(['sasl', key], `has no meaning for ${mechanism} so`)
  return findings
}

/** A token comes from one of three places. */
function bearerKeys(sasl: Written['sasl']): string[] {
  if (sasl.token !== undefined) return ['token']
  return sasl.tokenFile === undefined ? ['tokenEndpoint', 'clientId', 'clientSecret'] : ['tokenFile']
}
