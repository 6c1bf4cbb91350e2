import type { MongoOptions } from '../adapters/mongodb/options.ts'
import type { Config } from '../config/config.ts'
import { MillpondError } from '../errors.ts'
import type { SegmentIndex } from '../index/segment-index.ts'
import type { JobStore } from '../replay/jobs.ts'
import { readPem } from './pem.ts'

/** Opens the index in MongoDB. @throws MillpondError `DEPENDENCY_MISSING`, `CONFIG_INVALID`. */
export async function openMongodbIndex(config: Config): Promise<SegmentIndex> {
  const { openMongoIndex } = await import('../adapters/mongodb/index.ts')
  return openMongoIndex(await mongoOptions(config))
}

/** Opens the replay jobs in MongoDB. @throws MillpondError `DEPENDENCY_MISSING`, `CONFIG_INVALID`. */
export async function openMongodbJobs(config: Config): Promise<JobStore> {
  const { openMongoJobs } = await import('../adapters/mongodb/jobs.ts')
  return openMongoJobs(await mongoOptions(config))
}

async function mongoOptions({ mongodb }: Config): Promise<MongoOptions> {
  const { url, caFile, ...options } = mongodb
  // The rules of the configuration see to it.
  if (url === undefined) throw new MillpondError('CONFIG_INVALID', 'mongodb.url: name the database')
  return { ...options, url, ...(caFile === undefined ? {} : { ca: await readPem(caFile) }) }
}
