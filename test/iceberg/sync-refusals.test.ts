import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { writeLongJson } from '../../src/iceberg/long-json.ts'
import { syncTopic } from '../../src/iceberg/sync.ts'
import { column, commitParquet, openTestChain } from './parquet-archive.ts'
import { loaded, namedKeys, optionsFor, rows, terms } from './sync-scene.ts'

describe('syncTopic refuses', () => {
  const synced = async () => {
    const store = createMemoryStore()
    const options = optionsFor(store)
    const chain = await openTestChain(store, 'orders')
    await commitParquet(store, chain, [rows(2)])
    await syncTopic(options)
    return { store, options, chain }
  }

  it('the table of another topic', async () => {
    const { store, options } = await synced()
    await commitParquet(store, await openTestChain(store, 'others'), [rows(1)])
    await expect(syncTopic({ ...options, topic: 'others' })).rejects.toMatchObject({ code: 'TABLE_MISMATCH' })
  })
  it('the table of another archive', async () => {
    const { store, options } = await synced()
    const other = createMemoryStore()
    for await (const { key } of store.list('_iceberg/')) await other.put(key, await store.read(key))
    await expect(syncTopic(optionsFor(other))).rejects.toMatchObject({ code: 'TABLE_MISMATCH' })
    const chain = await openTestChain(other, 'orders')
    await commitParquet(other, chain, [rows(1)])
    await commitParquet(other, chain, [rows(2)])
    await expect(syncTopic({ ...options, ...optionsFor(other) })).resolves.toMatchObject({ files: 0 })
    await commitParquet(other, chain, [rows(2)])
    await expect(syncTopic(optionsFor(other))).rejects.toMatchObject({ code: 'CHAIN_BROKEN' })
  })
  it('a column that becomes another', async () => {
    const { store, options, chain } = await synced()
    await commitParquet(store, chain, [[column.text('n', ['x'])]])
    await expect(syncTopic(options)).rejects.toMatchObject({
      code: 'SCHEMA_CONFLICT',
      message: expect.stringContaining('column n'),
    })
    expect(await namedKeys(options)).toHaveLength(1)
  })
  it('to partition by a column that is not there, with the nearest that is', async () => {
    const { store, options, chain } = await synced()
    await commitParquet(store, chain, [rows(1)])
    await expect(syncTopic({ ...options, terms: terms('day(timestmap)') })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('did you mean timestamp?'),
    })
  })
  it('a segment that does not hold what its commit says', async () => {
    const { store, options, chain } = await synced()
    const [entry] = await commitParquet(store, chain, [rows(2)])
    for (const content of [Buffer.from('no Parquet'), Buffer.alloc(entry!.bytes)]) {
      await store.put(entry!.key, content)
      await expect(syncTopic(options)).rejects.toMatchObject({
        code: 'SEGMENT_CORRUPT',
        message: expect.stringContaining(entry!.key),
      })
    }
  })
  it('metadata that cannot be read, or is of another version', async () => {
    const { store, options } = await synced()
    const { version, metadata } = await loaded(options)
    const key = `_iceberg/lake/orders/metadata/v${version! + 1}.metadata.json`
    await store.put(key, Buffer.from(writeLongJson({ ...metadata, 'format-version': 3 })))
    await expect(syncTopic(options)).rejects.toMatchObject({ code: 'FORMAT_UNSUPPORTED' })
    for (const content of ['{', '[]', '{"format-version":2}']) {
      await store.put(key, Buffer.from(content))
      await expect(syncTopic(options)).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
    }
  })
})
