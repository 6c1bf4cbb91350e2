import type { Secret } from '../secret.ts'

/** Which members of a replica set are asked, by MongoDB's names. */
export type MongodbReadPreference = 'primary' | 'primaryPreferred' | 'secondary' | 'secondaryPreferred' | 'nearest'

/** The MongoDB database. Paths are absolute. */
export interface MongodbConfig {
  /** Undefined where none is named. */
  readonly url: Secret | undefined
  readonly database: string
  readonly collectionPrefix: string
  /** Undefined: what the connection string says. */
  readonly readPreference: MongodbReadPreference | undefined
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly caFile: string | undefined
}
