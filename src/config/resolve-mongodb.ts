import { resolve } from 'node:path'
import type { Finding } from './mistake.ts'
import type { MongodbConfig } from './mongodb-config.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration } from './units.ts'

/** The database as it is written, its units counted and its path absolute. */
export function resolveMongodb(mongodb: FileConfig['mongodb'], folder: string): MongodbConfig {
  const { url, database, collectionPrefix, readPreference, connectTimeout, requestTimeout, ca } = mongodb
  return {
    url,
    database,
    collectionPrefix,
    readPreference,
    connectTimeoutMs: parseDuration(connectTimeout)!,
    requestTimeoutMs: parseDuration(requestTimeout)!,
    caFile: ca === undefined ? undefined : resolve(folder, ca),
  }
}

/** What no key of the section can tell alone, without a word of what is secret. */
export function mongodbRules({ mongodb: { url }, index, jobs }: FileConfig): Finding[] {
  const tell = (message: string): Finding[] => [{ path: ['mongodb', 'url'], message }]
  if (url === undefined && index.type === 'mongodb') return tell('index.type is mongodb: name the database')
  if (url === undefined && jobs.type === 'mongodb') return tell('jobs.type is mongodb: name the database')
  if (url === undefined || /^mongodb(?:\+srv)?:\/\/[^/?]+(?:[/?]|$)/u.test(url.reveal())) return []
  return tell('must be a connection string like mongodb://user:password@host:27017/')
}
