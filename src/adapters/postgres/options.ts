import type { Secret } from '../../secret.ts'

/** One server and how to log in there. */
export interface PostgresEndpoint {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user?: string | undefined
  /** Without it: what `PGPASSWORD` or `~/.pgpass` say. */
  readonly password?: Secret | undefined
  /** How much of TLS is asked for, by libpq's names. */
  readonly tls: 'disable' | 'require' | 'verify-ca' | 'verify-full'
}

/** A database of PostgreSQL, and replicas of it that can be read. */
export interface PostgresOptions {
  readonly primary: PostgresEndpoint
  readonly replicas?: readonly PostgresEndpoint[]
  /** The schema that holds the tables. */
  readonly schema: string
  /** To each server. */
  readonly maxConnections?: number
  readonly connectTimeoutMs?: number
  readonly statementTimeoutMs?: number
  /** Whether the addresses lead to a pooler that gives a connection for one transaction: then nothing of a session is relied on. */
  readonly pooler?: 'none' | 'transaction'
  /** Authorities that the servers' certificates are trusted by, PEM. */
  readonly ca?: string | undefined
}
