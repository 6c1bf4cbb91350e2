import type { AzureStoreOptions } from '../../../src/adapters/azure/options.ts'
import { openAzureStore } from '../../../src/adapters/azure/store.ts'
import { createSecret } from '../../../src/secret.ts'
import type { Store } from '../../../src/store/store.ts'
import type { Azurite } from '../../servers/azurite.ts'

export const PART_BYTES = 256 * 1024

let containers = 0

/** A new container of the server. */
export async function newContainer(server: Azurite): Promise<string> {
  const name = `container-${process.pid}-${containers++}`
  await server.createContainer(name)
  return name
}

/** How to reach the server as its owner. */
export function optionsOf({ endpoint, accountName, accountKey, ca }: Azurite): Omit<AzureStoreOptions, 'container'> {
  const credentials = { kind: 'key', account: accountName, key: createSecret(accountKey) } as const
  return { endpoint, credentials, partBytes: PART_BYTES, ...(ca === undefined ? {} : { ca }) }
}

/** A store in a new container of the server. */
export async function openNewStore(server: Azurite, options: Partial<AzureStoreOptions> = {}): Promise<Store> {
  return openAzureStore({ ...optionsOf(server), container: await newContainer(server), ...options })
}
