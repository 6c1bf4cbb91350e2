import type { Secret } from '../secret.ts'

/** One server of PostgreSQL and how to log in there. */
export interface PostgresEndpoint {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string | undefined
  /** Undefined: what `PGPASSWORD` or `~/.pgpass` say. */
  readonly password: Secret | undefined
  /** How much of TLS is asked for, by libpq's names. */
  readonly tls: 'disable' | 'require' | 'verify-ca' | 'verify-full'
}

/** The PostgreSQL database. Paths are absolute. */
export interface PostgresConfig {
  /** Undefined where none is named. */
  readonly primary: PostgresEndpoint | undefined
  readonly replicas: readonly PostgresEndpoint[]
  readonly schema: string
  readonly maxConnections: number
  readonly connectTimeoutMs: number
  readonly statementTimeoutMs: number
  readonly pooler: 'none' | 'transaction'
  readonly caFile: string | undefined
}
