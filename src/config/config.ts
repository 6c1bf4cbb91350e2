import type { Codec, Format, LookupField } from '../encode/block.ts'
import type { FormatOptions } from '../encode/format-options.ts'
import type { LayoutConfig } from '../layout/layout-config.ts'
import type { Secret } from '../secret.ts'
import type { DataphosConfig } from './dataphos-config.ts'
import type { ExpireConfig } from './expire-config.ts'
import type { HttpConfig } from './http-config.ts'
import type { RegistryConfig } from './registry-config.ts'
import type { IcebergConfig } from './iceberg-config.ts'
import type { MongodbConfig } from './mongodb-config.ts'
import type { PostgresConfig } from './postgres-config.ts'
import type { AzureConfig, GcsConfig, S3Config } from './store-config.ts'

/** When a segment closes: whichever comes first. */
export interface RotateConfig {
  readonly maxCount: number
  readonly maxBytes: number
  readonly maxSpanMs: number
  readonly maxAgeMs: number
  readonly idleMs: number
  /** `maxCount` counts all open objects of a lane together, to the message. */
  readonly exact: boolean
  /** Messages in one object, to the message; undefined: what `maxCount` says. */
  readonly maxObjectCount: number | undefined
  /** Beside all that whenever so much of the wall clock has passed since midnight in `timezone`; undefined is never. */
  readonly scheduleMs: number | undefined
  readonly timezone: string
}

/** How long a topic of the local log keeps its messages; undefined is for ever. */
export interface RetentionConfig {
  readonly maxAgeMs: number | undefined
  readonly maxBytes: number | undefined
}

/** A topic of the local log that has settings of its own. */
export interface LocalTopicConfig {
  readonly partitions: number
  readonly retention: RetentionConfig
}

/** The Kafka cluster. Paths are absolute. */
export interface KafkaConfig {
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly groupProtocol: 'classic' | 'consumer'
  readonly groupInstanceId: string | undefined
  readonly sessionTimeoutMs: number
  /** A time is in ms. */
  readonly start: 'earliest' | 'latest' | number
  readonly isolation: 'committed' | 'uncommitted'
  readonly compression: 'lz4' | 'zstd' | 'snappy' | 'gzip' | 'none'
  readonly requestTimeoutMs: number
  readonly tls: KafkaTlsConfig | undefined
  readonly sasl: KafkaSaslConfig | undefined
}

/** TLS to the brokers; files are PEM. */
export interface KafkaTlsConfig {
  readonly caFile: string | undefined
  readonly certificateFile: string | undefined
  readonly keyFile: string | undefined
  readonly passphrase: Secret | undefined
  readonly serverName: string | undefined
  readonly verify: boolean
}

/** How to log in at the brokers. */
export type KafkaSaslConfig =
  | { readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; readonly username: string; readonly password: Secret }
  | {
      readonly mechanism: 'OAUTHBEARER'
      readonly token:
        | { readonly kind: 'static'; readonly token: Secret }
        | { readonly kind: 'file'; readonly path: string }
        | {
            readonly kind: 'client-credentials'
            readonly endpoint: string
            readonly clientId: string
            readonly clientSecret: Secret
            readonly scope?: string
            readonly audience?: string
          }
    }

/** What keeps the index and the replay jobs. */
export type DatabaseType = 'sqlite' | 'postgres' | 'mongodb'

/** The checked configuration: every path absolute, every default filled in. */
export interface Config {
  /** The file it was read from; undefined where there is none and all of it is defaults. */
  readonly file: string | undefined
  /** The folder that relative paths were counted from. */
  readonly folder: string
  /** `path` is for the type `file`; the others have sections of their own. */
  readonly store: { readonly type: 'file' | 's3' | 'gcs' | 'azure'; readonly path: string }
  readonly source: { readonly type: 'local' | 'kafka'; readonly topics: readonly string[]; readonly group: string }
  /** `path` is for the type `sqlite`; the others have sections of their own. */
  readonly index: { readonly type: DatabaseType; readonly path: string; readonly maxLagMs: number }
  readonly jobs: {
    readonly type: DatabaseType
    readonly path: string
    readonly workers: number
    /** The folder of functions that jobs over HTTP may name. */
    readonly functionsPath: string
  }
  readonly archive: {
    readonly format: Format
    readonly formatOptions: FormatOptions
    /** Which schemas share an object. */
    readonly schemaCompatibility: 'none' | 'backward' | 'forward' | 'full'
    readonly codec: Codec
    readonly level: number | undefined
    readonly lookups: readonly LookupField[]
    readonly rotate: RotateConfig
    readonly memoryBytes: number
    readonly blockBytes: number
    /** The folder where messages and blocks of a split lane wait that memory has no room for. */
    readonly spillPath: string
    readonly expire: ExpireConfig
  }
  readonly layout: LayoutConfig
  readonly deadLetters: { readonly type: 'file'; readonly path: string }
  readonly local: LocalTopicConfig & { readonly path: string; readonly topics: Readonly<Record<string, LocalTopicConfig>> }
  readonly kafka: KafkaConfig
  readonly registry: RegistryConfig
  readonly postgres: PostgresConfig
  readonly mongodb: MongodbConfig
  readonly s3: S3Config
  readonly gcs: GcsConfig
  readonly azure: AzureConfig
  readonly iceberg: IcebergConfig
  readonly http: HttpConfig
  readonly dataphos: DataphosConfig
  /** What searches over HTTP may take. */
  readonly search: {
    readonly cacheBytes: number
    readonly maxBytes: number
    readonly maxMessages: number
    readonly maxPageMessages: number
    readonly maxTimeMs: number
    readonly maxSearches: number
    readonly maxSearchesPerCaller: number
  }
  readonly log: { readonly level: LogLevel }
}

/** How much is logged; the names are those of pino. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
