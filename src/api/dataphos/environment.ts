import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import type { DataphosServerConfig } from '../../config/dataphos-config.ts'
import { MillpondError } from '../../errors.ts'
import type { DataphosInterfaces } from './server.ts'

/** The environment of the process. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A configuration with what variables of Dataphos say, and what is to be told of those that say nothing here. */
export interface DataphosEnvironment {
  readonly config: Config
  readonly notes: readonly string[]
}

const OWN_PACE = 'batches are read and sized by themselves'
const IN_KAFKA = 'the section kafka of millpond.yaml says it; `millpond migrate dataphos` writes it'
const IN_STORE = 'the section of the store in millpond.yaml says it; `millpond migrate dataphos` writes it'
const NO_MONGO = 'the index follows the archive; no database is asked'
const NO_BROKER = 'messages are resubmitted to the local log or to Kafka'

/** Variables of the Indexer API and the Resubmitter that have no meaning here, and why. */
const WITHOUT_MEANING: Readonly<Record<string, string>> = {
  CONN: NO_MONGO,
  DATABASE: NO_MONGO,
  GIN_MODE: 'log.level says how much is logged',
  PRODUCT_NAME: 'a label of logs',
  INDEXER_URL: 'the Resubmitter asks the index itself',
  STORAGE_TYPE: IN_STORE,
  CREDENTIALS_GS: IN_STORE,
  AZURE_STORAGE_ACCOUNT_NAME: IN_STORE,
  MONGO_CONNECTION_STRING: NO_MONGO,
  MONGO_STORAGE_DATABASE: NO_MONGO,
  RSB_META_CAPACITY: OWN_PACE,
  RSB_FETCH_CAPACITY: OWN_PACE,
  RSB_WORKER_NUM: OWN_PACE,
  RSB_ENABLE_MESSAGE_ORDERING: 'the order of each partition is always kept',
  KAFKA_USE_TLS: IN_KAFKA,
  CLIENT_CERT_PATH: IN_KAFKA,
  CLIENT_KEY_PATH: IN_KAFKA,
  CA_CERT_PATH: IN_KAFKA,
  KAFKA_SKIP_VERIFY: IN_KAFKA,
  KAFKA_USE_SASL: IN_KAFKA,
  SASL_USERNAME: IN_KAFKA,
  SASL_PASSWORD: IN_KAFKA,
  KAFKA_DISABLE_COMPRESSION: IN_KAFKA,
  KAFKA_BATCH_SIZE: OWN_PACE,
  KAFKA_BATCH_BYTES: OWN_PACE,
  KAFKA_BATCH_TIMEOUT: OWN_PACE,
  ENABLE_KERBEROS: 'SASL knows PLAIN, SCRAM and OAUTHBEARER',
  PUBSUB_PROJECT_ID: NO_BROKER,
  SB_CONNECTION_STRING: NO_BROKER,
  NUM_PUBLISH_GOROUTINES: OWN_PACE,
}

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/^KRB_/u, 'SASL knows PLAIN, SCRAM and OAUTHBEARER'],
  [/^(?:PUBLISH_|MAX_PUBLISH_)/u, NO_BROKER],
]

/** Names that Dataphos documents and does not read; here they are read where the others are not given. */
const documented = (env: Environment, name: string, short: string): string | undefined => given(env, name) ?? given(env, short)

const given = (env: Environment, name: string): string | undefined => (env[name] === '' ? undefined : env[name])

/**
 * The configuration with what the variables of Dataphos' Indexer API and Resubmitter say. They go before the file, as there.
 * @throws MillpondError `CONFIG_INVALID` for a value that Dataphos would not take either.
 */
export function applyEnvironment(config: Config, env: Environment, which: DataphosInterfaces = 'both'): DataphosEnvironment {
  const notes: string[] = []
  const { dataphos } = config
  const indexer = serverOf(env, { prefix: 'IDX_API', server: dataphos.indexer, takesPort: which !== 'resubmitter', notes })
  const takesPort = which === 'resubmitter' || given(env, 'SERVER_ADDRESS')?.endsWith(':8081') === true
  const resubmitter = serverOf(env, { prefix: 'RSB', server: dataphos.resubmitter, takesPort, notes })
  for (const name of Object.keys(env).toSorted()) {
    const why = WITHOUT_MEANING[name] ?? PATTERNS.find(([pattern]) => pattern.test(name))?.[1]
    if (why !== undefined && given(env, name) !== undefined) notes.push(`${name} has no meaning here: ${why}`)
  }
  const brokers = given(env, 'KAFKA_BROKERS')
    ?.split(',')
    .map((broker) => broker.trim())
  return {
    config: {
      ...config,
      ...(brokers === undefined ? {} : { kafka: { ...config.kafka, brokers } }),
      log: { level: levelOf(env) ?? config.log.level },
      dataphos: {
        ...dataphos,
        indexer,
        resubmitter,
        defaultTopic: given(env, 'TOPIC_ID') ?? dataphos.defaultTopic,
        target: targetOf(env, notes) ?? dataphos.target,
      },
    },
    notes,
  }
}

