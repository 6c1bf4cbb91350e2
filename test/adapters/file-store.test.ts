import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { storeContract } from '../contract/store.ts'

let base: string
let count = 0

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'millpond-file-store-'))
})
afterAll(async () => {
  await rm(base, { recursive: true })
})

storeContract('file', () => openFileStore({ path: join(base, String(count++)), create: true }))
