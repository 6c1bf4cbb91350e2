import type { Secret } from '../../secret.ts'

/** Where the documents are, and how to get there. */
export interface MongoOptions {
  /** A connection string, with login, hosts, replica set and TLS; it may name how to write (`w`) too. */
  readonly url: Secret
  readonly database: string
  /** What the names of collections begin with. */
  readonly collectionPrefix: string
  /** Which members are asked where the newest is not needed; without it what the connection string says. */
  readonly readPreference: 'primary' | 'primaryPreferred' | 'secondary' | 'secondaryPreferred' | 'nearest' | undefined
  /** The longest time to find a server and get a connection. */
  readonly connectTimeoutMs: number
  /** The longest time for one answer. */
  readonly requestTimeoutMs: number
  /** Authorities that sign the servers' certificates, PEM, in place of those that Node knows. */
  readonly ca?: string
}
