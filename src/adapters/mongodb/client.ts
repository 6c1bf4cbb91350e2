import type { Db, MongoClient, MongoClientOptions } from 'mongodb'
import type * as Driver from 'mongodb'
import { MillpondError } from '../../errors.ts'
import type { MongoOptions } from './options.ts'

/** Connections of one process at the most, where the connection string does not say. */
const MAX_CONNECTIONS = 16

/** A database of a server that is connected to when it is first asked. */
export interface OpenMongo extends AsyncDisposable {
  /** Text for people, without secrets. */
  readonly name: string
  readonly database: Db
  /**
   * Whether an update changes what its filter found and nothing newer. FerretDB before 2 reads, then writes by `_id`: of several who
   * update the same state of a document all succeed.
   */
  updatesAreAtomic(): Promise<boolean>
}

/**
 * A server that is away for now is no reason not to open: it is asked again with every call.
 * @throws MillpondError `DEPENDENCY_MISSING`, `CONFIG_INVALID` for a connection string that is none.
 */
export async function openMongo(options: MongoOptions): Promise<OpenMongo> {
  const client = createClient(await loadDriver(), options)
  const database = client.db(options.database)
  const { hosts, srvHost } = client.options
  const build = once(() => database.command({ buildInfo: 1 }))
  return {
    name: `mongodb:${srvHost ?? hosts.map(String).join(',')}/${options.database}`,
    database,
    updatesAreAtomic: async () => (await build())['ferretdbVersion'] === undefined,
    [Symbol.asyncDispose]: () => client.close(),
  }
}

/** Does it once, and again where it failed. */
export function once<T>(act: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined
  return () => {
    done ??= act().catch((error: unknown) => {
      done = undefined
      throw error
    })
    return done
  }
}

async function loadDriver(): Promise<typeof Driver> {
  try {
    return await import('mongodb')
  } catch (cause) {
    throw new MillpondError('DEPENDENCY_MISSING', 'MongoDB needs the package mongodb: npm install mongodb', { cause })
  }
}

function createClient(driver: typeof Driver, options: MongoOptions): MongoClient {
  const { url, readPreference, connectTimeoutMs, requestTimeoutMs, ca } = options
  const written = url.reveal()
  const isWritten = (name: string) => new RegExp(`[?&]${name}=`, 'iu').test(written)
  const settings: MongoClientOptions = {
    appName: 'millpond',
    serverSelectionTimeoutMS: connectTimeoutMs,
    connectTimeoutMS: connectTimeoutMs,
    socketTimeoutMS: requestTimeoutMs,
    promoteBuffers: true,
    ...(readPreference === undefined ? {} : { readPreference }),
    ...(ca === undefined ? {} : { ca }),
    ...(isWritten('w') ? {} : { writeConcern: { w: 'majority' } }),
    ...(isWritten('maxPoolSize') ? {} : { maxPoolSize: MAX_CONNECTIONS }),
  }
  try {
    return new driver.MongoClient(written, settings)
  } catch (error) {
    // The driver's own words may repeat the connection string, so they stay out, as a cause too.
    const kind = error instanceof Error ? error.name : 'an error'
    throw new MillpondError('CONFIG_INVALID', `mongodb.url is no connection string that the driver takes (${kind})`)
  }
}
