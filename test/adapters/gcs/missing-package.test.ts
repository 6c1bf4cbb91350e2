import { expect, it, vi } from 'vitest'
import { openGcsStore } from '../../../src/adapters/gcs/store.ts'

vi.mock('@google-cloud/storage', () => {
  throw new Error("Cannot find package '@google-cloud/storage'")
})

it('a store in Google Cloud Storage says what to install where the SDK is missing', async () => {
  const opening = openGcsStore({ bucket: 'b', credentials: { kind: 'anonymous' } })
  const says = /npm install @google-cloud\/storage/u
  await expect(opening).rejects.toMatchObject({ code: 'DEPENDENCY_MISSING', message: expect.stringMatching(says) as string })
})
