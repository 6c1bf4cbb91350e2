import { randomBytes } from 'node:crypto'
import type { Config } from '../config/config.ts'
import { probeStore } from '../store/probe.ts'
import type { ObserveRequest } from '../store/requests.ts'
import type { Store } from '../store/store.ts'
import { given } from './given.ts'
import { readPem } from './pem.ts'

/** What writers may hold back of the archive's memory, so that a segment may be one request: segments close early from half of it on. */
const HOLD_SHARE = 1 / 4

/** Opens the archive's store; a writer makes it where it is missing, and proves that it can hold an archive. */
export async function openStore(config: Config, use: 'read' | 'write', observe?: ObserveRequest): Promise<Store> {
  const opened = await openStoreOf(config, use, observe)
  if (use === 'read') return opened
  try {
    await probeStore(opened, { random: randomBytes(8).toString('hex') })
    return opened
  } catch (error) {
    await opened[Symbol.asyncDispose]()
    throw error
  }
}

async function openStoreOf(config: Config, use: 'read' | 'write', observe?: ObserveRequest): Promise<Store> {
  const { store, s3, gcs, azure, archive } = config
  const shared = { holdBytes: archive.memoryBytes * HOLD_SHARE, ...(observe === undefined ? {} : { observe }) }
  if (store.type === 's3') {
    const { openS3Store } = await import('../adapters/s3/store.ts')
    return openS3Store({ ...given(s3), ...(await authorityOf(s3)), ...shared })
  }
  if (store.type === 'gcs') {
    const { openGcsStore } = await import('../adapters/gcs/store.ts')
    return openGcsStore({ ...given(gcs), ...(await authorityOf(gcs)), ...shared })
  }
  if (store.type === 'azure') {
    const { openAzureStore } = await import('../adapters/azure/store.ts')
    return openAzureStore({ ...given(azure), ...(await authorityOf(azure)), ...shared })
  }
  const { openFileStore } = await import('../adapters/file/store.ts')
  return openFileStore({ path: store.path, create: use === 'write' })
}

const authorityOf = async ({ caFile }: { readonly caFile: string | undefined }): Promise<{ ca?: string }> =>
  caFile === undefined ? {} : { ca: await readPem(caFile) }
