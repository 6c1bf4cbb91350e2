import { openS3Store } from '../../../src/adapters/s3/store.ts'
import type { S3StoreOptions } from '../../../src/adapters/s3/options.ts'
import { createSecret } from '../../../src/secret.ts'
import type { Store } from '../../../src/store/store.ts'
import type { ServerLimits } from '../../contract/store.ts'
import { startMinio } from '../../servers/minio.ts'
import type { ServerName } from '../../servers/missing.ts'
import type { S3Server } from '../../servers/s3.ts'
import { startVersitygw } from '../../servers/versitygw.ts'

/** The implementations of S3 that tests run against. */
export const implementations: readonly {
  readonly name: ServerName
  readonly start: () => Promise<S3Server>
  readonly limits: ServerLimits
}[] = [
  { name: 'minio', start: () => startMinio(), limits: {} },
  // Where a folder is removed while an object of it is made, it says from then on that this one is there and that it is not.
  { name: 'versitygw', start: startVersitygw, limits: { losesFolders: true } },
]

let buckets = 0

/** A new bucket of the server. */
export async function newBucket(server: S3Server): Promise<string> {
  const name = `bucket-${process.pid}-${buckets++}`
  await server.createBucket(name)
  return name
}

/** How to reach the server as its owner. */
export function optionsOf(server: S3Server): Omit<S3StoreOptions, 'bucket'> {
  const { endpoint, region, accessKeyId, secretAccessKey, ca } = server
  return {
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey: createSecret(secretAccessKey) },
    ...(ca === undefined ? {} : { ca }),
  }
}

/** A store in a new bucket of the server. */
export async function openNewStore(server: S3Server, options: Partial<S3StoreOptions> = {}): Promise<Store> {
  return openS3Store({ ...optionsOf(server), bucket: await newBucket(server), ...options })
}
