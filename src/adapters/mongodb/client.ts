import type { Db, MongoClient, MongoClientOptions, ReadPreferenceMode } from 'mongodb'
import type * as Driver from 'mongodb'
import { MillpondError } from '../../errors.ts'
import type { MongoOptions } from './options.ts'

/** Connections of one process at the most, where the connection string does not say. */
const MAX_CONNECTIONS = 16

/** A database that answers. */
export interface OpenMongo extends AsyncDisposable {
  /** Text for people, without secrets. */
  readonly name: string
  readonly database: Db
  /** Whose answers may be older than what was written. */
  readonly readPreference: ReadPreferenceMode
  /**
   * Whether an update changes what its filter found and nothing newer. FerretDB before 2 reads, then writes by `_id`: of several who
   * update the same state of a document all succeed.
   */
  readonly updatesAreAtomic: boolean
}

/**
 * Connects and asks the server what it is.
 * @throws MillpondError `DEPENDENCY_MISSING`, `CONFIG_INVALID` for a connection string that is none; what the driver throws.
 */
export async function openMongo(options: MongoOptions): Promise<OpenMongo> {
  const client = createClient(await loadDriver(), options)
  const close = () => client.close()
  try {
    const database = client.db(options.database)
    const build = await database.command({ buildInfo: 1 })
    const { hosts, srvHost } = client.options
    const place = srvHost ?? hosts.map(String).join(',')
    return {
      name: `mongodb:${place}/${options.database}`,
      database,
      readPreference: client.options.readPreference.mode,
      updatesAreAtomic: build['ferretdbVersion'] === undefined,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
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