interface ServerVariables {
  readonly prefix: string
  readonly server: DataphosServerConfig
  /** Whether the address without a prefix, which both have in the documentation, is this one's. */
  readonly takesPort: boolean
  readonly notes: string[]
}

function serverOf(env: Environment, { prefix, server, takesPort, notes }: ServerVariables): DataphosServerConfig {
  const name = `${prefix}_SERVER_ADDRESS`
  const own = given(env, name)
  const address = own ?? given(env, 'SERVER_ADDRESS')
  const { host, port } =
    address === undefined ? { host: undefined, port: undefined } : addressOf(own === undefined ? 'SERVER_ADDRESS' : name, address)
  const isPortTaken = port !== undefined && (own !== undefined || takesPort)
  if (address !== undefined && host === undefined)
    notes.push(
      `${address} is port ${isPortTaken ? port : server.port} of ${server.host} here; dataphos.${prefix === 'RSB' ? 'resubmitter' : 'indexer'}.host says another address`,
    )
  const timeout = documented(env, `${prefix}_SERVER_TIMEOUT`, 'SERVER_TIMEOUT')
  const tls = documented(env, `${prefix}_USE_TLS`, 'USE_TLS')
  return {
    host: host ?? server.host,
    port: isPortTaken ? port : server.port,
    headerTimeoutMs: timeout === undefined ? server.headerTimeoutMs : durationOf(`${prefix}_SERVER_TIMEOUT`, timeout),
    tls: tls === undefined ? server.tls : tlsOf(env, truthOf(`${prefix}_USE_TLS`, tls)),
  }
}

function tlsOf(env: Environment, isOn: boolean): DataphosServerConfig['tls'] {
  if (!isOn) return undefined
  const folder = env['CERTS'] ?? ''
  return { certificateFile: join(folder, 'server.crt'), keyFile: join(folder, 'server.key') }
}

const wrong = (name: string, value: string, what: string): MillpondError =>
  new MillpondError('CONFIG_INVALID', `${name} must be ${what}, not ${JSON.stringify(value.slice(0, 80))}`)

/** An address as Go has it: `:8080`, `127.0.0.1:8080`, `[::1]:8080`. */
function addressOf(name: string, value: string): { readonly host: string | undefined; readonly port: number } {
  const found = /^(?:\[(?<six>[^\]]+)\]|(?<four>[^:]*)):(?<port>\d{1,5})$/u.exec(value)?.groups
  const port = Number(found?.['port'])
  if (found === undefined || port > 65_535) throw wrong(name, value, 'an address like :8080')
  const host = found['six'] ?? found['four'] ?? ''
  return { host: host === '' ? undefined : host, port }
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** A duration as Go reads it: `2s`, `1m30s`, `1.5h`. */
function durationOf(name: string, value: string): number {
  const parts = [...value.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gu)]
  if (value !== '0' && (parts.length === 0 || parts.map(([text]) => text).join('') !== value.replace(/^\+/u, '')))
    throw wrong(name, value, 'a duration like 2s or 1m30s')
  // Dataphos takes 0 for no limit.
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0)
  return Math.round(ms)
}

function truthOf(name: string, value: string): boolean {
  if (/^(?:1|t|T|TRUE|true|True)$/u.test(value)) return true
  if (/^(?:0|f|F|FALSE|false|False)$/u.test(value)) return false
  throw wrong(name, value, 'true or false')
}

function levelOf(env: Environment): Config['log']['level'] | undefined {
  const level = given(env, 'MINIMUM_LOG_LEVEL')
  if (level === undefined) return undefined
  const levels = { INFO: 'info', WARN: 'warn', ERROR: 'error' } as const
  return Object.hasOwn(levels, level) ? levels[level as keyof typeof levels] : undefined
}

function targetOf(env: Environment, notes: string[]): Config['dataphos']['target'] | undefined {
  const type = given(env, 'PUBLISHER_TYPE')
  if (type === undefined) return undefined
  if (type === 'kafka') return 'kafka'
  notes.push(`PUBLISHER_TYPE ${type} has no meaning here: ${NO_BROKER}`)
  return undefined
}
