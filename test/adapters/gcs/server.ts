import type { GcsStoreOptions } from '../../../src/adapters/gcs/options.ts'
import { openGcsStore } from '../../../src/adapters/gcs/store.ts'
import type { Store } from '../../../src/store/store.ts'
import type { FakeGcs } from '../../servers/fake-gcs.ts'

/** The least that a part can have. */
export const PART_BYTES = 256 * 1024

let buckets = 0

/** A new bucket of the server. */
export async function newBucket(server: FakeGcs): Promise<string> {
  const name = `bucket-${process.pid}-${buckets++}`
  await server.createBucket(name)
  return name
}

/** A store in a new bucket of the server. */
export async function openNewStore(server: FakeGcs, options: Partial<GcsStoreOptions> = {}): Promise<Store> {
  const bucket = await newBucket(server)
  const { apiEndpoint: endpoint } = server
  return openGcsStore({ bucket, endpoint, credentials: { kind: 'anonymous' }, partBytes: PART_BYTES, ...options })
}
