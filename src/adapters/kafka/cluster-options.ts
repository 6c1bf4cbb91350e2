import type { Secret } from '../../secret.ts'

/** Where a Kafka cluster is and how its brokers are spoken to. */
export interface KafkaOptions {
  /** Brokers that are asked first, `host:port` each; port 9092 where none is said. */
  readonly brokers: readonly string[]
  /** The name under which brokers log and count this client. */
  readonly clientId?: string
  /** Set, even if empty, where the listener speaks TLS. */
  readonly tls?: KafkaTls
  readonly sasl?: KafkaSasl
  /** The longest time for a connection: TCP, TLS and SASL together. */
  readonly connectTimeoutMs?: number
  /** The longest time for one answer. */
  readonly requestTimeoutMs?: number
  /** For how long a request is repeated that failed for a reason that passes. */
  readonly retryTimeoutMs?: number
}

/** Certificates are PEM text. */
export interface KafkaTls {
  /** Who signed the brokers' certificates; the system's own authorities where it is not set. */
  readonly ca?: string
  readonly certificate?: string
  readonly key?: Secret
  readonly passphrase?: Secret
  /** The name that the brokers' certificates carry, where it is not their host. */
  readonly serverName?: string
  /** False takes any certificate: for tests alone. */
  readonly verify?: boolean
}

export type KafkaSasl =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
      readonly username: string
      readonly password: Secret
    }
  | {
      readonly mechanism: 'OAUTHBEARER'
      readonly token: KafkaTokenSource
      /** Extensions that some services ask for, such as `logicalCluster`. */
      readonly extensions?: Readonly<Record<string, string>>
    }

/** Where a bearer token comes from. */
export type KafkaTokenSource =
  | { readonly kind: 'static'; readonly token: Secret }
  /** Read anew for every connection: something else renews it. */
  | { readonly kind: 'file'; readonly path: string }
  /** OAuth 2.0 client credentials (RFC 6749, 4.4); asked for again before it expires. */
  | {
      readonly kind: 'client-credentials'
      readonly endpoint: string
      readonly clientId: string
      readonly clientSecret: Secret
      readonly scope?: string
      readonly audience?: string
    }
