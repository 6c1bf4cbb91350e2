import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import type { MongoOptions } from '../../../src/adapters/mongodb/options.ts'
import { createSecret } from '../../../src/secret.ts'
import { startFerretdb } from '../../servers/ferretdb.ts'
import { serverMissing } from '../../servers/missing.ts'
import { startMongoJavaServer } from '../../servers/mongo-java-server.ts'

/** The servers that stand for MongoDB: where one is wrong, the other is right. */
export const mongoServers = [
  { name: 'FerretDB', missing: serverMissing('ferretdb'), start: () => startFerretdb() },
  { name: 'mongo-java-server', missing: serverMissing('mongo-java-server'), start: () => startMongoJavaServer() },
] as const

/** A database of its own in the server. */
export const newDatabase = (url: string, fields: Partial<MongoOptions> = {}): MongoOptions => ({
  url: createSecret(url),
  database: `pond-${randomBytes(6).toString('hex')}`,
  collectionPrefix: 'millpond_',
  readPreference: undefined,
  connectTimeoutMs: 60_000,
  requestTimeoutMs: 60_000,
  ...fields,
})

/** Does something to a collection behind the program's back. */
export async function withCollection<T>(
  { url, database, collectionPrefix }: MongoOptions,
  name: string,
  act: (collection: ReturnType<typeof collectionOf>) => Promise<T>,
): Promise<T> {
  const client = new MongoClient(url.reveal())
  try {
    return await act(collectionOf(client, database, `${collectionPrefix}${name}`))
  } finally {
    await client.close()
  }
}

const collectionOf = (client: MongoClient, database: string, name: string) =>
  client.db(database).collection<Record<string, unknown> & { _id: string }>(name)
