import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { createFileCatalog } from '../../src/iceberg/file-catalog.ts'
import { catalogContract } from '../contract/catalog.ts'

catalogContract('files in memory', async () => {
  const store = createMemoryStore()
  const root = 'memory://pond'
  const open = () => Promise.resolve(createFileCatalog({ store, root, prefix: 'tables/', nowMs: Date.now }))
  return { store, root, open, [Symbol.asyncDispose]: () => Promise.resolve() }
})

catalogContract('files on disk', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millpond-catalog-'))
  const store = await openFileStore({ path, create: true })
  const root = `file://${path}`
  const open = () => Promise.resolve(createFileCatalog({ store, root, prefix: '', nowMs: Date.now }))
  return { store, root, open, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true }) }
})

it.each([
  { what: 'is behind', hint: '1' },
  { what: 'is missing', hint: undefined },
  { what: 'names what is not there', hint: '99' },
  { what: 'is nonsense', hint: 'latest' },
])('finds the newest metadata where the hint $what', async ({ hint }) => {
  const store = createMemoryStore()
  const catalog = createFileCatalog({ store, root: 'memory://pond', prefix: 'tables/', nowMs: Date.now })
  const name = { namespace: ['lake'], name: 'orders' }
  const schema = { type: 'struct', 'schema-id': 0, fields: [] } as const
  let table = await catalog.create(name, {
    location: 'memory://pond/x',
    schema,
    lastColumnId: 0,
    spec: { 'spec-id': 0, fields: [] },
    properties: {},
  })
  for (let i = 2; i <= 12; i++) {
    const result = await catalog.change(table, { properties: { version: String(i) } })
    if (result.outcome === 'changed') table = result.table
  }
  const key = 'tables/lake/orders/metadata/version-hint.text'
  expect(Buffer.from(await store.read(key)).toString()).toBe('12')
  await (hint === undefined ? store.delete(key) : store.put(key, Buffer.from(hint)))
  const found = await catalog.load(name)
  expect(found).toMatchObject({ version: 12, metadata: { properties: { version: '12' } } })
  expect(found!.metadata['metadata-log']).toHaveLength(11)
})
