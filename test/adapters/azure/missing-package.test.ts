import { expect, it, vi } from 'vitest'
import { openAzureStore } from '../../../src/adapters/azure/store.ts'

vi.mock('@azure/identity', () => {
  throw new Error("Cannot find package '@azure/identity'")
})

it('a store in Azure Blob Storage says what to install where the SDK of identities is missing', async () => {
  const opening = openAzureStore({ container: 'c', endpoint: 'https://account.blob.core.windows.net' })
  const says = /npm install @azure\/identity/u
  await expect(opening).rejects.toMatchObject({ code: 'DEPENDENCY_MISSING', message: expect.stringMatching(says) as string })
})
